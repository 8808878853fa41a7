//! What the domain needs from the outside: one small trait for each capability.
//!
//! A function's ports read like its IAM policy. Each method says whether it may be repeated and what is retryable; adapters
//! retry what the SDK retries and otherwise report, the domain decides.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;

use crate::batch::{Attempt, BatchId, BatchRecord, Ending};
use crate::error::{Classified, ErrorType};
use crate::ownership::ExecutionState;
use crate::payload::ExecutionInput;

/// Failure of a call to a service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// What was asked for is not there.
    #[error("{what} was not found")]
    NotFound {
        /// The thing, named for a person.
        what: String,
    },
    /// A condition of the call did not hold: the object is another one than was named.
    #[error("{what} has changed since it was claimed")]
    Changed {
        /// The thing, named for a person.
        what: String,
    },
    /// The caller lacks a permission.
    #[error("no permission to {operation}: {message}")]
    Denied {
        /// What was tried, for example `s3:GetObject`.
        operation: &'static str,
        /// What the service said.
        message: String,
    },
    /// The service asks to slow down, after the adapter's own retries.
    #[error("{operation} was throttled")]
    Throttled {
        /// What was tried.
        operation: &'static str,
        /// What the service said.
        #[source]
        source: BoxError,
    },
    /// The service failed or did not answer, after the adapter's own retries.
    #[error("{operation} failed: {message}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// What the service said, or how the connection ended.
        message: String,
        /// The error as the SDK gave it.
        #[source]
        source: BoxError,
    },
    /// The service refused the call as wrong: a bug or a broken configuration.
    #[error("{operation} was refused: {message}")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// What the service said.
        message: String,
    },
}

/// Any error, sendable.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Classified for ServiceError {
    fn error_type(&self) -> ErrorType {
        match self {
            Self::NotFound { .. } | Self::Refused { .. } | Self::Changed { .. } => ErrorType::Internal,
            Self::Denied { .. } => ErrorType::Denied,
            Self::Throttled { .. } => ErrorType::Throttled,
            Self::Unavailable { .. } => ErrorType::ServiceUnavailable,
        }
    }
}

/// Bytes of an object as they arrive.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, ServiceError>> + Send>>;

/// An object to read, named so that no other can be read in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// Bucket name.
    pub bucket: String,
    /// Key, not encoded.
    pub key: String,
    /// Read only if the object still has this ETag (without quotes).
    pub etag: Option<String>,
    /// Read this version.
    pub version_id: Option<String>,
}

/// Bytes `[start, end)` of an object; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// A range, or `None` where it would be empty.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start < end { Some(Self { start, end }) } else { None }
    }

    /// First byte.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// One past the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }
}

/// An object being read.
pub struct ObjectBody {
    /// The bytes; an error ends the stream.
    pub stream: ByteStream,
    /// ETag without quotes.
    pub etag: String,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
}

/// An object that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// ETag without quotes.
    pub etag: String,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
}

/// Reads objects. Every call may be repeated.
pub trait ReadObjects: Send + Sync {
    /// The object, or a range of it, as a stream.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when key or version do not exist; [`ServiceError::Changed`] when the ETag is another.
    fn read(
        &self,
        object: &ObjectRef,
        range: Option<ByteRange>,
    ) -> impl Future<Output = Result<ObjectBody, ServiceError>> + Send;
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// ETag without quotes.
    pub etag: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
}

/// Looks at objects without reading them. Strongly consistent within a Region; every call may be repeated.
pub trait InspectObjects: Send + Sync {
    /// The object, or `None` where there is no such key or version, or the object was deleted. The ETag of `object` is not
    /// looked at: the answer names the one that is there.
    ///
    /// # Errors
    /// [`ServiceError::Denied`] also where the object is missing and the caller may not list the bucket.
    fn head(&self, object: &ObjectRef) -> impl Future<Output = Result<Option<ObjectInfo>, ServiceError>> + Send;
}

/// Writes objects. Repeating a call writes another version with the same content.
pub trait WriteObjects: Send + Sync {
    /// Writes a whole object.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn write(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Bytes,
    ) -> impl Future<Output = Result<StoredObject, ServiceError>> + Send;
}

/// An upload in parts that has begun and must be completed or aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Bucket of the object to be.
    pub bucket: String,
    /// Key of the object to be.
    pub key: String,
    /// The service's name for the upload.
    pub upload_id: String,
}

/// Builds one object from parts, copied inside the service or sent.
///
/// Part numbers start at 1. Every part but the last has at least 5 MiB. Sending a part again under its number replaces it.
pub trait AssembleObjects: Send + Sync {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn begin(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
    ) -> impl Future<Output = Result<Upload, ServiceError>> + Send;

    /// Sends one part; answers its ETag.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn send_part(
        &self,
        upload: &Upload,
        part: u32,
        body: Bytes,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Copies one part from an object or a range of it, inside the service; answers its ETag.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] or [`ServiceError::Changed`] for the source.
    fn copy_part(
        &self,
        upload: &Upload,
        part: u32,
        source: &ObjectRef,
        range: Option<ByteRange>,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Makes the object from its parts, given as (number, ETag) in order.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn complete(
        &self,
        upload: &Upload,
        parts: &[(u32, String)],
    ) -> impl Future<Output = Result<StoredObject, ServiceError>> + Send;

    /// Gives the upload up and frees its parts.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn abort(&self, upload: &Upload) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// Tags an input that is finished, so that a lifecycle rule can archive it. May be repeated.
pub trait TagObjects: Send + Sync {
    /// Sets the object's one tag `tandem:status`.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when the object or version is gone.
    fn tag_status(&self, object: &ObjectRef, status: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// One reference record: field name to value.
pub type ReferenceRecord = std::collections::BTreeMap<String, String>;

/// Reads reference records. Eventually consistent; every call may be repeated.
pub trait LookupRecords: Send + Sync {
    /// The records of the given keys, at most 100 and all different, in any order; unknown keys are left out.
    /// Records that the service did not process at first are asked for again, with bounds.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`] when records stay unprocessed.
    fn lookup(
        &self,
        table: &str,
        keys: &[String],
    ) -> impl Future<Output = Result<Vec<(String, ReferenceRecord)>, ServiceError>> + Send;
}

/// Most bytes that a reference table's name, a slash and a key have together: what DynamoDB takes as a partition key.
pub const RECORD_ID_BYTES: usize = 2048;

/// Most keys in one [`LookupRecords::lookup`].
pub const LOOKUP_KEYS: usize = 100;

/// One rejected row, for the table that support reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// Number of the row in the input.
    pub row: u64,
    /// Field that failed; empty when the record as a whole is at fault.
    pub field: String,
    /// Rule that it failed.
    pub rule: String,
    /// The record as it came, at most 4 KiB of it, bytes that are no UTF-8 replaced.
    pub record: String,
}

/// Keeps a batch's first rejected rows. Writing the same rows again changes nothing.
pub trait StoreRejects: Send + Sync {
    /// Writes the rows.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`] when rows stay unprocessed.
    fn store(&self, batch_id: &BatchId, rows: &[RejectedRow]) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// What the TXT record says about who should act. A hint, cached for its TTL; never a fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActiveRegion {
    /// The record names this Region.
    Active,
    /// The record names the other Region.
    Standby {
        /// The Region that it names.
        active: String,
    },
}

/// Why the TXT record gave no answer. Never a reason to do nothing: the invocation fails and is retried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActiveRegionError {
    /// There is no such record.
    #[error("there is no TXT record {record}: deploy the routing stack or check TANDEM_ACTIVE_RECORD")]
    NoRecord {
        /// Name of the record.
        record: String,
    },
    /// No answer came in time.
    #[error("no answer for TXT {record} in time")]
    NoAnswer {
        /// Name of the record.
        record: String,
        /// What the resolver said.
        #[source]
        source: BoxError,
    },
    /// The answer is no Region's name.
    #[error("TXT {record} says {answer:?}, which is no Region's name")]
    Unparsable {
        /// Name of the record.
        record: String,
        /// What it says.
        answer: String,
    },
    /// The answer is the name of a Region in which nothing of this deployment is.
    #[error("TXT {record} says {answer}, which is neither of this deployment's two Regions")]
    Unknown {
        /// Name of the record.
        record: String,
        /// What it says.
        answer: String,
    },
}

impl Classified for ActiveRegionError {
    fn error_type(&self) -> ErrorType {
        ErrorType::ServiceUnavailable
    }
}

/// Asks which Region should act.
pub trait AskActiveRegion: Send + Sync {
    /// Compares the TXT record with the Region this runs in.
    ///
    /// # Errors
    /// [`ActiveRegionError`], whose kinds are distinct.
    fn ask(&self) -> impl Future<Output = Result<ActiveRegion, ActiveRegionError>> + Send;
}

/// Answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The record was absent and is now this one.
    Claimed,
    /// Somebody was first; this is what the table holds.
    Exists(Box<BatchRecord>),
}

/// The state table. Writes are conditional and mutually exclusive across Regions (strongly consistent global table);
/// a conflict between Regions is retried by the adapter, with bounds.
pub trait Batches: Send + Sync {
    /// Puts the record if there is none with its id.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer: nothing may be started then.
    fn claim(&self, record: &BatchRecord) -> impl Future<Output = Result<Claim, ServiceError>> + Send;

    /// Reads a record, strongly consistent.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn get(&self, batch_id: &BatchId) -> impl Future<Output = Result<Option<BatchRecord>, ServiceError>> + Send;

    /// CLAIMED → RUNNING with the execution's ARN, if the record is still CLAIMED under this attempt and owner.
    /// Answers whether it was: the execution may already be further, and only its ARN is noted then.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn mark_running(
        &self,
        owner: &Owner,
        execution_arn: &str,
        now: &str,
    ) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// → DELIVERING, if attempt and owner are still these and the batch has not ended. Answers whether it was; `false`
    /// means superseded. May be repeated by the same attempt.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer: nothing may be delivered then.
    fn fence(&self, owner: &Owner, now: &str) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// Ends the batch, if it is DELIVERING under this attempt and owner. Answers whether it was.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn end(&self, owner: &Owner, ending: &Ending, now: &str)
    -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// Notes why an attempt was interrupted, if attempt and owner are still these and the batch has not ended; the status
    /// stays. Answers whether it was.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn interrupt(
        &self,
        owner: &Owner,
        failed_state: &str,
        reason: &str,
        now: &str,
    ) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// Puts `next` in the place of a record, if that is still as it was read: same attempt, status and time of change.
    /// Answers whether it was; `false` means that somebody else was quicker.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer: nothing may be started then.
    fn take_over(
        &self,
        read: &BatchRecord,
        next: &BatchRecord,
    ) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// One page of the open batches that a Region owns, the longest unchanged first. Eventually consistent: a record can be
    /// older than the table's, and a batch that was just claimed can be absent.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn unfinished(
        &self,
        region: &str,
        after: Option<Cursor>,
    ) -> impl Future<Output = Result<Page, ServiceError>> + Send;
}

/// Where a listing goes on: the last record that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Its batch.
    pub batch_id: BatchId,
    /// Its time of change.
    pub updated: String,
}

/// A page of open batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Vec<BatchRecord>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// Who acts: a batch under one attempt in one Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The batch.
    pub batch_id: BatchId,
    /// The attempt.
    pub attempt: Attempt,
    /// The Region.
    pub region: String,
}

/// Starts executions, and says how they stand.
pub trait Workflow: Send + Sync {
    /// Starts the batch's execution `<batch_id>-<attempt>` with a byte-stable input and answers its ARN. Starting the same
    /// attempt again is the same execution.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it; it may have started all the same.
    fn start(&self, input: &ExecutionInput) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// How an execution of this Region stands.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not answer. An execution that it does not know is an answer.
    fn state(&self, execution_arn: &str) -> impl Future<Output = Result<ExecutionState, ServiceError>> + Send;
}

/// Makes links to objects that need no credentials to follow.
pub trait Presign: Send + Sync {
    /// A link to one version of an object, through the Multi-Region Access Point. Offline.
    ///
    /// # Errors
    /// [`ServiceError::Refused`] when credentials or configuration do not allow it.
    fn presign(
        &self,
        key: &str,
        version_id: Option<&str>,
        file_name: &str,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;
}

/// An e-mail, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Subject, one line.
    pub subject: String,
    /// Body for readers of plain text.
    pub text: String,
    /// Body for everybody else.
    pub html: String,
}

/// Why an e-mail was not, or may not have been, sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// The service refused it, or was not reached: nothing was sent.
    #[error(transparent)]
    NotSent(ServiceError),
    /// No answer came: it may have been sent. Trying again may send it twice.
    #[error("it is not known whether the e-mail was sent: {0}")]
    Undetermined(#[source] ServiceError),
    /// The time in which it might be sent was over before it could be: nothing was sent.
    #[error("the e-mail was not sent: its time was over at {deadline}; whoever owns the batch then sends it")]
    TooLate {
        /// The end of that time.
        deadline: String,
    },
}

/// Sends e-mail to the owner. Not idempotent: a call that was answered must not be repeated.
pub trait Mail: Send + Sync {
    /// Sends to the configured recipient, unless it is `deadline` when the request is about to leave.
    ///
    /// # Errors
    /// [`MailError`], which tells what was surely not sent from what may have been.
    fn send(&self, email: &Email, deadline: time::OffsetDateTime)
    -> impl Future<Output = Result<(), MailError>> + Send;
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> time::OffsetDateTime;
}
