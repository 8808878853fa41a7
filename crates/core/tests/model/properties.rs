//! What must always be true, and what must be seen.

use stateright::Property;
use tandem_core::batch::BatchStatus;

use crate::protocol::Protocol;
use crate::row::Row;
use crate::world::{Batch, Deliverer, Kind, Process, Region, Stage, Step, World};

pub const TOLD_ONCE: &str = "the owner of a batch is told once, and once more for each fault in the window at most";
pub const NOT_BY_SUPERSEDED: &str = "a superseded attempt tells nobody anything";
pub const TOLD_AT_THE_END: &str = "no batch ends without its owner having been told";
pub const QUIET_MEANS_ENDED: &str = "when all is quiet, a batch whose input is in the healthy active Region has ended";
pub const QUIET_MEANS_KNOWN: &str = "when all is quiet, a batch whose input is in a healthy Region is in the table";
pub const MISSING_STAYS_OPEN: &str = "a batch is not given up where its input is missing";
pub const NAMED_IS_ACTIVE: &str = "the active Region is the one that the operator named last";

/// What holds in every world.
pub fn promises() -> Vec<Property<Protocol>> {
    vec![
        always(TOLD_ONCE, |_, world| world.batches.iter().all(|batch| batch.told <= 1 + batch.windows)),
        always(NOT_BY_SUPERSEDED, |_, world| !world.batches.iter().any(|batch| batch.told_by_superseded)),
        always(TOLD_AT_THE_END, |_, world| {
            world.batches.iter().all(|batch| batch.told > 0 || !rows(batch).any(|row| row.has_ended()))
        }),
        always(MISSING_STAYS_OPEN, |_, world| !world.batches.iter().any(|batch| batch.given_up_missing)),
        always(NAMED_IS_ACTIVE, |_, world| world.active == world.wanted),
        always(QUIET_MEANS_ENDED, quiet_means_ended),
        always(QUIET_MEANS_KNOWN, quiet_means_known),
    ]
}

/// Liveness as a property of single worlds. Every progress is bounded, so a world in which the environment does nothing more
/// comes to be quiet; this says what it is then. It is asked of the Region that the operator wants active, lest a command that
/// made the wrong one active excuse everything. Faults that are still left do not matter: no progress waits for them.
fn quiet_means_ended(model: &Protocol, world: &World) -> bool {
    let here = world.wanted;
    let is_due = |batch: &Batch| batch.input[here] && !batch.row(here).is_some_and(|row| row.has_ended());
    world.isolated[here] || !world.batches.iter().any(is_due) || !model.is_quiet(world)
}

/// What is not in the active Region yet is named there, because the other Region announced it.
fn quiet_means_known(model: &Protocol, world: &World) -> bool {
    let is_lost = |batch: &Batch| {
        Region::BOTH.into_iter().any(|here| batch.input[here] && !world.isolated[here] && batch.row(here).is_none())
    };
    !world.batches.iter().any(is_lost) || !model.is_quiet(world)
}

/// What some history comes across: each configuration names those that it has to show.
pub fn sights() -> Vec<Property<Protocol>> {
    vec![
        sometimes("a delivery", |_, world| world.batches.iter().any(|batch| has(batch, BatchStatus::Delivered))),
        sometimes("a delivery after a failover", |_, world| {
            let by_west = |row: Row| row.status == BatchStatus::Delivered && row.who.region == Region::West;
            world.batches.iter().any(|batch| rows(batch).any(by_west))
        }),
        sometimes("a takeover", |_, world| world.batches.iter().any(|batch| attempt(batch) > 1)),
        sometimes("a takeover of a takeover", |_, world| world.batches.iter().any(|batch| attempt(batch) > 2)),
        sometimes("a batch that is announced", |_, world| {
            let announced = |batch: &Batch| rows(batch).any(|row| !batch.input[row.who.region] && row.who.attempt == 1);
            world.batches.iter().any(announced)
        }),
        sometimes("both Regions stand by", |_, world| {
            Region::BOTH.into_iter().all(|region| world.txt[region] != region)
        }),
        sometimes("a superseded attempt before its fence", |_, world| {
            let late = |batch: &Batch| {
                let calls =
                    |who| batch.execution(who).is_some_and(|execution| execution.phase == crate::world::Phase::Deliver);
                batch.executions.iter().any(|execution| execution.who.attempt < attempt(batch) && calls(execution.who))
            };
            world.batches.iter().any(late)
        }),
        sometimes("a zombie stopped by its lease", |_, world| zombie(world, Stage::Fenced)),
        sometimes("a zombie whose signed request is too old", |_, world| zombie(world, Stage::Signed)),
        sometimes("a late replica of a batch of the other Region", |_, world| {
            let late = |batch: &Batch| {
                let here = world.active;
                batch.event[here] && rows(batch).any(|row| row.who.region != here && !row.has_ended())
            };
            world.batches.iter().any(late)
        }),
        sometimes("an input that is missing after a failover", |model, world| {
            let missing = |batch: &Batch| {
                let here = world.active;
                batch.is_uploaded() && !batch.input[here] && rows(batch).any(|row| !row.has_ended())
            };
            world.active == Region::West && world.batches.iter().any(missing) && model.is_quiet(world)
        }),
        sometimes("a batch that is given up", |_, world| {
            world.batches.iter().any(|batch| has(batch, BatchStatus::Failed))
        }),
        sometimes("a reconciler races the other Region's", |_, world| {
            let taking =
                |batch: &Batch, here| batch.processes.iter().any(|process| takes(process, Kind::Reconcile, here));
            world.batches.iter().any(|batch| Region::BOTH.into_iter().all(|region| taking(batch, region)))
        }),
        sometimes("a reconciler races an intake", |_, world| {
            let taking =
                |batch: &Batch, kind| batch.processes.iter().any(|process| takes(process, kind, process.region));
            world.batches.iter().any(|batch| taking(batch, Kind::Reconcile) && taking(batch, Kind::Intake))
        }),
        sometimes("a failback that takes a batch back", |model, world| {
            let back = |row: Row| row.who.region == Region::East && row.who.attempt > 2 && row.has_ended();
            let failed_back = world.left.failovers == 0 && model.faults.failovers == 2 && world.active == Region::East;
            failed_back && world.batches.iter().any(|batch| rows(batch).any(back))
        }),
        sometimes("a second e-mail by a fault in the window", |_, world| {
            world.batches.iter().any(|batch| batch.told == 2 && batch.windows == 1)
        }),
    ]
}

/// Whether some deliverer goes on, too late, after its batch was taken from it.
fn zombie(world: &World, stage: Stage) -> bool {
    let goes_on = |deliverer: &Deliverer| {
        deliverer.stage == stage && !deliverer.in_time && !deliverer.frozen && !world.isolated[deliverer.who.region]
    };
    let is_zombie = |batch: &Batch, deliverer: &Deliverer| goes_on(deliverer) && deliverer.who.attempt < attempt(batch);
    world.batches.iter().any(|batch| batch.deliverers.iter().any(|deliverer| is_zombie(batch, deliverer)))
}

fn takes(process: &Process, kind: Kind, here: Region) -> bool {
    process.kind == kind && process.region == here && matches!(process.step, Step::TakeOver { .. })
}

fn rows(batch: &Batch) -> impl Iterator<Item = Row> + '_ {
    Region::BOTH.into_iter().filter_map(|region| batch.row(region))
}

fn has(batch: &Batch, status: BatchStatus) -> bool {
    rows(batch).any(|row| row.status == status)
}

fn attempt(batch: &Batch) -> u8 {
    rows(batch).map(|row| row.who.attempt).max().unwrap_or_default()
}

fn always(name: &'static str, condition: fn(&Protocol, &World) -> bool) -> Property<Protocol> {
    Property::always(name, condition)
}

fn sometimes(name: &'static str, condition: fn(&Protocol, &World) -> bool) -> Property<Protocol> {
    Property::sometimes(name, condition)
}
