//! Who may act on a batch: claim, fence, end.
//!
//! The TXT record says who *should* act and the state table says who *may*. Everything here is safe to repeat and safe to
//! race: a step that lost a race ends quietly.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::batch::{BatchRecord, BatchStatus};
use crate::event::Upload;
use crate::payload::BatchInput;
use crate::ports::{Batches, Claim, Clock, Owner, ServiceError, Workflow};

/// RFC 3339 in UTC with milliseconds: sorts as text.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A time as the state table holds it.
#[must_use]
pub fn time_text(time: OffsetDateTime) -> String {
    time.to_offset(time::UtcOffset::UTC).format(TIME).unwrap_or_default()
}

/// Seconds between a time as the state table holds it and a later one; 0 where the text is no such time.
#[must_use]
pub fn seconds_since(earlier: &str, later: OffsetDateTime) -> f64 {
    let parsed = OffsetDateTime::parse(earlier, &time::format_description::well_known::Rfc3339);
    parsed.map_or(0.0, |earlier| (later - earlier).as_seconds_f64())
}

impl BatchInput {
    /// Who acts on this batch, when it is processed in `region`.
    #[must_use]
    pub fn owner(&self, region: &str) -> Owner {
        Owner { batch_id: self.batch_id.clone(), attempt: self.attempt, region: region.to_owned() }
    }
}

/// What came of an upload in the active Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intake {
    /// This Region claimed the batch and started it.
    Claimed(BatchRecord),
    /// This Region had claimed it before and not started it; now it has.
    Started(BatchRecord),
    /// The batch is known: under way, ended, or another Region's.
    Known(BatchRecord),
}

/// Claims an upload for `region` and starts its execution.
///
/// Repeating it is safe at every point: the claim is conditional, and an execution's name is its attempt's alone.
///
/// # Errors
/// [`ServiceError`] when table or workflow do not answer. The batch may be claimed by then; a repeated event starts it.
pub async fn intake(
    batches: &impl Batches,
    workflow: &impl Workflow,
    clock: &impl Clock,
    region: &str,
    dataset: &str,
    upload: &Upload,
) -> Result<Intake, ServiceError> {
    let record = upload.first_claim(dataset, region, &time_text(clock.now()));
    match batches.claim(&record).await? {
        Claim::Claimed => {
            start(batches, workflow, clock, region, &record).await?;
            Ok(Intake::Claimed(record))
        }
        Claim::Exists(known) if is_mine_and_not_started(&known, region) => {
            start(batches, workflow, clock, region, &known).await?;
            Ok(Intake::Started(*known))
        }
        Claim::Exists(known) => Ok(Intake::Known(*known)),
    }
}

/// Whether this Region claimed a batch and nothing says that its execution was started.
fn is_mine_and_not_started(record: &BatchRecord, region: &str) -> bool {
    record.owner_region == region && record.status == BatchStatus::Claimed && record.execution_arn.is_none()
}

/// Starts the record's attempt and notes its execution.
async fn start(
    batches: &impl Batches,
    workflow: &impl Workflow,
    clock: &impl Clock,
    region: &str,
    record: &BatchRecord,
) -> Result<(), ServiceError> {
    let input = record.input();
    let execution_arn = workflow.start(&input).await?;
    // `false` is fine: the execution has started, and may be further than this write.
    batches.mark_running(&input.owner(region), &execution_arn, &time_text(clock.now())).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_time_is_text_that_sorts_and_reads_back() {
        let earlier = time::macros::datetime!(2026-01-02 03:04:05.678 UTC);
        let later = earlier + time::Duration::milliseconds(1500);
        assert_eq!(time_text(earlier), "2026-01-02T03:04:05.678Z");
        assert!(time_text(earlier) < time_text(later));
        assert!((seconds_since(&time_text(earlier), later) - 1.5).abs() < 1e-9);
    }
}
