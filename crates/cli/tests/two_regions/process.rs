//! `tandem process` beside a delivery: the same file and the same reference records give the same bytes.

use std::fs;

use serde_json::Value;

use crate::Case;
use crate::expected::HEADER;
use crate::regions::{REFERENCE_ROWS, Regions};

pub const CASES: &[Case] = &[
    ("what_is_processed_on_this_machine_is_byte_for_byte_what_is_delivered", orders),
    ("and_so_is_a_file_of_another_dataset", prices),
];

/// Enough for three chunks of the Regions, and for many more of `process`.
const ROWS: u32 = 110_000;

/// Fields behind the key of a good row.
const REST: &str = "Fruits,Online,H,1/2/2020,Americas,1/3/2020";

fn orders(regions: &Regions) {
    let mut file = b"\xEF\xBB\xBF".to_vec();
    file.extend(HEADER.as_bytes());
    (0..ROWS).for_each(|number| file.extend(order(number)));
    // The last row ends with the file.
    file.extend(format!("100000001,Peru,{REST}").as_bytes());
    let (good, all) = (7 * ROWS / 20 + 1, ROWS + 1);
    same(regions, "sales-orders", "orders-reference.csv", &file, [all, good, all - good].map(u64::from));
}

/// A row in each way that one can be: of twenty, seven are good.
fn order(number: u32) -> Vec<u8> {
    let (key, long) = (100_000_000 + number % REFERENCE_ROWS, "x".repeat(101));
    let text = match number % 20 {
        0 => format!("{},Peru,{REST}\n", 300_000_000 + number),
        1 => format!("{},\"two\nlines, \"\"quoted\"\"\",{REST}\n", 300_000_000 + number),
        2 => format!("{number},Peru,{REST}\n"),
        3 => format!(",Peru,{REST}\n"),
        4 => format!("{key},Peru\n"),
        5 => format!("{key},Peru,{REST},\"one\r\nmore\"\n"),
        6 => return [format!("{key},P").as_bytes(), b"\xE9r\xFA", format!(",{REST}\n").as_bytes()].concat(),
        7 => format!("{key},{},{REST}\n", &long[..51]),
        8 => format!("{key},Peru,\"{}\",Online,H,1/2/2020,Americas,1/3/2020\n", &long[..31]),
        9 => format!("{key},Peru,Fruits,On the market,H,1/2/2020,Americas,1/3/2020\n"),
        10 => format!("{key},Peru,Fruits,Online,Highest,1/2/2020,Americas,1/3/2020\n"),
        11 => format!("{key},Peru,Fruits,Online,H,1/2/2020,{long},1/3/2020-\r\n"),
        12 => format!("{key},\"Korea, \"\"Republic\"\" of\",{REST}\n"),
        13 => format!("{key},\"two\r\nlines\",{REST}\n"),
        14 => format!("\"{key}\",C\u{f4}te d'Ivoire,{REST}\r\n"),
        15 => format!("\n\r\n{key},,{REST}\n"),
        16 => format!("{key},a \"b\" c,{REST}\n"),
        _ => format!("{key},Peru,{REST}\n"),
    };
    text.into_bytes()
}

fn prices(regions: &Regions) {
    let mut file = String::from("Contact;SKU;Name;Net Price;Currency;Valid From;Surplus\r\n");
    for _ in 0..1_000 {
        file.push_str("a@example.com;ABC-1000;Bolt, steel;1.20;EUR;2026-01-01;\r\n");
        file.push_str("a@example.com;ABC-1000;\"Bolt; 2\"\" \nlong\";1.20;EUR;2026-01-01;x\n");
        file.push_str("a@example.com;ABC-9999;\"Nut\";0.10;EUR;2026-01-01;\n");
        file.push_str("nobody;ABC-1000;Nut;0.10;EUR;2026-01-01;\n");
        file.push_str("a@example.com;ABC-1000;\"Nut; small\";0.10;XXX;2026-02-30;\n");
    }
    same(regions, "price-list", "articles-reference.csv", file.as_bytes(), [5_000, 3_000, 2_000]);
}

/// Has the file delivered, processes it with the records that the Regions were given, and compares.
fn same(regions: &Regions, dataset: &str, reference: &str, file: &[u8], rows: [u64; 3]) {
    let put = regions.put(dataset, file);
    put.delivered(rows);
    let (output, rejects) = regions.fetch(put.batch_id());

    let path = regions.scratch("processed.csv", file);
    let reference = regions.root().join("scratch").join(reference);
    let results = regions.root().join("scratch").join(format!("processed-{dataset}"));
    let [file, reference, folder] = [&path, &reference, &results].map(|path| path.to_str().unwrap());
    let process = ["process", file, "--dataset", dataset, "--reference", reference, "--output-dir", folder, "--json"];
    let report: Value = serde_json::from_str(&regions.succeeds(&process)).unwrap();
    assert_eq!(["rows", "rows_out", "rows_rejected"].map(|name| report[name].as_u64().unwrap()), rows);
    assert!(
        dataset == "price-list" || report["chunks"].as_u64() > Some(2),
        "too few chunks to be put in order: {report}"
    );
    // Not `assert_eq`: nobody wants to read megabytes.
    assert!(fs::read(results.join("output.csv")).unwrap() == output, "another output.csv than the delivered one");
    assert!(fs::read(results.join("rejects.csv")).unwrap() == rejects, "another rejects.csv than the delivered one");
}
