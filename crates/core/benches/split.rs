//! How fast `split` scans, in memory, with everything that it does for each line; and how fast records are cut out.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{BUFFER, DATASET, orders};
use tandem_core::csv::{Records, Writer};
use tandem_core::dataset::{Dataset, Quoting};
use tandem_core::split::{Found, SplitSettings, Splitter};

/// Some 64 MiB, or 77 where every field is quoted.
const ROWS: u64 = 800_000;

/// A file of sales orders with its header.
fn file(dataset: &Dataset, quoting: Quoting) -> Bytes {
    let mut writer = Writer::new(dataset.delimiter, quoting);
    for column in &dataset.columns {
        writer.field(column.header.as_bytes());
    }
    writer.end();
    [writer.into_bytes(), orders(ROWS, None, quoting)].concat().into()
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
        let file = file(&dataset, quoting);
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20).throughput(Throughput::Bytes(file.len() as u64));
        group.bench_function("splitter", |bencher| bencher.iter(|| scan(&file, &settings, &dataset)));
        group.bench_function("records", |bencher| bencher.iter(|| records(&file)));
        group.finish();
    }
}

criterion_group!(split, benches);
criterion_main!(split);
