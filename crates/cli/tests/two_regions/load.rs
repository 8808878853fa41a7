//! Many files at once, and what looking their keys up costs.

use serde_json::Value;

use crate::Case;
use crate::expected::{HEADER, row};
use crate::regions::{Regions, wait_for};

pub const CASES: &[Case] = &[
    ("forty_files_at_once_wait_their_turn_and_are_all_delivered", forty_at_once),
    ("different_keys_cost_one_call_in_a_hundred_however_often_they_stand_in_the_file", keys_in_hundreds),
    ("a_file_of_one_key_costs_one_lookup", one_key),
];

/// Many more than the local Regions let be under way at once: the others wait. On a slow machine one may be told to come again.
fn forty_at_once(regions: &Regions) {
    const FILES: usize = 40;
    let uploads = || wait_for(regions.admin().status()).unwrap().uploads;
    let before = uploads().waited;
    let path = regions.scratch("load.json", b"");
    let number = FILES.to_string();
    let arguments = ["load-test", "-n", &number, "-w", "0", "-r", "200", "--json", "--report", path.to_str().unwrap()];
    let report: Value = serde_json::from_str(&regions.succeeds(&arguments)).unwrap();
    assert_eq!((&report["delivered"], &report["not_delivered"]), (&FILES.into(), &0.into()), "{report}");
    let files = report["files"].as_array().unwrap();
    assert_eq!(files.len(), FILES);
    for file in files {
        assert_eq!((&file["outcome"], &file["rows"]), (&"delivered".into(), &200.into()), "{file}");
        assert_eq!(file["attempt"], 1, "{file}");
        assert!(file["seconds"].as_f64().unwrap() <= report["max"].as_f64().unwrap(), "{file}");
        assert_eq!(regions.emails(file["batch_id"].as_str().unwrap()).len(), 1);
    }
    let written: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(written, report);
    let after = uploads();
    assert!(after.waited > before && after.waiting == 0, "{after:?}");
    for region in &regions.state().regions {
        assert_eq!(regions.events_given_up(region), 0, "in {region}");
    }
}

/// Calls of `BatchGetItem` so far, of all Regions.
pub fn lookups(regions: &Regions) -> u64 {
    let counts = wait_for(regions.admin().counts()).unwrap();
    let lookups = counts.iter().filter(|count| (&*count.service, &*count.operation) == ("dynamodb", "BatchGetItem"));
    lookups.map(|count| count.calls).sum()
}

/// Two chunks; each key stands in two rows of one of them.
fn keys_in_hundreds(regions: &Regions) {
    const KEYS: u32 = 30_000;
    let rows = (0..2 * KEYS).map(|number| row(200_000_000 + number / 2));
    let file: String = std::iter::once(HEADER.to_owned()).chain(rows).collect();
    let before = lookups(regions);
    let put = regions.put("sales-orders", file.as_bytes());
    put.delivered([60_000, 0, 60_000]);
    let calls = lookups(regions) - before;
    eprintln!("\n{calls} lookups of {KEYS} different keys in {} rows", 2 * KEYS);
    let hundreds = u64::from(KEYS / 100);
    assert!((hundreds..=hundreds * 102 / 100).contains(&calls), "{calls} calls for {KEYS} keys");
}

fn one_key(regions: &Regions) {
    let file = HEADER.to_owned() + &row(100_000_007).repeat(20_000);
    let before = lookups(regions);
    regions.put("sales-orders", file.as_bytes()).delivered([20_000, 20_000, 0]);
    assert_eq!(lookups(regions) - before, 1);
}
