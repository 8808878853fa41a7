//! The guard against formulas: what a spreadsheet would calculate gets an apostrophe, and nothing else changes. In the rejects
//! that holds wherever the spreadsheet separates.

use csv::{ByteRecord, ReaderBuilder};
use proptest::prelude::*;
use tandem_core::dataset::{Dataset, Formulas};
use tandem_core::testing::Faults;

use crate::support::{Generated, Journey, PRICE_LIST, SALES_ORDERS, Sizes, config, generated, sizes};

/// At what a spreadsheet may separate, the shipped datasets' own delimiters among them.
const SEPARATORS: &[u8] = b",;\t";

/// A shipped dataset, with this said about formulas.
fn dataset(name: &str, formulas: &str) -> Dataset {
    let definition = if name == "price-list" { PRICE_LIST } else { SALES_ORDERS };
    let definition = String::from_utf8(definition.to_vec()).unwrap();
    let guarded = definition.replace("\"quoting\":", &format!("\"formulas\": \"{formulas}\", \"quoting\":"));
    assert_ne!(definition, guarded);
    Dataset::parse(name, guarded.as_bytes()).unwrap()
}

fn cells(delimiter: u8, file: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(file);
    let records: Vec<ByteRecord> = reader.byte_records().map(Result::unwrap).collect();
    records.iter().flat_map(|record| record.iter().map(<[u8]>::to_vec)).collect()
}

/// Said in another way than the code says it.
fn looks_like_a_formula(cell: &[u8]) -> bool {
    let text = String::from_utf8_lossy(cell);
    let begins = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＋', '－', '＠']);
    let number = text.replacen(',', ".", 1);
    let plain = number.chars().all(|letter| letter.is_ascii_digit() || "+-.eE".contains(letter));
    let ends = number.ends_with('.') || number.contains(".e") || number.contains(".E");
    begins && !(plain && !ends && number.parse::<f64>().is_ok())
}

/// Whether a spreadsheet that separates somewhere else may calculate a cell. Such a cell may begin or end with a piece of the
/// file: with a line break before the next row's number, with quotes behind a number.
fn may_be_calculated(cell: &[u8]) -> bool {
    let start = cell.iter().position(|byte| !b"\t\r\n\0".contains(byte)).unwrap_or(cell.len());
    let end = cell.iter().rposition(|&byte| byte != b'"').map_or(start, |last| last + 1);
    looks_like_a_formula(&cell[start..end.max(start)])
}

/// Output and rejects, unless the file is at fault.
fn attempt(dataset: &Dataset, file: &[u8], sizes: &Sizes) -> Option<[Vec<u8>; 2]> {
    let journey = Journey::new(dataset, file, sizes, Faults::none());
    journey.run().ok().map(|_| [journey.output(), journey.rejects()])
}

fn results(dataset: &Dataset, file: &[u8], sizes: &Sizes) -> [Vec<u8>; 2] {
    attempt(dataset, file, sizes).unwrap()
}

fn law(name: &str, file: &Generated, sizes: &Sizes) -> Result<(), TestCaseError> {
    let (keep, quote) = (dataset(name, "keep"), dataset(name, "quote"));
    let [kept_output, kept_rejects] = results(&keep, &file.bytes, sizes);
    let [output, rejects] = results(&quote, &file.bytes, sizes);
    let (kept, quoted) = (cells(quote.delimiter, &kept_output), cells(quote.delimiter, &output));
    prop_assert_eq!(kept.len(), quoted.len());
    for (kept, quoted) in kept.iter().zip(&quoted) {
        prop_assert!(!looks_like_a_formula(quoted), "{}", quoted.escape_ascii());
        let apostrophe: &[u8] = if looks_like_a_formula(kept) { b"'" } else { b"" };
        prop_assert_eq!(&[apostrophe, kept.as_slice()].concat(), quoted);
    }
    law_of_rejects(&kept_rejects, &rejects)
}

/// Rejects hold no formula, at whatever the file, or a row in it, is separated; only apostrophes are new, each before something
/// with which a formula begins.
fn law_of_rejects(kept: &[u8], quoted: &[u8]) -> Result<(), TestCaseError> {
    let calculated = |file: &[u8]| -> Vec<String> {
        let found =
            SEPARATORS.iter().flat_map(|&separator| cells(separator, file)).filter(|cell| may_be_calculated(cell));
        found.map(|cell| cell.escape_ascii().to_string()).collect()
    };
    prop_assert_eq!(calculated(quoted), Vec::<String>::new(), "{}", quoted.escape_ascii());
    let (kept, quoted) = (cells(b',', kept), cells(b',', quoted));
    prop_assert_eq!(kept.len(), quoted.len());
    for (kept, quoted) in kept.iter().zip(&quoted) {
        prop_assert!(!looks_like_a_formula(quoted), "{}", quoted.escape_ascii());
        prop_assert!(only_apostrophes_are_new(kept, quoted), "{} {}", kept.escape_ascii(), quoted.escape_ascii());
        // Behind a line break, so that no byte order mark is taken off.
        let alone = [b"\n", quoted.as_slice()].concat();
        prop_assert_eq!(calculated(&alone), Vec::<String>::new(), "{}", quoted.escape_ascii());
    }
    Ok(())
}

fn only_apostrophes_are_new(kept: &[u8], quoted: &[u8]) -> bool {
    let mut kept = kept;
    for &byte in quoted {
        match kept.split_first() {
            Some((&first, rest)) if first == byte => kept = rest,
            _ if byte == b'\'' && looks_like_a_formula(&[kept, b"x"].concat()) => {}
            _ => return false,
        }
    }
    kept.is_empty()
}

/// Rows of what means something to CSV, to a spreadsheet, or to both.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "\"", "\"\"", ";", ",", "\t", "\n", "\r\n", "\r", "=1", "-1", "+", "@", "x", "1", ".", "'", "＝", "\0", ";=",
        ",\"-1",
    ]);
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn no_cell_begins_like_a_formula_unless_it_is_a_number_and_no_other_is_changed(
        orders in generated("sales-orders"),
        prices in generated("price-list"),
        sizes in sizes(),
    ) {
        law("sales-orders", &orders, &sizes)?;
        law("price-list", &prices, &sizes)?;
    }

    #[test]
    fn rejects_hold_no_formula_at_whatever_a_spreadsheet_separates(rows in hostile(), prices in any::<bool>()) {
        let (name, header) = if prices {
            ("price-list", "SKU;Name;Net Price;Currency;Valid From;Contact\n")
        } else {
            ("sales-orders", "uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date\n")
        };
        // A quote that is never closed would be the file's fault.
        let files = [&b""[..], b"\""].map(|end| [header.as_bytes(), &rows, end].concat());
        let (keep, quote) = (dataset(name, "keep"), dataset(name, "quote"));
        let of = |file: &Vec<u8>| Some((attempt(&keep, file, &Sizes::large())?, attempt(&quote, file, &Sizes::large())?));
        let runs: Vec<_> = files.iter().filter_map(of).collect();
        prop_assert!(!runs.is_empty());
        for ([_, kept], [_, quoted]) in &runs {
            law_of_rejects(kept, quoted)?;
        }
    }

    #[test]
    fn what_is_quoted_already_is_not_quoted_again(file in generated("price-list"), sizes in sizes()) {
        let quote = dataset("price-list", "quote");
        let [output, _] = results(&quote, &file.bytes, &sizes);
        let once = cells(quote.delimiter, &output);
        prop_assert!(once.iter().all(|cell| !looks_like_a_formula(cell)));
        prop_assert!(once.iter().filter(|cell| cell.starts_with(b"''")).all(|cell| !looks_like_a_formula(&cell[1..])));
    }
}

#[test]
fn formulas_are_kept_unless_the_definition_says_otherwise() {
    let shipped = Dataset::parse("sales-orders", SALES_ORDERS).unwrap();
    assert_eq!(shipped.output.formulas, Formulas::Keep);
    let file = b"uuid,Country,Item Type,Sales Channel,Order Priority,Order Date,Region,Ship Date
000000001,=1+1,-12.5,+3,-x,@a,\t1,1/3/2020
-1,=cmd(),Fruit,Online,L,1/2/2020,America,1/3/2020
";
    let kept = results(&shipped, file, &Sizes::large());
    assert_eq!(kept, results(&dataset("sales-orders", "keep"), file, &Sizes::large()));
    let [output, rejects] =
        results(&dataset("sales-orders", "quote"), file, &Sizes::large()).map(|file| String::from_utf8(file).unwrap());
    assert!(output.contains(r#""'=1+1","-12.5","+3","'-x","'@a","'"#), "{output}");
    assert!(rejects.contains("2,uuid,pattern,\"'-1,'=cmd(),Fruit"), "{rejects}");
}

#[test]
fn a_rejected_row_holds_no_formula_for_a_spreadsheet_that_separates_at_its_own_delimiter() {
    let file = b"SKU;Name;Net Price;Currency;Valid From;Contact\nbad;=1+1;-1.50;EUR;;\nABC-0001;=1;-1;EUR;@x;\"=x\"\n";
    let rejects =
        |formulas| String::from_utf8(results(&dataset("price-list", formulas), file, &Sizes::large())[1].clone());
    let lines = "row,field,rule,record\n1,sku,pattern,bad;=1+1;-1.50;EUR;;\n2,netPrice,pattern,\"ABC-0001;=1;-1;EUR;@x;\"\"=x\"\"\"\n";
    assert_eq!(rejects("keep").unwrap(), lines);
    let guarded = lines.replace(";=1", ";'=1").replace("@x", "'@x").replace("=x", "'=x");
    assert_eq!(rejects("quote").unwrap(), guarded);
}
