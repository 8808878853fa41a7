//! A large file: many chunks at once, and memory that does not grow with the file.

use std::collections::BTreeMap;
use std::fs;

use crate::Case;
use crate::expected::{HEADER, OUTPUT_HEADER, output_row, row};
use crate::regions::{REFERENCE_ROWS, Regions};

pub const CASES: &[Case] =
    &[("a_million_rows_are_delivered_in_order_by_chunks_in_flight_together_in_bounded_memory", a_million_rows)];

const ROWS: u32 = 1_000_000;

/// What a function may use: the most that any of them is given.
const MEMORY_MIB: u64 = 256;

fn a_million_rows(regions: &Regions) {
    let keys = || (0..ROWS).map(|number| 100_000_000 + number % REFERENCE_ROWS);
    let file: String = std::iter::once(HEADER.to_owned()).chain(keys().map(row)).collect();
    let put = regions.put("sales-orders", file.as_bytes());
    put.delivered([ROWS.into(), ROWS.into(), 0]);
    let expected: String = std::iter::once(OUTPUT_HEADER.to_owned()).chain(keys().map(output_row)).collect();
    assert!(
        regions.fetch(put.batch_id()).0 == expected.as_bytes(),
        "the output is not the input's rows, enriched, in order"
    );

    let functions = functions(regions);
    eprintln!("\npeak memory of each process, in MiB: {functions:?}");
    for (function, peaks) in &functions {
        assert!(peaks.iter().all(|peak| *peak < MEMORY_MIB), "{function} used {peaks:?} MiB");
    }
    // The emulator starts another process of a function only when all that it has are busy.
    for function in ["tandem-local-validate", "tandem-local-enrich"] {
        assert!(functions[function].len() > 1, "never two chunks at once in {function}: {functions:?}");
    }
}

/// Peak memory in MiB of every process of every function.
fn functions(regions: &Regions) -> BTreeMap<String, Vec<u64>> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let path = process.path();
        let read = |name: &str| fs::read(path.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        // A process that ends while it is looked at is none.
        let (Ok(environment), Ok(status)) = (read("environ"), read("status")) else { continue };
        let value = |name: &str| environment.split('\0').find_map(|pair| pair.strip_prefix(name)).map(str::to_owned);
        let ours = value("AWS_ENDPOINT_URL=").is_some_and(|endpoint| endpoint == regions.state().endpoint());
        let function = value("AWS_LAMBDA_FUNCTION_NAME=");
        if let (true, Some(function)) = (ours, function) {
            // One that has ended, and whose parent has not heard of it yet, has no memory.
            let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { continue };
            let kib: u64 = peak.trim().trim_end_matches("kB").trim().parse().unwrap();
            found.entry(function).or_default().push(kib / 1024);
        }
    }
    found
}
