//! Runs the failover runbook without Systems Manager: the very document that the template deploys, read and carried out here.
//!
//! It knows the part of Automation schema 0.3 that the runbook uses, and refuses anything else by name before the first
//! step. Where it differs from Systems Manager: steps only go forward, parameters' patterns are not checked, a step that
//! failed has an empty `Payload`, and pauses can be shortened by a factor.

mod condition;
mod document;
mod duration;
mod parse;
mod record;
mod reference;
mod run;
mod template;
#[cfg(test)]
mod tests;

pub use document::Document;
pub use record::{Answer, Run, StepRecord, StepStatus};
pub use run::{Invoke, Observe, Runner};
pub use template::load;

/// A document that cannot be run: where, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the runbook cannot be run: {0}")]
pub struct Invalid(String);

impl Invalid {
    /// What is wrong at a place.
    fn at(place: &str, what: impl std::fmt::Display) -> Self {
        Self(format!("{place}: {what}"))
    }
}
