//! `sam/chaos.yaml` agrees with the other stacks: what stops an experiment is an alarm that there is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

const CHAOS: &str = include_str!("../../../sam/chaos.yaml");
const OBSERVABILITY: &str = include_str!("../../../sam/observability.yaml");
const PAGE: &str = include_str!("../../../docs/CHAOS.md");

/// The experiments: each one's text.
fn experiments() -> Vec<&'static str> {
    let found: Vec<&str> =
        CHAOS.split("\n\n").filter(|block| block.contains("\n    Type: AWS::FIS::ExperimentTemplate\n")).collect();
    assert_eq!(found.len(), CHAOS.matches("AWS::FIS::ExperimentTemplate\n").count());
    found
}

/// The names that follow a text, each up to the end of its word.
fn names<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    let ends = |sign: char| sign != '-' && !sign.is_ascii_alphanumeric();
    text.split(before).skip(1).filter_map(|rest| rest.split(ends).next()).collect()
}

#[test]
fn every_experiment_is_stopped_by_alarms_and_each_is_one_that_the_observability_stack_makes() {
    let made = names(OBSERVABILITY, "AlarmName: !Sub tandem-${Suffix}-");
    assert!(made.len() >= 13, "were they found? {made:?}");
    assert!(experiments().len() >= 8, "were they found?");
    for experiment in experiments() {
        let (_, conditions) = experiment.split_once("      StopConditions:\n").expect("something stops it");
        let alarms = names(conditions, ":alarm:tandem-${Suffix}-");
        assert!((3..=4).contains(&alarms.len()), "FIS takes five, and one is the account's own: {alarms:?}");
        assert!(alarms.is_subset(&made), "{alarms:?} of {made:?}");
        assert!(alarms.iter().all(|alarm| PAGE.contains(&format!("`{alarm}`"))), "{alarms:?}");
        assert_eq!(conditions.matches("Source: \"aws:cloudwatch:alarm\"").count(), alarms.len() + 1);
    }
}
