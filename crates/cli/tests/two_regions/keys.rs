//! Under which keys a file may come.

use std::time::Duration;

use crate::Case;
use crate::expected::{HEADER, OUTPUT_HEADER, output_row, row};
use crate::regions::Regions;

pub const CASES: &[Case] = &[
    ("every_key_works_under_exactly_that_key", unusual_keys),
    ("a_key_outside_the_filter_starts_nothing", outside_the_filter),
];

fn unusual_keys(regions: &Regions) {
    let run = std::process::id();
    let long = format!("input/sales-orders/{}-{run}.csv", "k".repeat(900 - 24 - run.to_string().len()));
    assert_eq!(long.len(), 900);
    let keys = [
        format!("input/sales-orders/with space {run}.csv"),
        format!("input/sales-orders/a+b+{run}.csv"),
        format!("input/sales-orders/100%25 %zz {run}.csv"),
        format!("input/sales-orders/žluťoučký-価格-{run}.csv"),
        format!("input/sales-orders/../sales-orders/./dots//{run}.csv"),
        format!("input/quo\"te's&<tag>;{run}.csv"),
        long,
    ];
    for (key, uuid) in keys.iter().zip(100_000_000..) {
        let put = regions.put_as(key, format!("{HEADER}{}", row(uuid)).as_bytes());
        put.delivered([1, 1, 0]);
        assert_eq!(put.text("key"), key);
        let output = String::from_utf8(regions.fetch(put.batch_id()).0).unwrap();
        assert_eq!(output, format!("{OUTPUT_HEADER}{}", output_row(uuid)), "{key}");
        assert_eq!(regions.record(put.batch_id()).unwrap()["key"], key.as_str());
        assert_eq!(regions.emails(put.batch_id()).len(), 1);
    }
}

fn outside_the_filter(regions: &Regions) {
    let bucket = &regions.state().buckets["us-east-1"];
    let content = format!("{HEADER}{}{}", row(100_000_000), std::process::id());
    let file = regions.scratch("outside.csv", content.as_bytes());
    let before = batches(regions);
    for key in ["input/sales-orders/no-suffix.txt", "elsewhere/outside.csv", "input-not/outside.csv"] {
        let refused = regions.tandem(&["put", file.to_str().unwrap(), "--as", key]);
        assert_ne!(refused.code, 0, "{key} would start nothing, so the command refuses it");
        regions.aws(
            "us-east-1",
            &["s3api", "put-object", "--bucket", bucket, "--key", key, "--body", file.to_str().unwrap()],
        );
    }
    // Events take well under a second; one that came would be seen.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(batches(regions), before);
}

/// Ids of all batches.
fn batches(regions: &Regions) -> Vec<String> {
    let table = &regions.state().tables["batches"];
    let scan = regions.aws("us-east-1", &["dynamodb", "scan", "--table-name", table, "--output", "json"]);
    let scan: serde_json::Value = serde_json::from_str(&scan).unwrap();
    let items = scan["Items"].as_array().unwrap();
    let mut ids: Vec<String> = items.iter().map(|item| item["batch_id"]["S"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}
