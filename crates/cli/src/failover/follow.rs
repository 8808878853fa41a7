//! Follows the batches that were taken over until all have ended.

use std::time::Duration;

use tandem_core::batch::{BatchId, BatchRecord, BatchStatus};
use tandem_core::error::Classified;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Begun;
use crate::exit::TimedOut;
use crate::records::Records;
use crate::terminal::spinner;

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

/// Waits until all of them have ended.
///
/// # Errors
/// [`TimedOut`] when the time is over, or when the table refuses to be read; with what is known by then.
pub async fn until_ended(
    records: &Records,
    batches: Vec<BatchId>,
    begun: Begun,
    patience: Duration,
) -> Result<Followed, (Followed, anyhow::Error)> {
    let (all, spinner) = (batches.len(), spinner());
    let mut followed = Followed { open: batches, ..Followed::default() };
    loop {
        let mut still_open = Vec::new();
        for batch_id in std::mem::take(&mut followed.open) {
            match records.get(&batch_id).await {
                Ok(Some(record)) if record.status.has_ended() => followed.ended.push(record),
                Ok(_) => still_open.push(batch_id),
                Err(error) if error.is_retryable() => still_open.push(batch_id),
                Err(error) => return Err((followed, error.into())),
            }
        }
        followed.open = still_open;
        if followed.open.is_empty() {
            followed.note_end(begun);
            spinner.finish_and_clear();
            return Ok(followed);
        }
        spinner.set_message(format!("{} of {all} batches have ended", followed.ended.len()));
        if begun.instant.elapsed() >= patience {
            spinner.finish_and_clear();
            let (open, seconds) = (followed.open.len(), patience.as_secs());
            let message = format!(
                "{open} of the batches that were taken over had not ended after {seconds} s: they go on; see `tandem status`"
            );
            return Err((followed, TimedOut(message).into()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
