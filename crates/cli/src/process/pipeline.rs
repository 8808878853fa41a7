//! Calls the functions' code, in the order of the state machine: split, every chunk, merge.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tandem_core::batch::{Attempt, BatchId};
use tandem_core::dataset::Dataset;
use tandem_core::error::{Classified, ErrorType};
use tandem_core::merge::{self, MergeSettings};
use tandem_core::payload::{
    BatchInput, ChunkContext, ChunkRange, ChunkTask, MergeOutput, MergeTask, SplitOutput, SplitTask,
};
use tandem_core::ports::{RejectedRow, ServiceError, StoreRejects};
use tandem_core::split::{self, SplitError, SplitSettings};
use tandem_core::{enrich, validate};
use tokio::runtime::Runtime;

use super::folder::{Folder, INPUT, etag_of};
use super::held::Held;
use super::reference::Table;
use super::usage::thread_time;
use crate::exit::Interrupted;

/// Most chunks worked on at once, whatever the number of cores: each takes memory.
const MOST_WORKERS: usize = 8;
/// A chunk's size: what it is made into stays in a core's cache on the way from step to step.
const CHUNK_BYTES: u64 = 256 * 1024;
/// Most chunks: of very large files they are larger, since each takes a little memory to the end.
const MOST_CHUNKS: u64 = 20_000;
/// Rows are hardly ever shorter than this: bytes bound a chunk, not rows.
const SHORT_ROW: u64 = 8;

/// A file's way through the functions' code.
pub struct Pipeline<'a> {
    /// The object ports.
    pub folder: &'a Folder,
    /// The lookup port.
    pub reference: &'a Table,
    /// What the file's dataset is.
    pub dataset: &'a Dataset,
    /// Becomes true when somebody wants to stop.
    pub stop: &'a AtomicBool,
}

/// Processor time of each step, summed over threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Phases {
    /// Of `split`.
    pub split: Duration,
    /// Of `validate`.
    pub validate: Duration,
    /// Of `enrich`.
    pub enrich: Duration,
    /// Of `merge`.
    pub merge: Duration,
}

/// What came of it.
pub struct Finished {
    /// Where the results are, and what is in them.
    pub merge: MergeOutput,
    /// Where the time went.
    pub phases: Phases,
    /// Chunks that the file was cut into.
    pub chunks: u32,
    /// Threads that worked on chunks.
    pub workers: usize,
}

/// Why there is no result.
pub struct Failure {
    /// What the state machine would see, where it is the file's fault.
    pub fault: Option<ErrorType>,
    /// What is said.
    pub error: anyhow::Error,
}

impl Failure {
    /// Nothing but that it was interrupted, where it was.
    pub fn or_interrupted(self, stop: &AtomicBool) -> Self {
        if stop.load(Ordering::Relaxed) { anyhow::Error::from(Interrupted).into() } else { self }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { fault: None, error }
    }
}

impl From<SplitError> for Failure {
    fn from(error: SplitError) -> Self {
        let fault = Some(error.error_type()).filter(|fault| fault.is_file_fault());
        Self { fault, error: error.into() }
    }
}

impl Pipeline<'_> {
    /// Processes the file.
    ///
    /// # Errors
    /// [`Failure`] of the first step that fails.
    pub fn run(&self, input: &Path) -> Result<Finished, Failure> {
        let runtime = runtime()?;
        let mut phases = Phases::default();
        let batch = self.batch(input)?;
        let task = SplitTask { batch: batch.clone() };
        let chunk_bytes = CHUNK_BYTES.max(batch.size / MOST_CHUNKS);
        let settings = SplitSettings {
            chunk_rows: chunk_bytes / SHORT_ROW,
            chunk_bytes,
            max_chunks: u32::MAX,
            // A disk gains nothing from several reads at once.
            read_bytes: 1 << 20,
            concurrent_reads: 1,
            ..Default::default()
        };
        let split = split::run(self.folder, self.folder, &settings, self.dataset, &task);
        let split = timed(&mut phases.split, || runtime.block_on(split))?.output;
        let manifest = self.folder.content(&split.manifest_key).map_err(anyhow::Error::from)?;
        let chunks: Vec<ChunkRange> = serde_json::from_slice(&manifest).context("cannot read the manifest")?;
        let workers = self.work(&batch, &split, &chunks, &mut phases)?;
        let (chunks, task) = (split.chunks, MergeTask { batch, split });
        // Files have no least size of a part: each chunk's part is copied by itself.
        let settings = MergeSettings { min_part: 1, ..MergeSettings::default() };
        let merge = merge::run(self.folder, &Nowhere, &settings, self.dataset, &task);
        let merge = timed(&mut phases.merge, || runtime.block_on(merge)).map_err(anyhow::Error::from)?;
        Ok(Finished { merge, phases, chunks, workers })
    }

    fn batch(&self, input: &Path) -> anyhow::Result<BatchInput> {
        let about = std::fs::metadata(input).with_context(|| input.display().to_string())?;
        let etag = etag_of(&about);
        Ok(BatchInput {
            batch_id: BatchId::of(INPUT, &etag),
            attempt: Attempt::FIRST,
            first_attempt: Attempt::FIRST,
            bucket: String::new(),
            key: INPUT.to_owned(),
            etag,
            version_id: None,
            size: about.len(),
            dataset: self.dataset.name.clone(),
        })
    }

    /// Works on all chunks, each thread on one at a time. The first failure ends them all; answers the number of threads.
    fn work(
        &self,
        batch: &BatchInput,
        split: &SplitOutput,
        chunks: &[ChunkRange],
        phases: &mut Phases,
    ) -> Result<usize, Failure> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = cores.min(MOST_WORKERS).min(chunks.len());
        let next = AtomicUsize::new(0);
        let outcome = Mutex::new((Phases::default(), None::<anyhow::Error>));
        let lock = || outcome.lock().unwrap_or_else(PoisonError::into_inner);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    let mut spent = Phases::default();
                    let worked = self.work_alone(batch, split, chunks, &next, &mut spent);
                    let mut outcome = lock();
                    outcome.0.validate += spent.validate;
                    outcome.0.enrich += spent.enrich;
                    if let Err(error) = worked {
                        next.store(chunks.len(), Ordering::Relaxed);
                        outcome.1.get_or_insert(error);
                    }
                });
            }
        });
        let (spent, failed) = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
        (phases.validate, phases.enrich) = (spent.validate, spent.enrich);
        failed.map_or(Ok(workers), |error| Err(error.into()))
    }

    fn work_alone(
        &self,
        batch: &BatchInput,
        split: &SplitOutput,
        chunks: &[ChunkRange],
        next: &AtomicUsize,
        spent: &mut Phases,
    ) -> anyhow::Result<()> {
        let runtime = runtime()?;
        while let Some(&chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
            super::stopped(self.stop)?;
            let task = ChunkTask { batch: batch.clone(), split: context(split), chunk };
            // Only this chunk's next step reads what validate writes.
            let between = Held::default();
            let validate = validate::run(self.folder, &between, self.dataset, &task);
            timed(&mut spent.validate, || runtime.block_on(validate))?;
            let enrich = enrich::run(&between, self.folder, self.reference, self.reference, self.dataset, &task);
            timed(&mut spent.enrich, || runtime.block_on(enrich))?;
        }
        Ok(())
    }
}

fn context(split: &SplitOutput) -> ChunkContext {
    ChunkContext {
        work_prefix: split.work_prefix.clone(),
        layout: split.layout.clone(),
        definition: split.definition.clone(),
        version_id: split.version_id.clone(),
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().build().context("cannot start working")
}

fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let before = thread_time();
    let done = work();
    *spent += thread_time().saturating_sub(before);
    done
}

/// Rejected rows are in the rejects file; there is no table for them here.
struct Nowhere;

impl StoreRejects for Nowhere {
    async fn store(&self, _batch_id: &BatchId, _rows: &[RejectedRow]) -> Result<(), ServiceError> {
        Ok(())
    }
}
