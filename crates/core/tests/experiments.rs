//! `sam/chaos.yaml` agrees with the other stacks: what stops an experiment is an alarm that there is, and FIS's extension is in the
//! functions that are struck, if it was asked for, and otherwise nowhere.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod template;

use std::collections::BTreeSet;

use template::{resource, statement};

const CHAOS: &str = include_str!("../../../sam/chaos.yaml");
const OBSERVABILITY: &str = include_str!("../../../sam/observability.yaml");
const BATCH: &str = include_str!("../../../sam/batch.yaml");
const PAGE: &str = include_str!("../../../docs/CHAOS.md");

/// The functions that an experiment strikes.
const STRUCK: [&str; 5] = ["split", "validate", "enrich", "merge", "deliver"];

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

#[test]
fn only_the_functions_that_are_struck_can_carry_fiss_extension_and_without_its_arn_none_does() {
    for function in ["Intake", "Split", "Validate", "Enrich", "Merge", "Deliver", "Reconcile", "Failover", "Lookup"] {
        let text = resource(BATCH, &format!("{function}Function"));
        let expected = usize::from(STRUCK.contains(&function.to_lowercase().as_str()));
        for part in [
            "\n      Layers: !If [Faulty, [!Ref FaultLayerArn], !Ref \"AWS::NoValue\"]\n",
            "\n          AWS_LAMBDA_EXEC_WRAPPER: !If [Faulty, /opt/aws-fis/bootstrap, !Ref \"AWS::NoValue\"]\n",
            "\n          AWS_FIS_CONFIGURATION_LOCATION: !If [Faulty, !Ref FaultLocation, !Ref \"AWS::NoValue\"]\n",
            "\n          AWS_FIS_POLL_MAX_WAIT_MILLISECONDS: !If [Faulty, \"2000\", !Ref \"AWS::NoValue\"]",
        ] {
            assert_eq!(text.matches(part).count(), expected, "{function}: {part}");
        }
    }
    for (what, known) in [("Layers:", 5), ("AWS_LAMBDA_EXEC_WRAPPER:", 5), ("AWS_FIS_", 10), ("[Faulty, ", 20)] {
        assert_eq!(BATCH.matches(what).count(), known, "{what}");
    }
    assert!(BATCH.contains("  Faulty: !Not [!Equals [!Ref FaultLayerArn, \"\"]]\n"));
    for parameter in ["FaultLayerArn", "FaultLocation"] {
        assert!(resource(BATCH, parameter).contains("    Default: \"\"\n"), "{parameter}");
    }
}

#[test]
fn who_is_struck_is_seen_by_fis_and_may_read_its_faults_in_a_bucket_of_their_own() {
    let seen = statement(resource(CHAOS, "FunctionFaultPolicy"), "SeeWhereItReads");
    let read = statement(resource(CHAOS, "FaultBucketPolicy"), "ExtensionsRead");
    for function in STRUCK {
        assert!(seen.contains(&format!(":function:tandem-${{Suffix}}-{function}\n")), "{function}");
        assert!(read.contains(&format!(":role/tandem-${{Suffix}}-{function}-${{AWS::Region}}\n")), "{function}");
    }
    assert_eq!((seen.matches(":function:").count(), read.matches(":role/").count()), (STRUCK.len(), STRUCK.len()));
    assert!(read.contains("Action: [s3:GetObject, s3:ListBucket]\n") && read.contains("${FaultBucket.Arn}/faults/*"));
    for resource_of_faults in ["FunctionFaultPolicy", "FaultBucket", "FaultBucketPolicy", "FunctionFaultRole"] {
        assert!(resource(CHAOS, resource_of_faults).contains("    Condition: Extended\n"), "{resource_of_faults}");
    }
    assert!(!BATCH.contains("/faults/"), "the functions' roles stay as they are");
    assert!(CHAOS.contains("    Value: !Sub ${FaultBucket.Arn}/faults/\n"), "FaultLocation");
}
