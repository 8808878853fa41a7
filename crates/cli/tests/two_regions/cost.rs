//! What a batch costs: the functions' own count of their calls against the edge's, and the sum.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Case;
use crate::expected::{HEADER, row};
use crate::regions::{REFERENCE_ROWS, Regions, wait_for};

pub const CASES: &[Case] = &[
    ("what_functions_say_they_called_is_what_the_edge_counted_and_a_million_rows_cost_12_cents_at_most", a_batch_alone),
    ("all_calls_that_were_counted_are_priced_without_a_batch", all_calls),
];

const ROWS: u32 = 100_000;

/// The aim: US dollars for 1,000,000 rows of a large file, all in.
const AIM: f64 = 0.12;

/// Read by the command too, while it waits, and by the reconciler's passes: not the batch's alone.
const SHARED: [&str; 3] = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"];

type Calls = BTreeMap<String, i64>;

fn a_batch_alone(regions: &Regions) {
    let before = counted(regions);
    let rows = (0..ROWS).map(|number| row(100_000_000 + number % REFERENCE_ROWS));
    let file: String = std::iter::once(HEADER.to_owned()).chain(rows).collect();
    let put = regions.put("sales-orders", file.as_bytes());
    put.delivered([ROWS.into(), ROWS.into(), 0]);
    let cost = settled(regions, put.batch_id(), &before);

    assert_eq!(cost["missing"], serde_json::json!([]));
    assert_eq!((&cost["rows"], &cost["bytes"]), (&ROWS.into(), &file.len().into()));
    assert_eq!(unit(&cost, "Step Functions", "express requests").0, 2.0, "two chunks: {cost}");
    assert_eq!(unit(&cost, "SES", "e-mails").0, 1.0);
    assert!(cost["functions"].as_array().unwrap().iter().all(|function| function["billed_ms"].as_u64() > Some(0)));
    // Ten keys serve all rows here; a file usually has one for each.
    let (reads, usd) = unit(&cost, "DynamoDB", "read request units");
    let per_million = cost["usd_per_million_rows"].as_f64().unwrap();
    let of_distinct_keys = usd / reads * 0.5 * 1e6;
    eprintln!(
        "\nUSD per 1,000,000 rows: {per_million:.4}, and {of_distinct_keys:.4} more where all keys differ\n{cost}"
    );
    assert!(per_million + of_distinct_keys <= AIM, "{cost}");
    assert!(cost["reference"]["usd_per_million_rows"].as_f64().unwrap() > 50.0);
}

/// The cost of a batch once the functions have said, and the edge has counted, the same; the other Region's intake works on
/// a batch even after it has ended.
fn settled(regions: &Regions, batch_id: &str, before: &Calls) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let cost: Value = serde_json::from_str(&regions.succeeds(&["cost", batch_id, "--json"])).unwrap();
        let said: Calls = serde_json::from_value(cost["calls"].clone()).unwrap();
        let mut expected: Calls = said.into_iter().filter(|(call, _)| compared(call)).collect();
        // The upload itself.
        *expected.entry("s3:PutObject".into()).or_default() += 1;
        let mut seen = counted(regions);
        for (call, count) in before {
            *seen.entry(call.clone()).or_default() -= count;
        }
        seen.retain(|call, count| *count != 0 && compared(call));
        if seen == expected {
            return cost;
        }
        assert!(Instant::now() < deadline, "the edge counted {seen:?}, the functions say {expected:?}");
        thread::sleep(Duration::from_millis(500));
    }
}

fn compared(call: &str) -> bool {
    let service = ["s3:", "dynamodb:", "ses:"].iter().any(|service| call.starts_with(service));
    service && !SHARED.contains(&call)
}

/// Calls that the edge has counted so far, in both Regions together.
fn counted(regions: &Regions) -> Calls {
    let mut calls = Calls::new();
    for count in wait_for(regions.admin().counts()).unwrap() {
        *calls.entry(format!("{}:{}", count.service, count.operation)).or_default() +=
            i64::try_from(count.calls).unwrap();
    }
    calls
}

/// Count and US dollars of a unit.
fn unit(cost: &Value, service: &str, unit: &str) -> (f64, f64) {
    let found =
        cost["units"].as_array().unwrap().iter().find(|line| line["service"] == service && line["unit"] == unit);
    let line = found.unwrap_or_else(|| panic!("no {unit} of {service} in {cost}"));
    (line["count"].as_f64().unwrap(), line["usd"].as_f64().unwrap())
}

fn all_calls(regions: &Regions) {
    let cost: Value = serde_json::from_str(&regions.succeeds(&["cost", "--json"])).unwrap();
    assert!(cost["calls"]["dynamodb:BatchWriteItem"].as_u64() > Some(0), "the reference data was loaded: {cost}");
    assert!(cost["usd"].as_f64().is_some());
    assert!(regions.succeeds(&["cost"]).contains("USD"));
}
