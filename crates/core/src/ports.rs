//! What the domain needs from the outside: one small trait for each capability.
//!
//! A function's ports read like its IAM policy. Each method says whether it may be repeated and what is retryable; adapters
//! retry what the SDK retries and otherwise report, the domain decides.

mod batches;
mod lookup;
mod objects;

use std::future::Future;

pub use batches::{Batches, Claim, Cursor, Owner, Page};
pub use lookup::{
    LOOKUP_KEYS, LookupAnswer, LookupRecords, LookupRequest, Pause, RECORD_ID_BYTES, Records, ReferenceRecord,
};
pub use objects::{
    AssembleObjects, ByteRange, ByteStream, InspectObjects, ObjectBody, ObjectInfo, ObjectRef, ReadObjects,
    StoredObject, TagObjects, Upload, WriteObjects,
};

use crate::batch::BatchId;
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
    /// The service answered what cannot be used: it breaks the contract, and would break it again.
    #[error("{operation} was answered wrongly: {message}")]
    WrongAnswer {
        /// What was tried.
        operation: &'static str,
        /// What is wrong, without any of the answer's content.
        message: String,
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
            Self::NotFound { .. } | Self::Refused { .. } | Self::Changed { .. } | Self::WrongAnswer { .. } => {
                ErrorType::Internal
            }
            Self::Denied { .. } => ErrorType::Denied,
            Self::Throttled { .. } => ErrorType::Throttled,
            Self::Unavailable { .. } => ErrorType::ServiceUnavailable,
        }
    }
}

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
    #[error(
        "there is no TXT record {record}: deploy the routing stack, or create the record in its zone, or check TANDEM_ACTIVE_RECORD"
    )]
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
