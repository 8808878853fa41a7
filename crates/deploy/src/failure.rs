//! What went wrong, and what to do about it.

use std::fmt;
use std::path::Path;

use crate::trouble;

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
        trouble::known(&self.said).map(|trouble| trouble.remedy)
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
    fn what_is_known_is_said_whole_and_with_its_remedy() {
        let failed = |said: &str| CommandFailed { command: "sts get-caller-identity".into(), said: said.into() };
        let known = failed("An error occurred (ExpiredToken) when calling the GetCallerIdentity operation").to_string();
        assert!(known.starts_with("aws sts get-caller-identity: An error occurred (ExpiredToken)"), "{known}");
        assert!(known.ends_with(trouble::known("ExpiredToken").map_or("", |trouble| trouble.remedy)), "{known}");
        assert_eq!(failed("AlreadyExists").to_string(), "aws sts get-caller-identity: AlreadyExists");
    }
}
