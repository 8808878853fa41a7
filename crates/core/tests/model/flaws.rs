//! The checker can fail: each test leaves one thing out of the protocol, and finds out what happens then.
//!
//! A counterexample is a history. It is shortened as long as it still ends in a broken promise, printed (`--nocapture`), and
//! must tell the story that the missing thing is there to prevent.

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::properties::{NAMED_IS_ACTIVE, NOT_BY_SUPERSEDED, QUIET_MEANS_ENDED, QUIET_MEANS_KNOWN, TOLD_ONCE};
use crate::protocol::{Action, Flaw, Protocol};
use crate::world::Faults;

const ONE_FAILOVER: Faults = Faults { failovers: 1, ..Faults::NONE };

fn with(flaw: Option<Flaw>, faults: Faults) -> Protocol {
    Protocol { batches: 1, max_attempts: 5, faults, flaw, shows: &[] }
}

/// Asserts that the promise is broken, by a history that comes across these steps in this order.
fn breaks(model: Protocol, promise: &'static str, story: &[&str]) {
    let until = HasDiscoveries::AnyOf(BTreeSet::from([promise]));
    let checker = model.clone().checker().finish_when(until).spawn_bfs().join();
    let found = checker.discovery(promise).unwrap_or_else(|| panic!("no history breaks {promise:?}")).into_actions();
    let history: Vec<String> = shortened(&model, promise, found).iter().map(|action| format!("{action:?}")).collect();
    println!("{promise}? Broken by\n  {}", history.join("\n  "));
    let mut rest = history.iter();
    for step in story {
        assert!(rest.any(|action| action.contains(step)), "{step:?} is not there, or not in its place");
    }
}

/// The history without the steps that it does not need.
fn shortened(model: &Protocol, promise: &'static str, mut history: Vec<Action>) -> Vec<Action> {
    let mut place = history.len();
    while place > 0 {
        place -= 1;
        let mut shorter = history.clone();
        shorter.remove(place);
        if is_broken_by(model, promise, &shorter) {
            history = shorter;
            place = history.len();
        }
    }
    history
}

/// Whether this can happen, and ends in a world in which the promise is broken.
fn is_broken_by(model: &Protocol, promise: &'static str, history: &[Action]) -> bool {
    let mut world = model.init_states().remove(0);
    for action in history {
        let mut possible = Vec::new();
        model.actions(&world, &mut possible);
        if !possible.contains(action) {
            return false;
        }
        world = model.next_state(&world, *action).unwrap();
    }
    let property = model.property(promise);
    property.expectation == Expectation::Always && !(property.condition)(model, &world)
}

#[test]
fn without_the_fence_a_superseded_attempt_delivers() {
    let story = ["TakeOver(", "Fence(0, ", "CheckLease(0, ", "Send(0, "];
    breaks(with(Some(Flaw::NoFence), ONE_FAILOVER), NOT_BY_SUPERSEDED, &story);
    breaks(with(Some(Flaw::NoFence), ONE_FAILOVER), TOLD_ONCE, &["TakeOver(", "Send(0, ", "Send(0, "]);
}

#[test]
fn without_the_lease_a_zombie_delivers_after_the_takeover() {
    let model = with(Some(Flaw::NoLease), Faults { freezes: 1, ..ONE_FAILOVER });
    let zombie = ["Fence(0, ", "Freeze(0, ", "GracePasses(0)", "DELIVERING)", "Thaw(0, ", "too late)"];
    breaks(model.clone(), NOT_BY_SUPERSEDED, &zombie);
    breaks(model, TOLD_ONCE, &["Freeze(0, ", "GracePasses(0)", "Send(0, ", "Send(0, "]);
}

#[test]
fn without_the_grace_a_takeover_overtakes_a_deliverer_whose_lease_lasts() {
    let story = ["Fence(0, east/1)", "TakeOver(east/1 DELIVERING)", "Send(0, "];
    breaks(with(Some(Flaw::NoGrace), ONE_FAILOVER), NOT_BY_SUPERSEDED, &story);
}

#[test]
fn a_failover_that_toggles_undoes_itself_when_it_is_repeated() {
    let model = with(Some(Flaw::Toggle), Faults { isolations: 1, repeats: 1, ..ONE_FAILOVER });
    breaks(model.clone(), NAMED_IS_ACTIVE, &["FailOver(West)", "RepeatFailOver"]);
    // What comes of it: the Region that is lost is active, and what was replicated in time waits for ever.
    breaks(model, QUIET_MEANS_ENDED, &["FailOver(West)", "RepeatFailOver", "Isolate(East)"]);
}

#[test]
fn with_an_eventually_consistent_table_both_regions_own_a_batch() {
    let story = ["Start(east/1)", "Send(0, east/1", "Start(west/1)", "Send(0, west/1"];
    breaks(with(Some(Flaw::EventualTable), ONE_FAILOVER), TOLD_ONCE, &story);
}

#[test]
fn a_takeover_by_the_attempt_alone_overlooks_a_fence_since_the_reading() {
    let story = ["Reconcile(0, West)", "Fence(0, east/1)", "TakeOver(east/1 ", "Send(0, west/2"];
    breaks(with(Some(Flaw::TakeOverByAttempt), ONE_FAILOVER), TOLD_ONCE, &story);
}

#[test]
fn a_takeover_by_attempt_and_status_overlooks_a_fence_that_was_passed_again() {
    let story = ["GracePasses(0)", "Reconcile(0, ", "Fence(0, east/1)", "TakeOver(east/1 DELIVERING)", "Send(0, "];
    breaks(with(Some(Flaw::TakeOverByStatus), Faults { crashes: 1, ..ONE_FAILOVER }), TOLD_ONCE, &story);
}

#[test]
fn a_batch_is_lost_if_both_regions_stand_by_and_neither_announces_it() {
    let model = with(Some(Flaw::SilentStandby), ONE_FAILOVER);
    let story = ["FailOver(West)", "RefreshTxt(East)", "Intake(0, East)", "Intake(0, West)", "RefreshTxt(West)"];
    breaks(model.clone(), QUIET_MEANS_ENDED, &story);
    breaks(model, QUIET_MEANS_KNOWN, &["Intake(0, "]);
}

/// No rule prevents this: the state machine must not call `deliver` again before the call before is over.
#[test]
fn an_attempt_that_calls_deliver_twice_at_once_delivers_twice() {
    let story = ["Fence(0, east/1)", "CallAgain(0, east/1)", "Send(0, ", "Send(0, "];
    breaks(with(None, Faults { double_calls: 1, ..Faults::NONE }), TOLD_ONCE, &story);
}
