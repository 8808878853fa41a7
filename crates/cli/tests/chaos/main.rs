//! A Region is lost at every point of a batch's life, in every way, with the deployed artefacts on two local Regions.
//!
//! Each run uploads a file, stops it at a *point*, strikes with a *fault*, runs the runbook, and mends; then it asserts one
//! DELIVERED record, one e-mail, the undisturbed run's bytes and nothing left open. `TANDEM_CHAOS=full` runs every point with
//! every fault, otherwise each once. Needs what `scripts/test.sh` sets up, so a plain `cargo test` leaves it out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// What the other suite uses of the shared files.
#![allow(dead_code)]

#[path = "../support/expected.rs"]
mod expected;
mod fault;
mod point;
#[path = "../support/regions.rs"]
mod regions;
mod resume;
mod routing;
mod scenario;
mod twice;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use fault::FAULTS;
use point::POINTS;
use regions::Regions;
use scenario::Tally;

/// A test that is no point with a fault.
type Case = (&'static str, fn(&Regions, &Tally));

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let wanted = arguments.ignored || arguments.include_ignored;
    // One at a time: what one run isolates, another needs.
    arguments.test_threads = Some(1);
    let world: Option<&'static (Regions, Tally)> =
        (wanted && !arguments.list).then(|| &*Box::leak(Box::new((Regions::start("target/chaos"), Tally::default()))));
    let full = std::env::var("TANDEM_CHAOS").is_ok_and(|extent| extent == "full");
    let mut trials = Vec::new();
    for (row, point) in POINTS.iter().enumerate() {
        for (column, fault) in FAULTS.iter().enumerate() {
            // The short form walks the diagonals, so that each point and each fault is there.
            if full || column == row % FAULTS.len() {
                let name = format!("{}::{}", point.name(), fault.name());
                trials.push(trial(name, world, move |regions, tally| scenario::run(regions, tally, *point, *fault)));
            }
        }
    }
    for (name, case) in [twice::CASES, routing::CASES, resume::CASES].concat() {
        trials.push(trial(name.to_owned(), world, move |regions, tally| {
            scenario::begin(regions);
            case(regions, tally);
        }));
    }
    trials.push(trial(String::from("zz_no_zombie_has_sent_anything_in_the_end"), world, scenario::nothing_is_left));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some((regions, tally)) = world {
        eprintln!("{tally}");
        regions.stop();
    }
    if wanted && !arguments.list && conclusion.num_passed + conclusion.num_failed == 0 {
        eprintln!("no run has a name that contains this filter: see the names with --list --ignored");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn trial(
    name: String,
    world: Option<&'static (Regions, Tally)>,
    case: impl FnOnce(&Regions, &Tally) + Send + 'static,
) -> Trial {
    let run = move || {
        let (regions, tally) = world.expect("the Regions run whenever a test does");
        case(regions, tally);
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(true)
}
