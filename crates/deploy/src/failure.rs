//! What went wrong, and what to do about it.

use std::fmt;
use std::path::Path;

/// The `aws` command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFailed {
    /// What was asked, for example `cloudformation deploy`.
    pub command: String,
    /// What it said.
    pub said: String,
}

impl std::error::Error for CommandFailed {}

impl fmt::Display for CommandFailed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "aws {}: {}", self.command, self.said)?;
        match self.remedy() {
            Some(remedy) => write!(formatter, "\n{remedy}"),
            None => Ok(()),
        }
    }
}

/// What the command says where it can't act at all, and what to do then.
const REMEDIES: [(&[&str], &str); 5] = [
    (
        &["Unable to locate credentials", "NoCredentials", "could not be found in the shared credentials"],
        "No credentials: set AWS_PROFILE, or sign in (aws configure, aws sso login), and give the command again.",
    ),
    (
        &[
            "ExpiredToken",
            "RequestExpired",
            "token included in the request is expired",
            "Token has expired",
            "SSO session",
        ],
        "The credentials have expired: sign in again (aws sso login, or fresh keys), and give the command again.",
    ),
    (
        &["RequestTimeTooSkewed", "Signature not yet current", "Signature expired"],
        "This machine's clock is wrong by more than 5 minutes: set it (timedatectl set-ntp true), and give the command again.",
    ),
    (
        &["InvalidClientTokenId", "UnrecognizedClient", "InvalidAccessKeyId", "SignatureDoesNotMatch"],
        "AWS does not know these credentials: name others (AWS_PROFILE), or switch the Region on for the account if it is an opt-in one.",
    ),
    (
        &["Could not connect to the endpoint", "Connection was closed", "Connect timeout", "Read timeout"],
        "The Region does not answer: look at the network and at the AWS Health Dashboard, then give the command again.",
    ),
];

impl CommandFailed {
    /// What it printed isn't what was expected.
    #[must_use]
    pub fn unreadable(command: &str, error: &dyn fmt::Display) -> Self {
        Self { command: command.to_owned(), said: format!("printed what can't be read: {error}") }
    }

    /// The program can't be started.
    #[must_use]
    pub fn not_started(program: &Path, error: &std::io::Error) -> Self {
        let program = program.display();
        let remedy = "install it with `tandem local prepare`, or name another one with --aws-command";
        Self { command: String::new(), said: format!("{program} can't be run ({error}): {remedy}") }
    }

    /// What to do about it, where it is known.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        let says = |texts: &[&str]| texts.iter().any(|text| self.said.contains(text));
        REMEDIES.iter().find(|(texts, _)| says(texts)).map(|(_, remedy)| *remedy)
    }

    /// Whether nothing at all can be asked: credentials or clock.
    #[must_use]
    pub fn is_about_the_caller(&self) -> bool {
        REMEDIES[..4].iter().any(|(texts, _)| texts.iter().any(|text| self.said.contains(text)))
    }
}

/// A resource that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedResource {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// What CloudFormation says.
    pub reason: String,
}

/// A step that failed.
#[derive(Debug)]
pub struct StepFailed {
    /// The step's name, with its Region.
    pub step: String,
    /// The stack and its status now, if it is about one.
    pub stack: Option<(String, String)>,
    /// The resources that failed.
    pub resources: Vec<FailedResource>,
    /// Why.
    pub why: anyhow::Error,
}

impl std::error::Error for StepFailed {}

impl fmt::Display for StepFailed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stack {
            Some((stack, status)) => write!(formatter, "{}: stack {stack} ({status}) failed", self.step)?,
            None => write!(formatter, "{} failed", self.step)?,
        }
        for resource in &self.resources {
            write!(formatter, "\n  {} ({}): {}", resource.logical_id, resource.kind, resource.reason)?;
        }
        write!(formatter, "\n{:#}", self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_comes_with_a_remedy() {
        for (said, remedy) in [
            ("Unable to locate credentials. You can configure credentials by running \"aws login\".", "No credentials"),
            ("An error occurred (ExpiredToken) when calling the GetCallerIdentity operation", "sign in again"),
            ("An error occurred (RequestTimeTooSkewed): The difference between the request time", "clock is wrong"),
            ("An error occurred (SignatureDoesNotMatch): Signature expired: 20261121T000000Z", "clock is wrong"),
            ("An error occurred (InvalidClientTokenId)", "does not know these credentials"),
            ("Could not connect to the endpoint URL: \"https://sts\"", "does not answer"),
        ] {
            let failed = CommandFailed { command: "sts get-caller-identity".into(), said: said.into() };
            assert!(failed.to_string().contains(remedy), "{failed}");
        }
        let other = CommandFailed { command: "x".into(), said: "AlreadyExists".into() };
        assert_eq!((other.remedy(), other.is_about_the_caller()), (None, false));
    }
}
