//! Every wrong configuration with its line and what is said.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::plan::Routing;

const GOOD: &str = r#"suffix = "dev"
account = "123456789012"
primary = "us-east-1"
standby = "us-west-2"
witness = "us-east-2"
sender = "tandem@example.com"
recipient = "owner@example.com"
operator = "operator@example.com"

[batch]
chunk_rows = 50000
"#;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn judge(text: &str) -> Result<Config, Vec<Problem>> {
    parse(text, &templates(&root()).unwrap())
}

#[test]
fn a_good_configuration_gives_every_template_what_it_is_told() {
    let config = judge(GOOD).unwrap();
    let told = |template: &str, name: &str| config.settings.parameters[template].get(name).cloned().unwrap_or_default();
    assert_eq!(told("batch", "ChunkRows"), "50000");
    assert_eq!(told("batch", "Sender"), "tandem@example.com");
    assert_eq!(told("state", "WitnessRegion"), "us-east-2");
    assert_eq!(told("state", "Consistency"), "STRONG");
    assert_eq!(told("observability", "Operator"), "operator@example.com");
    assert_eq!((config.settings.routing, config.settings.observability), (Routing::Arc, true));
    assert_eq!((config.architecture.as_str(), config.max_concurrency), ("arm64", 40));
}

#[test]
fn a_key_that_was_taken_out_is_told_as_its_default_again() {
    let told =
        |text: &str, template: &str, name: &str| judge(text).unwrap().settings.parameters[template][name].clone();
    let without = GOOD.replace("chunk_rows = 50000\n", "");
    let default = Template::load(&root(), "batch").unwrap().parameters["ChunkRows"].default.clone().unwrap();
    assert_eq!(told(&GOOD.replace("50000", "7"), "batch", "ChunkRows"), "7");
    assert_eq!(told(&without, "batch", "ChunkRows"), default);
    assert_eq!(told(&without, "state", "KmsKeyArn"), "");
    // What the plan or a key before the sections sets is not among them.
    let config = judge(&without).unwrap();
    for section in keys::SECTIONS {
        let plans = ["MrapArn", "ArcControls", "RoutingMode", "IntakeFunctionArn"];
        let told = config.settings.parameters[section.template].keys();
        assert_eq!(told.filter(|name| plans.contains(&name.as_str())).count(), 0, "{}", section.name);
    }
}

#[test]
fn the_dashboard_is_told_where_the_canary_is() {
    let told = |text: &str| judge(text).unwrap().settings.parameters["observability"].get("CanaryRegion").cloned();
    assert_eq!(told(&GOOD.replace("[batch]", "canary = \"ca-central-1\"\n[batch]")).as_deref(), Some("ca-central-1"));
    assert_eq!(told(GOOD).as_deref(), Some("us-east-2"));
}

#[test]
fn the_example_is_good_in_both_modes_and_names_every_key() {
    let text = std::fs::read_to_string(root().join("sam/deployment.example.toml")).unwrap();
    judge(&text).unwrap();
    // Every key that is commented out is a key, with a value that is allowed.
    let whole: String = text.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line).to_owned() + "\n").collect();
    let whole = whole.replace("routing = \"arc\"", "routing = \"dns\"");
    assert_eq!(judge(&whole).unwrap().settings.routing, Routing::Dns);
    for section in keys::SECTIONS {
        let template = Template::load(&root(), section.template).unwrap();
        let set = |name: &&String| !section.set.contains(&name.as_str()) && !keys::EVERYWHERE.contains(&name.as_str());
        // Prices are in assets/prices.json; nobody needs to give them twice.
        for name in template.parameters.keys().filter(set).filter(|name| !name.ends_with("Usd")) {
            let key = keys::key(name);
            assert!(whole.lines().any(|line| line.starts_with(&format!("{key} ="))), "[{}] {key}", section.name);
        }
    }
}

#[test]
fn every_wrong_value_is_named_with_its_line_and_what_is_allowed() {
    for (from, to, line, says) in [
        ("suffix = \"dev\"", "suffix = \"Dev_1\"", 1, "1 to 16 lower-case letters"),
        ("suffix = \"dev\"", "", 1, "suffix is missing"),
        ("account = \"123456789012\"", "account = \"12345\"", 2, "allowed is 12 digits"),
        ("account = \"123456789012\"", "# no account", 1, "account is missing"),
        ("primary = \"us-east-1\"", "primary = \"us-east-9\"", 3, "allowed are ap-northeast-1,"),
        ("standby = \"us-west-2\"", "standby = \"us-east-1\"", 4, "another Region than primary"),
        (
            "standby = \"us-west-2\"",
            "standby = \"eu-west-1\"",
            5,
            "three different Regions of us-east-1, us-east-2, us-west-2",
        ),
        ("witness = \"us-east-2\"", "witness = \"us-west-1\"", 5, "consistency = \"eventual\""),
        ("witness = \"us-east-2\"", "", 1, "witness is missing"),
        ("witness = \"us-east-2\"", "consistency = \"weak\"", 5, "allowed are strong, eventual"),
        ("sender = \"tandem@example.com\"", "sender = \"Tandem <tandem@example.com>\"", 6, "a plain address"),
        ("recipient = \"owner@example.com\"", "recipient = \"owner\"", 7, "a plain address"),
        ("operator = \"operator@example.com\"", "", 1, "operator is missing"),
        ("operator = \"operator@example.com\"", "observability = \"perhaps\"", 8, "allowed are true, false"),
        ("[batch]", "routing = \"vpn\"\n[batch]", 10, "allowed are arc, dns"),
        ("[batch]", "routing = \"dns\"\n[dns]\n[batch]", 11, "zone_name is missing"),
        ("chunk_rows = 50000", "chunk_rows = 0", 11, "a number, 1 or more"),
        ("chunk_rows = 50000", "chunk_rows = \"many\"", 11, "a number, 1 or more"),
        ("chunk_rows = 50000", "log_retention_days = 8", 11, "allowed are 1, 3, 5"),
        ("chunk_rows = 50000", "chunk_row = 5", 11, "did you mean chunk_rows?"),
        ("chunk_rows = 50000", "chunk_rows = [1]", 11, "chunk_rows is array"),
        ("chunk_rows = 50000", "sender = \"a@example.com\"", 11, "belongs before all sections"),
        ("chunk_rows = 50000", "output_expiry_days = 5", 11, "belongs into the section [storage]"),
        ("[batch]", "canary = \"us-east-1\"\n[batch]", 10, "a third Region"),
        ("[batch]", "kms_key_arn = \"arn:aws:kms:{region}:1:key/mrk-1\"\n[batch]", 10, "a multi-Region key"),
        (
            "[batch]",
            "kms_key_arn = \"arn:aws:kms:us-east-1:123456789012:key/mrk-1\"\n[batch]",
            10,
            "write {region} where",
        ),
        ("[batch]", "[bacth]", 10, "did you mean batch?"),
        ("sender =", "sendr =", 6, "did you mean sender?"),
        ("chunk_rows = 50000", "chunk_rows = ", 11, ""),
        ("suffix = \"dev\"", "suffix = \"dev\"\nsuffix = \"two\"", 2, "duplicate"),
    ] {
        let problems = judge(&GOOD.replace(from, to)).unwrap_err();
        let found = problems.iter().find(|problem| problem.line == line && problem.what.contains(says));
        assert!(found.is_some(), "{to:?} on line {line}: {says:?} is none of {problems:?}");
    }
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_their_lines() {
    let text = GOOD.replace("\"123456789012\"", "\"1\"").replace("50000", "0").replace("sender =", "sendr =");
    let invalid = Invalid { file: "my.toml".to_owned(), problems: judge(&text).unwrap_err() };
    let lines: Vec<usize> = invalid.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 6, 11]);
    let said = invalid.to_string();
    assert!(said.starts_with("my.toml:1: sender is missing") && said.contains("my.toml:11: chunk_rows"), "{said}");
    assert!(said.ends_with("sam/deployment.example.toml explains every key"), "{said}");
}

#[test]
fn a_region_in_a_value_is_that_of_each_stack() {
    let text = GOOD.replace("chunk_rows = 50000", "reconcile_schedule = \"{region}\"");
    let plan = crate::plan::Plan::new(&judge(&text).unwrap().settings, &crate::plan::Rollout::First);
    for (step, stack) in plan.stacks().filter(|(_, stack)| stack.kind == "batch") {
        assert_eq!(stack.parameters["ReconcileSchedule"], crate::plan::Value::Text(step.region.clone()));
    }
}

#[test]
fn one_key_is_told_to_whatever_seals_or_opens_something() {
    let key = "arn:aws:kms:{region}:123456789012:key/mrk-1";
    let text = GOOD.replace("[batch]", &format!("kms_key_arn = {key:?}\n[batch]"));
    let settings = judge(&text).unwrap().settings;
    for template in ["state", "batch", "canary"] {
        assert_eq!(settings.parameters[template]["KmsKeyArn"], key, "{template}");
    }
}

#[test]
fn of_a_file_that_is_no_toml_its_grammar_alone_is_told() {
    let problems = judge("suffix = \"dev\"\naccount = abc\n").unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2], "{problems:?}");
}
