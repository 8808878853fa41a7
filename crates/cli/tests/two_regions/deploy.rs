//! Deploying again to Regions that run: by the command that deploys to AWS.

use crate::Case;
use crate::regions::{Ran, Regions};

pub const CASES: &[Case] = &[
    ("deploying_again_changes_nothing_and_the_plan_says_so_before", again),
    ("a_wrong_configuration_is_named_line_by_line_and_asks_aws_nothing", wrong_configuration),
    ("the_configuration_of_other_regions_is_rehearsed_here", rehearsed),
    ("a_changed_parameter_is_shown_then_deployed_and_the_active_region_stays", changed),
];

/// What CloudFormation was asked to change.
fn changes(ran: &Ran) -> Vec<&str> {
    let stacks = ["storage", "state", "batch"];
    let done = ran.stderr.lines().filter(|line| line.contains(" s  "));
    done.filter_map(|line| line.split(" s  ").nth(1))
        .filter(|step| stacks.iter().any(|stack| step.starts_with(stack)))
        .collect()
}

fn again(regions: &Regions) {
    let plan = regions.tandem(&["deploy", "--plan"]);
    assert_eq!(plan.code, 0, "{}{}", plan.stdout, plan.stderr);
    for stack in ["storage", "storage, linked", "batch"] {
        for region in ["us-east-1", "us-west-2"] {
            let line = plan.stdout.lines().find(|line| line.starts_with(&format!("{stack} {region} ")));
            assert!(line.is_some_and(|line| line.ends_with("no changes")), "{stack} {region} in\n{}", plan.stdout);
        }
    }
    let ran = regions.tandem(&["deploy"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(changes(&ran), Vec::<&str>::new(), "{}", ran.stderr);
    assert!(ran.stderr.contains("smoke file us-east-1"), "{}", ran.stderr);
}

fn wrong_configuration(regions: &Regions) {
    let config =
        regions.scratch("wrong.toml", b"suffix = \"Dev\"\naccount = \"1\"\n\n[batch]\nchunk_rows = 0\nchunk_row = 1\n");
    let ran = regions.tandem(&["deploy", "--config", config.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    let name = config.display();
    for says in [
        "1: suffix = \"Dev\"",
        "1: primary is missing",
        "2: account = \"1\"",
        "5: chunk_rows = \"0\"",
        "6: there is no key chunk_row, did you mean chunk_rows?",
    ] {
        assert!(ran.stderr.contains(&format!("{name}:{says}")), "{says} is not in\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("credentials"), "{}", ran.stderr);
}

/// A configuration for AWS, whose Regions, account and addresses are none of those here.
fn rehearsed(regions: &Regions) {
    let config = regions.scratch(
        "eu.toml",
        b"suffix = \"prod\"\naccount = \"210987654321\"\nprimary = \"eu-west-1\"\nstandby = \"eu-central-1\"\n\
          witness = \"eu-west-3\"\nsender = \"a@example.org\"\nrecipient = \"b@example.org\"\n\
          operator = \"c@example.org\"\nrouting = \"arc\"\n\n[batch]\nchunk_rows = 40000\n",
    );
    let plan = regions.tandem(&["deploy", "--config", config.to_str().unwrap(), "--plan"]);
    assert_eq!(plan.code, 0, "{}{}", plan.stdout, plan.stderr);
    let told = format!("{}{}", plan.stdout, plan.stderr);
    assert!(!told.contains("eu-west-1") && !told.contains("prod"), "{told}");
    let stacks = |name: &str| plan.stdout.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>();
    let storage = stacks("storage ");
    assert!(storage.len() == 2 && storage.iter().all(|line| line.ends_with("no changes")), "{told}");
    let batch = stacks("batch ");
    assert!(batch.len() == 2 && batch.iter().all(|line| !line.ends_with("no changes")), "{told}");
    assert!(plan.stdout.contains("SplitFunction"), "{told}");
    // Nothing of it was done.
    again(regions);
}

fn changed(regions: &Regions) {
    let example = std::fs::read_to_string(regions.root().join("sam/deployment.example.toml")).unwrap();
    let text = example.replace("#: chunk_rows = 50000", "chunk_rows = 49999");
    let config = regions.scratch("changed.toml", text.as_bytes());
    let config = ["--config", config.to_str().unwrap()];
    let plan = regions.tandem(&[&["deploy", "--plan"], &config[..]].concat());
    assert!(plan.stdout.contains("SplitFunction"), "{}{}", plan.stdout, plan.stderr);
    let ran = regions.tandem(&[&["deploy"], &config[..]].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    // The Region that stands by comes first.
    assert_eq!(changes(&ran), ["batch us-west-2", "batch us-east-1"], "{}", ran.stderr);
    // It was tried where it was active before: whichever Region takes the file is looked at.
    assert!(ran.stderr.contains("smoke file us-east-1"), "{}", ran.stderr);
    let text = text.replace("49999", "50000");
    let config = regions.scratch("changed.toml", text.as_bytes());
    regions.succeeds(&["deploy", "--config", config.to_str().unwrap()]);
}
