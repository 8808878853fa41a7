//! `split`: finds record-aligned byte ranges in an input and writes the manifest.
//!
//! Copies nothing: the input is streamed once, in several ranges at a time, memory is constant, time is the download's.
//! Everything that is wrong with a file as a whole is found here and told in one sentence for its owner; what is wrong with a row is found by `validate`.
//! An attempt that resumes another's work answers from what that one noted, without reading the input.

mod download;
mod error;
mod header;
mod note;
mod ranges;

use std::pin::pin;

use futures::StreamExt;

use crate::batch::Attempt;
use crate::dataset::Dataset;
use crate::payload::{BatchInput, ChunkRange, SplitOutput, SplitTask};
use crate::ports::{InspectObjects, ObjectRef, ReadObjects, WriteObjects};
use crate::work;
use note::Note;

pub use error::{Place, SplitError};
pub use ranges::{Found, Splitter};

/// How inputs are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitSettings {
    /// Most rows in a chunk.
    pub chunk_rows: u64,
    /// Most bytes in a chunk; a single longer record is a chunk of its own.
    pub chunk_bytes: u64,
    /// The longest record, line end included, in bytes.
    pub max_record: usize,
    /// Most chunks: what one map run takes.
    pub max_chunks: u32,
    /// Bytes asked for in one read; an input up to this size is read whole.
    pub read_bytes: u64,
    /// Reads under way at once. These and one more are what is held in memory.
    pub concurrent_reads: usize,
}

impl Default for SplitSettings {
    fn default() -> Self {
        Self {
            chunk_rows: 50_000,
            chunk_bytes: 16 * 1024 * 1024,
            max_record: crate::csv::MAX_RECORD,
            max_chunks: 10_000,
            read_bytes: 8 * 1024 * 1024,
            concurrent_reads: 4,
        }
    }
}

/// An input that is split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What the next states need.
    pub output: SplitOutput,
    /// Whether an earlier attempt had done it: the input was not read.
    pub reused: bool,
}

/// Splits one input. May be repeated: the same input gives the same manifest under the same key.
///
/// # Errors
/// [`SplitError`]: a fault of the file, or a service that failed.
pub async fn run<R: ReadObjects + InspectObjects, W: WriteObjects>(
    reader: &R,
    writer: &W,
    settings: &SplitSettings,
    dataset: &Dataset,
    task: &SplitTask,
) -> Result<Split, SplitError> {
    let batch = &task.batch;
    let work_prefix = work_prefix(settings, dataset, batch);
    let noted = note::find(reader, settings, dataset, batch, &work_prefix).await?;
    if let Some(output) = noted {
        return Ok(Split { output, reused: true });
    }
    let (found, version_id) = scan(reader, settings, dataset, task).await?;
    let manifest_key = manifest_key(&work_prefix);
    let manifest = work::to_json(&manifest_key, &found.chunks)?;
    let manifest = writer.write(&batch.bucket, &manifest_key, work::JSON, manifest).await?;
    let chunks = u32::try_from(found.chunks.len()).unwrap_or(u32::MAX);
    let only_chunk = only(&found.chunks);
    let Found { rows, layout, .. } = found;
    let definition = dataset.digest();
    let output = SplitOutput { work_prefix, manifest_key, chunks, rows, layout, definition, version_id, only_chunk };
    Note::of(&output, manifest.etag).write(writer, batch).await?;
    Ok(Split { output, reused: false })
}

/// Where a batch's work files lie. A rerun is to look everything up anew, so it has a place of its own.
fn work_prefix(settings: &SplitSettings, dataset: &Dataset, batch: &BatchInput) -> String {
    let fingerprint = dataset.fingerprint(work::WORK_FORMAT, settings.chunk_rows, settings.chunk_bytes);
    match batch.first_attempt {
        Attempt::FIRST => format!("work/{}/{fingerprint}/", batch.batch_id),
        rerun => format!("work/{}/{fingerprint}-{rerun}/", batch.batch_id),
    }
}

/// The chunk of a manifest that lists one.
fn only(chunks: &[ChunkRange]) -> Option<ChunkRange> {
    match chunks {
        [only] => Some(*only),
        _ => None,
    }
}

fn manifest_key(work_prefix: &str) -> String {
    format!("{work_prefix}manifest.json")
}

async fn scan<R: ReadObjects>(
    reader: &R,
    settings: &SplitSettings,
    dataset: &Dataset,
    task: &SplitTask,
) -> Result<(Found, Option<String>), SplitError> {
    let batch = &task.batch;
    let input = ObjectRef {
        bucket: batch.bucket.clone(),
        key: batch.key.clone(),
        etag: Some(batch.etag.clone()),
        version_id: batch.version_id.clone(),
    };
    let mut ranges = pin!(download::ranges(reader, settings, &input, batch.size));
    let (mut splitter, mut version_id) = (Splitter::new(settings, dataset), None);
    while let Some(range) = ranges.next().await {
        let range = range?;
        version_id = version_id.or(range.version_id);
        // Each buffer is freed once it was scanned.
        range.buffers.into_iter().try_for_each(|buffer| splitter.push(&buffer))?;
    }
    Ok((splitter.finish()?, version_id))
}
