//! The law of the whole path: split, validate, enrich and merge, in chunks and buffers of any size, give what one pass gives.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tandem_core::ports::RejectedRow;
use tandem_core::testing::Faults;

use crate::support::{self, Generated, Journey, config, datasets, generated, reference};

fn law(name: &str, file: &Generated, settings: &support::Sizes) -> Result<(), TestCaseError> {
    let datasets = datasets();
    let dataset = datasets.named(name).unwrap();
    let expected = reference(dataset, &file.bytes);
    let journey = Journey::new(dataset, &file.bytes, settings, Faults::none());
    let result = journey.run().unwrap();
    prop_assert_eq!(text(&journey.output()), text(&expected.output));
    prop_assert_eq!(text(&journey.rejects()), text(&expected.rejects));
    prop_assert_eq!(journey.output(), expected.output);
    prop_assert_eq!(journey.rejects(), expected.rejects);
    prop_assert_eq!(result.rows_in, expected.rows);
    prop_assert_eq!(result.rows_out + result.rows_rejected, expected.rows);
    prop_assert_eq!(journey.objects.open_uploads(), 0);
    let stored: Vec<u64> = journey.rejects.rows().iter().map(|row: &RejectedRow| row.row).collect();
    prop_assert_eq!(stored, expected.rejected_rows);
    check_manifest(&journey, &file.bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Ranges follow each other, and between them lies nothing but blank lines.
fn check_manifest(journey: &Journey<'_>, input: &[u8]) -> Result<(), TestCaseError> {
    let split = journey.split.borrow().clone().unwrap();
    let chunks = journey.manifest();
    prop_assert_eq!(chunks.len(), split.chunks as usize);
    let (mut at, mut row) = (None, 1);
    for (number, chunk) in chunks.iter().enumerate() {
        prop_assert_eq!(chunk.chunk as usize, number);
        prop_assert_eq!(chunk.first_row, row);
        prop_assert!(chunk.rows > 0 && chunk.start < chunk.end);
        let before = at.unwrap_or(chunk.start);
        let between = &input[before as usize..chunk.start as usize];
        prop_assert!(between.iter().all(|byte| matches!(byte, b'\r' | b'\n')));
        at = Some(chunk.end);
        row += chunk.rows;
    }
    let behind = at.map_or(&[][..], |at| &input[at as usize..]);
    prop_assert!(behind.iter().all(|byte| matches!(byte, b'\r' | b'\n')));
    prop_assert_eq!(row - 1, split.rows);
    Ok(())
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn sales_orders_in_chunks_equal_one_pass(
        file in generated("sales-orders"),
        sizes in support::sizes(),
    ) {
        law("sales-orders", &file, &sizes)?;
    }

    #[test]
    fn price_lists_in_chunks_equal_one_pass(
        file in generated("price-list"),
        sizes in support::sizes(),
    ) {
        law("price-list", &file, &sizes)?;
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn a_failing_call_gives_an_error_or_is_made_up_for_never_a_wrong_result(
        file in generated("sales-orders"),
        sizes in support::sizes(),
    ) {
        let datasets = datasets();
        let dataset = datasets.named("sales-orders").unwrap();
        let expected = reference(dataset, &file.bytes);
        let counting = Journey::new(dataset, &file.bytes, &sizes, Faults::none());
        counting.run().unwrap();
        for call in 0..counting.faults.calls() {
            let journey = Journey::new(dataset, &file.bytes, &sizes, Faults::at(call));
            // The input's download is the one thing that is taken up again where it breaks off.
            prop_assert!(journey.run().is_err() || journey.faults.calls() > counting.faults.calls(), "call {} of {}", call, counting.faults.calls());
            prop_assert_eq!(journey.objects.open_uploads(), 0, "call {}", call);
            for (key, whole) in [("output.csv", &expected.output), ("rejects.csv", &expected.rejects)] {
                if let Some(content) = journey.result(key) {
                    prop_assert_eq!(&content, whole, "call {}", call);
                }
            }
        }
    }
}

/// A law over files in which nothing happens would hold too.
#[test]
fn the_generated_files_hold_rows_of_every_outcome() {
    for (name, rules) in [
        ("sales-orders", &["field_count", "utf8", "required", "pattern", "maxLength", "unmatched"][..]),
        ("price-list", &["field_count", "utf8", "required", "pattern", "maxLength", "enum", "format"]),
    ] {
        let (datasets, mut runner) = (datasets(), TestRunner::deterministic());
        let (mut rows_out, mut rejects) = (0, String::new());
        for _ in 0..500 {
            let file = generated(name).new_tree(&mut runner).unwrap().current();
            let expected = reference(datasets.named(name).unwrap(), &file.bytes);
            rows_out += expected.rows - expected.rejected_rows.len() as u64;
            rejects.push_str(&text(&expected.rejects));
        }
        assert!(rows_out > 1_000, "{name}: {rows_out} rows delivered");
        for rule in rules {
            let rows = rejects.matches(&format!(",{rule},")).count();
            assert!(rows > 5, "{name}: {rows} rows rejected for {rule}");
        }
    }
}
