//! A whole journey of a file over in-memory ports, files to send on it, and the one-pass reference it is held to.

mod files;
mod journey;
mod made;
mod one_pass;

pub use files::{Generated, generated};
pub use journey::{BUCKET, Journey, Sizes, sizes};
pub use made::{Made, Mishap};
pub use one_pass::{Expected, records, reference};

use proptest::test_runner::Config as ProptestConfig;
use tandem_core::dataset::Datasets;
use tandem_core::ports::ReferenceRecord;

pub const SALES_ORDERS: &[u8] = include_bytes!("../../../../../assets/datasets/sales-orders.json");
pub const PRICE_LIST: &[u8] = include_bytes!("../../../../../assets/datasets/price-list.json");

pub fn datasets() -> Datasets {
    Datasets::load([("sales-orders", SALES_ORDERS), ("price-list", PRICE_LIST)]).unwrap()
}

/// Counterexamples are printed and become tests by hand, not files beside the code.
pub fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// The definition as JSON, for the reference.
pub fn definition(name: &str) -> serde_json::Value {
    let bytes = if name == "price-list" { PRICE_LIST } else { SALES_ORDERS };
    serde_json::from_slice(bytes).unwrap()
}

/// The reference data of all tests: three keys of four are known, and some records lack a field or hold odd text.
pub fn lookup_of(table: &str, key: &str) -> Option<ReferenceRecord> {
    let known = if table == "orders" { key.len() == 9 && key.starts_with("000000") } else { key.starts_with("ABC-") };
    let number: u32 = key.get(key.len().checked_sub(3)?..)?.parse().ok().filter(|_| known)?;
    if number % 4 == 3 {
        return None;
    }
    let fields =
        ["unitsSold", "unitPrice", "unitCost", "totalRevenue", "totalCost", "totalProfit", "stock", "warehouse"];
    let present = fields.iter().enumerate().filter(|(index, _)| number % 7 != 5 || index % 2 == 0);
    Some(present.map(|(index, field)| ((*field).to_owned(), value(number, index))).collect())
}

fn value(number: u32, index: usize) -> String {
    match (number as usize + index) % 5 {
        0 => format!("{number}.{index}0"),
        1 => format!("a \"quoted\", {number}"),
        2 => format!("two\nlines; {number}"),
        3 => String::new(),
        _ => format!("Übergröße {number}"),
    }
}
