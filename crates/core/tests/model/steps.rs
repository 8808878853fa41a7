//! What each action does to the world.

use crate::environment::sending;
use crate::protocol::{Action, CALLS, Flaw, Protocol};
use crate::row::{self, Row};
use crate::world::{Batch, Deliverer, Execution, Kind, Phase, Process, Region, Stage, Step, Who, World};

impl Protocol {
    pub fn carry_out(&self, world: &mut World, action: Action) {
        match action {
            Action::Upload(number, region) => world.batches[number].arrives(region),
            Action::Replicate(number) => {
                let batch = &mut world.batches[number];
                let to = if batch.input[Region::East] { Region::West } else { Region::East };
                batch.arrives(to);
            }
            Action::DuplicateEvent(number, region) => {
                world.left.duplicates -= 1;
                world.batches[number].event[region] = true;
            }
            Action::FailOver(to) => {
                world.left.failovers -= 1;
                world.wanted = to;
                self.set_active(world);
            }
            Action::RepeatFailOver => {
                world.left.repeats -= 1;
                self.set_active(world);
            }
            Action::Isolate(region) => isolate(world, region),
            Action::Heal(region) => world.isolated[region] = false,
            Action::RefreshTxt(region) => world.txt[region] = world.active,
            Action::TableCatchesUp(number) => world.batches[number].catch_up(),
            Action::GracePasses(number) => world.batches[number].pass_grace(),
            Action::Intake(number, region) => self.take_in(&mut world.batches[number], region, world.txt[region]),
            Action::StaleIntake(number, region) => {
                world.left.stale -= 1;
                self.take_in(&mut world.batches[number], region, region);
            }
            Action::Reconcile(number, region) => self.begin_pass(&mut world.batches[number], region),
            Action::StaleReconcile(number, region) => {
                world.left.stale -= 1;
                self.begin_pass(&mut world.batches[number], region);
            }
            Action::Go(number, process) => self.go(&mut world.batches[number], process),
            Action::Crash(number, process) => {
                world.left.crashes -= 1;
                world.batches[number].crash(process);
            }
            Action::Work(number, who) => world.batches[number].set_phase(who, Phase::Deliver),
            Action::Fence(number, who) => self.fence(&mut world.batches[number], who),
            Action::CallAgain(number, who) => {
                world.left.double_calls -= 1;
                self.fence(&mut world.batches[number], who);
            }
            Action::Abort(number, who) => {
                world.left.crashes -= 1;
                world.batches[number].set_phase(who, Phase::Ended);
            }
            Action::Interrupt(number, who) => {
                world.left.crashes -= 1;
                self.interrupt(&mut world.batches[number], who);
            }
            Action::CheckLease(number, deliverer) => self.check_lease(&mut world.batches[number], deliverer),
            Action::Send(number, deliverer) => self.send(&mut world.batches[number], deliverer),
            Action::End(number, deliverer) => self.end(&mut world.batches[number], deliverer),
            Action::LeaseEnds(number, deliverer) => {
                world.batches[number].change(deliverer, |deliverer| deliverer.in_time = false);
            }
            Action::Freeze(number, deliverer) => {
                world.left.freezes -= 1;
                enter_window(world, number, deliverer);
                world.batches[number].change(deliverer, |deliverer| deliverer.frozen = true);
            }
            Action::Thaw(number, deliverer) => {
                world.batches[number].change(deliverer, |deliverer| deliverer.frozen = false);
            }
            Action::Kill(number, deliverer) => {
                if !deliverer.frozen {
                    world.left.crashes -= 1;
                    enter_window(world, number, deliverer);
                }
                let isolated = world.isolated[deliverer.who.region];
                self.fail_call(&mut world.batches[number], deliverer, isolated);
            }
        }
    }

    fn set_active(&self, world: &mut World) {
        world.active = if self.flaw == Some(Flaw::Toggle) { world.active.other() } else { world.wanted };
    }

    fn write(&self, batch: &mut Batch, from: Region, row: Row) {
        batch.rows[from] = Some(row);
        if self.flaw == Some(Flaw::EventualTable) {
            batch.unseen = Some(from);
        } else {
            batch.rows[from.other()] = Some(row);
        }
        batch.grace_over = false;
    }

    /// Intake: claims in the active Region, announces in the one that stands by.
    fn take_in(&self, batch: &mut Batch, here: Region, active: Region) {
        batch.event[here] = false;
        let step = match batch.row(here) {
            None if active == here => {
                let row = row::claimed(here);
                self.write(batch, here, row);
                Some(Step::Start { who: row.who, gives_up: false })
            }
            None => {
                if self.flaw != Some(Flaw::SilentStandby) {
                    self.write(batch, here, row::claimed(active));
                }
                None
            }
            Some(known) if active == here => self.intake(batch, here, known),
            Some(_) => None,
        };
        batch.processes.extend(step.map(|step| Process { kind: Kind::Intake, region: here, step }));
    }

    fn begin_pass(&self, batch: &mut Batch, here: Region) {
        let step = self.reconcile(batch, here);
        batch.processes.extend(step.map(|step| Process { kind: Kind::Reconcile, region: here, step }));
    }

    /// One step of an intake or a reconciler: take over, start, note.
    fn go(&self, batch: &mut Batch, process: Process) {
        batch.forget(process);
        let next = match process.step {
            Step::TakeOver { read, gives_up } => self.take_over(batch, process.region, read, gives_up),
            Step::Start { who, gives_up } => {
                if batch.execution(who).is_none() {
                    let phase = if gives_up { Phase::Deliver } else { Phase::Work };
                    batch.executions.push(Execution { who, gives_up, phase, calls: 0 });
                }
                Some(Step::MarkRunning { who })
            }
            Step::MarkRunning { who } => {
                let row = batch.row(process.region).and_then(|row| row.marked_running(who));
                row.into_iter().for_each(|row| self.write(batch, process.region, row));
                None
            }
        };
        batch.processes.extend(next.map(|step| Process { step, ..process }));
    }

    fn take_over(&self, batch: &mut Batch, here: Region, read: Row, gives_up: bool) -> Option<Step> {
        let row = batch.row(here)?;
        let is_as_read = match self.flaw {
            Some(Flaw::TakeOverByAttempt) => row.who == read.who,
            Some(Flaw::TakeOverByStatus) => (row.who, row.status) == (read.who, read.status),
            _ => row.is_as_read(&read),
        };
        if !is_as_read {
            return None;
        }
        let taken = read.taken_over(here, gives_up);
        self.write(batch, here, taken);
        batch.given_up_missing |= gives_up && !batch.input[here];
        Some(Step::Start { who: taken.who, gives_up })
    }

    /// The execution calls `deliver`; what is superseded ends quietly.
    fn fence(&self, batch: &mut Batch, who: Who) {
        let row = batch.row(who.region).and_then(|row| row.fenced(who));
        if row.is_none() && self.flaw != Some(Flaw::NoFence) {
            batch.set_phase(who, Phase::Ended);
            return;
        }
        row.into_iter().for_each(|row| self.write(batch, who.region, row));
        let Some(execution) = batch.execution_mut(who) else { return };
        execution.calls += 1;
        let gives_up = execution.gives_up;
        batch.deliverers.push(Deliverer { who, gives_up, stage: Stage::Fenced, in_time: true, frozen: false });
    }

    fn check_lease(&self, batch: &mut Batch, deliverer: Deliverer) {
        if deliverer.in_time || self.flaw == Some(Flaw::NoLease) {
            batch.change(deliverer, |deliverer| deliverer.stage = Stage::Signed);
        } else {
            self.fail_call(batch, deliverer, false);
        }
    }

    fn send(&self, batch: &mut Batch, deliverer: Deliverer) {
        if !deliverer.in_time && self.flaw != Some(Flaw::NoLease) {
            self.fail_call(batch, deliverer, false);
            return;
        }
        batch.told += 1;
        batch.told_by_superseded |= batch.row(deliverer.who.region).is_none_or(|row| row.who != deliverer.who);
        batch.change(deliverer, |deliverer| deliverer.stage = Stage::Sent);
    }

    fn end(&self, batch: &mut Batch, deliverer: Deliverer) {
        let Deliverer { who, gives_up, .. } = deliverer;
        let row = batch.row(who.region).and_then(|row| row.ended(who, gives_up));
        row.into_iter().for_each(|row| self.write(batch, who.region, row));
        batch.deliverers.retain(|other| *other != deliverer);
        batch.set_phase(who, Phase::Ended);
    }

    /// A call of `deliver` failed: the execution calls again, or gives this attempt up.
    fn fail_call(&self, batch: &mut Batch, deliverer: Deliverer, isolated: bool) {
        batch.deliverers.retain(|other| *other != deliverer);
        let waits = |execution: &Execution| execution.phase == Phase::Deliver && execution.calls >= CALLS;
        if !batch.execution(deliverer.who).is_some_and(waits) {
            return;
        }
        if isolated {
            batch.set_phase(deliverer.who, Phase::Ended);
        } else {
            self.interrupt(batch, deliverer.who);
        }
    }

    fn interrupt(&self, batch: &mut Batch, who: Who) {
        let row = batch.row(who.region).and_then(|row| row.interrupted(who));
        row.into_iter().for_each(|row| self.write(batch, who.region, row));
        batch.set_phase(who, Phase::Ended);
    }
}

/// Isolates a Region. What is cut off between the mail service's acceptance and the final write is in the window.
fn isolate(world: &mut World, region: Region) {
    world.left.isolations -= 1;
    world.left.windows -= sending(world, region);
    for batch in &mut world.batches {
        let in_window = |deliverer: &&Deliverer| {
            deliverer.stage == Stage::Sent && !deliverer.frozen && deliverer.who.region == region
        };
        batch.windows += batch.deliverers.iter().filter(in_window).count() as u8;
    }
    world.isolated[region] = true;
}

/// Counts a fault that hits a deliverer in the documented window.
fn enter_window(world: &mut World, number: usize, deliverer: Deliverer) {
    if deliverer.stage == Stage::Sent {
        world.left.windows -= 1;
        world.batches[number].windows += 1;
    }
}

impl Batch {
    fn arrives(&mut self, region: Region) {
        self.input[region] = true;
        self.event[region] = true;
    }

    fn catch_up(&mut self) {
        if let Some(writer) = self.unseen.take() {
            self.rows[writer.other()] = self.rows[writer];
        }
    }

    /// The grace is longer than a lease and the life of a signed request together: what was in time before is too late now.
    fn pass_grace(&mut self) {
        self.grace_over = true;
        self.deliverers.iter_mut().for_each(|deliverer| deliverer.in_time = false);
    }

    fn forget(&mut self, process: Process) {
        if let Some(place) = self.processes.iter().position(|other| *other == process) {
            self.processes.remove(place);
        }
    }

    /// A process is gone. An intake's event comes again; the reconciler's next pass begins anew anyway.
    fn crash(&mut self, process: Process) {
        self.forget(process);
        self.event[process.region] |= process.kind == Kind::Intake;
    }

    fn set_phase(&mut self, who: Who, phase: Phase) {
        self.execution_mut(who).into_iter().for_each(|execution| execution.phase = phase);
    }

    fn change(&mut self, deliverer: Deliverer, change: impl FnOnce(&mut Deliverer)) {
        if let Some(found) = self.deliverers.iter_mut().find(|other| **other == deliverer) {
            change(found);
        }
    }
}
