//! The names under which work can fail.
//!
//! Step Functions matches on these names (`ErrorEquals`), dashboards count them and owners are told about them, so they are
//! an interface: [`ErrorType`] lists them all, and a test holds `statemachines/batch.asl.json` to the list.

use std::fmt;

/// Stable name of a failure, as Lambda reports it and Step Functions sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// The file holds no byte.
    EmptyFile,
    /// The file is no text, or its header cannot be read as CSV.
    NotCsv,
    /// The header is separated by another delimiter than the dataset's.
    WrongDelimiter,
    /// A column that the dataset needs is not in the header.
    MissingColumn,
    /// A column that the dataset needs stands in the header twice.
    DuplicateColumn,
    /// A quoted field is never closed.
    UnclosedQuote,
    /// A record is larger than the limit.
    RecordTooLong,
    /// The file needs more chunks than one map run takes.
    TooManyChunks,
    /// No dataset of that name is defined.
    UnknownDataset,
    /// The input is gone, or is another than the one that was claimed.
    InputMissing,
    /// A service asks to slow down.
    Throttled,
    /// A service failed or did not answer.
    ServiceUnavailable,
    /// The role lacks a permission.
    Denied,
    /// The e-mail may or may not have been sent: no answer came.
    MailUndetermined,
    /// The e-mail was sent, and that could not be noted.
    EndUnrecorded,
    /// The batch was tried as often as allowed, and never to its end.
    AttemptsUsedUp,
    /// The dataset's definition is not the one that the attempt began with.
    DefinitionChanged,
    /// Too long ago was the right to send confirmed: it is confirmed anew by trying again.
    LeaseExpired,
    /// A Region was named that is not one of the two.
    UnknownRegion,
    /// No endpoint of a service with several gave a usable answer.
    NoEndpoint,
    /// Another failover changed the active Region at the same time.
    Contested,
    /// This Region is not the active one, and only the active one may do this.
    NotActive,
    /// There is no batch of that id.
    UnknownBatch,
    /// The batch has not ended yet.
    StillOpen,
    /// The batch's dataset tells nobody, so there is no e-mail.
    MailsNobody,
    /// A bug or a broken configuration.
    Internal,
}

impl ErrorType {
    /// Every name there is.
    pub const ALL: [Self; 26] = [
        Self::EmptyFile,
        Self::NotCsv,
        Self::WrongDelimiter,
        Self::MissingColumn,
        Self::DuplicateColumn,
        Self::UnclosedQuote,
        Self::RecordTooLong,
        Self::TooManyChunks,
        Self::UnknownDataset,
        Self::InputMissing,
        Self::Throttled,
        Self::ServiceUnavailable,
        Self::Denied,
        Self::MailUndetermined,
        Self::EndUnrecorded,
        Self::AttemptsUsedUp,
        Self::DefinitionChanged,
        Self::LeaseExpired,
        Self::UnknownRegion,
        Self::NoEndpoint,
        Self::Contested,
        Self::NotActive,
        Self::UnknownBatch,
        Self::StillOpen,
        Self::MailsNobody,
        Self::Internal,
    ];

    /// The name, as it stands in `ErrorEquals`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmptyFile => "EmptyFile",
            Self::NotCsv => "NotCsv",
            Self::WrongDelimiter => "WrongDelimiter",
            Self::MissingColumn => "MissingColumn",
            Self::DuplicateColumn => "DuplicateColumn",
            Self::UnclosedQuote => "UnclosedQuote",
            Self::RecordTooLong => "RecordTooLong",
            Self::TooManyChunks => "TooManyChunks",
            Self::UnknownDataset => "UnknownDataset",
            Self::InputMissing => "InputMissing",
            Self::Throttled => "Throttled",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Denied => "Denied",
            Self::MailUndetermined => "MailUndetermined",
            Self::EndUnrecorded => "EndUnrecorded",
            Self::AttemptsUsedUp => "AttemptsUsedUp",
            Self::DefinitionChanged => "DefinitionChanged",
            Self::LeaseExpired => "LeaseExpired",
            Self::UnknownRegion => "UnknownRegion",
            Self::NoEndpoint => "NoEndpoint",
            Self::Contested => "Contested",
            Self::NotActive => "NotActive",
            Self::UnknownBatch => "UnknownBatch",
            Self::StillOpen => "StillOpen",
            Self::MailsNobody => "MailsNobody",
            Self::Internal => "Internal",
        }
    }

    /// Whether the file itself is at fault: the batch fails at once and its owner is told.
    #[must_use]
    pub const fn is_file_fault(self) -> bool {
        matches!(
            self,
            Self::EmptyFile
                | Self::NotCsv
                | Self::WrongDelimiter
                | Self::MissingColumn
                | Self::DuplicateColumn
                | Self::UnclosedQuote
                | Self::RecordTooLong
                | Self::TooManyChunks
        )
    }

    /// Whether the same call may succeed a little later, and does no harm if it succeeded the first time.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::ServiceUnavailable | Self::LeaseExpired)
    }

    /// The name for metrics: the same in snake case.
    #[must_use]
    pub fn metric_label(self) -> String {
        let mut label = String::new();
        for (position, letter) in self.as_str().char_indices() {
            if letter.is_ascii_uppercase() && position > 0 {
                label.push('_');
            }
            label.push(letter.to_ascii_lowercase());
        }
        label
    }
}

impl fmt::Display for ErrorType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An error that knows its stable name.
pub trait Classified: std::error::Error {
    /// The name Step Functions sees.
    fn error_type(&self) -> ErrorType;

    /// Whether the same call may succeed a little later.
    fn is_retryable(&self) -> bool {
        self.error_type().is_retryable()
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorType;

    #[test]
    fn a_metric_label_is_the_name_in_snake_case() {
        assert_eq!(ErrorType::ServiceUnavailable.metric_label(), "service_unavailable");
        assert_eq!(ErrorType::Denied.metric_label(), "denied");
    }

    #[test]
    fn no_file_fault_is_retried() {
        for error in ErrorType::ALL {
            assert!(!(error.is_file_fault() && error.is_retryable()), "{error}");
        }
    }
}
