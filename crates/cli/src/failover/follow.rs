//! Follows the batches that were taken over until all have ended.

use std::time::{Duration, Instant};

use serde_json::json;
use tandem_aws::invoke::Functions;
use tandem_core::batch::{BatchId, BatchRecord, BatchStatus};
use tandem_core::error::Classified;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Begun;
use crate::deployment::Deployment;
use crate::exit::TimedOut;
use crate::records::Records;

/// Time between two looks at the batches that are open.
const PAUSE: Duration = Duration::from_millis(500);

/// What became of the batches so far.
#[derive(Debug, Clone, Default)]
pub struct Followed {
    /// Those that have ended.
    pub ended: Vec<BatchRecord>,
    /// Those that have not.
    pub open: Vec<BatchId>,
    /// Seconds from the start of the runbook to the end of the last of them; absent while any is open.
    pub all_ended: Option<f64>,
}

impl Followed {
    /// How many have ended like this.
    pub fn number(&self, status: BatchStatus) -> usize {
        self.ended.iter().filter(|record| record.status == status).count()
    }

    fn note_end(&mut self, begun: Begun) {
        let ends = self.ended.iter().filter_map(|record| OffsetDateTime::parse(&record.updated, &Rfc3339).ok());
        // By the table's times: what they say does not depend on when somebody looked.
        self.all_ended = ends.max().map(|end| (end - begun.time).as_seconds_f64().max(0.0));
    }
}

/// Further passes of the reconciler while batches are followed: a batch whose new attempt ended badly is begun again within
/// a minute, and not only at the schedule's next pass.
pub struct Passes {
    /// The functions of the Region that took over.
    pub functions: Functions,
    /// Name of its reconciler.
    pub reconcile: String,
    /// Time between two of them.
    pub every: Duration,
}

/// Is told how the following goes.
pub trait Follower: Sync {
    /// After each look.
    fn sees(&self, followed: &Followed);
    /// Something failed, and is done again.
    fn warns(&self, text: &str);
}

impl Passes {
    /// Passes in the Region that took over.
    pub fn of(deployment: &Deployment, region: &str, begun: Begun) -> Self {
        let (functions, reconcile) = (deployment.functions(region), deployment.function("reconcile"));
        Self { functions, reconcile, every: begun.between_passes }
    }

    async fn make(&self, follower: &impl Follower) {
        let task = json!({ "action": "reconcile" });
        let pass = self.functions.invoke(&self.reconcile, &task).await;
        if let Err(error) = pass {
            // The schedule goes on, and so does the next one here.
            follower.warns(&format!("a pass of the reconciler failed, and is made again: {error}"));
        }
    }
}

/// Waits until all of them have ended, and notes each that has.
///
/// # Errors
/// [`TimedOut`] when the time is over, or when the table refuses to be read; `followed` says what is known by then.
pub async fn until_ended(
    records: &Records,
    followed: &mut Followed,
    begun: Begun,
    patience: Duration,
    (passes, follower): (&Passes, &impl Follower),
) -> anyhow::Result<()> {
    let mut last_pass = Instant::now();
    loop {
        look(records, followed).await?;
        follower.sees(followed);
        if followed.open.is_empty() {
            followed.note_end(begun);
            return Ok(());
        }
        if begun.instant.elapsed() >= patience {
            let (open, seconds) = (followed.open.len(), patience.as_secs());
            let remedy = "they go on; see `tandem status`";
            let message = format!("{open} batches that were taken over had not ended after {seconds} s: {remedy}");
            return Err(TimedOut(message).into());
        }
        tokio::time::sleep(PAUSE).await;
        if last_pass.elapsed() >= passes.every {
            let left = patience.saturating_sub(begun.instant.elapsed());
            // Longer than that nobody waits; what the pass does it does all the same.
            let _over = tokio::time::timeout(left, passes.make(follower)).await;
            last_pass = Instant::now();
        }
    }
}

/// Looks once at each batch that is open.
async fn look(records: &Records, followed: &mut Followed) -> anyhow::Result<()> {
    for batch_id in followed.open.clone() {
        match records.get(&batch_id).await {
            Ok(Some(record)) if record.status.has_ended() => {
                followed.open.retain(|open| *open != batch_id);
                followed.ended.push(record);
            }
            Ok(_) => {}
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
