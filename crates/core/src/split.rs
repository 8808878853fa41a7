//! `split`: finds record-aligned byte ranges in an input and writes the manifest.
//!
//! Copies nothing: the input is streamed once, memory is constant, time is the download's. Everything that is wrong with a
//! file as a whole is found here and told in one sentence for its owner; what is wrong with a row is found by `validate`.

mod error;
mod header;
mod ranges;

use futures::StreamExt;

use crate::dataset::Dataset;
use crate::payload::{SplitOutput, SplitTask};
use crate::ports::{ObjectRef, ReadObjects, ServiceError, WriteObjects};
use crate::work;

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
    /// Changes whenever the code may write other work files for the same input.
    pub code_version: String,
}

impl Default for SplitSettings {
    fn default() -> Self {
        Self {
            chunk_rows: 50_000,
            chunk_bytes: 16 * 1024 * 1024,
            max_record: crate::csv::MAX_RECORD,
            max_chunks: 10_000,
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Splits one input. May be repeated: the same input gives the same manifest under the same key.
///
/// # Errors
/// [`SplitError`]: a fault of the file, or a service that failed.
pub async fn run<R: ReadObjects, W: WriteObjects>(
    reader: &R,
    writer: &W,
    settings: &SplitSettings,
    dataset: &Dataset,
    task: &SplitTask,
) -> Result<SplitOutput, SplitError> {
    let batch = &task.batch;
    let (found, version_id) = scan(reader, settings, dataset, task).await?;
    let fingerprint = dataset.fingerprint(&settings.code_version, settings.chunk_rows, settings.chunk_bytes);
    let work_prefix = format!("work/{}/{fingerprint}/", batch.batch_id);
    let manifest_key = format!("{work_prefix}manifest.json");
    let manifest = work::to_json(&manifest_key, &found.chunks).map_err(SplitError::Manifest)?;
    writer.write(&batch.bucket, &manifest_key, work::JSON, manifest).await?;
    let chunks = u32::try_from(found.chunks.len()).unwrap_or(u32::MAX);
    Ok(SplitOutput { work_prefix, manifest_key, chunks, rows: found.rows, layout: found.layout, version_id })
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
