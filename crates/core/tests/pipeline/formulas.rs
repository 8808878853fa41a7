//! The guard against formulas: what a spreadsheet would calculate gets an apostrophe, and nothing else changes.

use csv::{ByteRecord, ReaderBuilder};
use proptest::prelude::*;
use tandem_core::dataset::{Dataset, Formulas};
use tandem_core::testing::Faults;

use crate::support::{Generated, Journey, PRICE_LIST, SALES_ORDERS, Sizes, config, generated, sizes};

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

fn results(dataset: &Dataset, file: &[u8], sizes: &Sizes) -> [Vec<u8>; 2] {
    let journey = Journey::new(dataset, file, sizes, Faults::none());
    journey.run().unwrap();
    [journey.output(), journey.rejects()]
}

fn law(name: &str, file: &Generated, sizes: &Sizes) -> Result<(), TestCaseError> {
    let (keep, quote) = (dataset(name, "keep"), dataset(name, "quote"));
    let kept = results(&keep, &file.bytes, sizes);
    let quoted = results(&quote, &file.bytes, sizes);
    // The rejects have commas always.
    for ((kept, quoted), delimiter) in kept.iter().zip(&quoted).zip([quote.delimiter, b',']) {
        let (kept, quoted) = (cells(delimiter, kept), cells(delimiter, quoted));
        prop_assert_eq!(kept.len(), quoted.len());
        for (kept, quoted) in kept.iter().zip(&quoted) {
            prop_assert!(!looks_like_a_formula(quoted), "{}", quoted.escape_ascii());
            let apostrophe: &[u8] = if looks_like_a_formula(kept) { b"'" } else { b"" };
            prop_assert_eq!(&[apostrophe, kept.as_slice()].concat(), quoted);
        }
    }
    Ok(())
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
    assert!(rejects.contains("2,uuid,pattern,\"'-1,=cmd(),Fruit"), "{rejects}");
}
