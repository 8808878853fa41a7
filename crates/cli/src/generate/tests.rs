//! What the generated files promise.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tandem_core::csv::Fields;
use tandem_core::dataset::{Dataset, Unmatched};

use super::*;

/// Rows and reference records, as files would hold them.
fn files(dataset: &str, seed: u64, count: u64, bad: f64) -> (Vec<u8>, Vec<u8>) {
    let rows = Rows::new(named(dataset).unwrap(), seed, bad);
    let (mut out, mut reference) = (Vec::new(), Vec::new());
    write(&rows, count, &mut out, &mut reference, &AtomicBool::new(false)).unwrap();
    (out, reference)
}

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets")
}

fn definition(dataset: &str) -> Dataset {
    let bytes = std::fs::read(assets().join("datasets").join(dataset).with_extension("json")).unwrap();
    Dataset::parse(dataset, &bytes).unwrap()
}

/// The data rows of generated rows: none holds a line break.
fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty())
}

/// The first failed rule of a row as `field rule`; `None` for one that passes.
fn judge(dataset: &Dataset, known: &BTreeSet<String>, line: &[u8]) -> Option<String> {
    let mut fields = Fields::new(dataset.delimiter);
    let record = fields.parse(line);
    if record.len() != dataset.columns.len() {
        return Some(String::from("record field_count"));
    }
    let Some(text) = record.text() else {
        return Some(String::from("record utf8"));
    };
    let positions: Vec<usize> = (0..dataset.columns.len()).collect();
    if let Some(failed) = dataset.rules.first_failed(&text, &positions) {
        return Some(format!("{} {}", failed.field, failed.rule));
    }
    let unmatched = !known.contains(text.get(dataset.lookup.key).unwrap());
    (unmatched && dataset.lookup.unmatched == Unmatched::Reject).then(|| String::from("key unmatched"))
}

fn keys(reference: &[u8]) -> BTreeSet<String> {
    lines(reference).map(|line| String::from_utf8_lossy(line).split(',').next().unwrap().to_owned()).collect()
}

#[test]
fn every_generator_matches_its_datasets_definition() {
    for shape in SHAPES {
        let dataset = definition(shape.dataset);
        let headers: Vec<&str> = dataset.columns.iter().map(|column| column.header.as_str()).collect();
        assert_eq!(shape.columns, headers);
        assert_eq!(shape.delimiter, dataset.delimiter);
        assert_eq!(shape.reference, dataset.lookup.fields);
    }
}

#[test]
fn exactly_the_rows_meant_to_be_bad_are_rejected() {
    for shape in SHAPES {
        let dataset = definition(shape.dataset);
        let (out, reference) = files(shape.dataset, 3, 20_000, 2.5);
        let rows = Rows::new(shape, 3, 2.5);
        let known = keys(&reference);
        let mut kinds = BTreeMap::new();
        for (number, line) in (0..).zip(lines(&out)) {
            let failed = judge(&dataset, &known, line);
            let text = String::from_utf8_lossy(line);
            assert_eq!(failed.is_some(), rows.fault(number).is_some(), "{text}: {failed:?}");
            *kinds.entry(failed).or_insert(0) += 1;
        }
        assert_eq!(kinds.remove(&None), Some(19_500));
        assert!(kinds.len() >= 9, "bad in few ways only: {kinds:?}");
    }
}

#[test]
fn rows_meant_to_be_well_formed_have_every_field_as_text() {
    for shape in SHAPES {
        let rows = Rows::new(shape, 3, 50.0).well_formed();
        let (mut row, mut record, mut bad) = (Row::default(), Row::default(), 0);
        for number in 0..10_000 {
            rows.make(number, &mut row, &mut record);
            bad += usize::from(rows.fault(number).is_some());
            assert_eq!(row.fields().len(), shape.columns.len());
            assert!(row.fields().iter().all(|field| std::str::from_utf8(field).is_ok()));
        }
        assert_eq!(bad, 5_000);
    }
}

#[test]
fn the_percentage_of_bad_rows_is_exact_in_every_ten_thousand() {
    for (percent, expected) in [(0.0, 0), (0.01, 1), (1.0, 100), (33.33, 3_333), (100.0, 10_000)] {
        let rows = Rows::new(&sales_orders::SHAPE, 9, percent);
        for block in [0, 10_000, 990_000] {
            let bad = (block..block + 10_000).filter(|number| rows.fault(*number).is_some()).count();
            assert_eq!(bad, expected, "{percent} %");
        }
    }
}

#[test]
fn fewer_rows_of_the_same_seed_are_the_beginning_of_more() {
    let (more, more_reference) = files("price-list", 5, 500, 10.0);
    let (fewer, fewer_reference) = files("price-list", 5, 200, 10.0);
    assert!(more.starts_with(&fewer) && more_reference.starts_with(&fewer_reference));
    assert_ne!(files("price-list", 6, 200, 10.0).0, fewer);
}

#[test]
fn keys_are_unique_and_good_rows_have_a_reference_record() {
    let (out, reference) = files("sales-orders", 1, 50_000, 0.0);
    let rows: BTreeSet<String> =
        lines(&out).map(|line| String::from_utf8_lossy(line).split(',').next().unwrap().to_owned()).collect();
    assert_eq!(rows.len(), 50_000);
    assert!(rows.iter().all(|key| key.len() == 9));
    assert_eq!(keys(&reference), rows);
}

#[test]
fn shared_keys_and_their_records_are_the_same_for_every_seed_and_good_rows_use_no_other() {
    for shape in SHAPES {
        let dataset = definition(shape.dataset);
        let made = |seed| {
            let rows = Rows::new(shape, seed, 2.5).with_keys(Some(50));
            let (mut out, mut reference) = (Vec::new(), Vec::new());
            write(&rows, 10_000, &mut out, &mut reference, &AtomicBool::new(false)).unwrap();
            (out, reference)
        };
        let ((out, reference), (other, same)) = (made(1), made(2));
        assert_eq!(reference, same);
        assert_ne!(out, other);
        let known = keys(&reference);
        assert!(known.len() <= 50 && known.len() > 30, "{} records", known.len());
        let bad = lines(&out).filter(|line| judge(&dataset, &known, line).is_some()).count();
        assert_eq!(bad, 250, "{}: a fault that does not show, or a good row without its record", shape.dataset);
    }
}

#[test]
fn the_committed_sample_is_what_the_generator_makes() {
    let sample = std::fs::read(assets().join("sample/sales-orders.csv")).unwrap();
    let made = files("sales-orders", 1, 10_000, 1.0).0;
    assert!(sample == made, "run: tandem generate --rows 10000 --out assets/sample/sales-orders.csv");
}

#[test]
fn a_generation_that_is_stopped_leaves_no_file() {
    let path = std::env::temp_dir().join(format!("tandem-generate-{}.csv", std::process::id()));
    let args = GenerateArgs {
        rows: 10,
        seed: 1,
        dataset: "sales-orders".into(),
        bad: 1.0,
        well_formed: false,
        keys: None,
        out: Some(path.clone()),
        reference: None,
    };
    let stopped = run(&args, &AtomicBool::new(true)).unwrap_err();
    assert!(stopped.is::<Interrupted>());
    assert!(!path.exists() && !path.with_extension("csv.part").exists());
    run(&args, &AtomicBool::new(false)).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), files("sales-orders", 1, 10, 1.0).0);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_cannot_be_generated_is_refused_with_what_can() {
    let error = named("orders").err().unwrap().to_string();
    assert!(error.contains("sales-orders, price-list"), "{error}");
    let command = GenerateArgs::augment_args(clap::Command::new("generate"));
    let error =
        command.try_get_matches_from(["generate", "--rows", "1", "--dataset", "orders"]).unwrap_err().to_string();
    assert!(error.contains("[possible values: sales-orders, price-list]"), "{error}");
    for text in ["-1", "100.1", "many", "NaN"] {
        assert!(percent(text).is_err(), "{text}");
    }
}
