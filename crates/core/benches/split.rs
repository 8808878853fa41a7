//! How fast `split` scans, in memory, with everything that it does for each line; and how fast records are cut out.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tandem_core::csv::{Records, Writer};
use tandem_core::dataset::{Dataset, Quoting};
use tandem_core::split::{Found, SplitSettings, Splitter};

const DATASET: &[u8] = include_bytes!("../../../assets/datasets/sales-orders.json");
const HEADER: [&str; 8] =
    ["uuid", "Country", "Item Type", "Sales Channel", "Order Priority", "Order Date", "Region", "Ship Date"];
const PLACES: [[&str; 2]; 5] = [
    ["Chad", "Sub-Saharan Africa"],
    ["United Arab Emirates", "Middle East and North Africa"],
    ["Democratic Republic of the Congo", "Sub-Saharan Africa"],
    ["Canada", "North America"],
    ["Australia", "Australia and Oceania"],
];
const ITEMS: [&str; 6] = ["Fruits", "Office Supplies", "Baby Food", "Cosmetics", "Snacks", "Personal Care"];
/// As the SDK hands a download out.
const BUFFER: usize = 64 * 1024;
const FILE: usize = 64 * 1024 * 1024;

/// Sales orders of about 83 bytes each, or 16 more where every field is quoted.
fn orders(quoting: Quoting) -> Bytes {
    let mut writer = Writer::new(b',', quoting);
    for name in HEADER {
        writer.field(name.as_bytes());
    }
    writer.end();
    for number in (0_usize..).take_while(|number| number * 83 < FILE) {
        let [country, region] = PLACES[number % PLACES.len()];
        let (day, month) = (number % 28 + 1, number % 12 + 1);
        let dates = [format!("{month}/{day}/2020"), format!("{month}/{}/2021", 29 - day)];
        let channel = if number.is_multiple_of(3) { "Online" } else { "Offline" };
        let uuid = format!("{number:09}");
        let fields = [&uuid, country, ITEMS[number % ITEMS.len()], channel, "H", &dates[0], region, &dates[1]];
        for field in fields {
            writer.field(field.as_bytes());
        }
        writer.end();
    }
    writer.into_bytes().into()
}

fn scan(file: &Bytes, settings: &SplitSettings, dataset: &Dataset) -> Found {
    let mut splitter = Splitter::new(settings, dataset);
    file.chunks(BUFFER).for_each(|buffer| splitter.push(buffer).unwrap());
    splitter.finish().unwrap()
}

fn records(file: &Bytes) -> usize {
    let (mut records, mut count) = (Records::new(b','), 0);
    for start in (0..file.len()).step_by(BUFFER) {
        records.push(file.slice(start..file.len().min(start + BUFFER)));
        while let Some(record) = records.next() {
            black_box(record);
            count += 1;
        }
    }
    count
}

fn benches(criterion: &mut Criterion) {
    let dataset = Dataset::parse("sales-orders", DATASET).unwrap();
    let settings = SplitSettings::default();
    for (name, quoting) in [("unquoted", Quoting::Necessary), ("quoted", Quoting::All)] {
        let file = orders(quoting);
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20).throughput(Throughput::Bytes(file.len() as u64));
        group.bench_function("splitter", |bencher| bencher.iter(|| scan(&file, &settings, &dataset)));
        group.bench_function("records", |bencher| bencher.iter(|| records(&file)));
        group.finish();
    }
}

criterion_group!(split, benches);
criterion_main!(split);
