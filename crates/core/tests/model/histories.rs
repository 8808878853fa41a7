//! Configurations: which faults meet, how many worlds come of it, and what is seen among them.
//!
//! Each takes few faults, so that all histories with them are looked at. The number of worlds is pinned: whoever changes the
//! protocol or the model sees that, and how much, and pins it anew. What takes longer is ignored unless asked for:
//! `cargo test --profile local --workspace --test model -- --ignored`.

use stateright::{Checker, Model};

use crate::protocol::Protocol;
use crate::world::Faults;

const PLAIN: Protocol = Protocol { batches: 1, max_attempts: 5, faults: Faults::NONE, flaw: None, shows: &[] };

/// Looks at every world, and asserts that the promises hold in all, that the sights are seen, and how many worlds there are.
fn check(model: Protocol, worlds: usize) {
    let begun = std::time::Instant::now();
    let checker = model.checker().spawn_bfs().join();
    checker.assert_properties();
    println!("{} worlds, {} steps deep, {:.1?}", checker.unique_state_count(), checker.max_depth(), begun.elapsed());
    assert_eq!(checker.unique_state_count(), worlds, "the number of worlds; pin it anew if the change is meant");
}

#[test]
fn undisturbed_a_batch_is_delivered_once() {
    check(Protocol { shows: &["a delivery", "a batch that is announced"], ..PLAIN }, 255);
}

#[test]
fn a_failover_that_is_repeated_at_any_time_delivers_every_batch_once() {
    let faults = Faults { failovers: 1, repeats: 1, ..Faults::NONE };
    let shows = &[
        "a delivery after a failover",
        "a takeover",
        "both Regions stand by",
        "a superseded attempt before its fence",
        "a late replica of a batch of the other Region",
        "an input that is missing after a failover",
        "a reconciler races an intake",
    ];
    check(Protocol { faults, shows, ..PLAIN }, 40_958);
}

#[test]
fn a_failback_at_any_time_delivers_every_batch_once() {
    let faults = Faults { failovers: 2, ..Faults::NONE };
    let shows = &["a failback that takes a batch back", "a takeover of a takeover"];
    check(Protocol { faults, shows, ..PLAIN }, 235_483);
}

#[test]
fn a_region_that_is_lost_at_any_time_and_healed_at_any_time_or_never_delivers_nothing_twice() {
    let faults = Faults { failovers: 1, isolations: 1, ..Faults::NONE };
    let shows = &[
        "a zombie stopped by its lease",
        "a zombie whose signed request is too old",
        "an input that is missing after a failover",
    ];
    check(Protocol { faults, shows, ..PLAIN }, 221_558);
}

#[test]
fn a_deliverer_frozen_and_thawed_at_any_time_delivers_nothing_twice() {
    let faults = Faults { failovers: 1, freezes: 1, ..Faults::NONE };
    let shows = &["a zombie stopped by its lease", "a zombie whose signed request is too old"];
    check(Protocol { faults, shows, ..PLAIN }, 222_943);
}

#[test]
fn a_crash_at_any_step_around_a_failover_loses_nothing() {
    let faults = Faults { failovers: 1, crashes: 1, ..Faults::NONE };
    let shows = &["a takeover of a takeover", "a reconciler races an intake"];
    check(Protocol { faults, shows, ..PLAIN }, 396_204);
}

#[test]
fn events_that_come_again_and_crashes_at_any_step_lose_nothing() {
    let faults = Faults { crashes: 2, duplicates: 1, ..Faults::NONE };
    check(Protocol { faults, shows: &["a takeover of a takeover"], ..PLAIN }, 26_515);
}

#[test]
fn reconcilers_and_intakes_of_both_regions_that_race_deliver_once() {
    let faults = Faults { failovers: 1, stale: 1, ..Faults::NONE };
    let shows = &["a reconciler races the other Region's", "a reconciler races an intake"];
    check(Protocol { faults, shows, ..PLAIN }, 467_414);
}

#[test]
fn a_batch_whose_attempts_are_used_up_ends_as_failed_and_its_owner_is_told_once() {
    let faults = Faults { crashes: 3, ..Faults::NONE };
    let shows = &["a batch that is given up", "a takeover of a takeover"];
    check(Protocol { max_attempts: 2, faults, shows, ..PLAIN }, 13_414);
}

#[test]
fn a_fault_between_the_mail_services_acceptance_and_the_final_write_costs_one_e_mail_at_most() {
    let shows = &["a second e-mail by a fault in the window"];
    let faults = Faults { windows: 1, ..Faults::NONE };
    let frozen = Faults { failovers: 1, freezes: 1, ..faults };
    check(Protocol { faults: frozen, shows, ..PLAIN }, 357_490);
    let lost = Faults { isolations: 1, freezes: 1, ..faults };
    check(Protocol { faults: lost, shows, ..PLAIN }, 17_443);
    let killed = Faults { crashes: 1, ..faults };
    check(Protocol { faults: killed, shows, ..PLAIN }, 1_944);
}

#[test]
fn two_batches_do_not_meet() {
    check(Protocol { batches: 2, shows: &["a delivery"], ..PLAIN }, 73_089);
}

#[test]
#[ignore = "40 seconds"]
fn a_region_that_is_lost_around_a_failover_and_a_failback_delivers_nothing_twice() {
    let faults = Faults { failovers: 2, isolations: 1, ..Faults::NONE };
    let shows = &["a failback that takes a batch back", "a zombie stopped by its lease"];
    check(Protocol { faults, shows, ..PLAIN }, 2_644_156);
}

#[test]
#[ignore = "20 seconds"]
fn a_region_that_is_lost_and_a_deliverer_that_is_frozen_deliver_nothing_twice() {
    let faults = Faults { failovers: 1, isolations: 1, freezes: 1, ..Faults::NONE };
    let shows = &["a zombie stopped by its lease", "a zombie whose signed request is too old"];
    check(Protocol { faults, shows, ..PLAIN }, 1_771_891);
}

#[test]
#[ignore = "15 seconds"]
fn events_that_come_again_around_a_failover_deliver_once() {
    let faults = Faults { failovers: 1, duplicates: 1, ..Faults::NONE };
    check(Protocol { faults, shows: &["a takeover of a takeover"], ..PLAIN }, 718_617);
}

#[test]
#[ignore = "20 seconds"]
fn two_batches_one_of_which_is_frozen_do_not_meet() {
    let faults = Faults { freezes: 1, ..Faults::NONE };
    check(Protocol { batches: 2, faults, shows: &["a delivery"], ..PLAIN }, 883_480);
}
