//! One file through split, validate, enrich and merge.

use std::cell::RefCell;

use proptest::prelude::*;
use tandem_core::batch::{Attempt, BatchId};
use tandem_core::dataset::Dataset;
use tandem_core::error::Classified;
use tandem_core::merge::{self, MergeSettings};
use tandem_core::payload::{
    BatchInput, ChunkContext, ChunkRange, ChunkTask, MergeOutput, MergeTask, SplitOutput, SplitTask,
};
use tandem_core::split::{self, SplitSettings};
use tandem_core::testing::{Faults, MemoryLookup, MemoryObjects, MemoryPause, MemoryRejects};
use tandem_core::{enrich, validate};

use super::lookup_of;

pub const BUCKET: &str = "bucket";
const KEY: &str = "input/file.csv";

/// Everything that cuts.
#[derive(Debug, Clone)]
pub struct Sizes {
    pub chunk_rows: u64,
    pub chunk_bytes: u64,
    pub buffer: usize,
    pub min_part: u64,
}

impl Sizes {
    /// One chunk, one buffer, one plain write.
    pub fn large() -> Self {
        Self { chunk_rows: 1_000_000, chunk_bytes: 1 << 30, buffer: 1 << 20, min_part: 5 << 20 }
    }
}

pub fn sizes() -> impl Strategy<Value = Sizes> {
    let buffer = prop_oneof![Just(1_usize), 2..16_usize, 16..4096_usize];
    let min_part = prop_oneof![1..400_u64, Just(5 << 20)];
    let size = |(chunk_rows, chunk_bytes, buffer, min_part)| Sizes { chunk_rows, chunk_bytes, buffer, min_part };
    (1..15_u64, prop_oneof![1..2_000_u64, Just(1 << 24)], buffer, min_part).prop_map(size)
}

pub type Failure = Box<dyn Classified + Send>;

pub struct Journey<'a> {
    dataset: &'a Dataset,
    sizes: Sizes,
    pub batch: BatchInput,
    pub objects: MemoryObjects,
    pub lookup: MemoryLookup,
    pub rejects: MemoryRejects,
    pub faults: Faults,
    pub split: RefCell<Option<SplitOutput>>,
}

impl<'a> Journey<'a> {
    pub fn new(dataset: &'a Dataset, file: &[u8], sizes: &Sizes, faults: Faults) -> Self {
        let objects = MemoryObjects::new(faults.clone())
            .with_buffer(sizes.buffer)
            .with_min_part(usize::try_from(sizes.min_part).unwrap());
        let stored = objects.put(BUCKET, KEY, file.to_vec());
        let batch = BatchInput {
            batch_id: BatchId::of(KEY, &stored.etag),
            attempt: Attempt::FIRST,
            first_attempt: Attempt::FIRST,
            bucket: BUCKET.to_owned(),
            key: KEY.to_owned(),
            etag: stored.etag,
            version_id: stored.version_id,
            size: file.len() as u64,
            dataset: dataset.name.clone(),
        };
        let (lookup, rejects) = (reference_data(&faults), MemoryRejects::new(faults.clone()));
        Self { dataset, sizes: sizes.clone(), batch, objects, lookup, rejects, faults, split: RefCell::new(None) }
    }

    /// The next attempt, with another bucket that holds nothing but the input.
    pub fn next_attempt(&self, bucket: &str, faults: Faults) -> Self {
        let input = self.objects.content(&self.batch.bucket, KEY).unwrap();
        let next = Self::new(self.dataset, &input, &self.sizes, faults);
        // So that versions have other names than those of the first attempt's bucket.
        next.objects.put(bucket, "other", "");
        let version_id = next.objects.put(bucket, KEY, input).version_id;
        let attempt = Attempt::new(self.batch.attempt.number() + 1);
        let batch = BatchInput { attempt, bucket: bucket.to_owned(), version_id, ..self.batch.clone() };
        Self { batch, ..next }
    }

    /// Content of an object in this attempt's bucket.
    pub fn content(&self, key: &str) -> Option<Vec<u8>> {
        self.objects.content(&self.batch.bucket, key).map(|content| content.to_vec())
    }

    /// Puts an object into this attempt's bucket, as replication would.
    pub fn put(&self, key: &str, content: impl Into<Vec<u8>>) {
        self.objects.put(&self.batch.bucket, key, content.into());
    }

    pub fn run(&self) -> Result<MergeOutput, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.all())
    }

    async fn all(&self) -> Result<MergeOutput, Failure> {
        let settings = SplitSettings {
            chunk_rows: self.sizes.chunk_rows,
            chunk_bytes: self.sizes.chunk_bytes,
            ..SplitSettings::default()
        };
        let task = SplitTask { batch: self.batch.clone() };
        let split = on_any_thread(split::run(&self.objects, &self.objects, &settings, self.dataset, &task))
            .await
            .map_err(failure)?
            .output;
        *self.split.borrow_mut() = Some(split.clone());
        for chunk in self.manifest() {
            let context = ChunkContext {
                work_prefix: split.work_prefix.clone(),
                layout: split.layout.clone(),
                definition: split.definition.clone(),
                version_id: split.version_id.clone(),
            };
            let task = ChunkTask { batch: self.batch.clone(), split: context, chunk };
            on_any_thread(validate::run(&self.objects, &self.objects, self.dataset, &task)).await.map_err(failure)?;
            let (objects, pause) = (&self.objects, MemoryPause::default());
            on_any_thread(enrich::run(objects, objects, &self.lookup, &pause, self.dataset, &task))
                .await
                .map_err(failure)?;
        }
        self.merge(split).await
    }

    async fn merge(&self, split: SplitOutput) -> Result<MergeOutput, Failure> {
        let task = MergeTask { batch: self.batch.clone(), split };
        let settings = MergeSettings { min_part: self.sizes.min_part, ..MergeSettings::default() };
        on_any_thread(merge::run(&self.objects, &self.rejects, &settings, self.dataset, &task)).await.map_err(failure)
    }

    /// Merges what a run has left, once more.
    pub fn merge_again(&self) -> Result<MergeOutput, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.merge(self.split.borrow().clone().unwrap()))
    }

    pub fn manifest(&self) -> Vec<ChunkRange> {
        let key = self.split.borrow().as_ref().unwrap().manifest_key.clone();
        serde_json::from_slice(&self.content(&key).unwrap()).unwrap()
    }

    pub fn result(&self, name: &str) -> Option<Vec<u8>> {
        self.content(&format!("output/{}/{name}", self.batch.batch_id))
    }

    pub fn output(&self) -> Vec<u8> {
        self.result("output.csv").unwrap()
    }

    pub fn rejects(&self) -> Vec<u8> {
        self.result("rejects.csv").unwrap()
    }
}

fn failure(error: impl Classified + Send + 'static) -> Failure {
    Box::new(error)
}

fn reference_data(faults: &Faults) -> MemoryLookup {
    let mut lookup = MemoryLookup::new(faults.clone());
    for number in 0..250 {
        for (table, key) in [("orders", format!("{number:09}")), ("articles", format!("ABC-{number:04}"))] {
            if let Some(record) = lookup_of(table, &key) {
                lookup.insert(table, &key, record);
            }
        }
    }
    lookup
}

/// A function's runtime moves its work between threads: every `run` must allow that.
fn on_any_thread<F: Future + Send>(future: F) -> F {
    future
}
