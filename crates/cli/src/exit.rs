//! How the command ends: its exit status, and the errors that decide it.

use std::fmt;
use std::process::ExitCode;

use tandem_core::ports::ServiceError;

/// What the exit statuses mean, for `--help`.
pub const HELP: &str = "\
Exit status:
  0  it was done; with `put --wait`: the batch was delivered
  1  the batch failed, or the command could not do what it was asked to
  2  the command was called wrongly
  3  interrupted with Ctrl-C, or the time for waiting was over
  4  the deployment cannot be reached: not running, not deployed, no credentials or permission, no answer";

/// What to do about the access point if it does not answer.
pub const LOST: &str = "if its Region is lost, `tandem failover` leads uploads and links to the other one";

/// What AWS says where the caller's own credentials or clock are at fault, and what to do about it.
const TROUBLE: [(&[&str], &str); 3] = [
    (
        &["RequestTimeTooSkewed", "Signature expired", "Signature not yet current"],
        "this machine's clock differs from AWS's by minutes: set it (for example `timedatectl set-ntp true`), and try again",
    ),
    (
        &["ExpiredToken", "TokenRefreshRequired", "security token included in the request is expired"],
        "your AWS credentials have expired: renew them (for example `aws sso login`), export them, and start the command again",
    ),
    (
        &["InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"],
        "AWS does not know these credentials: look at AWS_PROFILE and the AWS_ variables, and start the command again",
    ),
];

/// The one sentence, with its remedy, for what everybody meets sooner or later.
pub fn known_trouble(text: &str) -> Option<&'static str> {
    let found = TROUBLE.iter().find(|(signs, _)| signs.iter().any(|sign| text.contains(sign)));
    found.map(|(_, sentence)| *sentence)
}

/// The exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The batch failed, or anything not named below.
    Failed = 1,
    /// Called wrongly.
    Usage = 2,
    /// Given up: by the user, or because the time was over.
    GivenUp = 3,
    /// The deployment cannot be reached.
    Unreachable = 4,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// The exit status that an error gives.
pub fn status_of(error: &anyhow::Error) -> Status {
    if error.is::<Usage>() {
        Status::Usage
    } else if error.is::<Interrupted>() || error.is::<TimedOut>() {
        Status::GivenUp
    } else if error.is::<Unreachable>() || error.chain().any(is_unreachable) {
        Status::Unreachable
    } else {
        Status::Failed
    }
}

fn is_unreachable(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(
        error.downcast_ref::<ServiceError>(),
        Some(ServiceError::Denied { .. } | ServiceError::Throttled { .. } | ServiceError::Unavailable { .. })
    )
}

/// The command was called wrongly; says how to call it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The time for waiting was over; says what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TimedOut(pub String);

/// The deployment cannot be found or reached; says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// Ends an error's work with a [`Usage`].
pub fn usage(message: impl fmt::Display) -> anyhow::Error {
    Usage(message.to_string()).into()
}

/// Resolves at the first Ctrl-C. A second one ends the process as if nobody listened.
pub async fn interruption() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the system ends the process by itself.
        std::future::pending::<()>().await;
    }
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(Status::GivenUp as i32);
        }
    });
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn every_kind_of_error_has_its_exit_status() {
        let unavailable =
            ServiceError::Unavailable { operation: "s3:PutObject", message: "no".into(), source: "x".into() };
        let refused = ServiceError::Refused { operation: "s3:PutObject", message: "no".into() };
        for (error, status) in [
            (usage("no"), Status::Usage),
            (Interrupted.into(), Status::GivenUp),
            (TimedOut("late".into()).into(), Status::GivenUp),
            (Unreachable("away".into()).into(), Status::Unreachable),
            (unavailable.into(), Status::Unreachable),
            (refused.into(), Status::Failed),
            (anyhow!("anything"), Status::Failed),
        ] {
            assert_eq!(status_of(&error), status, "{error}");
        }
    }

    #[test]
    fn a_context_does_not_hide_the_exit_status() {
        let wrapped = |error: anyhow::Error| Err::<(), _>(error).context("while uploading").context("put");
        assert_eq!(wrapped(Interrupted.into()).map_err(|error| status_of(&error)), Err(Status::GivenUp));
        let denied = ServiceError::Denied { operation: "s3:PutObject", message: "no".into() };
        assert_eq!(wrapped(denied.into()).map_err(|error| status_of(&error)), Err(Status::Unreachable));
    }
}
