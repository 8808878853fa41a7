//! Reports: what a pass did, and what all passes of one failover did, as objects beside the data.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Item, NAMED, Pass, pass_key};
use crate::ports::{ReadObjects, ServiceError, WriteObjects};
use crate::work::{self, WorkError};

/// Name of one run of the runbook: 1 to 64 letters, digits and hyphens, because it becomes part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// A text that can name no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no run: 1 to 64 letters, digits and hyphens")]
pub struct RunIdError(String);

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits && (1..=64).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RunIdError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, RunIdError> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.0
    }
}

/// What the passes of one failover did together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverReport {
    /// The run.
    pub run: RunId,
    /// The Region that took over.
    pub region: String,
    /// When the first pass began.
    pub first_pass: String,
    /// When the last pass ended.
    pub last_pass: String,
    /// Number of passes.
    pub passes: u32,
    /// Whether the last pass left nothing for another.
    pub settled: bool,
    /// Batches that were taken over, started or given up, by any pass.
    pub taken_over: Vec<Item>,
    /// Batches whose inputs are not here, after the last pass.
    pub missing: Vec<Item>,
    /// Batches under whose inputs' keys another content stands, after the last pass.
    pub changed: Vec<Item>,
    /// Batches that were being delivered a moment ago, after the last pass.
    pub waiting: Vec<Item>,
    /// Batches that a person must look at, after the last pass.
    pub stuck: Vec<Item>,
    /// Batches that could not be dealt with, after the last pass.
    pub failed: Vec<Item>,
}

impl FailoverReport {
    /// The same with at most [`NAMED`] batches in each list, and five times as many that were taken over, as an answer carries
    /// it; the object names all.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        self.taken_over.truncate(5 * NAMED);
        for list in [&mut self.missing, &mut self.changed, &mut self.waiting, &mut self.stuck, &mut self.failed] {
            list.truncate(NAMED / 2);
        }
        self
    }
}

/// Key of a failover's report.
#[must_use]
pub fn report_key(run: &RunId) -> String {
    format!("reports/failover/{run}.json")
}

/// The report with one more pass in it.
#[must_use]
pub fn merged(report: Option<FailoverReport>, run: &RunId, pass: &Pass) -> FailoverReport {
    let mut taken_over = report.as_ref().map(|report| report.taken_over.clone()).unwrap_or_default();
    let mut known: HashSet<_> = taken_over.iter().map(|item| (item.batch_id.clone(), item.attempt)).collect();
    for item in pass.taken_over.iter().chain(&pass.started).chain(&pass.given_up) {
        if known.insert((item.batch_id.clone(), item.attempt)) {
            taken_over.push(item.clone());
        }
    }
    FailoverReport {
        run: run.clone(),
        region: pass.region.clone(),
        first_pass: report.as_ref().map_or_else(|| pass.started_at.clone(), |report| report.first_pass.clone()),
        last_pass: pass.ended_at.clone(),
        passes: report.map_or(0, |report| report.passes) + 1,
        settled: pass.settled,
        taken_over,
        missing: pass.missing.clone(),
        changed: pass.changed.clone(),
        waiting: pass.waiting.clone(),
        stuck: pass.stuck.clone(),
        failed: pass.failed.clone(),
    }
}

/// Writes what a pass did, and answers the key.
///
/// # Errors
/// [`WorkError`] when it cannot be written; what the pass did is done all the same.
pub async fn write_pass<W: WriteObjects>(objects: &W, bucket: &str, pass: &Pass) -> Result<String, WorkError> {
    let key = pass_key(pass);
    objects.write(bucket, &key, work::JSON, work::to_json(&key, pass)?).await?;
    Ok(key)
}

/// The report of a failover; `None` before its first pass.
///
/// # Errors
/// [`WorkError`] when it is there and cannot be read.
pub async fn read_report<R: ReadObjects>(
    objects: &R,
    bucket: &str,
    run: &RunId,
) -> Result<Option<FailoverReport>, WorkError> {
    match work::read_json(objects, &work::object(bucket, report_key(run))).await {
        Ok(report) => Ok(Some(report)),
        Err(WorkError::Service(ServiceError::NotFound { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the report of a failover.
///
/// # Errors
/// [`WorkError`] when it cannot be written.
pub async fn write_report<W: WriteObjects>(
    objects: &W,
    bucket: &str,
    report: &FailoverReport,
) -> Result<(), WorkError> {
    let key = report_key(&report.run);
    objects.write(bucket, &key, work::JSON, work::to_json(&key, report)?).await?;
    Ok(())
}
