//! What the functions hand each other through Step Functions.
//!
//! Payloads are references (bucket, batch, chunk), never rows: a state's payload is limited to 256 KiB. Every type here is
//! part of the contract with `statemachines/batch.asl.json`; changing a field name changes both.

use serde::{Deserialize, Serialize};

use crate::batch::{Attempt, BatchId};
use crate::error::ErrorType;

/// One claimed batch: what to process, in which Region's bucket, under which attempt.
///
/// Built from the claim record only, so that starting the same attempt again gives the same bytes, and Step Functions
/// recognises the second start as the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchInput {
    /// Identity of the batch: the same for every event, replica and retry of one upload.
    pub batch_id: BatchId,
    /// Which attempt this execution is.
    pub attempt: Attempt,
    /// The attempt from which attempts are counted: that of the claim, or of the last rerun. Later ones resume its work.
    #[serde(default)]
    pub first_attempt: Attempt,
    /// Bucket of the Region that processes the batch.
    pub bucket: String,
    /// Object key of the input, decoded.
    pub key: String,
    /// ETag of the input without quotes; every read names it.
    pub etag: String,
    /// Version of the input in `bucket`, if its bucket is versioned: a later upload under the same key does not disturb
    /// this batch.
    pub version_id: Option<String>,
    /// Size of the input in bytes.
    pub size: u64,
    /// Name of the dataset whose definition applies.
    pub dataset: String,
}

/// Input of an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionInput {
    /// The batch to process.
    pub batch: BatchInput,
    /// If there, the batch is not processed: its owner is told that it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up: Option<GiveUp>,
}

/// Why a batch is given up: what interrupted its last attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiveUp {
    /// Name of the state that failed last.
    pub failed_state: String,
    /// `AttemptsUsedUp`, and what the last attempt said.
    pub error: CaughtError,
}

/// Input of `split`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitTask {
    /// The batch to split.
    pub batch: BatchInput,
}

/// Where a dataset's columns stand in this input's header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Number of fields in the header: every record must have as many.
    pub columns: usize,
    /// For each column of the dataset, in the dataset's order: its zero-based position in the record.
    pub positions: Vec<usize>,
}

/// What `split` found, and where it wrote the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitOutput {
    /// `work/<batch_id>/<fingerprint>/`, ending in a slash.
    pub work_prefix: String,
    /// Key of the manifest: a JSON array of [`ChunkRange`].
    pub manifest_key: String,
    /// Number of chunks; 0 for a file that holds a header only.
    pub chunks: u32,
    /// Data rows in the input, header and blank lines not counted.
    pub rows: u64,
    /// Where the dataset's columns stand.
    pub layout: Layout,
    /// [`crate::dataset::Dataset::digest`] of the definition that it was split by: what follows goes by the same or not at
    /// all. Empty where the code that split it knew nothing of this.
    #[serde(default)]
    pub definition: String,
    /// Version of the input that was split.
    pub version_id: Option<String>,
    /// The chunk of an input that is one chunk: the execution works on it without a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_chunk: Option<ChunkRange>,
}

/// A record-aligned byte range of the input, `[start, end)`: one line of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRange {
    /// Zero-based number of the chunk; output keeps this order.
    pub chunk: u32,
    /// First byte of the first record.
    pub start: u64,
    /// One past the last byte of the last record, its line end included.
    pub end: u64,
    /// Number of the first row in the input; the first data row of a file is 1.
    pub first_row: u64,
    /// Rows in the chunk.
    pub rows: u64,
}

impl ChunkRange {
    /// Bytes of the chunk with a number before each row, as long as that is a size that chunks have: a manifest's number is no
    /// reason to take any memory.
    pub(crate) fn numbered_bytes(&self) -> usize {
        const MOST: usize = 32 * 1024 * 1024;
        let digits = u64::from(self.first_row.saturating_add(self.rows).max(1).ilog10()) + 2;
        let bytes = self.end.saturating_sub(self.start).saturating_add(self.rows.saturating_mul(digits));
        usize::try_from(bytes).unwrap_or(MOST).min(MOST)
    }
}

/// What a chunk's functions need to know of the split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkContext {
    /// As in [`SplitOutput`].
    pub work_prefix: String,
    /// As in [`SplitOutput`].
    pub layout: Layout,
    /// As in [`SplitOutput`].
    #[serde(default)]
    pub definition: String,
    /// As in [`SplitOutput`].
    pub version_id: Option<String>,
}

/// Input of `validate` and of `enrich`: one chunk of one batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkTask {
    /// The batch the chunk belongs to.
    pub batch: BatchInput,
    /// The split the chunk comes from.
    pub split: ChunkContext,
    /// The chunk itself.
    pub chunk: ChunkRange,
}

/// Answer of a function whose result lies in S3: empty, because a map's joined answers are limited to 256 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// Input of `merge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeTask {
    /// The batch to merge.
    pub batch: BatchInput,
    /// Its split, which names the manifest.
    pub split: SplitOutput,
}

/// How many rows were rejected for one reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReasonCount {
    /// Field that failed; empty when the record as a whole is at fault.
    pub field: String,
    /// Rule that it failed, for example `pattern` or `unmatched`.
    pub rule: String,
    /// Number of rows.
    pub count: u64,
}

/// What `merge` wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeOutput {
    /// Key of the merged output.
    pub output_key: String,
    /// Version of the merged output, which the link names.
    pub output_version: Option<String>,
    /// Key of the rejects file.
    pub rejects_key: String,
    /// Version of the rejects file.
    pub rejects_version: Option<String>,
    /// Data rows read.
    pub rows_in: u64,
    /// Rows delivered.
    pub rows_out: u64,
    /// Rows rejected; `rows_in = rows_out + rows_rejected`.
    pub rows_rejected: u64,
    /// Bytes of the merged output.
    pub bytes_out: u64,
    /// The most frequent reasons for rejection, most frequent first, at most three.
    pub reasons: Vec<ReasonCount>,
}

/// Input of `deliver`: the end of a batch, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum DeliverTask {
    /// Fence, mail the links, mark as delivered.
    Deliver {
        /// The batch to deliver.
        batch: BatchInput,
        /// What there is to deliver.
        merge: MergeOutput,
    },
    /// The file is at fault: mark as failed and tell its owner.
    Fail(Failure),
    /// Something else is at fault: note it, and leave the batch open for the reconciler.
    Interrupt(Failure),
    /// The e-mail was sent: writes only that the batch is delivered.
    #[serde(rename = "record_delivered")]
    RecordDelivered {
        /// The batch that was delivered.
        batch: BatchInput,
        /// What was delivered.
        merge: MergeOutput,
    },
    /// The e-mail was sent: writes only that the batch has failed.
    #[serde(rename = "record_failed")]
    RecordFailed(Failure),
    /// Sends the e-mail of a batch that has ended once more, with fresh links.
    Resend {
        /// The batch.
        batch_id: BatchId,
    },
}

/// A failed state of an execution, as a Catch hands it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The batch whose execution failed.
    pub batch: BatchInput,
    /// Name of the state that failed.
    pub failed_state: String,
    /// What Step Functions caught.
    pub error: CaughtError,
}

impl Failure {
    /// Whether the batch is failed because its attempts are used up, and not for its file.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.error.name == ErrorType::AttemptsUsedUp.as_str()
    }

    /// Why the batch fails, in one sentence.
    #[must_use]
    pub fn reason(&self) -> String {
        self.error.message()
    }
}

/// The error object of a Step Functions Catch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtError {
    /// Error name.
    #[serde(rename = "Error")]
    pub name: String,
    /// For a Lambda error a JSON document with `errorMessage`, otherwise plain text.
    #[serde(rename = "Cause", default)]
    pub cause: String,
}

impl CaughtError {
    /// The message inside the cause, or the cause itself where it is no Lambda error document.
    #[must_use]
    pub fn message(&self) -> String {
        serde_json::from_str::<serde_json::Value>(&self.cause)
            .ok()
            .and_then(|document| document.get("errorMessage")?.as_str().map(str::to_owned))
            .unwrap_or_else(|| self.cause.clone())
    }
}

/// Answer of `deliver`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// How the batch ended for this attempt.
    pub outcome: Outcome,
}

/// How an attempt at a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The e-mail was sent and the batch is DELIVERED.
    Delivered,
    /// The owner was told why the file could not be processed; the batch is FAILED.
    Failed,
    /// The reason was noted; the batch stays open.
    Interrupted,
    /// Another attempt owns or has ended the batch: nothing was done.
    Superseded,
    /// The e-mail of an ended batch was sent again.
    Resent,
}
