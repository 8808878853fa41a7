//! What was done before a Region was lost is not done again.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::Value;
use tandem_local::admin::{Fault, FaultAction};

use crate::Case;
use crate::expected::{HEADER, row};
use crate::fault::isolate;
use crate::regions::{REFERENCE_ROWS, Regions, wait_for};
use crate::scenario::{LEFT, LOST, Tally, end, fail_over, replicated};

pub const CASES: &[Case] = &[("half_of_a_million_rows_are_done_when_the_region_is_lost_and_not_done_again", half_done)];

const ROWS: u32 = 1_000_000;
/// Of 50,000 rows each.
const CHUNKS: usize = 20;

fn half_done(regions: &Regions, _: &Tally) {
    let keys = (0..ROWS).map(|number| 100_000_000 + number % REFERENCE_ROWS);
    let file: String = std::iter::once(HEADER.to_owned()).chain(keys.map(row)).collect();
    let undisturbed = Instant::now();
    let put = regions.put("sales-orders", file.as_bytes());
    let undisturbed = undisturbed.elapsed().as_secs_f64();
    put.delivered([ROWS.into(), ROWS.into(), 0]);

    // Chunks 10 to 19 come as far as their last write.
    let held = Fault {
        service: Some("s3".into()),
        operation: Some("PutObject".into()),
        region: Some(LOST.into()),
        path_contains: Some("/chunk-0001".into()),
        ..Fault::new(FaultAction::Hold)
    };
    wait_for(regions.admin().add_fault(&held)).unwrap();
    let batch_id = regions.put_and_leave(&regions.fresh_key("sales-orders"), file.as_bytes());
    let written = || {
        let bucket = &regions.state().buckets[LEFT];
        let prefix = format!("work/{batch_id}/");
        let list = ["s3api", "list-objects-v2", "--bucket", bucket, "--prefix", &prefix, "--output", "json"];
        regions.aws(LEFT, &list).matches("summary.json").count()
    };
    let begun = Instant::now();
    while written() < CHUNKS / 2 {
        assert!(begun.elapsed().as_secs() < 150, "half of the chunks were never done: {}", written());
    }
    replicated(regions);
    isolate(regions);
    let report = fail_over(regions, LEFT, &[]);
    assert!(report["taken_over"].to_string().contains(&batch_id), "{report}");
    let record = regions.ended(&batch_id);
    assert_eq!((&record["status"], &record["rows_out"]), (&"DELIVERED".into(), &ROWS.into()));
    assert_eq!(regions.emails(&batch_id).len(), 1);
    let reused = reused(regions, &batch_id);
    eprintln!(
        "\nresume: {} of {CHUNKS} chunks reused; {:.1} s from the runbook's start to the e-mail, {undisturbed:.1} s for the \
         undisturbed file from upload to e-mail",
        reused.len(),
        report["rto_seconds"]["all_delivered"].as_f64().unwrap_or_default()
    );
    assert_eq!(reused, (0..CHUNKS as u64 / 2).collect());
    end(regions);
    assert!(regions.fetch(&batch_id).0 == regions.fetch(put.batch_id()).0, "the outputs differ");
}

/// The chunks of a batch that validate found done, by what it logged.
fn reused(regions: &Regions, batch_id: &str) -> BTreeSet<u64> {
    let group = "/aws/lambda/tandem-local-validate";
    let logs = regions.aws(LEFT, &["logs", "filter-log-events", "--log-group-name", group, "--output", "json"]);
    let logs: Value = serde_json::from_str(&logs).unwrap();
    let messages = logs["events"].as_array().unwrap().iter().filter_map(|event| event["message"].as_str());
    let lines = messages.flat_map(str::lines).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_batch = lines.filter(|line| line["span"]["batch_id"] == batch_id && line["message"] == "reused");
    of_batch.filter_map(|line| line["span"]["chunk"].as_u64()).collect()
}
