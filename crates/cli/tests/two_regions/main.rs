//! The main job, end to end, on two local Regions: the deployed artefacts, under their own roles.
//!
//! Needs what `scripts/test.sh` sets up, so a plain `cargo test` leaves it out. The Regions are these tests' own, below
//! `target/two-regions/` and on free ports: they disturb none that run beside them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod canary;
mod console;
mod cost;
mod deploy;
mod drill;
#[path = "../support/expected.rs"]
mod expected;
mod extremes;
mod inputs;
mod keys;
mod lifecycle;
mod load;
mod lookup;
mod ownership;
mod permissions;
mod process;
mod record;
#[path = "../support/regions.rs"]
mod regions;
mod size;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use regions::Regions;

/// A test: what it shows, and how.
type Case = (&'static str, fn(&Regions));

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let wanted = arguments.ignored || arguments.include_ignored;
    // One at a time: what one test injects, another must not meet.
    arguments.test_threads = Some(1);
    let regions: Option<&'static Regions> =
        (wanted && !arguments.list).then(|| &*Box::leak(Box::new(Regions::start("target/two-regions"))));
    let cases = [
        inputs::CASES,
        keys::CASES,
        size::CASES,
        cost::CASES,
        canary::CASES,
        lookup::CASES,
        permissions::CASES,
        lifecycle::CASES,
        deploy::CASES,
        ownership::CASES,
        load::CASES,
        extremes::CASES,
        process::CASES,
        console::CASES,
        record::CASES,
        drill::CASES,
    ]
    .concat();
    let trials = cases.into_iter().map(|(name, test)| trial(name, test, regions)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(regions) = regions {
        regions.stop();
    }
    conclusion.exit_code()
}

fn trial(name: &'static str, test: fn(&Regions), regions: Option<&'static Regions>) -> Trial {
    let run = move || {
        test(regions.expect("the Regions run whenever a test does"));
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(true)
}
