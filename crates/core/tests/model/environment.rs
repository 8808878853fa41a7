//! The environment: uploads, replication, operators, and what goes wrong as long as there are faults left.

use crate::protocol::{Action, CALLS, Protocol};
use crate::world::{Batch, Deliverer, Each, Execution, Faults, Phase, Region, Stage, World};

impl Protocol {
    pub fn environment(&self, world: &World, actions: &mut Vec<Action>) {
        let left = &world.left;
        for region in Region::BOTH {
            if left.failovers > 0 && world.wanted != region {
                actions.push(Action::FailOver(region));
            }
            if world.isolated[region] {
                actions.push(Action::Heal(region));
            } else if left.isolations > 0 && sending(world, region) <= left.windows {
                actions.push(Action::Isolate(region));
            }
        }
        if left.repeats > 0 && left.failovers < self.faults.failovers {
            actions.push(Action::RepeatFailOver);
        }
        for (number, batch) in world.batches.iter().enumerate() {
            self.uploads(world, number, batch, actions);
            self.stale(world, number, batch, actions);
            if left.crashes > 0 {
                actions.extend(batch.processes.iter().map(|process| Action::Crash(number, *process)));
            }
            for execution in &batch.executions {
                self.executions_faults(world, number, batch, execution, actions);
            }
            for deliverer in &batch.deliverers {
                deliverers_faults(left, number, deliverer, actions);
            }
        }
    }

    fn uploads(&self, world: &World, number: usize, batch: &Batch, actions: &mut Vec<Action>) {
        let reachable = |region: &Region| !world.isolated[*region];
        if !batch.is_uploaded() {
            actions.extend(Region::BOTH.into_iter().filter(reachable).map(|region| Action::Upload(number, region)));
            return;
        }
        if batch.input != Each::both(true) && world.isolated == Each::both(false) {
            actions.push(Action::Replicate(number));
        }
        if world.left.duplicates > 0 {
            let again = |region: &Region| reachable(region) && batch.input[*region] && !batch.event[*region];
            actions.extend(Region::BOTH.into_iter().filter(again).map(|region| Action::DuplicateEvent(number, region)));
        }
    }

    /// What is done by somebody who learnt before a failover that his Region is active.
    fn stale(&self, world: &World, number: usize, batch: &Batch, actions: &mut Vec<Action>) {
        if world.left.stale == 0 || world.left.failovers == self.faults.failovers {
            return;
        }
        for region in Region::BOTH.into_iter().filter(|region| !world.isolated[*region] && world.active != *region) {
            if batch.event[region] && world.txt[region] != region {
                actions.push(Action::StaleIntake(number, region));
            }
            if self.can_reconcile(batch, region) {
                actions.push(Action::StaleReconcile(number, region));
            }
        }
    }

    fn executions_faults(
        &self,
        world: &World,
        number: usize,
        batch: &Batch,
        execution: &Execution,
        actions: &mut Vec<Action>,
    ) {
        let delivers = batch.has_deliverer(execution.who);
        if execution.phase == Phase::Ended {
            return;
        }
        if world.left.crashes > 0 {
            actions.push(Action::Abort(number, execution.who));
            if !delivers && !world.isolated[execution.who.region] {
                actions.push(Action::Interrupt(number, execution.who));
            }
        }
        let has_sent = |deliverer: &Deliverer| deliverer.who == execution.who && deliverer.stage == Stage::Sent;
        if world.left.double_calls > 0 && delivers && execution.calls < CALLS && !batch.deliverers.iter().any(has_sent)
        {
            actions.push(Action::CallAgain(number, execution.who));
        }
    }
}

/// How many deliverers of the Region stand in the documented window.
pub fn sending(world: &World, region: Region) -> u8 {
    let in_window =
        |deliverer: &&Deliverer| deliverer.stage == Stage::Sent && !deliverer.frozen && deliverer.who.region == region;
    let count = |batch: &Batch| batch.deliverers.iter().filter(in_window).count();
    world.batches.iter().map(count).sum::<usize>() as u8
}

fn deliverers_faults(left: &Faults, number: usize, deliverer: &Deliverer, actions: &mut Vec<Action>) {
    if deliverer.frozen {
        actions.push(Action::Thaw(number, *deliverer));
        return;
    }
    // A fault after the e-mail was accepted is the documented window, and is counted apart.
    let allowed = deliverer.stage != Stage::Sent || left.windows > 0;
    if left.freezes > 0 && allowed {
        actions.push(Action::Freeze(number, *deliverer));
    }
    if left.crashes > 0 && allowed {
        actions.push(Action::Kill(number, *deliverer));
    }
}
