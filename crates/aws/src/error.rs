//! How SDK errors become the domain's.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tandem_core::ports::ServiceError;

/// Codes with which services ask to slow down.
pub(crate) const THROTTLED: [&str; 10] = [
    "ExecutionLimitExceeded",
    "ThrottlingException",
    "Throttling",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
    "LimitExceededException",
    "ThrottledException",
    "ReplicatedWriteConflictException",
];

/// Codes that say a permission is missing.
const DENIED: [&str; 5] =
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "InvalidAccessKeyId", "AccessDeniedFault"];

/// Codes that say something is not there.
const NOT_FOUND: [&str; 4] = ["NoSuchKey", "NoSuchVersion", "NotFound", "MethodNotAllowed"];

/// Codes of a refusal that the same call may not meet a little later.
const PASSING: [&str; 7] = [
    "RequestTimeout",
    "RequestTimeoutException",
    "OperationAborted",
    "ConditionalRequestConflict",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestTimeTooSkewed",
];

/// Translates the error of one call.
///
/// `what` names the thing that the call was about, for a person.
pub fn translate<E>(operation: &'static str, what: &str, error: SdkError<E, HttpResponse>) -> ServiceError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let message = match error.message() {
        Some(message) => format!("{code}: {message}"),
        None => told(&error),
    };
    match kind(&code, status, matches!(error, SdkError::ConstructionFailure(_))) {
        Kind::Throttled => ServiceError::Throttled { operation, source: error.into() },
        Kind::Changed => ServiceError::Changed { what: what.to_owned() },
        Kind::NotFound => ServiceError::NotFound { what: what.to_owned() },
        Kind::Denied => ServiceError::Denied { operation, message },
        Kind::Refused => ServiceError::Refused { operation, message },
        Kind::Unavailable => ServiceError::Unavailable { operation, message, source: error.into() },
    }
}

/// What an error and its causes say, from the outermost to the first: one line that a person can read.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut told: Vec<String> = causes.map(ToString::to_string).collect();
    // Some errors say what their cause says.
    told.dedup();
    told.join(": ")
}

/// The kinds of [`ServiceError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Throttled,
    Changed,
    NotFound,
    Denied,
    Refused,
    Unavailable,
}

/// What kind of error a service's code and HTTP status are; status 0 means that there was no answer.
pub(crate) fn kind(code: &str, status: u16, never_sent: bool) -> Kind {
    match status {
        _ if THROTTLED.contains(&code) || status == 429 => Kind::Throttled,
        _ if PASSING.contains(&code) || status == 408 => Kind::Unavailable,
        _ if code == "PreconditionFailed" || status == 412 => Kind::Changed,
        _ if NOT_FOUND.contains(&code) || (code.is_empty() && status == 404) => Kind::NotFound,
        _ if DENIED.contains(&code) || status == 403 => Kind::Denied,
        _ if (400..500).contains(&status) || never_sent => Kind::Refused,
        _ => Kind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Kind, kind, told};

    #[test]
    fn an_error_without_a_code_is_told_by_its_causes_and_in_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("dispatch failure")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused"));
        assert_eq!(told(&error), "dispatch failure: connection refused");
    }

    #[test]
    fn a_code_and_a_status_are_told_by_what_can_be_done_about_them() {
        for (code, status, expected) in [
            ("ProvisionedThroughputExceededException", 400, Kind::Throttled),
            ("SlowDown", 503, Kind::Throttled),
            ("ReplicatedWriteConflictException", 400, Kind::Throttled),
            ("", 429, Kind::Throttled),
            ("RequestTimeout", 400, Kind::Unavailable),
            ("ExpiredToken", 400, Kind::Unavailable),
            ("RequestTimeTooSkewed", 403, Kind::Unavailable),
            ("InternalError", 500, Kind::Unavailable),
            ("", 0, Kind::Unavailable),
            ("PreconditionFailed", 412, Kind::Changed),
            ("NoSuchKey", 404, Kind::NotFound),
            ("NoSuchVersion", 404, Kind::NotFound),
            ("", 404, Kind::NotFound),
            ("NoSuchBucket", 404, Kind::Refused),
            ("ResourceNotFoundException", 400, Kind::Refused),
            ("AccessDenied", 403, Kind::Denied),
            ("AccessDeniedException", 400, Kind::Denied),
            ("ValidationException", 400, Kind::Refused),
        ] {
            assert_eq!(kind(code, status, false), expected, "{code} {status}");
        }
        assert_eq!(kind("", 0, true), Kind::Refused);
    }
}
