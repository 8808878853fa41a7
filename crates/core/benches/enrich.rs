//! How fast one chunk is joined with reference records that are answered from memory, from its work files to its parts.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{ROWS, Stand, orders};
use tandem_core::dataset::Quoting;
use tandem_core::work::ChunkFile;

fn benches(criterion: &mut Criterion) {
    for (name, bad) in [("valid", None), ("1 in 100 bad", Some(100))] {
        let stand = Stand::new(ROWS, orders(ROWS, bad, Quoting::Necessary));
        stand.validate();
        let bytes = stand.bytes(ChunkFile::Valid) + stand.bytes(ChunkFile::Invalid);
        for (unit, throughput) in [("rows", Throughput::Elements(ROWS)), ("bytes", Throughput::Bytes(bytes))] {
            let mut group = criterion.benchmark_group(format!("enrich/{name}"));
            group.sample_size(20).throughput(throughput);
            group.bench_function(unit, |bencher| bencher.iter(|| stand.enrich()));
            group.finish();
        }
    }
}

criterion_group!(enrich, benches);
criterion_main!(enrich);
