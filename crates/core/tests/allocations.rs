//! What a chunk allocates grows with its buffers, not with its rows, and its memory is bounded.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../benches/support/mod.rs"]
mod support;

use allocation_counter::{AllocationInfo, measure};
use support::{ROWS, Stand, orders};
use tandem_core::dataset::Quoting;

/// What validating and enriching a chunk of so many rows allocate.
fn chunk(rows: u64) -> [AllocationInfo; 2] {
    let stand = Stand::new(rows, orders(rows, None, Quoting::Necessary));
    let validated = measure(|| {
        stand.validate();
    });
    [
        validated,
        measure(|| {
            stand.enrich();
        }),
    ]
}

#[test]
fn ten_times_the_rows_take_less_than_a_tenth_of_an_allocation_for_each_row_more() {
    let (few, many) = (chunk(5_000), chunk(50_000));
    for (few, many) in few.iter().zip(&many) {
        let more = many.count_total - few.count_total;
        assert!(more < 45_000 / 10, "{more} allocations more");
    }
}

#[test]
fn a_chunk_of_the_default_size_is_validated_and_enriched_in_less_than_32_mib_each() {
    for info in chunk(ROWS) {
        // What the ports hold beside it is the input and the work files.
        assert!(info.bytes_max < 32 << 20, "{} bytes", info.bytes_max);
    }
}

#[test]
fn rejected_rows_are_woven_in_and_counted_without_an_allocation_each() {
    let rows = 10_000;
    let allocations = |bad| {
        let stand = Stand::new(rows, orders(rows, bad, Quoting::Necessary));
        stand.validate();
        measure(|| {
            stand.enrich();
        })
        .count_total
    };
    assert!(allocations(Some(2)) <= allocations(None) + 100);
}
