//! Who processes a file: exactly one Region, exactly once.

use std::thread;
use std::time::{Duration, Instant};

use tandem_local::admin::{Fault, FaultAction};

use crate::Case;
use crate::expected::{HEADER, row};
use crate::regions::{Regions, wait_for};

pub const CASES: &[Case] = &[
    ("the_same_file_again_is_the_same_batch_and_one_mail", same_file_again),
    ("the_same_event_many_times_at_once_is_one_batch_and_one_mail", same_event_at_once),
    ("changed_content_under_the_same_key_is_a_second_batch", changed_content),
    ("an_upload_whose_start_fails_for_a_while_is_delivered_once", start_fails),
    ("the_replica_in_the_standby_region_starts_nothing_there", replica_starts_nothing),
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
    // Held back until all the events are there.
    let held = Fault {
        service: Some("dynamodb".into()),
        operation: Some("PutItem".into()),
        region: None,
        times: Some(4),
        action: FaultAction::Delay { milliseconds: 500 },
    };
    wait_for(regions.admin().add_fault(&held)).unwrap();
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
    });
    wait_for(regions.admin().clear_faults()).unwrap();
    ends_as(regions, &batch_id, "DELIVERED");
    assert_eq!(regions.record(&batch_id).unwrap()["attempt"], 1);
    assert_eq!(regions.emails(&batch_id).len(), 1);
    let machine = &regions.state().outputs["us-east-1/tandem-local-batch"]["StateMachineArn"];
    let list = ["stepfunctions", "list-executions", "--state-machine-arn", machine, "--output", "json"];
    assert_eq!(regions.aws("us-east-1", &list).matches(&format!("\"{batch_id}-")).count(), 1);
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
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let record = regions.record(batch_id);
        let seen = record.as_ref().and_then(|record| record["status"].as_str()).unwrap_or("nothing").to_owned();
        if seen == "DELIVERED" || seen == "FAILED" {
            assert_eq!(seen, status, "{record:?}");
            return;
        }
        assert!(Instant::now() < deadline, "still {seen}: {record:?}");
        thread::sleep(Duration::from_millis(200));
    }
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
    let failing = Fault {
        service: Some("states".into()),
        operation: Some("StartExecution".into()),
        region: None,
        times: Some(6),
        action: FaultAction::Fail { status: 503, error: "ServiceUnavailable".into(), message: "not now".into() },
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
    let machine = &regions.state().outputs["us-west-2/tandem-local-batch"]["StateMachineArn"];
    let list = ["stepfunctions", "list-executions", "--state-machine-arn", machine, "--output", "json"];
    assert!(!regions.aws("us-west-2", &list).contains(put.batch_id()));
    assert_eq!(regions.emails(put.batch_id()).len(), 1);
}
