//! One pass: what was done about each open batch.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Done, at};
use crate::batch::{Attempt, BatchId, BatchRecord};

/// Most batches that an answer names in one list; the report object names all. Eight lists of so many, with keys of 1 KiB,
/// stay below the 6 MB that an answer may have.
pub const NAMED: usize = 400;

/// A batch in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The batch.
    pub batch_id: BatchId,
    /// Object key of its input.
    pub key: String,
    /// ETag of its input.
    pub etag: String,
    /// Size of its input in bytes.
    pub size: u64,
    /// Its attempt, after what was done.
    pub attempt: Attempt,
    /// Its owner, before what was done.
    pub owner_region: String,
    /// When it was claimed.
    pub created: String,
    /// When its record last changed, before what was done.
    pub updated: String,
    /// What failed, in the list of failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Item {
    fn of(record: &BatchRecord, attempt: Attempt, error: Option<String>) -> Self {
        Self {
            batch_id: record.batch_id.clone(),
            key: record.key.clone(),
            etag: record.etag.clone(),
            size: record.size,
            attempt,
            owner_region: record.owner_region.clone(),
            created: record.created.clone(),
            updated: record.updated.clone(),
            error,
        }
    }
}

/// How many batches met which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Open batches that were looked at.
    pub seen: u64,
    /// Taken over from the other Region, or restarted after an execution that ended badly.
    pub taken_over: u64,
    /// Claimed before, and started now.
    pub started: u64,
    /// Left alone: their executions run.
    pub running: u64,
    /// Being delivered a moment ago: too young to be taken over.
    pub waiting: u64,
    /// Their inputs are not in this Region.
    pub missing: u64,
    /// Another content stands under their inputs' keys in this Region.
    pub changed: u64,
    /// Their attempts are used up; their owners are being told.
    pub given_up: u64,
    /// Not even their owners could be told: a person must look.
    pub stuck: u64,
    /// A service failed while they were dealt with.
    pub failed: u64,
}

/// What one pass did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The Region that it ran in.
    pub region: String,
    /// Whether that Region is the one that should act; if not, nothing was done.
    pub active: bool,
    /// What the TXT record says.
    pub record: String,
    /// Whether there is nothing left that another pass could do: nothing is missing, changed, waiting or failed.
    pub settled: bool,
    /// Whether every open batch was looked at.
    pub complete: bool,
    /// When it began: RFC 3339, UTC.
    pub started_at: String,
    /// When it ended.
    pub ended_at: String,
    /// How many batches met which fate.
    pub counts: Counts,
    /// Taken over from the other Region, or restarted after an execution that ended badly.
    pub taken_over: Vec<Item>,
    /// Claimed before, and started now.
    pub started: Vec<Item>,
    /// Too young to be taken over or begun again.
    pub waiting: Vec<Item>,
    /// Their inputs are not in this Region.
    pub missing: Vec<Item>,
    /// Another content stands under their inputs' keys in this Region.
    pub changed: Vec<Item>,
    /// Their attempts are used up; their owners are being told.
    pub given_up: Vec<Item>,
    /// Not even their owners could be told.
    pub stuck: Vec<Item>,
    /// A service failed while they were dealt with; each says what.
    pub failed: Vec<Item>,
    /// Since when the oldest batch is open, of those that were looked at; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// Key of the object that names every batch; absent when there was nothing to report.
    pub report: Option<String>,
}

impl Pass {
    pub(super) fn begun(region: &str, now: OffsetDateTime) -> Self {
        Self {
            region: region.to_owned(),
            active: true,
            record: region.to_owned(),
            settled: false,
            complete: true,
            started_at: at(now),
            ended_at: at(now),
            counts: Counts::default(),
            taken_over: Vec::new(),
            started: Vec::new(),
            waiting: Vec::new(),
            missing: Vec::new(),
            changed: Vec::new(),
            given_up: Vec::new(),
            stuck: Vec::new(),
            failed: Vec::new(),
            oldest: None,
            report: None,
        }
    }

    pub(super) fn note(&mut self, record: &BatchRecord, done: Done) {
        if !matches!(done, Done::Nothing) {
            self.note_age(record);
        }
        let counts = &mut self.counts;
        let (count, list, attempt, error) = match done {
            Done::Nothing => return,
            Done::Running => {
                counts.seen += 1;
                counts.running += 1;
                return;
            }
            Done::TakenOver(next) => (&mut counts.taken_over, &mut self.taken_over, next.attempt, None),
            Done::GivenUp(next) => (&mut counts.given_up, &mut self.given_up, next.attempt, None),
            Done::Started => (&mut counts.started, &mut self.started, record.attempt, None),
            Done::Waiting => (&mut counts.waiting, &mut self.waiting, record.attempt, None),
            Done::Missing => (&mut counts.missing, &mut self.missing, record.attempt, None),
            Done::Changed => (&mut counts.changed, &mut self.changed, record.attempt, None),
            Done::Stuck => (&mut counts.stuck, &mut self.stuck, record.attempt, None),
            Done::Failed(error) => (&mut counts.failed, &mut self.failed, record.attempt, Some(error.to_string())),
        };
        *count += 1;
        list.push(Item::of(record, attempt, error));
        counts.seen += 1;
    }

    fn note_age(&mut self, record: &BatchRecord) {
        let since = open_since(record);
        if self.oldest.as_deref().is_none_or(|oldest| since < oldest) {
            self.oldest = Some(since.to_owned());
        }
    }

    pub(super) fn over(mut self, now: OffsetDateTime) -> Self {
        let Counts { missing, changed, waiting, failed, .. } = self.counts;
        self.settled = self.complete && missing + changed + waiting + failed == 0;
        self.ended_at = at(now);
        self
    }

    /// Whether there is anything that somebody may want to read later.
    #[must_use]
    pub fn is_worth_a_report(&self) -> bool {
        let Counts { seen, running, .. } = self.counts;
        seen > running
    }

    /// The same with at most [`NAMED`] batches in each list, as an answer carries it.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        for list in [
            &mut self.taken_over,
            &mut self.started,
            &mut self.waiting,
            &mut self.missing,
            &mut self.changed,
            &mut self.given_up,
            &mut self.stuck,
            &mut self.failed,
        ] {
            list.truncate(NAMED);
        }
        self
    }
}

/// Since when a batch is open: its claim, or, where it was run again after it had ended, its last change.
fn open_since(record: &BatchRecord) -> &str {
    if record.first_attempt == Attempt::FIRST { &record.created } else { &record.updated }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Upload;

    fn claimed(created: &str) -> BatchRecord {
        let upload =
            Upload { bucket: "b".into(), key: "input/a.csv".into(), etag: "e".into(), version_id: None, size: 1 };
        upload.first_claim("sales-orders", "us-east-1", created)
    }

    #[test]
    fn the_oldest_open_batch_is_the_one_that_was_claimed_first() {
        let mut pass = Pass::begun("us-east-1", time::macros::datetime!(2026-01-02 12:00 UTC));
        assert_eq!(pass.oldest, None);
        pass.note(&claimed("2026-01-02T11:00:00.000Z"), Done::Running);
        pass.note(&claimed("2026-01-02T10:00:00.000Z"), Done::Waiting);
        pass.note(&claimed("2026-01-02T11:30:00.000Z"), Done::Running);
        pass.note(&claimed("2026-01-01T00:00:00.000Z"), Done::Nothing);
        assert_eq!(pass.oldest.as_deref(), Some("2026-01-02T10:00:00.000Z"));
    }

    #[test]
    fn a_batch_that_was_run_again_is_not_as_old_as_its_claim() {
        let mut pass = Pass::begun("us-east-1", time::macros::datetime!(2026-01-02 12:00 UTC));
        let mut again = claimed("2025-01-01T00:00:00.000Z");
        again.attempt = Attempt::new(2);
        again.first_attempt = Attempt::new(2);
        again.updated = "2026-01-02T11:00:00.000Z".into();
        pass.note(&again, Done::Running);
        assert_eq!(pass.oldest.as_deref(), Some("2026-01-02T11:00:00.000Z"));
    }
}
