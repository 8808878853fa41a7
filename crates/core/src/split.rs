//! `split`: finds record-aligned byte ranges in an input and writes the manifest.
//!
//! Copies nothing: the input is streamed once, memory is constant, time is the download's. Everything that is wrong with a
//! file as a whole is found here and told in one sentence for its owner; what is wrong with a row is found by `validate`.
//! An attempt that resumes another's work answers from what that one noted, without reading the input.

mod error;
mod header;
mod note;
mod ranges;

use futures::StreamExt;

use crate::batch::Attempt;
use crate::dataset::Dataset;
use crate::payload::{BatchInput, SplitOutput, SplitTask};
use crate::ports::{InspectObjects, ObjectRef, ReadObjects, ServiceError, WriteObjects};
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
}

impl Default for SplitSettings {
    fn default() -> Self {
        Self {
            chunk_rows: 50_000,
            chunk_bytes: 16 * 1024 * 1024,
            max_record: crate::csv::MAX_RECORD,
            max_chunks: 10_000,
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
    let output = SplitOutput { work_prefix, manifest_key, chunks, rows: found.rows, layout: found.layout, version_id };
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
    let mut body = reader.read(&input, None).await.map_err(input_error)?;
    let mut splitter = Splitter::new(settings, dataset);
    let mut arrived = 0;
    while let Some(bytes) = body.stream.next().await {
        let bytes = bytes.map_err(input_error)?;
        arrived += bytes.len() as u64;
        splitter.push(&bytes)?;
    }
    // A connection that ended early must not pass for a short file.
    if arrived != batch.size {
        return Err(SplitError::Truncated { expected: batch.size, arrived });
    }
    Ok((splitter.finish()?, body.version_id))
}

/// An input that is gone, or is another, is the file's fault: nothing that is tried again brings it back.
fn input_error(error: ServiceError) -> SplitError {
    match error {
        ServiceError::NotFound { .. } | ServiceError::Changed { .. } => SplitError::InputMissing { source: error },
        other => SplitError::Service(other),
    }
}
