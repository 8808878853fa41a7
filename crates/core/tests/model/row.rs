//! The state table's row, and the rules of `tandem_core::ownership` applied to it.
//!
//! A [`Row`] is what is left of a [`BatchRecord`] without what no rule looks at: the checker keeps millions of them. Every
//! change goes through a whole record and the rule itself, so it is the code that is checked.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use tandem_core::batch::{Attempt, BatchRecord, BatchStatus, Ending};
use tandem_core::event::Upload;
use tandem_core::ownership::{self, ExecutionState, Limits, Next, Taker};
use tandem_core::payload::MergeOutput;
use tandem_core::ports::Owner;
use tandem_core::protocol::{seconds_since, time_text};
use time::OffsetDateTime;

use crate::world::{Region, Who};

const GRACE: Duration = Duration::from_secs(360);
const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// What the rules look at in a batch's record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    pub status: BatchStatus,
    pub who: Who,
    pub gives_up: bool,
    /// Whether the execution is noted.
    pub has_execution: bool,
    /// The record's `updated`: which write this is of those that left attempt and status as they were. Together with these
    /// two it tells any two versions of a record apart, as the time does.
    pub updated: u8,
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, who, gives_up, updated, .. } = self;
        write!(formatter, "{who:?} {status}{}", if *gives_up { " giving up" } else { "" })?;
        if *updated == 0 { Ok(()) } else { write!(formatter, " #{updated}") }
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |row: &Self| (row.who, row.status as u8, row.updated, row.gives_up, row.has_execution);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The first claim's record, which every other is made from.
static CLAIM: LazyLock<BatchRecord> = LazyLock::new(|| upload().first_claim("orders", "east", &time(0)));

fn upload() -> Upload {
    Upload {
        bucket: bucket(Region::East).to_owned(),
        key: String::from("input/a.csv"),
        etag: String::from("e"),
        version_id: Some(String::from("v")),
        size: 1,
    }
}

fn bucket(region: Region) -> &'static str {
    match region {
        Region::East => "b-east",
        Region::West => "b-west",
    }
}

/// The time of the `n`-th write.
fn time(n: u8) -> String {
    time_text(START + Duration::from_secs(n.into()))
}

fn owner(who: Who) -> Owner {
    Owner {
        batch_id: CLAIM.batch_id.clone(),
        attempt: Attempt::new(who.attempt.into()),
        region: who.region.name().to_owned(),
    }
}

/// A first claim in the name of `region`: its own, or announced to it.
pub fn claimed(region: Region) -> Row {
    Row::of(&upload().first_claim("orders", region.name(), &time(0)))
}

impl Row {
    fn of(record: &BatchRecord) -> Self {
        Self {
            status: record.status,
            who: Who {
                region: Region::named(&record.owner_region),
                attempt: u8::try_from(record.attempt.number()).unwrap(),
            },
            gives_up: record.gives_up,
            has_execution: record.execution_arn.is_some(),
            updated: seconds_since(&record.updated, START).abs() as u8,
        }
    }

    fn record(&self) -> BatchRecord {
        BatchRecord {
            status: self.status,
            attempt: Attempt::new(self.who.attempt.into()),
            gives_up: self.gives_up,
            owner_region: self.who.region.name().to_owned(),
            bucket: bucket(self.who.region).to_owned(),
            execution_arn: self.has_execution.then(|| String::from("arn")),
            updated: time(self.updated),
            ..CLAIM.clone()
        }
    }

    /// The row after a rule; `None` if the rule does not allow it.
    fn after(&self, rule: impl FnOnce(&BatchRecord, &str) -> Option<BatchRecord>) -> Option<Self> {
        let next = Self::of(&rule(&self.record(), &time(self.updated + 1))?);
        let same = (next.who, next.status) == (self.who, self.status);
        Some(if same { next } else { Self { updated: 0, ..next } })
    }

    pub fn has_ended(&self) -> bool {
        self.status.has_ended()
    }

    /// What the Region `here` does about it.
    pub fn next(&self, here: Region, execution: Option<ExecutionState>, max_attempts: u8, grace_over: bool) -> Next {
        let limits = Limits { max_attempts: max_attempts.into(), grace: GRACE, pause: Duration::ZERO };
        let written = START + Duration::from_secs(self.updated.into());
        let now = if grace_over { written + GRACE } else { written };
        ownership::next(&self.record(), here.name(), execution, &limits, now)
    }

    /// Whether [`Self::next`] depends on how the execution stands.
    pub fn depends_on_execution(&self, here: Region) -> bool {
        ownership::depends_on_execution(&self.record(), here.name())
    }

    pub fn taken_over(&self, by: Region, gives_up: bool) -> Self {
        let taker = Taker { region: by.name(), bucket: bucket(by), version_id: Some("v") };
        self.after(|record, now| Some(ownership::taken_over(record, &taker, gives_up, now))).unwrap()
    }

    pub fn is_as_read(&self, read: &Self) -> bool {
        ownership::is_as_read(&self.record(), &read.record())
    }

    /// RUNNING; where the execution was quicker than this write, it keeps its status and only its ARN is noted.
    pub fn marked_running(&self, who: Who) -> Option<Self> {
        let running = self.after(|record, now| ownership::running(record, &owner(who), "arn", now));
        running.or_else(|| (self.who == who).then(|| Self { has_execution: true, updated: self.updated + 1, ..*self }))
    }

    pub fn fenced(&self, who: Who) -> Option<Self> {
        self.after(|record, now| ownership::delivering(record, &owner(who), now))
    }

    pub fn interrupted(&self, who: Who) -> Option<Self> {
        self.after(|record, now| ownership::interrupted(record, &owner(who), "Deliver", "reason", now))
    }

    pub fn ended(&self, who: Who, failed: bool) -> Option<Self> {
        let ending = if failed {
            Ending::Failed { failed_state: String::from("Deliver"), reason: String::from("attempts used up") }
        } else {
            Ending::Delivered(result())
        };
        self.after(|record, now| ownership::ended(record, &owner(who), &ending, now))
    }
}

fn result() -> MergeOutput {
    MergeOutput {
        output_key: String::from("output/a.csv"),
        output_version: None,
        rejects_key: String::from("output/a-rejects.csv"),
        rejects_version: None,
        rows_in: 1,
        rows_out: 1,
        rows_rejected: 0,
        bytes_out: 1,
        reasons: Vec::new(),
    }
}
