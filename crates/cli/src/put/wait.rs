//! Waits for a batch, and says what happens to it meanwhile.

use std::time::{Duration, Instant};

use tandem_aws::executions::Progress;
use tandem_core::batch::{BatchId, BatchRecord, BatchStatus};
use tandem_core::error::Classified;

use crate::deployment::Deployment;
use crate::exit::{TimedOut, in_short};
use crate::terminal::{one_line, spinner};

/// First pause between two looks at the state table; a read of it costs next to nothing.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause, for batches that take minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Time between two looks at the execution, which take two or three calls.
const LOOK_AT_EXECUTION: Duration = Duration::from_millis(500);
/// The same after a look that failed: the execution's Region may be lost, and the batch is finished in the other one.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Longest time that one look may take, since the table is not read meanwhile.
const LOOK: Duration = Duration::from_secs(3);

/// The record of a batch that has ended, and whether it had at the first look. Says each stage once, on standard error; with
/// `closely`, the execution's too.
///
/// Goes on while a service is throttled or away: that is when a person wants to know the end. Follows the batch from attempt
/// to attempt and from Region to Region.
///
/// # Errors
/// [`TimedOut`] when the time is over, or when the state table refuses to be read.
pub async fn until_ended(
    deployment: &Deployment,
    batch_id: &BatchId,
    begun: Instant,
    patience: Duration,
    closely: bool,
) -> anyhow::Result<(BatchRecord, bool)> {
    let table = deployment.records();
    let mut stages = Stages::new(begun);
    let mut looks = Looks { deployment, due: closely.then(Instant::now) };
    let mut stage = String::from("waiting to be claimed");
    let mut first = true;
    loop {
        match table.get(batch_id).await {
            Ok(Some(record)) => {
                stage = describe(&record);
                stages.say(&stage, looks.at(&record).await.as_ref());
                if record.status.has_ended() {
                    return Ok((record, first));
                }
            }
            Ok(None) => stages.say(&stage, None),
            Err(error) if error.is_retryable() => stages.say(&format!("still trying: {}", in_short(&error)), None),
            Err(error) => return Err(error.into()),
        }
        if begun.elapsed() >= patience {
            let seconds = patience.as_secs();
            let remedy = format!("it goes on; see `tandem status {batch_id}`");
            return Err(TimedOut(format!("the batch had not ended after {seconds} s ({stage}): {remedy}")).into());
        }
        first = false;
        tokio::time::sleep(pause(begun.elapsed())).await;
    }
}

/// A batch's record as it is now, for whom will wait no longer: `None` as well if the table does not answer soon.
pub async fn look_once(deployment: &Deployment, batch_id: &BatchId) -> Option<BatchRecord> {
    tokio::time::timeout(LOOK, deployment.record(batch_id)).await.ok().flatten()
}

/// Looks at executions, now and then.
struct Looks<'a> {
    deployment: &'a Deployment,
    /// When the next look is due; never if nobody asked for it.
    due: Option<Instant>,
}

impl Looks<'_> {
    /// How far a batch's execution is, if that is due to be looked at and its Region says so. It is only told to a person: the
    /// status is known all the same.
    async fn at(&mut self, record: &BatchRecord) -> Option<Progress> {
        let arn = record.execution_arn.as_ref().filter(|_| record.status == BatchStatus::Running)?;
        if self.due? > Instant::now() {
            return None;
        }
        let executions = self.deployment.executions(&record.owner_region);
        let progress = tokio::time::timeout(LOOK, executions.progress(arn)).await.ok().and_then(Result::ok);
        let pause = if progress.is_some() { LOOK_AT_EXECUTION } else { LOOK_AGAIN };
        self.due = Some(Instant::now() + pause);
        progress
    }
}

/// The longer it takes, the less often it is worth to look.
fn pause(waited: Duration) -> Duration {
    (waited / 50).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// Where a batch stands, in words.
fn describe(record: &BatchRecord) -> String {
    let place = format!("{} in {}, attempt {}", record.status, record.owner_region, record.attempt);
    match &record.reason {
        Some(reason) if !record.status.has_ended() => format!("{place}; interrupted: {}", one_line(reason)),
        _ => place,
    }
}

/// Says stages: one line for each, and on a terminal a line that moves.
struct Stages {
    begun: Instant,
    spinner: indicatif::ProgressBar,
    said: Option<String>,
    state: Option<String>,
}

impl Stages {
    fn new(begun: Instant) -> Self {
        Self { begun, spinner: spinner(), said: None, state: None }
    }

    fn say(&mut self, stage: &str, progress: Option<&Progress>) {
        if self.said.as_deref() != Some(stage) {
            self.line(stage);
            self.said = Some(stage.to_owned());
        }
        let Some(progress) = progress else { return };
        if progress.state.is_some() && progress.state != self.state {
            self.state.clone_from(&progress.state);
            self.line(&format!("  {}", self.state.as_deref().unwrap_or_default()));
        }
        let chunks = progress.chunks.map(|(done, all)| format!(", {done} of {all} chunks")).unwrap_or_default();
        self.spinner.set_message(format!("{}{chunks}", self.state.as_deref().unwrap_or(stage)));
    }

    fn line(&self, text: &str) {
        let line = format!("{:7.2} s  {text}", self.begun.elapsed().as_secs_f64());
        self.spinner.suspend(|| errln!("{line}"));
        self.spinner.set_message(text.trim().to_owned());
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_rarer_within_bounds() {
        assert_eq!(pause(Duration::ZERO), SHORTEST_PAUSE);
        assert_eq!(pause(Duration::from_secs(50)), Duration::from_secs(1));
        assert_eq!(pause(Duration::from_secs(900)), LONGEST_PAUSE);
    }
}
