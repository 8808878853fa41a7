//! How SDK errors become the domain's.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tandem_core::ports::ServiceError;

/// Codes with which services ask to slow down.
const THROTTLED: [&str; 9] = [
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
const NOT_FOUND: [&str; 6] =
    ["NoSuchKey", "NoSuchVersion", "NotFound", "NoSuchBucket", "ResourceNotFoundException", "MethodNotAllowed"];

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
        None => DisplayErrorContext(&error).to_string(),
    };
    let known = |codes: &[&str]| codes.contains(&code.as_str());
    if known(&THROTTLED) {
        ServiceError::Throttled { operation, source: error.into() }
    } else if code == "PreconditionFailed" || status == 412 {
        ServiceError::Changed { what: what.to_owned() }
    } else if known(&NOT_FOUND) || (code.is_empty() && status == 404) {
        ServiceError::NotFound { what: what.to_owned() }
    } else if known(&DENIED) || status == 403 {
        ServiceError::Denied { operation, message }
    } else if (400..500).contains(&status) || matches!(error, SdkError::ConstructionFailure(_)) {
        ServiceError::Refused { operation, message }
    } else {
        ServiceError::Unavailable { operation, message, source: error.into() }
    }
}
