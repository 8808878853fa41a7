//! The rules of ownership: what a batch's record allows, as pure functions of the record.
//!
//! The state table carries each of these out as one conditional write; the model of the protocol is checked on them. A
//! function that gives a record gives what the table holds afterwards; `None` means that the condition does not hold, and the
//! table stays as it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::batch::{Attempt, BatchRecord, BatchStatus, Ending};
use crate::ports::Owner;
use crate::protocol::seconds_since;

/// How often an execution that only tells the owner of a failed batch is started, once the attempts are used up.
pub const GIVE_UP_TRIES: u32 = 5;

/// What bounds taking over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Attempts at a batch before its owner is told that it failed, counted from its claim or its last rerun.
    pub max_attempts: u32,
    /// How long a batch must have been DELIVERING before another attempt may take it.
    ///
    /// Longer than a deliverer's lease and the time for which a signed request is accepted together: a deliverer that was
    /// frozen and goes on after the takeover then sends nothing.
    pub grace: Duration,
    /// The pause before a second attempt in the same Region is followed by a third; doubled for each one after that.
    ///
    /// What interrupts an attempt often lasts: without pauses, a service that is away for some minutes would use up all the
    /// attempts of every batch.
    pub pause: Duration,
}

impl Limits {
    /// The pause after this many attempts, in a Region that goes on with its own batch: none after the first.
    #[must_use]
    pub fn pause_after(&self, attempts: u32) -> Duration {
        const LONGEST: Duration = Duration::from_secs(30 * 60);
        let doublings = attempts.saturating_sub(1).min(16);
        self.pause.saturating_mul(2_u32.pow(doublings) - 1).min(LONGEST)
    }
}

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExecutionState {
    /// It has not ended.
    Running,
    /// It has ended, one way or another.
    Ended,
    /// The service does not know it.
    Gone,
}

/// What the Region that should act does about an open batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// Nothing: it has ended, or its execution runs.
    Leave,
    /// Starts the execution of the attempt it has claimed.
    Start,
    /// Takes it over under a new attempt.
    TakeOver,
    /// Takes it over to tell its owner that the attempts are used up.
    GiveUp,
    /// Waits: it was being delivered a moment ago, or its last attempt ended too short a time ago.
    Wait,
    /// Nothing more: not even its owner could be told. A person must look.
    Stuck,
}

/// Whether what follows depends on the state of the record's execution, which the caller then has to ask for.
#[must_use]
pub fn depends_on_execution(record: &BatchRecord, here: &str) -> bool {
    !record.status.has_ended() && record.owner_region == here && record.execution_arn.is_some()
}

/// What the Region `here`, being the one that should act, does about a batch.
///
/// `execution` is the state of the record's execution where [`depends_on_execution`] says so; of the other Region's batches
/// it is not asked, because a lost Region does not answer.
#[must_use]
pub fn next(
    record: &BatchRecord,
    here: &str,
    execution: Option<ExecutionState>,
    limits: &Limits,
    now: OffsetDateTime,
) -> Next {
    if record.status.has_ended() {
        return Next::Leave;
    }
    if record.owner_region == here {
        if record.execution_arn.is_none() && record.status == BatchStatus::Claimed {
            return Next::Start;
        }
        if execution == Some(ExecutionState::Running) {
            return Next::Leave;
        }
    }
    let unchanged_for = |time: Duration| seconds_since(&record.updated, now) >= time.as_secs_f64();
    if record.status == BatchStatus::Delivering && !unchanged_for(limits.grace) {
        return Next::Wait;
    }
    let used = attempts_used(record);
    if record.owner_region == here && !unchanged_for(limits.pause_after(used)) {
        return Next::Wait;
    }
    match used {
        used if used < limits.max_attempts => Next::TakeOver,
        used if used < limits.max_attempts.saturating_add(GIVE_UP_TRIES) => Next::GiveUp,
        _ => Next::Stuck,
    }
}

/// Attempts since the claim or the last rerun.
fn attempts_used(record: &BatchRecord) -> u32 {
    (record.attempt.number() + 1).saturating_sub(record.first_attempt.number())
}

/// Who takes a batch over, and which object there is its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taker<'a> {
    /// The Region that takes it.
    pub region: &'a str,
    /// Its bucket.
    pub bucket: &'a str,
    /// Version of the input there.
    pub version_id: Option<&'a str>,
}

/// The record once an open batch is taken over, to go on with it or to give it up.
#[must_use]
pub fn taken_over(read: &BatchRecord, by: &Taker<'_>, gives_up: bool, now: &str) -> BatchRecord {
    let attempt = Attempt::new(read.attempt.number().saturating_add(1));
    let mut record = read.clone();
    record.attempt = attempt;
    record.status = BatchStatus::Claimed;
    record.owner_region = by.region.to_owned();
    record.bucket = by.bucket.to_owned();
    record.version_id = by.version_id.map(str::to_owned);
    record.execution_arn = None;
    record.gives_up = gives_up;
    now.clone_into(&mut record.updated);
    record.region_history.push(format!("{}/{attempt}", by.region));
    record
}

/// The record once a batch is run again from the start, whatever became of it before.
#[must_use]
pub fn rerun(read: &BatchRecord, by: &Taker<'_>, now: &str) -> BatchRecord {
    let record = taken_over(read, by, false, now);
    BatchRecord {
        first_attempt: record.attempt,
        rows_in: None,
        rows_out: None,
        rows_rejected: None,
        output_key: None,
        output_version: None,
        rejects_key: None,
        rejects_version: None,
        reason: None,
        failed_state: None,
        ..record
    }
}

/// Whether a record is still what was read: what taking over is conditional on. Not the attempt alone: an attempt that has
/// begun to deliver since must not be taken without waiting.
#[must_use]
pub fn is_as_read(record: &BatchRecord, read: &BatchRecord) -> bool {
    record.attempt == read.attempt && record.status == read.status && record.updated == read.updated
}

/// Whether `owner` is who may act on the record.
fn owns(record: &BatchRecord, owner: &Owner) -> bool {
    record.attempt == owner.attempt && record.owner_region == owner.region
}

/// CLAIMED → RUNNING, under the owner's attempt.
#[must_use]
pub fn running(record: &BatchRecord, owner: &Owner, execution_arn: &str, now: &str) -> Option<BatchRecord> {
    (owns(record, owner) && record.status == BatchStatus::Claimed).then(|| BatchRecord {
        status: BatchStatus::Running,
        execution_arn: Some(execution_arn.to_owned()),
        updated: now.to_owned(),
        ..record.clone()
    })
}

/// The execution noted, under the owner's attempt, whatever the status: it was quicker than [`running`]. The time of change
/// stays, because the grace is counted from it.
#[must_use]
pub fn execution_noted(record: &BatchRecord, owner: &Owner, execution_arn: &str) -> Option<BatchRecord> {
    owns(record, owner).then(|| BatchRecord { execution_arn: Some(execution_arn.to_owned()), ..record.clone() })
}

/// Open → DELIVERING, under the owner's attempt: the fence. May be passed again by the same attempt.
#[must_use]
pub fn delivering(record: &BatchRecord, owner: &Owner, now: &str) -> Option<BatchRecord> {
    (owns(record, owner) && !record.status.has_ended()).then(|| BatchRecord {
        status: BatchStatus::Delivering,
        updated: now.to_owned(),
        ..record.clone()
    })
}

/// DELIVERING → DELIVERED or FAILED, under the owner's attempt.
#[must_use]
pub fn ended(record: &BatchRecord, owner: &Owner, ending: &Ending, now: &str) -> Option<BatchRecord> {
    if !owns(record, owner) || record.status != BatchStatus::Delivering {
        return None;
    }
    let mut record = BatchRecord { updated: now.to_owned(), ..record.clone() };
    match ending {
        Ending::Delivered(merge) => {
            record.status = BatchStatus::Delivered;
            record.rows_in = Some(merge.rows_in);
            record.rows_out = Some(merge.rows_out);
            record.rows_rejected = Some(merge.rows_rejected);
            record.output_key = Some(merge.output_key.clone());
            record.output_version.clone_from(&merge.output_version);
            record.rejects_key = Some(merge.rejects_key.clone());
            record.rejects_version.clone_from(&merge.rejects_version);
            record.reason = None;
            record.failed_state = None;
        }
        Ending::Failed { failed_state, reason } => {
            record.status = BatchStatus::Failed;
            record.failed_state = Some(failed_state.clone());
            record.reason = Some(reason.clone());
        }
    }
    Some(record)
}

/// The reason noted, under the owner's attempt; the status stays.
#[must_use]
pub fn interrupted(
    record: &BatchRecord,
    owner: &Owner,
    failed_state: &str,
    reason: &str,
    now: &str,
) -> Option<BatchRecord> {
    (owns(record, owner) && !record.status.has_ended()).then(|| BatchRecord {
        failed_state: Some(failed_state.to_owned()),
        reason: Some(reason.to_owned()),
        updated: now.to_owned(),
        ..record.clone()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::event::Upload;
    use crate::protocol::time_text;

    const LIMITS: Limits = Limits { max_attempts: 3, grace: Duration::from_secs(60), pause: Duration::from_secs(120) };
    const NOW: OffsetDateTime = time::macros::datetime!(2026-01-02 12:00 UTC);

    fn record() -> BatchRecord {
        let upload = Upload {
            bucket: "b-east".into(),
            key: "input/a.csv".into(),
            etag: "e".into(),
            version_id: Some("v".into()),
            size: 1,
        };
        upload.first_claim("sales-orders", "east", &time_text(NOW))
    }

    fn owner(record: &BatchRecord) -> Owner {
        Owner { batch_id: record.batch_id.clone(), attempt: record.attempt, region: record.owner_region.clone() }
    }

    fn west() -> Taker<'static> {
        Taker { region: "west", bucket: "b-west", version_id: Some("w") }
    }

    #[test]
    fn what_is_claimed_here_and_not_started_is_started() {
        assert_eq!(next(&record(), "east", None, &LIMITS, NOW), Next::Start);
    }

    #[test]
    fn an_own_batch_is_left_while_its_execution_runs_and_taken_once_that_has_ended() {
        let running = running(&record(), &owner(&record()), "arn", "t").unwrap();
        let next = |state| next(&running, "east", Some(state), &LIMITS, NOW);
        assert_eq!(next(ExecutionState::Running), Next::Leave);
        assert_eq!(next(ExecutionState::Ended), Next::TakeOver);
        assert_eq!(next(ExecutionState::Gone), Next::TakeOver);
    }

    #[test]
    fn the_pause_before_another_attempt_grows_and_is_none_after_the_first_or_a_lost_region() {
        assert_eq!([1, 2, 3, 4, 9].map(|used| LIMITS.pause_after(used).as_secs()), [0, 120, 360, 840, 1800]);
        let east = Taker { region: "east", ..west() };
        let second = taken_over(&record(), &east, false, &time_text(NOW));
        let second = running(&second, &owner(&second), "arn", &time_text(NOW)).unwrap();
        let next = |here, seconds| {
            let execution = (here == "east").then_some(ExecutionState::Ended);
            next(&second, here, execution, &LIMITS, NOW + time::Duration::seconds(seconds))
        };
        assert_eq!((next("east", 119), next("east", 120)), (Next::Wait, Next::TakeOver));
        assert_eq!(next("west", 0), Next::TakeOver);
    }

    #[test]
    fn the_other_regions_batch_is_taken_whatever_its_execution_does() {
        assert_eq!(next(&record(), "west", None, &LIMITS, NOW), Next::TakeOver);
    }

    #[test]
    fn a_batch_that_is_being_delivered_is_taken_only_after_the_grace() {
        let fenced = delivering(&record(), &owner(&record()), &time_text(NOW)).unwrap();
        let next = |seconds| next(&fenced, "west", None, &LIMITS, NOW + time::Duration::seconds(seconds));
        assert_eq!(next(0), Next::Wait);
        assert_eq!(next(59), Next::Wait);
        assert_eq!(next(60), Next::TakeOver);
    }

    #[test]
    fn attempts_are_limited_then_its_owner_is_told_and_then_a_person_must_look() {
        let mut record = record();
        let mut seen = Vec::new();
        loop {
            let next = next(&record, "west", None, &LIMITS, NOW);
            seen.push(next);
            if next == Next::Stuck {
                break;
            }
            // As if each execution ended badly in the Region that is then lost.
            record = taken_over(&record, &Taker { region: "east", ..west() }, next == Next::GiveUp, "t");
        }
        let expected =
            [vec![Next::TakeOver; 2], vec![Next::GiveUp; GIVE_UP_TRIES as usize], vec![Next::Stuck]].concat();
        assert_eq!(seen, expected);
        let again = rerun(&record, &Taker { region: "east", ..west() }, "t");
        assert_eq!(next(&again, "west", None, &LIMITS, NOW), Next::TakeOver);
    }

    #[test]
    fn a_superseded_attempt_can_neither_fence_nor_end_nor_note_anything() {
        let first = record();
        let old = owner(&first);
        let taken = taken_over(&first, &west(), false, "t");
        assert_eq!(running(&taken, &old, "arn", "t"), None);
        assert_eq!(delivering(&taken, &old, "t"), None);
        assert_eq!(interrupted(&taken, &old, "Split", "r", "t"), None);
        let fenced = delivering(&taken, &owner(&taken), "t").unwrap();
        let failed = Ending::Failed { failed_state: "Split".into(), reason: "r".into() };
        assert_eq!(ended(&fenced, &old, &failed, "t"), None);
        assert!(ended(&fenced, &owner(&taken), &failed, "t").is_some());
    }

    #[test]
    fn the_same_attempt_number_in_another_region_is_another_owner() {
        let taken = taken_over(&record(), &west(), false, "t");
        let stranger = Owner { region: "east".into(), ..owner(&taken) };
        assert_eq!(delivering(&taken, &stranger, "t"), None);
    }

    #[test]
    fn nothing_follows_once_a_batch_has_ended() {
        let fenced = delivering(&record(), &owner(&record()), "t").unwrap();
        let failed = Ending::Failed { failed_state: "Split".into(), reason: "r".into() };
        let ended_record = ended(&fenced, &owner(&fenced), &failed, "t").unwrap();
        assert_eq!(delivering(&ended_record, &owner(&fenced), "t"), None);
        assert_eq!(ended(&ended_record, &owner(&fenced), &failed, "t"), None);
        assert_eq!(next(&ended_record, "west", None, &LIMITS, NOW), Next::Leave);
    }

    #[test]
    fn a_fence_since_the_reading_stops_a_takeover() {
        let read = record();
        let fenced = delivering(&read, &owner(&read), &read.updated.clone()).unwrap();
        assert!(is_as_read(&read, &read));
        assert!(!is_as_read(&fenced, &read));
    }
}
