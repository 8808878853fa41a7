//! What there is: two Regions, the batches, and everything about a batch that somebody somewhere remembers.

use std::fmt;
use std::ops::{Index, IndexMut};

use crate::row::Row;

/// One of the two Regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Region {
    East,
    West,
}

impl Region {
    pub const BOTH: [Self; 2] = [Self::East, Self::West];

    pub fn name(self) -> &'static str {
        match self {
            Self::East => "east",
            Self::West => "west",
        }
    }

    pub fn named(name: &str) -> Self {
        if name == Self::East.name() { Self::East } else { Self::West }
    }

    pub fn other(self) -> Self {
        match self {
            Self::East => Self::West,
            Self::West => Self::East,
        }
    }
}

/// One thing for each Region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Each<T>([T; 2]);

impl<T: Copy> Each<T> {
    pub fn both(value: T) -> Self {
        Self([value; 2])
    }
}

impl<T> Index<Region> for Each<T> {
    type Output = T;

    fn index(&self, region: Region) -> &T {
        &self.0[region as usize]
    }
}

impl<T> IndexMut<Region> for Each<T> {
    fn index_mut(&mut self, region: Region) -> &mut T {
        &mut self.0[region as usize]
    }
}

/// Under which attempt, and where, somebody acts on a batch. It reads `east/1`, as in a record's history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Who {
    pub region: Region,
    pub attempt: u8,
}

impl fmt::Debug for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.region.name(), self.attempt)
    }
}

/// The whole world at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub batches: Vec<Batch>,
    /// What the routing controls say.
    pub active: Region,
    /// What the operator said last.
    pub wanted: Region,
    /// What each Region's resolver says: the active Region, or an earlier one.
    pub txt: Each<Region>,
    /// Which Regions are isolated: nothing there reaches table, S3, SES or DNS; what runs there keeps its memory.
    pub isolated: Each<bool>,
    /// What may still go wrong.
    pub left: Faults,
}

impl World {
    /// One form for worlds that differ in nothing that matters any more.
    ///
    /// Once every batch has ended no row changes, so an intake or a reconciler that begins finds nothing to do, and a fault
    /// only takes steps away from what still runs, or delays them: TXT, events and what may go wrong are forgotten then.
    /// Executions, deliverers and processes that still run go on, frozen ones thaw and isolated Regions heal.
    pub fn in_normal_form(mut self) -> Self {
        self.batches = self.batches.into_iter().map(Batch::in_normal_form).collect();
        if self.batches.iter().all(Batch::has_ended_everywhere) {
            self.left = Faults::NONE;
            self.txt = Each::both(self.active);
            self.batches.iter_mut().for_each(|batch| batch.event = Each::default());
        }
        self
    }
}

/// How often each thing may go wrong in one history. What is bounded here makes every history finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Faults {
    /// The operator makes another Region active.
    pub failovers: u8,
    /// The operator's command is carried out once more: a retry, or the runbook from its start.
    pub repeats: u8,
    pub isolations: u8,
    /// An execution, a deliverer before its e-mail, an intake or a reconciler ends at any point.
    pub crashes: u8,
    /// A deliverer stops, keeps its memory, and may go on at any later time.
    pub freezes: u8,
    /// S3 says once more that an object was made.
    pub duplicates: u8,
    /// Somebody acts on an answer of TXT that is out of date. The record lives 10 seconds and passes begin minutes apart, so
    /// there are few of these.
    pub stale: u8,
    /// The documented window: a fault hits a deliverer between the mail service's acceptance and the final write.
    pub windows: u8,
    /// The state machine calls `deliver` again while the call before still runs. It must not: see `flaws`.
    pub double_calls: u8,
}

impl Faults {
    pub const NONE: Self = Self {
        failovers: 0,
        repeats: 0,
        isolations: 0,
        crashes: 0,
        freezes: 0,
        duplicates: 0,
        stale: 0,
        windows: 0,
        double_calls: 0,
    };
}

/// One batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Batch {
    /// The state table's row, as each Region sees it. The same for both, but for the flaw of an eventually consistent table.
    pub rows: Each<Option<Row>>,
    /// Whose write the other Region does not see yet; only with that flaw.
    pub unseen: Option<Region>,
    /// Whether the grace has passed since the row was written.
    pub grace_over: bool,
    /// In which buckets the input lies.
    pub input: Each<bool>,
    /// In which Regions an event of S3 waits: not yet delivered, to be delivered again, or kept in the queue of failed events
    /// until it is replayed. The model cannot tell these apart, because it lets an event wait for as long as it likes.
    pub event: Each<bool>,
    /// Intakes and reconcilers that have begun, in order.
    pub processes: Vec<Process>,
    /// Executions, in order.
    pub executions: Vec<Execution>,
    /// Calls of `deliver` that have passed the fence, in order.
    pub deliverers: Vec<Deliverer>,
    /// E-mails to the owner that the mail service accepted: of success, or of failure.
    pub told: u8,
    /// Faults in the documented window.
    pub windows: u8,
    /// Whether an e-mail was accepted from an attempt that was superseded.
    pub told_by_superseded: bool,
    /// Whether the batch was given up by a Region that did not hold its input.
    pub given_up_missing: bool,
}

impl Batch {
    /// Whether there is something in the table, and what.
    pub fn row(&self, seen_from: Region) -> Option<Row> {
        self.rows[seen_from]
    }

    fn has_ended_everywhere(&self) -> bool {
        Region::BOTH.into_iter().all(|region| self.rows[region].is_some_and(|row| row.has_ended()))
    }

    pub fn is_uploaded(&self) -> bool {
        self.input[Region::East] || self.input[Region::West]
    }

    pub fn execution(&self, who: Who) -> Option<&Execution> {
        self.executions.iter().find(|execution| execution.who == who)
    }

    pub fn execution_mut(&mut self, who: Who) -> Option<&mut Execution> {
        self.executions.iter_mut().find(|execution| execution.who == who)
    }

    pub fn has_deliverer(&self, who: Who) -> bool {
        self.deliverers.iter().any(|deliverer| deliverer.who == who)
    }

    /// One form for what differs only in order, or in what nobody will ask for again: an execution that has ended is asked
    /// for only while the row is its attempt's, or while somebody is about to start it once more.
    pub fn in_normal_form(mut self) -> Self {
        let (rows, processes) = (self.rows, &self.processes);
        self.executions.retain(|execution| {
            let is_current = |region| rows[region].is_some_and(|row: Row| row.who == execution.who && !row.has_ended());
            let is_to_be_started =
                |process: &Process| matches!(process.step, Step::Start { who, .. } if who == execution.who);
            execution.phase != Phase::Ended
                || Region::BOTH.into_iter().any(is_current)
                || processes.iter().any(is_to_be_started)
        });
        self.processes.sort_unstable();
        self.executions.sort_unstable();
        self.deliverers.sort_unstable();
        self
    }
}

/// What an intake or a reconciler is about to do with one batch; before that it has asked TXT and read the row.
///
/// A pass of the reconciler deals with every batch by itself and reads each row afresh, so here each batch of a pass is a
/// process of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    pub kind: Kind,
    pub region: Region,
    pub step: Step,
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} in {}: {:?}", self.kind, self.region.name(), self.step)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Intake,
    Reconcile,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Take the batch over, if the row is still as it was read.
    TakeOver { read: Row, gives_up: bool },
    /// Start the execution of the attempt.
    Start { who: Who, gives_up: bool },
    /// Note that it runs.
    MarkRunning { who: Who },
}

impl fmt::Debug for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakeOver { read, gives_up: false } => write!(formatter, "TakeOver({read:?})"),
            Self::TakeOver { read, gives_up: true } => write!(formatter, "GiveUp({read:?})"),
            Self::Start { who, .. } => write!(formatter, "Start({who:?})"),
            Self::MarkRunning { who } => write!(formatter, "MarkRunning({who:?})"),
        }
    }
}

/// An execution of the state machine; its name is the attempt's, so there is one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Execution {
    pub who: Who,
    /// Whether it only tells the owner that the batch failed.
    pub gives_up: bool,
    pub phase: Phase,
    /// How often it has called `deliver`.
    pub calls: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Split, validate, enrich, merge: one step here, because all of it may be repeated.
    Work,
    /// Calls `deliver`, or waits for it.
    Deliver,
    /// Over, one way or another.
    Ended,
}

/// A call of `deliver` that has passed the fence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Deliverer {
    pub who: Who,
    pub gives_up: bool,
    pub stage: Stage,
    /// Before it has signed its request: whether its lease lasts. After that: whether the service still takes the request.
    pub in_time: bool,
    pub frozen: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Is about to look at its lease and to sign its request.
    Fenced,
    /// Is about to transmit it.
    Signed,
    /// The service has accepted the e-mail; the end is not written yet.
    Sent,
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, stage, in_time, frozen, .. } = self;
        write!(formatter, "{who:?} {stage:?}{}", if *frozen { " frozen" } else { "" })?;
        if *in_time { Ok(()) } else { formatter.write_str(" too late") }
    }
}
