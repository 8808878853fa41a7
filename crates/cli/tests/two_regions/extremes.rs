//! What is out of all proportion, and services that fail half way: a clear failure or a clean result, and nothing left open.

use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use tandem_local::admin::{Fault, FaultAction};

use crate::Case;
use crate::expected::{HEADER, OUTPUT_HEADER, output_row, row};
use crate::regions::{Put, Regions, wait_for};

pub const CASES: &[Case] = &[
    ("a_file_of_only_line_ends_is_empty", only_line_ends),
    ("sixteen_mib_of_quotes_fail_with_their_place", quotes),
    ("a_row_of_64_mb_fails_with_its_number", long_row),
    ("a_hundred_thousand_columns_are_read_or_named_as_missing", many_columns),
    ("lookups_that_are_throttled_for_a_while_reject_no_row", throttled),
    ("a_part_that_vanishes_before_the_merge_is_made_again", vanished_part),
];

const MIB: usize = 1024 * 1024;

/// Uploads and waits; then nothing may be left open.
fn put(regions: &Regions, content: &[u8]) -> Put {
    let put = regions.put("sales-orders", content);
    nothing_left_open(regions);
    put
}

/// No upload of several parts and no execution, in either Region.
fn nothing_left_open(regions: &Regions) {
    let deadline = Instant::now() + Duration::from_secs(120);
    for region in &regions.state().regions {
        let bucket = &regions.state().buckets[region];
        let uploads = ["s3api", "list-multipart-uploads", "--bucket", bucket, "--output", "json"];
        let uploads = regions.aws(region, &uploads);
        assert!(!uploads.contains("UploadId"), "an upload is open in {region}: {uploads}");
        let machine = &regions.state().outputs[&format!("{region}/tandem-local-batch")]["StateMachineArn"];
        let running =
            ["stepfunctions", "list-executions", "--state-machine-arn", machine, "--status-filter", "RUNNING"];
        // An execution ends a moment after the batch.
        while regions.aws(region, &running).contains("executionArn") {
            assert!(Instant::now() < deadline, "an execution still runs in {region}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

fn only_line_ends(regions: &Regions) {
    put(regions, "\n".repeat(100_000).as_bytes()).failed(&["empty"]);
    put(regions, "\r\n".repeat(1_000).as_bytes()).failed(&["empty"]);
}

fn quotes(regions: &Regions) {
    // An even number of them is one closed field, an odd one a field that is never closed.
    put(regions, "\"".repeat(16 * MIB).as_bytes()).failed(&["the header", "longer than"]);
    put(regions, format!("{HEADER}{}", "\"".repeat(16 * MIB + 1)).as_bytes()).failed(&["row 1", "quote"]);
}

fn long_row(regions: &Regions) {
    let file = format!("{HEADER}{}100000001,{},b,c,d,e,f,g\n", row(100_000_000), "x".repeat(64_000_000));
    put(regions, file.as_bytes()).failed(&["row 2", "longer than"]);
}

fn many_columns(regions: &Regions) {
    let (mut surplus, mut values) = (String::new(), String::new());
    for column in 0..100_000 {
        write!(surplus, ",c{column}").unwrap();
        values.push_str(",x");
    }
    let known = HEADER.trim_end();
    let rows: String = (100_000_000..100_000_003).map(|key| format!("{}{values}\n", row(key).trim_end())).collect();
    let read = put(regions, format!("{known}{surplus}\n{rows}").as_bytes());
    read.delivered([3, 3, 0]);
    let expected: String = (100_000_000..100_000_003).map(output_row).collect();
    assert_eq!(regions.fetch(read.batch_id()).0, (OUTPUT_HEADER.to_owned() + &expected).into_bytes());
    put(regions, format!("id{surplus}\n").as_bytes()).failed(&["uuid", "missing"]);
}

/// More refusals than the file needs calls; a bounded number, so that nobody waits for the longest pauses.
fn throttled(regions: &Regions) {
    let error = "ProvisionedThroughputExceededException".to_owned();
    let refused = Fault {
        service: Some("dynamodb".into()),
        operation: Some("BatchGetItem".into()),
        times: Some(12),
        ..Fault::new(FaultAction::Fail { status: 400, error, message: "slow down".into() })
    };
    wait_for(regions.admin().add_fault(&refused)).unwrap();
    let rows: String = (0..1_000).map(|number| row(100_000_000 + number % 10) + &row(200_000_000 + number)).collect();
    let put = put(regions, format!("{HEADER}{rows}").as_bytes());
    let left = wait_for(regions.admin().faults()).unwrap();
    wait_for(regions.admin().clear_faults()).unwrap();
    assert!(left.is_empty(), "the table was never asked often enough to be throttled so often: {left:?}");
    put.delivered([2_000, 1_000, 1_000]);
    assert_eq!(regions.emails(put.batch_id()).len(), 1);
}

/// While merge is held, the part that it is about to read is deleted; the summary that says it is there is left.
fn vanished_part(regions: &Regions) {
    let held = Fault {
        service: Some("s3".into()),
        operation: Some("GetObject".into()),
        path_contains: Some("/output.csv".into()),
        ..Fault::new(FaultAction::Hold)
    };
    let held = wait_for(regions.admin().add_fault(&held)).unwrap().id;
    let key = regions.fresh_key("sales-orders");
    let batch_id = regions.put_and_leave(&key, format!("{HEADER}{}", row(100_000_004)).as_bytes());
    let deadline = Instant::now() + Duration::from_secs(120);
    let is_held = || wait_for(regions.admin().faults()).unwrap().iter().any(|fault| fault.id == held && fault.held > 0);
    while !is_held() {
        assert!(Instant::now() < deadline, "merge never read a part");
        thread::sleep(Duration::from_millis(50));
    }
    let part = part_of(regions, &batch_id);
    let bucket = &regions.state().buckets["us-east-1"];
    regions.aws("us-east-1", &["s3api", "delete-object", "--bucket", bucket, "--key", &part]);
    wait_for(regions.admin().remove_fault(held)).unwrap();
    // The state machine would try for minutes, as it should; an operator who ends that meets the same next attempt.
    let record = regions.record(&batch_id).unwrap();
    let execution = record["execution_arn"].as_str().unwrap();
    regions.aws("us-east-1", &["stepfunctions", "stop-execution", "--execution-arn", execution]);
    let record = regions.record(&batch_id).unwrap();
    assert_eq!(record["status"], "RUNNING", "a part is missing, and the batch ended all the same: {record}");
    assert!(regions.emails(&batch_id).is_empty(), "it was not the file's fault: its owner hears nothing");
    regions.succeeds(&["reconcile", "--json"]);
    let record = regions.ended(&batch_id);
    assert_eq!((&record["status"], &record["attempt"]), (&"DELIVERED".into(), &2.into()), "{record}");
    assert_eq!(regions.fetch(&batch_id).0, (OUTPUT_HEADER.to_owned() + &output_row(100_000_004)).into_bytes());
    assert_eq!(regions.emails(&batch_id).len(), 1);
    nothing_left_open(regions);
}

/// Key of the one output part of a batch.
fn part_of(regions: &Regions, batch_id: &str) -> String {
    let bucket = &regions.state().buckets["us-east-1"];
    let prefix = format!("work/{batch_id}/");
    let list = ["s3api", "list-objects-v2", "--bucket", bucket, "--prefix", &prefix, "--output", "json"];
    let list: serde_json::Value = serde_json::from_str(&regions.aws("us-east-1", &list)).unwrap();
    let keys = list["Contents"].as_array().unwrap().iter().map(|object| object["Key"].as_str().unwrap());
    let mut parts = keys.filter(|key| key.ends_with("/output.csv"));
    let part = parts.next().expect("the batch has a part").to_owned();
    assert_eq!(parts.next(), None);
    part
}
