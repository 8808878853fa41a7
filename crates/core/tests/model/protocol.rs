//! What can happen.
//!
//! They come in two kinds. *Progress* is what happens by itself if nobody hinders it: healthy Regions act, time passes. The
//! *environment* does what may happen or not: uploads, replication, operators and faults. A world without progress to make is
//! *quiet*; the properties say what must be true of it. So nothing rests on when, or whether, the environment acts.

use stateright::{Model, Property};

use crate::properties;
use crate::world::{Batch, Deliverer, Each, Faults, Process, Region, Who, World};

/// How often an execution calls `deliver` at most: once, and once more when the first call failed.
pub const CALLS: u8 = 2;

/// The model: the protocol with so many batches and faults.
#[derive(Debug, Clone)]
pub struct Protocol {
    pub batches: usize,
    pub max_attempts: u8,
    pub faults: Faults,
    /// What is left out or done wrongly, to see the checker find it.
    pub flaw: Option<Flaw>,
    /// What histories with these faults come across, by the names of [`properties::sights`].
    pub shows: &'static [&'static str],
}

/// A mistake in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// `deliver` does not ask whether it is still the owner.
    NoFence,
    /// `deliver` sends however long ago its fence was, and requests never grow too old.
    NoLease,
    /// Failing over switches to the other Region, whichever it is.
    Toggle,
    /// Conditions are checked on the Region's own copy of the table, which may be behind.
    EventualTable,
    /// Taking over is conditional on the attempt alone.
    TakeOverByAttempt,
    /// Taking over is conditional on attempt and status, not on the time of change.
    TakeOverByStatus,
    /// A batch that is being delivered may be taken over at once.
    NoGrace,
    /// The Region that stands by does not announce what it sees.
    SilentStandby,
}

/// What happens. The number is the batch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    // The environment.
    Upload(usize, Region),
    Replicate(usize),
    DuplicateEvent(usize, Region),
    FailOver(Region),
    RepeatFailOver,
    Isolate(Region),
    Heal(Region),
    Crash(usize, Process),
    /// The execution fails, notes why, and ends.
    Interrupt(usize, Who),
    /// The execution ends without a word; a call of `deliver` goes on.
    Abort(usize, Who),
    Freeze(usize, Deliverer),
    Thaw(usize, Deliverer),
    /// The call of `deliver` ends without an answer: it crashes or, if frozen, reaches its time limit.
    Kill(usize, Deliverer),
    /// The state machine calls `deliver` again while a call runs.
    CallAgain(usize, Who),
    /// Intake, on an answer of TXT from before.
    StaleIntake(usize, Region),
    /// Reconcile, on an answer of TXT from before.
    StaleReconcile(usize, Region),

    // Progress.
    RefreshTxt(Region),
    /// Intake asks TXT and claims or announces.
    Intake(usize, Region),
    /// The reconciler asks TXT, reads the row and decides.
    Reconcile(usize, Region),
    /// An intake or a reconciler goes on.
    Go(usize, Process),
    Work(usize, Who),
    /// The execution calls `deliver`, which passes the fence or finds itself superseded.
    Fence(usize, Who),
    /// `deliver` looks at its lease and signs its request.
    CheckLease(usize, Deliverer),
    /// `deliver` transmits its request.
    Send(usize, Deliverer),
    /// `deliver` writes the end.
    End(usize, Deliverer),
    /// A lease ends.
    LeaseEnds(usize, Deliverer),
    /// The grace of a batch that is being delivered passes.
    GracePasses(usize),
    TableCatchesUp(usize),
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            batches: vec![Batch::default(); self.batches],
            active: Region::East,
            wanted: Region::East,
            txt: Each::both(Region::East),
            isolated: Each::both(false),
            left: self.faults,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.progress(world, actions);
        self.environment(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.carry_out(&mut next, action);
        Some(next.in_normal_form())
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let shown = properties::sights().into_iter().filter(|sight| self.shows.contains(&sight.name));
        properties::promises().into_iter().chain(shown).collect()
    }
}
