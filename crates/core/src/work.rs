//! A batch's work files: where they lie, what they say, and how they are read.
//!
//! `validate` and `enrich` hand chunks over in S3, `merge` joins them. No LIST is needed: the manifest names every chunk, and
//! a chunk's files have fixed names. `summary.json` is written last, so that a chunk with a summary is complete; replication
//! keeps no order, so a later attempt checks what the summary names before it takes it.

pub(crate) mod resume;

use bytes::Bytes;
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, UnknownDataset};
use crate::error::{Classified, ErrorType};
use crate::payload::{ChunkTask, ReasonCount};
use crate::ports::{ByteRange, ObjectRef, ReadObjects, ServiceError, StoredObject};

/// Version of the work files: raise it whenever the same input may give work files with other bytes.
///
/// It is part of a work prefix, so that an attempt takes over only what it would have written itself.
pub const WORK_FORMAT: u32 = 2;
/// Media type of every CSV that is written.
pub const CSV: &str = "text/csv; charset=utf-8";
/// Media type of manifests and summaries.
pub const JSON: &str = "application/json";

/// A file of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkFile {
    /// Rows that passed the rules: the row's number, then the record as it came, in the dataset's delimiter.
    Valid,
    /// Rows that failed a rule, in the form of the rejects file, without its header.
    Invalid,
    /// The chunk's share of the output.
    Output,
    /// The chunk's share of the rejects file.
    Rejects,
    /// [`Summary`].
    Summary,
}

impl ChunkFile {
    /// Key of this file of a chunk.
    #[must_use]
    pub fn key(self, work_prefix: &str, chunk: u32) -> String {
        let name = match self {
            Self::Valid => "valid.csv",
            Self::Invalid => "invalid.csv",
            Self::Output => "output.csv",
            Self::Rejects => "rejects.csv",
            Self::Summary => "summary.json",
        };
        format!("{work_prefix}chunk-{chunk:05}/{name}")
    }

    /// Key of this file of a task's chunk.
    #[must_use]
    pub fn of(self, task: &ChunkTask) -> String {
        self.key(&task.split.work_prefix, task.chunk.chunk)
    }
}

/// A part that a chunk contributed, named so that no other can be read in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Object key.
    pub key: String,
    /// ETag without quotes.
    pub etag: String,
    /// Size in bytes; may be 0.
    pub bytes: u64,
}

impl Part {
    /// The part that was just written.
    #[must_use]
    pub fn new(key: String, stored: StoredObject, bytes: u64) -> Self {
        Self { key, etag: stored.etag, bytes }
    }

    /// The part as an object to read.
    #[must_use]
    pub fn object(&self, bucket: &str) -> ObjectRef {
        ObjectRef { bucket: bucket.to_owned(), key: self.key.clone(), etag: Some(self.etag.clone()), version_id: None }
    }
}

/// What a chunk came to; written last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows of the chunk.
    pub rows_in: u64,
    /// Rows in its output part.
    pub rows_out: u64,
    /// Rows in its rejects part; `rows_in = rows_out + rows_rejected`.
    pub rows_rejected: u64,
    /// Why rows were rejected: every reason, by field and rule.
    pub reasons: Vec<ReasonCount>,
    /// Output part; that of chunk 0 begins with the header line.
    pub output: Part,
    /// Rejects part; that of chunk 0 begins with the header line.
    pub rejects: Part,
}

/// Why a chunk or a merge could not be done. Never the file's fault: that is found before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// A call to a service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The batch's dataset is not defined here.
    #[error(transparent)]
    Dataset(#[from] UnknownDataset),
    /// A deployment came between this attempt's split and here.
    #[error(
        "the definition of the dataset {dataset} has changed since the file was split: the next attempt goes by one definition"
    )]
    DefinitionChanged {
        /// Name of the dataset.
        dataset: String,
    },
    /// Fewer or more bytes arrived than the object or range holds.
    #[error("{key}: {expected} bytes were expected, {arrived} arrived")]
    Truncated {
        /// Key of the object.
        key: String,
        /// Bytes asked for.
        expected: u64,
        /// Bytes that came.
        arrived: u64,
    },
    /// A work file does not say what an earlier step said of it.
    #[error("{key}: {problem}; run the batch again with `tandem rerun`")]
    Inconsistent {
        /// Key of the object.
        key: String,
        /// What does not fit.
        problem: String,
    },
    /// A manifest or summary cannot be read.
    #[error("{key} is no valid work file")]
    Unreadable {
        /// Key of the object.
        key: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The time in which it could be done is over.
    #[error("stopped before it was done: the time for it is over")]
    Stopped,
    /// A bug.
    #[error("it panicked")]
    Panicked,
    /// It failed, and the upload that it had begun could not be aborted.
    #[error("{failure}; besides, the upload {upload_id} of {key} is still open: {abort}")]
    LeftOpen {
        /// Key of the object to be.
        key: String,
        /// The service's name for the upload.
        upload_id: String,
        /// Why it failed.
        failure: Box<WorkError>,
        /// Why the upload could not be aborted.
        abort: Box<WorkError>,
    },
}

impl WorkError {
    pub(crate) fn inconsistent(key: &str, problem: impl Into<String>) -> Self {
        Self::Inconsistent { key: key.to_owned(), problem: problem.into() }
    }
}

impl Classified for WorkError {
    fn error_type(&self) -> ErrorType {
        match self {
            // A work file that is not what was noted of it is being written again by a repeated child: it will be there.
            Self::Service(ServiceError::NotFound { .. } | ServiceError::Changed { .. }) => {
                ErrorType::ServiceUnavailable
            }
            Self::Service(error) => error.error_type(),
            Self::Dataset(error) => error.error_type(),
            Self::DefinitionChanged { .. } => ErrorType::DefinitionChanged,
            // Only a service that is slow keeps it so long.
            Self::Truncated { .. } | Self::Stopped => ErrorType::ServiceUnavailable,
            Self::Inconsistent { .. } | Self::Unreadable { .. } | Self::Panicked => ErrorType::Internal,
            Self::LeftOpen { failure, .. } => failure.error_type(),
        }
    }
}

/// Whether the definition here is the one that the file was split by. Where a deployment came between, one output would follow
/// two of them.
pub(crate) fn same_definition(dataset: &Dataset, split_by: &str) -> Result<(), WorkError> {
    if dataset.digest() == split_by {
        return Ok(());
    }
    Err(WorkError::DefinitionChanged { dataset: dataset.name.clone() })
}

/// An object of a work prefix, by its key alone.
pub(crate) fn object(bucket: &str, key: String) -> ObjectRef {
    ObjectRef { bucket: bucket.to_owned(), key, etag: None, version_id: None }
}

/// Reads an object, or a range of it, to its end into `into`; answers the number of bytes.
pub(crate) async fn append<R: ReadObjects>(
    reader: &R,
    object: &ObjectRef,
    range: Option<ByteRange>,
    into: &mut Vec<u8>,
) -> Result<u64, WorkError> {
    let before = into.len();
    let mut body = reader.read(object, range).await?;
    while let Some(bytes) = body.stream.next().await {
        into.extend_from_slice(&bytes?);
    }
    let arrived = (into.len() - before) as u64;
    match range.map(|range| range.end() - range.start()) {
        Some(expected) if expected != arrived => {
            Err(WorkError::Truncated { key: object.key.clone(), expected, arrived })
        }
        _ => Ok(arrived),
    }
}

/// Reads an object of about so many bytes to its end. What comes in one piece is not copied.
pub(crate) async fn read<R: ReadObjects>(reader: &R, object: &ObjectRef, about: usize) -> Result<Bytes, WorkError> {
    let mut body = reader.read(object, None).await?;
    let first = body.stream.next().await.transpose()?.unwrap_or_default();
    let Some(second) = body.stream.next().await.transpose()? else { return Ok(first) };
    let mut whole = Vec::with_capacity(about);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(bytes) = body.stream.next().await {
        whole.extend_from_slice(&bytes?);
    }
    Ok(whole.into())
}

/// Reads a JSON work file.
pub(crate) async fn read_json<R: ReadObjects, T: for<'de> Deserialize<'de>>(
    reader: &R,
    object: &ObjectRef,
) -> Result<T, WorkError> {
    let mut bytes = Vec::new();
    append(reader, object, None, &mut bytes).await?;
    serde_json::from_slice(&bytes).map_err(|source| WorkError::Unreadable { key: object.key.clone(), source })
}

/// A value as the bytes of a JSON work file.
pub(crate) fn to_json<T: Serialize>(key: &str, value: &T) -> Result<Bytes, WorkError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|source| WorkError::Unreadable { key: key.to_owned(), source })
}
