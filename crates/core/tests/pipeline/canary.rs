//! What the canary expects is what the functions make of its file.

use tandem_core::canary::{REFERENCE, REFERENCE_FIELD, ROWS, Run};
use tandem_core::dataset::{Dataset, Notify};
use tandem_core::testing::Faults;

use crate::support::{Journey, Sizes};

const DEFINITION: &str = include_str!("../../../../assets/datasets/canary.json");

#[test]
fn the_canary_expects_exactly_what_its_file_gives_and_nobody_is_told() {
    let dataset = Dataset::parse("canary", DEFINITION.as_bytes()).unwrap();
    assert_eq!(dataset.notify, Notify::Nobody);
    let run = Run::new(time::macros::datetime!(2026-01-02 03:04:05 UTC), 7);
    for chunk_rows in [1, 5, 100] {
        let sizes = Sizes { chunk_rows, ..Sizes::large() };
        let mut journey = Journey::new(&dataset, run.input().as_bytes(), &sizes, Faults::none());
        for (key, mark) in REFERENCE {
            journey.lookup.insert("canary", key, [(REFERENCE_FIELD.to_owned(), mark.to_owned())].into());
        }
        let merged = journey.run().unwrap();
        assert_eq!((merged.rows_out, merged.rows_rejected), ROWS);
        assert!(merged.output_key.starts_with("output/canary/"), "{}", merged.output_key);
        let text = |key: &str| String::from_utf8(journey.content(key).unwrap()).unwrap();
        assert_eq!(text(&merged.output_key), run.output());
        assert_eq!(text(&merged.rejects_key), run.rejects());
    }
}
