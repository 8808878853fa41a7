//! Who processes a file: exactly one Region, exactly once.

use std::thread;
use std::time::{Duration, Instant};

use tandem_local::admin::{Fault, FaultAction};

use crate::Case;
use crate::expected::{HEADER, OUTPUT_HEADER, output_row, row};
use crate::regions::{Regions, wait_for};

pub const CASES: &[Case] = &[
    ("the_same_file_again_is_the_same_batch_and_one_mail", same_file_again),
    ("the_same_event_many_times_at_once_is_one_batch_and_one_mail", same_event_at_once),
    ("changed_content_under_the_same_key_is_a_second_batch", changed_content),
    ("an_upload_whose_start_fails_for_a_while_is_delivered_once", start_fails),
    ("the_replica_in_the_standby_region_starts_nothing_there", replica_starts_nothing),
    ("what_no_intake_in_the_active_region_saw_is_put_down_by_the_other_and_started_by_the_reconciler", announced),
    ("the_other_region_processes_what_comes_once_it_is_the_active_one", other_region_active),
];

fn same_file_again(regions: &Regions) {
    let key = regions.fresh_key("sales-orders");
    let content = format!("{HEADER}{}", row(100_000_000));
    let first = regions.put_as(&key, content.as_bytes());
    first.delivered([1, 1, 0]);
    let second = regions.put_as(&key, content.as_bytes());
    second.delivered([1, 1, 0]);
    assert_eq!(first.batch_id(), second.batch_id());
    assert_eq!(second.result["attempt"], 1);
    assert_eq!(regions.emails(first.batch_id()).len(), 1);
}

fn same_event_at_once(regions: &Regions) {
    let key = regions.fresh_key("sales-orders");
    // Every claim is held until all are there.
    let held =
        Fault { service: Some("dynamodb".into()), operation: Some("PutItem".into()), ..Fault::new(FaultAction::Hold) };
    wait_for(regions.admin().add_fault(&held)).unwrap();
    let before = claims(regions, "us-east-1");
    let batch_id = regions.put_and_leave(&key, format!("{HEADER}{}", row(100_000_000)).as_bytes());
    let event = event_of(regions, &key);
    let function = regions.state().outputs["us-east-1/tandem-local-batch"]["IntakeFunctionArn"].clone();
    thread::scope(|scope| {
        for number in 0..4 {
            let (event, function) = (&event, &function);
            scope.spawn(move || {
                let payload = regions.scratch(&format!("event-{number}.json"), event.as_bytes());
                let payload = format!("fileb://{}", payload.display());
                let invoke = ["lambda", "invoke", "--function-name", function, "--payload", &payload, "/dev/null"];
                assert!(!regions.aws("us-east-1", &invoke).contains("FunctionError"));
            });
        }
        let deadline = Instant::now() + Duration::from_secs(40);
        while claims(regions, "us-east-1") < before + 5 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(100));
        }
        wait_for(regions.admin().clear_faults()).unwrap();
    });
    assert!(claims(regions, "us-east-1") >= before + 5, "the upload's own event and four more were to be held");
    ends_as(regions, &batch_id, "DELIVERED");
    assert_eq!(regions.record(&batch_id).unwrap()["attempt"], 1);
    assert_eq!(regions.emails(&batch_id).len(), 1);
    let machine = &regions.state().outputs["us-east-1/tandem-local-batch"]["StateMachineArn"];
    let list = ["stepfunctions", "list-executions", "--state-machine-arn", machine, "--output", "json"];
    assert_eq!(regions.aws("us-east-1", &list).matches(&format!("\"{batch_id}-")).count(), 1);
}

/// How often a Region has tried to claim.
fn claims(regions: &Regions, region: &str) -> u64 {
    let counts = wait_for(regions.admin().counts()).unwrap();
    let claims = counts.iter().filter(|count| count.operation == "PutItem" && count.region.as_deref() == Some(region));
    claims.map(|count| count.calls).sum()
}

/// The event that S3 sends for an object.
fn event_of(regions: &Regions, key: &str) -> String {
    let bucket = &regions.state().buckets["us-east-1"];
    let head = ["s3api", "head-object", "--bucket", bucket, "--key", key, "--output", "json"];
    let head: serde_json::Value = serde_json::from_str(&regions.aws("us-east-1", &head)).unwrap();
    let mut event: serde_json::Value =
        serde_json::from_str(include_str!("../../../../assets/events/s3-put.json")).unwrap();
    let s3 = &mut event["Records"][0]["s3"];
    s3["bucket"]["name"] = bucket.as_str().into();
    s3["object"]["key"] = key.into();
    s3["object"]["eTag"] = head["ETag"].as_str().unwrap().trim_matches('"').into();
    s3["object"]["versionId"] = head["VersionId"].clone();
    s3["object"]["size"] = head["ContentLength"].clone();
    event.to_string()
}

/// Waits until a batch has ended; asserts how.
pub fn ends_as(regions: &Regions, batch_id: &str, status: &str) {
    let record = regions.ended(batch_id);
    assert_eq!(record["status"], status, "{record:?}");
}

fn changed_content(regions: &Regions) {
    let key = regions.fresh_key("sales-orders");
    let first = regions.put_as(&key, format!("{HEADER}{}", row(100_000_000)).as_bytes());
    let second = regions.put_as(&key, format!("{HEADER}{}{}", row(100_000_000), row(100_000_001)).as_bytes());
    first.delivered([1, 1, 0]);
    second.delivered([2, 2, 0]);
    assert_ne!(first.batch_id(), second.batch_id());
    assert_eq!(regions.emails(second.batch_id()).len(), 1);
}

fn start_fails(regions: &Regions) {
    let action = FaultAction::Fail { status: 503, error: "ServiceUnavailable".into(), message: "not now".into() };
    let failing = Fault {
        service: Some("states".into()),
        operation: Some("StartExecution".into()),
        times: Some(6),
        ..Fault::new(action)
    };
    wait_for(regions.admin().add_fault(&failing)).unwrap();
    let put = regions.put("sales-orders", format!("{HEADER}{}", row(100_000_000)).as_bytes());
    wait_for(regions.admin().clear_faults()).unwrap();
    put.delivered([1, 1, 0]);
    assert_eq!(put.result["attempt"], 1);
    assert_eq!(regions.emails(put.batch_id()).len(), 1);
}

fn replica_starts_nothing(regions: &Regions) {
    let key = regions.fresh_key("sales-orders");
    let put = regions.put_as(&key, format!("{HEADER}{}", row(100_000_000)).as_bytes());
    put.delivered([1, 1, 0]);
    assert_eq!(put.text("region"), "us-east-1");
    let bucket = &regions.state().buckets["us-west-2"];
    let deadline = Instant::now() + Duration::from_secs(60);
    let list = ["s3api", "list-objects-v2", "--bucket", bucket, "--prefix", &key, "--output", "json"];
    while !regions.aws("us-west-2", &list).contains("ETag") {
        assert!(Instant::now() < deadline, "the replica did not arrive");
    }
    let logs = ["logs", "filter-log-events", "--log-group-name", "/aws/lambda/tandem-local-intake", "--output", "json"];
    let stood_by = || {
        let logs = regions.aws("us-west-2", &logs);
        // Which of the two writes first is open; in both cases the other Region's batch it is.
        let stands_by = |line: &str| line.contains("known already") || line.contains("standing by");
        logs.lines().any(|line| stands_by(line) && line.contains(put.batch_id()))
    };
    while !stood_by() {
        assert!(Instant::now() < deadline, "intake in us-west-2 never saw the replica");
    }
    let record = regions.record(put.batch_id()).unwrap();
    assert_eq!((&record["owner_region"], &record["attempt"]), (&"us-east-1".into(), &1.into()));
    let machine = &regions.state().outputs["us-west-2/tandem-local-batch"]["StateMachineArn"];
    let list = ["stepfunctions", "list-executions", "--state-machine-arn", machine, "--output", "json"];
    assert!(!regions.aws("us-west-2", &list).contains(put.batch_id()));
    assert_eq!(regions.emails(put.batch_id()).len(), 1);
}

fn announced(regions: &Regions) {
    // The active Region's intake fails until its event is given up; the other Region sees the replica.
    let action = FaultAction::Fail { status: 503, error: "ServiceUnavailable".into(), message: "not now".into() };
    let failing = Fault {
        service: Some("dynamodb".into()),
        operation: Some("PutItem".into()),
        region: Some("us-east-1".into()),
        ..Fault::new(action)
    };
    wait_for(regions.admin().add_fault(&failing)).unwrap();
    let key = regions.fresh_key("sales-orders");
    let batch_id = regions.put_and_leave(&key, format!("{HEADER}{}", row(100_000_000)).as_bytes());
    let deadline = Instant::now() + Duration::from_secs(60);
    while regions.record(&batch_id).is_none() {
        assert!(Instant::now() < deadline, "the other Region did not put the batch down");
        thread::sleep(Duration::from_millis(100));
    }
    let record = regions.record(&batch_id).unwrap();
    assert_eq!((&record["owner_region"], &record["status"]), (&"us-east-1".into(), &"CLAIMED".into()));
    // Its event goes to the queue, and only the reconciler is left.
    while regions.events_given_up("us-east-1") == 0 {
        assert!(Instant::now() < deadline, "the event did not arrive in the queue of failed events");
        thread::sleep(Duration::from_millis(500));
    }
    wait_for(regions.admin().clear_faults()).unwrap();
    regions.succeeds(&["reconcile", "--json"]);
    assert_eq!(regions.ended(&batch_id)["attempt"], 1);
    assert_eq!(regions.emails(&batch_id).len(), 1);
    // What the queue holds is harmless: the batch is known.
    regions.succeeds(&["replay", "--json"]);
    assert_eq!(regions.events_given_up("us-east-1"), 0);
    assert_eq!(regions.emails(&batch_id).len(), 1);
}

fn other_region_active(regions: &Regions) {
    wait_for(regions.admin().set_active(Some("us-west-2"))).unwrap();
    // Functions may go by the answer they have for as long as it says it lives.
    thread::sleep(Duration::from_secs(2));
    let put = regions.put("sales-orders", format!("{HEADER}{}", row(100_000_000)).as_bytes());
    wait_for(regions.admin().clear_active()).unwrap();
    thread::sleep(Duration::from_secs(2));
    put.delivered([1, 1, 0]);
    assert_eq!(put.text("region"), "us-west-2");
    assert_eq!(regions.emails(put.batch_id()).len(), 1);
    // The access point leads to the other bucket, where the result's replica arrives a little later.
    let deadline = Instant::now() + Duration::from_secs(60);
    let bucket = &regions.state().buckets["us-east-1"];
    let prefix = format!("output/{}/", put.batch_id());
    let list = ["s3api", "list-objects-v2", "--bucket", bucket, "--prefix", &prefix, "--output", "json"];
    while regions.aws("us-east-1", &list).matches("\"ETag\"").count() < 2 {
        assert!(Instant::now() < deadline, "the result was not replicated");
    }
    let output = String::from_utf8(regions.fetch(put.batch_id()).0).unwrap();
    assert_eq!(output, OUTPUT_HEADER.to_owned() + &output_row(100_000_000));
}
