//! Waits for a batch, and says what happens to it meanwhile.

use std::time::{Duration, Instant};

use tandem_core::batch::{BatchId, BatchRecord, BatchStatus};
use tandem_core::error::Classified;
use tandem_core::ports::Batches;

use crate::deployment::Deployment;
use crate::exit::TimedOut;
use crate::terminal::{one_line, spinner};

/// First pause between two looks at the state table; a read of it costs next to nothing.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause, for batches that take minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Time between two looks at the execution, which take two or three calls.
const LOOK_AT_EXECUTION: Duration = Duration::from_millis(500);

/// The record of a batch that has ended. Says each stage once, on standard error; with `closely`, the execution's too.
///
/// Goes on while a service is throttled or away: that is when a person wants to know the end.
///
/// # Errors
/// [`TimedOut`] when the time is over, or when the state table refuses to be read.
pub async fn until_ended(
    deployment: &Deployment,
    batch_id: &BatchId,
    begun: Instant,
    patience: Duration,
    closely: bool,
) -> anyhow::Result<BatchRecord> {
    let table = deployment.batches();
    let mut stages = Stages::new(begun);
    let mut looked = None::<Instant>;
    let mut stage = String::from("waiting to be claimed");
    loop {
        match table.get(batch_id).await {
            Ok(Some(record)) => {
                let due = looked.is_none_or(|looked| looked.elapsed() >= LOOK_AT_EXECUTION);
                let progress = match (&record.execution_arn, record.status) {
                    (Some(arn), BatchStatus::Running) if closely && due => {
                        looked = Some(Instant::now());
                        // How far it is, is only told; if Step Functions does not say, the status still does.
                        deployment.executions(&record.owner_region).progress(arn).await.ok()
                    }
                    _ => None,
                };
                stage = describe(&record);
                stages.say(&stage, progress.as_ref());
                if record.status.has_ended() {
                    return Ok(record);
                }
            }
            Ok(None) => stages.say(&stage, None),
            Err(error) if error.is_retryable() => stages.say(&format!("still trying: {error}"), None),
            Err(error) => return Err(error.into()),
        }
        if begun.elapsed() >= patience {
            let seconds = patience.as_secs();
            let remedy = format!("it goes on; see `tandem status {batch_id}`");
            return Err(TimedOut(format!("the batch had not ended after {seconds} s ({stage}): {remedy}")).into());
        }
        tokio::time::sleep(pause(begun.elapsed())).await;
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

    fn say(&mut self, stage: &str, progress: Option<&tandem_aws::executions::Progress>) {
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
        self.spinner.suspend(|| eprintln!("{line}"));
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
