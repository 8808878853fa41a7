//! Progress: what happens by itself, and what intake and reconciler decide.

use tandem_core::batch::BatchStatus;
use tandem_core::ownership::{ExecutionState, Next};

use crate::protocol::{Action, Flaw, Protocol};
use crate::row::Row;
use crate::world::{Batch, Deliverer, Each, Kind, Phase, Process, Region, Stage, Step, Who, World};

impl Protocol {
    /// Whether nothing will happen unless the environment acts.
    pub fn is_quiet(&self, world: &World) -> bool {
        let mut actions = Vec::new();
        world.batches.iter().all(|batch| batch.processes.is_empty()) && {
            self.progress(world, &mut actions);
            actions.is_empty()
        }
    }

    pub fn progress(&self, world: &World, actions: &mut Vec<Action>) {
        for region in Region::BOTH {
            if !world.isolated[region] && world.txt[region] != world.active {
                actions.push(Action::RefreshTxt(region));
            }
        }
        for (number, batch) in world.batches.iter().enumerate() {
            self.regions_progress(world, number, batch, actions);
            for process in &batch.processes {
                // Starting an execution reaches only its own Region.
                if !world.isolated[process.region] || matches!(process.step, Step::Start { .. }) {
                    actions.push(Action::Go(number, *process));
                }
            }
            for execution in batch.executions.iter().filter(|execution| !world.isolated[execution.who.region]) {
                match execution.phase {
                    Phase::Work if batch.input[execution.who.region] => {
                        actions.push(Action::Work(number, execution.who))
                    }
                    Phase::Deliver if !batch.has_deliverer(execution.who) => {
                        actions.push(Action::Fence(number, execution.who));
                    }
                    _ => {}
                }
            }
            for deliverer in &batch.deliverers {
                self.deliverers_progress(world, number, deliverer, actions);
            }
            if is_young_delivery(batch) && batch.deliverers.iter().all(|deliverer| is_halted(world, deliverer)) {
                actions.push(Action::GracePasses(number));
            }
        }
    }

    /// What the functions of each Region begin.
    fn regions_progress(&self, world: &World, number: usize, batch: &Batch, actions: &mut Vec<Action>) {
        for region in Region::BOTH.into_iter().filter(|region| !world.isolated[*region]) {
            if batch.event[region] {
                actions.push(Action::Intake(number, region));
            }
            if world.active == region && world.txt[region] == region && self.can_reconcile(batch, region) {
                actions.push(Action::Reconcile(number, region));
            }
        }
        if batch.unseen.is_some() && world.isolated == Each::both(false) {
            actions.push(Action::TableCatchesUp(number));
        }
    }

    fn deliverers_progress(&self, world: &World, number: usize, deliverer: &Deliverer, actions: &mut Vec<Action>) {
        if is_halted(world, deliverer) {
            if deliverer.stage == Stage::Fenced && deliverer.in_time {
                actions.push(Action::LeaseEnds(number, *deliverer));
            }
            // A frozen call reaches its time limit, if it is not thawed before.
            if deliverer.frozen {
                actions.push(Action::Kill(number, *deliverer));
            }
            return;
        }
        actions.push(match deliverer.stage {
            Stage::Fenced => Action::CheckLease(number, *deliverer),
            Stage::Signed => Action::Send(number, *deliverer),
            Stage::Sent => Action::End(number, *deliverer),
        });
    }

    /// Whether a pass in this Region would do something about the batch. One that would not changes nothing, and is no action.
    pub fn can_reconcile(&self, batch: &Batch, region: Region) -> bool {
        let has_begun = |process: &Process| process.kind == Kind::Reconcile && process.region == region;
        !batch.processes.iter().any(has_begun) && self.reconcile(batch, region).is_some()
    }

    /// What the reconciler decides about the batch, having read its row: `Reconciler::try_to_deal_with`.
    pub fn reconcile(&self, batch: &Batch, here: Region) -> Option<Step> {
        let read = batch.row(here).filter(|row| !row.has_ended())?;
        let execution = read.depends_on_execution(here).then(|| state(batch, read.who));
        let start = Step::Start { who: read.who, gives_up: read.gives_up };
        match read.next(here, execution, self.max_attempts, self.may_take(batch)) {
            Next::Leave | Next::Wait | Next::Stuck => None,
            Next::Start if read.gives_up => Some(start),
            // Missing: it is named, and stays as it is.
            Next::Start | Next::TakeOver | Next::GiveUp if !batch.input[here] => None,
            Next::GiveUp => Some(Step::TakeOver { read, gives_up: true }),
            Next::Start => Some(start),
            Next::TakeOver => Some(Step::TakeOver { read, gives_up: false }),
        }
    }

    /// Whether the grace is over, or there is none.
    fn may_take(&self, batch: &Batch) -> bool {
        batch.grace_over || self.flaw == Some(Flaw::NoGrace)
    }

    /// What the intake of the active Region decides about a batch that it finds in the table: `Protocol::take_in`.
    pub fn intake(&self, batch: &Batch, here: Region, read: Row) -> Option<Step> {
        let execution = read.depends_on_execution(here).then_some(ExecutionState::Running);
        match read.next(here, execution, self.max_attempts, self.may_take(batch)) {
            Next::Start => Some(Step::Start { who: read.who, gives_up: read.gives_up }),
            Next::TakeOver if read.who.region != here => Some(Step::TakeOver { read, gives_up: false }),
            _ => None,
        }
    }
}

/// How an execution stands, as its Region's service says.
fn state(batch: &Batch, who: Who) -> ExecutionState {
    match batch.execution(who) {
        None => ExecutionState::Gone,
        Some(execution) if execution.phase == Phase::Ended => ExecutionState::Ended,
        Some(_) => ExecutionState::Running,
    }
}

/// Whether the batch is DELIVERING and its grace has not passed.
fn is_young_delivery(batch: &Batch) -> bool {
    let delivers = |region| batch.row(region).is_some_and(|row| row.status == BatchStatus::Delivering);
    !batch.grace_over && Region::BOTH.into_iter().any(delivers)
}

/// Whether a deliverer stands still. Only then does time pass: one that is slow is frozen for a while, and one that is not is
/// done long before the grace is over, because its function's time is limited.
fn is_halted(world: &World, deliverer: &Deliverer) -> bool {
    deliverer.frozen || world.isolated[deliverer.who.region]
}
