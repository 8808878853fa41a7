//! What `tandem process` gives, leaves behind and says.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use tandem_core::error::ErrorType;

use super::*;
use crate::exit::{Status, status_of};
use crate::generate::{self, GenerateArgs};

/// A folder for one test, removed at its end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tandem-process-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn args(&self, file: PathBuf, reference: PathBuf) -> ProcessArgs {
        let dataset = DEFAULT_DATASET.to_owned();
        ProcessArgs { file, reference, dataset, output_dir: self.0.join("results"), force: false, json: false }
    }

    fn results(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.0.join("results")) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug, Parser)]
struct Alone {
    #[command(flatten)]
    which: Which,
}

fn sales_orders() -> Definition {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let which = Alone::try_parse_from(["tandem", "--project-dir", root]).unwrap().which;
    Definition::find(DEFAULT_DATASET, &which).unwrap()
}

fn processed(args: &ProcessArgs, stop: bool) -> Result<Report, Failure> {
    process(args, sales_orders().dataset().unwrap(), &Arc::new(AtomicBool::new(stop)))
}

fn failure(args: &ProcessArgs) -> Failure {
    processed(args, false).err().unwrap()
}

const HEADER: &str = "uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date\n";
const RECORDS: &[u8] =
    b"id,unitsSold,unitPrice,unitCost,totalRevenue,totalCost,totalProfit\n100000001,7,9.33,6.92,63,5,\"1,5\"\n";

#[test]
fn the_results_are_those_of_a_delivery() {
    let place = Place::new("results");
    let file = format!(
        "{HEADER}100000001,Peru,Fruits,Online,H,1/2/2020,Americas,1/3/2020\n\
        1,Peru,Fruits,Online,H,1/2/2020,Americas,1/3/2020\n\
        100000002,\"Korea, Republic of\",Fruits,Online,H,1/2/2020,Americas,1/3/2020\n100000003,Peru\n"
    );
    let args = place.args(place.file("f.csv", file.as_bytes()), place.file("r.csv", RECORDS));
    let report = processed(&args, false).ok().unwrap();
    let merge = &report.finished.merge;
    assert_eq!((merge.rows_in, merge.rows_out, merge.rows_rejected, report.reference_records), (4, 1, 3, 1));
    assert_eq!(
        fs::read_to_string(&report.output).unwrap().lines().nth(1).unwrap(),
        r#""100000001","Peru","Fruits","Online","H","1/2/2020","Americas","1/3/2020","7","9.33","6.92","63","5","1,5""#
    );
    assert_eq!(
        fs::read_to_string(&report.rejects).unwrap(),
        "row,field,rule,record\n\
         2,uuid,pattern,\"1,Peru,Fruits,Online,H,1/2/2020,Americas,1/3/2020\"\n\
         3,uuid,unmatched,\"100000002,\"\"Korea, Republic of\"\",Fruits,Online,H,1/2/2020,Americas,1/3/2020\"\n\
         4,,field_count,\"100000003,Peru\"\n"
    );
    assert_eq!(place.results(), ["output.csv", "rejects.csv"]);
}

/// So many rows that several threads work on chunks, and that merge has parts to put in order.
#[test]
fn a_file_of_many_chunks_keeps_its_order() {
    let place = Place::new("order");
    let keys = || (0..45_000).map(|number| format!("{number:09}"));
    let rest = "Peru,Fruits,Online,H,1/2/2020,Americas,1/3/2020";
    let file: String = std::iter::once(HEADER.to_owned()).chain(keys().map(|key| format!("{key},{rest}\n"))).collect();
    let header = "id,unitsSold,unitPrice,unitCost,totalRevenue,totalCost,totalProfit\n";
    let records = std::iter::once(header.to_owned()).chain(keys().map(|key| format!("{key},1,2,3,4,5,{key}\n")));
    let reference = place.file("r.csv", records.collect::<String>().as_bytes());
    let report = processed(&place.args(place.file("f.csv", file.as_bytes()), reference), false).ok().unwrap();
    assert!(report.finished.chunks > 3, "{} chunks", report.finished.chunks);
    assert_eq!(report.finished.merge.rows_out, 45_000);
    let output = fs::read_to_string(report.output).unwrap();
    for (line, key) in output.lines().skip(1).zip(keys()) {
        assert!(line.starts_with(&format!("\"{key}\"")) && line.ends_with(&format!("\"{key}\"")), "{line}");
    }
}

/// With the reference records that belong to it.
#[test]
fn the_sample_loses_its_bad_rows_and_no_other() {
    let place = Place::new("sample");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/sample/sales-orders.csv");
    let reference = place.0.join("r.csv");
    let generated = GenerateArgs {
        rows: 10_000,
        seed: 1,
        dataset: DEFAULT_DATASET.to_owned(),
        bad: 1.0,
        well_formed: false,
        keys: None,
        out: Some(place.0.join("f.csv")),
        reference: Some(reference.clone()),
    };
    generate::run(&generated, &AtomicBool::new(false)).unwrap();
    let merge = processed(&place.args(sample, reference), false).ok().unwrap().finished.merge;
    assert_eq!((merge.rows_in, merge.rows_out, merge.rows_rejected), (10_000, 9_900, 100));
    let reasons = merge.reasons.iter().map(|reason| (reason.field.as_str(), reason.rule.as_str(), reason.count));
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        [("uuid", "pattern", 21), ("", "field_count", 16), ("country", "maxLength", 7)]
    );
}

#[test]
fn a_faulty_file_is_told_in_its_owners_sentence_and_leaves_nothing() {
    let place = Place::new("faulty");
    let reference = place.file("r.csv", RECORDS);
    for (content, fault, sentence) in [
        ("", ErrorType::EmptyFile, "The file is empty"),
        ("uuid,Country\n1,2\n", ErrorType::MissingColumn, "missing from the file's first line"),
        (&format!("{HEADER}\"open\n"), ErrorType::UnclosedQuote, "A quote that opens in row 1 is never closed"),
    ] {
        let failed = failure(&place.args(place.file("f.csv", content.as_bytes()), reference.clone()));
        assert_eq!(failed.fault, Some(fault));
        assert!(failed.error.to_string().contains(sentence), "{}", failed.error);
        assert_eq!(status_of(&failed.error), Status::Failed);
        assert!(!place.0.join("results").exists());
    }
}

#[test]
fn whoever_is_interrupted_leaves_nothing() {
    let place = Place::new("interrupted");
    let args = place.args(place.file("f.csv", HEADER.as_bytes()), place.file("r.csv", RECORDS));
    let failed = processed(&args, true).err().unwrap();
    assert_eq!(status_of(&failed.error), Status::GivenUp);
    assert!(!place.0.join("results").exists());
}

#[test]
fn results_are_replaced_only_by_force_and_inputs_never() {
    let place = Place::new("force");
    let mut args = place.args(place.file("f.csv", HEADER.as_bytes()), place.file("r.csv", RECORDS));
    assert!(processed(&args, false).is_ok());
    assert!(failure(&args).error.to_string().contains("give --force"));
    args.force = true;
    assert!(processed(&args, false).is_ok());
    args.reference = args.output_dir.join("rejects.csv");
    assert_eq!(status_of(&failure(&args).error), Status::Usage);
    assert_eq!(place.results(), ["output.csv", "rejects.csv"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let place = Place::new("missing");
    let file = place.file("f.csv", HEADER.as_bytes());
    let missing = failure(&place.args(place.0.join("none.csv"), file.clone()));
    assert_eq!(status_of(&missing.error), Status::Usage);
    let mut args = place.args(file.clone(), file.clone());
    args.reference = place.0.join("none.csv");
    let missing = failure(&args);
    assert_eq!(status_of(&missing.error), Status::Usage);
    assert!(format!("{:#}", missing.error).contains("none.csv"), "{:#}", missing.error);
    let wrong = failure(&place.args(file.clone(), file));
    assert!(format!("{:#}", wrong.error).contains("there is no column \"id\""), "{:#}", wrong.error);
    assert!(place.results().is_empty());
}

#[test]
fn a_definition_may_be_a_file_of_its_own() {
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/datasets/price-list.json");
    let which = Alone::try_parse_from(["tandem"]).unwrap().which;
    let found = Definition::find(definition, &which).unwrap();
    assert_eq!(found.dataset().unwrap().name, "price-list");
    assert!(Definition::find("none.json", &which).is_err());
}
