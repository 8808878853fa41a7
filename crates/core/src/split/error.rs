//! What can be wrong with a file, each in one sentence for its owner.

use crate::dataset::UnknownDataset;
use crate::error::{Classified, ErrorType};
use crate::ports::ServiceError;
use crate::work::WorkError;

/// Why an input cannot be split.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The batch's dataset is not defined.
    #[error(transparent)]
    UnknownDataset(#[from] UnknownDataset),
    /// Nothing in it but perhaps a byte order mark and blank lines.
    #[error("The file is empty: upload a CSV file whose first line names the columns.")]
    EmptyFile,
    /// It is something else than CSV in UTF-8.
    #[error("The file is not a CSV file: it is {found}. Export the data as CSV in UTF-8 and upload that.")]
    NotCsv {
        /// What it looks like.
        found: String,
    },
    /// Its header makes sense with another delimiter.
    #[error(
        "The file separates its columns by {found}, but {expected} is expected: save it with that and upload it again."
    )]
    WrongDelimiter {
        /// The dataset's.
        expected: String,
        /// The file's.
        found: String,
    },
    /// Needed columns are not in its header.
    #[error("{} missing from the file's first line{hint}: add or rename what is missing and upload the file again.", name_columns(.columns))]
    MissingColumn {
        /// Headers of the missing columns.
        columns: Vec<String>,
        /// What stands there instead, perhaps; else empty.
        hint: String,
    },
    /// A needed column is in its header more than once.
    #[error(
        "The column {column:?} stands in the file's first line {times} times: keep one of them and upload the file again."
    )]
    DuplicateColumn {
        /// Its header.
        column: String,
        /// How often.
        times: usize,
    },
    /// A quote opens a field and none closes it.
    #[error("A quote that opens in {place} is never closed: close or remove it and upload the file again.")]
    UnclosedQuote {
        /// Where.
        place: Place,
    },
    /// A record is longer than is processed.
    #[error(
        "The record in {place} is longer than {limit} bytes: shorten it, or look for a stray quote before it, and upload the file again."
    )]
    RecordTooLong {
        /// Where.
        place: Place,
        /// The longest that is processed.
        limit: usize,
    },
    /// It would need more chunks than one run takes.
    #[error(
        "The file is too large for one batch: it needs more than {limit} chunks. Cut it into several files of at most {rows} rows and upload those."
    )]
    TooManyChunks {
        /// Most chunks.
        limit: u32,
        /// The row that would begin the first chunk too many, less one.
        rows: u64,
    },
    /// It is gone, or another lies in its place.
    #[error("The file was deleted or replaced before it was processed: upload it again.")]
    InputMissing {
        /// What the service said.
        #[source]
        source: ServiceError,
    },
    /// It is larger or smaller than its upload event said.
    #[error(
        "The input has {found} bytes, but its upload event said {told}: nothing of it is processed; upload it again."
    )]
    WrongSize {
        /// Bytes, as the event said.
        told: u64,
        /// Bytes, as the service says.
        found: u64,
    },
    /// Its bytes ended early.
    #[error("{expected} bytes of the input were asked for, {arrived} arrived")]
    Truncated {
        /// Bytes that were asked for.
        expected: u64,
        /// What came.
        arrived: u64,
    },
    /// A call to a service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A work file could not be read or written.
    #[error(transparent)]
    Work(#[from] WorkError),
}

/// Where in a file something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In its first line.
    Header,
    /// In the data row of this number.
    Row(u64),
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header => formatter.write_str("the header"),
            Self::Row(row) => write!(formatter, "row {row}"),
        }
    }
}

fn name_columns(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().map(|column| format!("{column:?}")).collect();
    match names.as_slice() {
        [one] => format!("The column {one} is"),
        [most @ .., last] => format!("The columns {} and {last} are", most.join(", ")),
        [] => String::new(),
    }
}

impl Classified for SplitError {
    fn error_type(&self) -> ErrorType {
        match self {
            Self::UnknownDataset(error) => error.error_type(),
            Self::EmptyFile => ErrorType::EmptyFile,
            Self::NotCsv { .. } => ErrorType::NotCsv,
            Self::WrongDelimiter { .. } => ErrorType::WrongDelimiter,
            Self::MissingColumn { .. } => ErrorType::MissingColumn,
            Self::DuplicateColumn { .. } => ErrorType::DuplicateColumn,
            Self::UnclosedQuote { .. } => ErrorType::UnclosedQuote,
            Self::RecordTooLong { .. } => ErrorType::RecordTooLong,
            Self::TooManyChunks { .. } => ErrorType::TooManyChunks,
            Self::InputMissing { .. } => ErrorType::InputMissing,
            // Not the file's fault, and no time heals it.
            Self::WrongSize { .. } => ErrorType::Internal,
            Self::Truncated { .. } => ErrorType::ServiceUnavailable,
            Self::Service(error) => error.error_type(),
            Self::Work(error) => error.error_type(),
        }
    }
}
