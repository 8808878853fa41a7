//! What `merge` itself costs: plan, reads and calls. The bucket is in memory, and copies what a service would copy by itself.

#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use tandem_core::dataset::Dataset;
use tandem_core::merge::{self, MergeSettings};
use tandem_core::payload::MergeTask;
use tandem_core::testing::{MemoryObjects, MemoryRejects};
use tandem_core::work::{ChunkFile, Part, Summary};

const DATASET: &[u8] = include_bytes!("../../../assets/datasets/sales-orders.json");
const PREFIX: &str = "work/batch/print/";
const BUCKET: &str = "bucket";
const KIB: usize = 1024;

/// A bucket with so many chunks, whose output parts have this size; and the task to merge them.
fn chunks(count: u32, size: usize) -> (MemoryObjects, MergeTask) {
    let objects = MemoryObjects::default();
    let content = Bytes::from(vec![b'x'; size]);
    let mut manifest = Vec::new();
    for chunk in 0..count {
        let part = |file: ChunkFile, content: Bytes| {
            let (key, bytes) = (file.key(PREFIX, chunk), content.len() as u64);
            Part::new(key.clone(), objects.put(BUCKET, &key, content), bytes)
        };
        let (output, rejects) = (part(ChunkFile::Output, content.clone()), part(ChunkFile::Rejects, Bytes::new()));
        let summary = Summary { rows_in: 1, rows_out: 1, rows_rejected: 0, reasons: Vec::new(), output, rejects };
        objects.put(BUCKET, &ChunkFile::Summary.key(PREFIX, chunk), serde_json::to_vec(&summary).unwrap());
        manifest.push(json!({ "chunk": chunk, "start": chunk, "end": chunk + 1, "first_row": chunk + 1, "rows": 1 }));
    }
    let manifest_key = format!("{PREFIX}manifest.json");
    objects.put(BUCKET, &manifest_key, serde_json::to_vec(&manifest).unwrap());
    let batch = json!({
        "batch_id": "0123456789abcdef0123456789abcdef", "attempt": 1, "bucket": BUCKET, "key": "input/a.csv", "etag": "e",
        "version_id": null, "size": 1, "dataset": "sales-orders",
    });
    let split = json!({
        "work_prefix": PREFIX, "manifest_key": manifest_key, "chunks": count, "rows": count,
        "layout": { "columns": 1, "positions": [0] }, "version_id": null,
    });
    (objects, serde_json::from_value(json!({ "batch": batch, "split": split })).unwrap())
}

fn benches(criterion: &mut Criterion) {
    let dataset = Dataset::parse("sales-orders", DATASET).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = criterion.benchmark_group("merge");
    for (name, count, size) in [("copied", 16, 8 * KIB * KIB), ("sent", 2_000, 50 * KIB)] {
        group.sample_size(10).throughput(Throughput::Bytes(u64::from(count) * size as u64));
        let merge = |(objects, task): (MemoryObjects, MergeTask)| {
            let (rejects, settings) = (MemoryRejects::default(), MergeSettings::default());
            runtime.block_on(merge::run(&objects, &rejects, &settings, &dataset, &task)).unwrap();
            objects
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| chunks(count, size), merge, BatchSize::PerIteration)
        });
    }
    group.finish();
}

criterion_group!(merging, benches);
criterion_main!(merging);
