//! Who may act on a batch: claim, announce, take over, start.
//!
//! The TXT record says who *should* act and the state table says who *may*. Everything here is safe to repeat and safe to
//! race: a step that lost a race ends quietly.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::batch::BatchRecord;
use crate::event::Upload;
use crate::ownership::{self, ExecutionState, Limits, Next, Taker};
use crate::payload::BatchInput;
use crate::ports::{Batches, Claim, Clock, Owner, ServiceError, Workflow};
use crate::regions::Regions;

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

/// Who acts in the protocol: one Region, with its ports.
#[derive(Debug)]
pub struct Protocol<'a, B, W, C> {
    /// The state table.
    pub batches: &'a B,
    /// Starts executions.
    pub workflow: &'a W,
    /// Dates what is written.
    pub clock: &'a C,
    /// The two Regions, seen from this one.
    pub regions: &'a Regions,
    /// What bounds taking over.
    pub limits: Limits,
}

/// What came of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intake {
    /// This Region claimed the batch and started it.
    Claimed(BatchRecord),
    /// This Region owned it already and had not started it; now it has.
    Started(BatchRecord),
    /// The other Region had left it open; this Region took it over and started it.
    TakenOver(BatchRecord),
    /// This Region stands by; it put the batch down as the active Region's, for that one to start.
    Announced(BatchRecord),
    /// The batch is known: under way, ended, or not this Region's to act on.
    Known(BatchRecord),
}

impl<B: Batches, W: Workflow, C: Clock> Protocol<'_, B, W, C> {
    /// Takes an upload in, in the Region that should act: claims it and starts its execution.
    ///
    /// Repeating it is safe at every point: the claim is conditional, and an execution's name is its attempt's alone. An
    /// upload that the other Region owns and has not finished is taken over: its replica came late, after a failover.
    ///
    /// # Errors
    /// [`ServiceError`] when table or workflow do not answer. The batch may be claimed by then; a repeated event, or the
    /// reconciler, starts it.
    pub async fn take_in(&self, dataset: &str, upload: &Upload) -> Result<Intake, ServiceError> {
        let here = self.regions.here();
        let record = upload.first_claim(dataset, here, &self.now());
        let known = match self.batches.claim(&record).await? {
            Claim::Claimed => {
                self.start(&record).await?;
                return Ok(Intake::Claimed(record));
            }
            Claim::Exists(known) => *known,
        };
        // The execution's state is not asked: of an own batch whose execution may have ended, the reconciler takes care.
        let execution = ownership::depends_on_execution(&known, here).then_some(ExecutionState::Running);
        match ownership::next(&known, here, execution, &self.limits, self.clock.now()) {
            Next::Start => {
                self.start(&known).await?;
                Ok(Intake::Started(known))
            }
            Next::TakeOver if known.owner_region != here => {
                let taken = self.take_over(&known, upload.version_id.as_deref(), false).await?;
                Ok(taken.map_or(Intake::Known(known), Intake::TakenOver))
            }
            _ => Ok(Intake::Known(known)),
        }
    }

    /// Puts an upload down for the Region that should act, without starting anything, in the Region that stands by.
    ///
    /// So a batch is known as soon as either Region has seen its event: while the TXT record changes, both may stand by.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    pub async fn announce(&self, dataset: &str, upload: &Upload, active: &str) -> Result<Intake, ServiceError> {
        let mut record = upload.first_claim(dataset, active, &self.now());
        if let Some(bucket) = self.regions.bucket_of(active) {
            bucket.clone_into(&mut record.bucket);
        }
        Ok(match self.batches.claim(&record).await? {
            Claim::Claimed => Intake::Announced(record),
            Claim::Exists(known) => Intake::Known(*known),
        })
    }

    /// Takes a batch over for this Region under a new attempt, and starts that. `None`: somebody else was quicker.
    ///
    /// # Errors
    /// [`ServiceError`] as for [`Self::take_in`].
    pub async fn take_over(
        &self,
        read: &BatchRecord,
        version_id: Option<&str>,
        gives_up: bool,
    ) -> Result<Option<BatchRecord>, ServiceError> {
        let next = ownership::taken_over(read, &self.taker(version_id), gives_up, &self.now());
        self.replace(read, next).await
    }

    /// Runs a batch again from the start under a new attempt. `None`: it has changed since it was read.
    ///
    /// # Errors
    /// [`ServiceError`] as for [`Self::take_in`].
    pub async fn rerun(
        &self,
        read: &BatchRecord,
        version_id: Option<&str>,
    ) -> Result<Option<BatchRecord>, ServiceError> {
        let next = ownership::rerun(read, &self.taker(version_id), &self.now());
        self.replace(read, next).await
    }

    /// Starts the record's attempt and notes its execution.
    ///
    /// # Errors
    /// [`ServiceError`] when workflow or table do not answer; starting again is the same start.
    pub async fn start(&self, record: &BatchRecord) -> Result<(), ServiceError> {
        let execution_arn = self.workflow.start(&record.execution_input()).await?;
        let owner = record.input().owner(&record.owner_region);
        // `false` is fine: the execution has started, and may be further than this write.
        self.batches.mark_running(&owner, &execution_arn, &self.now()).await?;
        Ok(())
    }

    async fn replace(&self, read: &BatchRecord, next: BatchRecord) -> Result<Option<BatchRecord>, ServiceError> {
        if !self.batches.take_over(read, &next).await? {
            return Ok(None);
        }
        self.start(&next).await?;
        Ok(Some(next))
    }

    fn taker<'a>(&'a self, version_id: Option<&'a str>) -> Taker<'a> {
        Taker { region: self.regions.here(), bucket: self.regions.bucket(), version_id }
    }

    fn now(&self) -> String {
        time_text(self.clock.now())
    }
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
