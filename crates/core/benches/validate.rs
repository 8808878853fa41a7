//! How fast one chunk is held against its rules, from bytes that have arrived to the work files.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{ROWS, Stand, orders};
use tandem_core::dataset::Quoting;

fn benches(criterion: &mut Criterion) {
    for (name, bad) in [("valid", None), ("1 in 100 bad", Some(100))] {
        let stand = Stand::new(ROWS, orders(ROWS, bad, Quoting::Necessary));
        for (unit, throughput) in
            [("rows", Throughput::Elements(ROWS)), ("bytes", Throughput::Bytes(stand.input_bytes()))]
        {
            let mut group = criterion.benchmark_group(format!("validate/{name}"));
            group.sample_size(20).throughput(throughput);
            group.bench_function(unit, |bencher| bencher.iter(|| stand.validate()));
            group.finish();
        }
    }
}

criterion_group!(validate, benches);
criterion_main!(validate);
