//! How the command ends: its exit status, and the errors that decide it.

use std::fmt;
use std::process::ExitCode;

use tandem_core::ports::ServiceError;
use tandem_deploy::trouble::of_the_caller;

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

/// What to do about what everybody meets sooner or later: the caller's own credentials or clock are at fault.
pub fn known_trouble(text: &str) -> Option<&'static str> {
    of_the_caller(text).map(|trouble| trouble.remedy)
}

/// An error in its own words, which may say what was under way and how to go on, and on a line after them what to do about a known
/// trouble. What is behind that trouble, by the SDK's account, is left out then: it says the same again, and much more.
pub fn told(error: &anyhow::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in error.chain() {
        let (said, text) = (words.join(": "), cause.to_string());
        // Some errors say what their cause says, and some contexts what their error does.
        if said.contains(&text) {
            continue;
        }
        words.push(text);
        if let Some(remedy) = known_trouble(&words.join(": ")) {
            return with_remedy(&words.join(": "), remedy);
        }
        if let Some(failed @ ServiceError::Unavailable { .. }) = cause.downcast_ref() {
            words.pop();
            words.extend(Some(in_short(failed)).filter(|short| !said.contains(short)));
            // Its message is the text of the causes behind it.
            break;
        }
    }
    words.join(": ")
}

/// A call's failure; of one without an answer only the first cause, which the SDK tells last.
pub fn in_short(error: &ServiceError) -> String {
    match error {
        ServiceError::Unavailable { operation, message, .. } => match message.strip_prefix(NOT_SENT) {
            Some(causes) => format!("{operation} failed: no answer ({})", causes.rsplit(": ").next().unwrap_or(causes)),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// What the SDK says before the causes of a call that was not answered.
pub const NOT_SENT: &str = "dispatch failure: ";

/// Unless the words hold it already.
fn with_remedy(words: &str, remedy: &str) -> String {
    if words.contains(remedy) { words.to_owned() } else { format!("{words}\n{remedy}") }
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
    } else if error.is::<Interrupted>() || error.is::<GoesOn>() || error.is::<TimedOut>() {
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

/// Ctrl-C while something was waited for that goes on without this command; says how to follow it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct GoesOn(pub String);

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
            (GoesOn("without you".into()).into(), Status::GivenUp),
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

    #[test]
    fn a_known_trouble_leaves_an_errors_own_words_and_adds_what_to_do_once() {
        let step =
            "SetActive failed: ExpiredTokenException: the token is over; mend that and give the same command again";
        let text = told(&anyhow!("{step}"));
        assert_eq!(text.lines().next(), Some(step));
        assert!(text.lines().nth(1).is_some_and(|line| line.contains("renew")), "{text}");
        assert_eq!(text.lines().count(), 2);
        // A command that failed says it already.
        assert_eq!(told(&anyhow!("{text}\nMend that, then go on with: tandem deploy")).matches("renew").count(), 1);
        assert_eq!(told(&anyhow!("inner").context("outer")), "outer: inner");
    }

    #[test]
    fn what_the_sdk_says_behind_a_known_trouble_is_left_out() {
        let source = "service error: Error { code: \"ExpiredTokenException\", raw: Response { .. } }".into();
        let message = "ExpiredTokenException: the token is over".into();
        let failed = ServiceError::Unavailable { operation: "dynamodb:Scan", message, source };
        let text = told(&anyhow::Error::from(failed).context("while looking for open batches"));
        let own = "while looking for open batches: dynamodb:Scan failed: ExpiredTokenException: the token is over";
        assert_eq!(text.lines().next(), Some(own));
        assert!(!text.contains("raw:"), "{text}");
    }

    #[test]
    fn a_call_without_an_answer_is_told_once_by_its_first_cause() {
        #[derive(Debug, thiserror::Error)]
        #[error("dispatch failure")]
        struct Sdk(#[source] std::io::Error);
        let source = Sdk(std::io::Error::other("connection closed before message completed"));
        let message = "dispatch failure: other: client error (SendRequest): connection closed before message completed";
        let failed =
            ServiceError::Unavailable { operation: "dynamodb:Scan", message: message.into(), source: source.into() };
        let once = in_short(&failed);
        assert_eq!(once, "dynamodb:Scan failed: no answer (connection closed before message completed)");
        // A context that tells it already is not told again.
        let error = anyhow::Error::from(failed).context(format!("neither Region: {once}"));
        assert_eq!(told(&error), format!("neither Region: {once}"));
        assert_eq!(told(&error.context("status")), format!("status: neither Region: {once}"));
    }
}
