//! What a run leaves behind: its steps and its answers.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It did what it is for.
    Succeeded,
    /// It did not.
    Failed,
    /// It did not within its time.
    TimedOut,
    /// The run ended, or led elsewhere, before it.
    NotRun,
}

impl StepStatus {
    /// The status in words, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::NotRun => "not_run",
        }
    }
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepRecord {
    /// Its name in the document.
    pub name: String,
    /// How it ended.
    pub status: StepStatus,
    /// When it began: RFC 3339.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// How long it took, to the millisecond.
    pub seconds: f64,
    /// How often it was tried.
    pub attempts: u32,
    /// How often a loop went round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// Why it did not succeed.
    pub error: Option<String>,
}

/// What a function answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The step that invoked it.
    pub step: String,
    /// Time since the run began.
    pub after: Duration,
    /// The answer.
    pub payload: Value,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Every top step of the document, in its order.
    pub steps: Vec<StepRecord>,
    /// Every answer, in the order of time.
    pub answers: Vec<Answer>,
    /// Whether every critical step succeeded.
    pub succeeded: bool,
}

impl StepRecord {
    /// The record of a step that was never begun.
    pub fn not_run(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            status: StepStatus::NotRun,
            started_at: None,
            ended_at: None,
            seconds: 0.0,
            attempts: 0,
            iterations: None,
            error: None,
        }
    }
}
