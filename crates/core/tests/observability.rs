//! `sam/observability.yaml` shows and watches only what there is: metrics that functions print, resources that the other
//! stacks have, prices of the price table; and every alarm leads to a place in the runbook. So do those of `sam/canary.yaml`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

const TEMPLATE: &str = include_str!("../../../sam/observability.yaml");
const CANARY: &str = include_str!("../../../sam/canary.yaml");
const BATCH: &str = include_str!("../../../sam/batch.yaml");
const STATE: &str = include_str!("../../../sam/state.yaml");
const STORAGE: &str = include_str!("../../../sam/storage.yaml");
const RUNBOOK: &str = include_str!("../../../docs/RUNBOOK.md");
const PRICES: &str = include_str!("../../../assets/prices.json");
const TELEMETRY: &str = include_str!("../../aws/src/telemetry.rs");
const GLUE: &str = include_str!("../../aws/src/lambda.rs");

/// Printed, and on purpose neither shown nor watched. Whoever adds a metric decides here, or in the template.
const NOT_SHOWN: [&str; 26] = [
    // Outcomes that ask nothing of an operator; the logs have them by batch.
    "BatchesAnnounced",
    "BatchesKnown",
    "BatchesRerun",
    "BatchesSkipped",
    "BatchesStartedLate",
    "InputsNotTagged",
    "ReportsNotWritten",
    "UploadsIgnored",
    // A failover tells its operator all of this itself.
    "ActiveRegionSet",
    "EndpointsFailed",
    "RoutesSet",
    // The same rows, bytes and reads once more, as one stage or one request saw them.
    "BytesSplit",
    "ChunkBytesIn",
    "ChunkRowsIn",
    "ChunkRowsRejected",
    "ChunksReused",
    "KeysAsked",
    "LookupCalls",
    "LookupsAnswered",
    "LookupsRefused",
    "MergedBytes",
    "MergedRows",
    "ReadUnits",
    "RowsOut",
    "RowsSplit",
    "SplitReused",
];

/// Parameters for prices, the entries of the price table that they are, and what each is for.
const PRICED: [(&str, &str, u64); 10] = [
    ("LambdaGbSecondUsd", "lambda.gb_second", 1),
    ("LambdaMillionRequestsUsd", "lambda.request", 1_000_000),
    ("StatesThousandTransitionsUsd", "states.transition", 1_000),
    ("DynamoDbMillionReadsUsd", "dynamodb.read", 1_000_000),
    ("DynamoDbMillionWritesUsd", "dynamodb.replicated_write", 1_000_000),
    ("S3InterRegionGbUsd", "s3.inter_region_gb", 1),
    ("S3ReplicationTimeGbUsd", "s3.rtc_gb", 1),
    ("S3ThousandPutsUsd", "s3.put", 1_000),
    ("S3ThousandGetsUsd", "s3.get", 1_000),
    ("SesThousandEmailsUsd", "ses.email", 1_000),
];

/// The namespace of our own metrics, as the dashboard writes it.
const OWN: &str = "${Tandem}";

/// A metric, with the function that prints it.
type Printed = (String, String);

/// Texts in camel case. In the sources below they are names of metrics and nothing else.
fn camel_case(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').filter(|text| {
        let letters = text.bytes().all(|byte| byte.is_ascii_alphabetic());
        letters && text.starts_with(|first: char| first.is_ascii_uppercase()) && text.contains(char::is_lowercase)
    })
}

/// Every metric that a function prints.
fn printed() -> BTreeSet<Printed> {
    let (glue, _) = GLUE.split_once("#[cfg(test)]").expect("its tests come last");
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions");
    let mut found = BTreeSet::new();
    for folder in std::fs::read_dir(functions).expect("there are functions") {
        let folder = folder.unwrap();
        let function = folder.file_name().into_string().unwrap();
        let Ok(source) = std::fs::read_to_string(folder.path().join("src/lib.rs")) else { continue };
        let chunked = ["validate", "enrich"].contains(&function.as_str());
        let shared = camel_case(if chunked { glue } else { "" });
        for metric in camel_case(&source).chain(shared).chain(["Seconds"]) {
            found.insert((function.clone(), metric.to_owned()));
        }
    }
    found
}

/// The dashboard as CloudWatch reads it; what CloudFormation fills in stands inside its texts.
fn dashboard() -> Value {
    let (_, body) = TEMPLATE.split_once("DashboardBody: !Sub\n        - |\n").expect("a text comes first");
    let (body, _) = body.split_once("\n        - Tandem:").expect("its values follow");
    serde_json::from_str(body).expect("the dashboard is JSON")
}

/// The metrics in the dashboard's graphs: namespace, name, dimensions. Expressions have none of these.
fn drawn() -> Vec<Vec<String>> {
    let dashboard = dashboard();
    let widgets = dashboard["widgets"].as_array().expect("a dashboard has widgets");
    let metrics = widgets.iter().filter_map(|widget| widget["properties"]["metrics"].as_array()).flatten();
    let texts = |metric: &Value| -> Vec<String> {
        let parts = metric.as_array().expect("a metric is a list");
        parts.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    metrics.map(texts).filter(|metric| !metric.is_empty()).collect()
}

/// The alarms of both templates.
fn alarms() -> Vec<(String, String)> {
    [alarms_of(TEMPLATE), alarms_of(CANARY)].concat()
}

/// The alarms of a template, by logical id, as text.
fn alarms_of(template: &str) -> Vec<(String, String)> {
    let (_, resources) = template.split_once("\nResources:\n").expect("a template has resources");
    let mut found: Vec<(String, String)> = Vec::new();
    for line in resources.lines() {
        let name = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'));
        if let Some(name) = name.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            found.push((name.to_owned(), String::new()));
        } else if let Some((_, text)) = found.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    found.retain(|(_, text)| text.contains("Type: AWS::CloudWatch::") && text.contains("AlarmName:"));
    assert!(found.len() > 3, "were the alarms found?");
    found
}

/// The word that follows a text.
fn after<'a>(text: &'a str, before: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before:?} is not in {text}"));
    rest.split([' ', '\n', '"']).next().unwrap_or_default()
}

/// Our own metrics that are shown or watched.
fn shown() -> BTreeSet<Printed> {
    let drawn = drawn().into_iter().filter(|metric| metric[0] == OWN);
    let mut found: BTreeSet<Printed> = drawn.map(|metric| (metric[3].clone(), metric[1].clone())).collect();
    for (_, text) in alarms().iter().filter(|(_, text)| text.contains("Namespace: !Sub Tandem/${Suffix}\n")) {
        found.insert((after(text, "Name: function, Value: ").to_owned(), after(text, "MetricName: ").to_owned()));
    }
    found
}

/// The places that a link into the runbook can lead to: its headings, as they are linked to.
fn places() -> BTreeSet<String> {
    let mut in_code = false;
    let mut found = BTreeSet::new();
    for line in RUNBOOK.lines() {
        in_code ^= line.starts_with("```");
        if !in_code && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|sign| sign.is_alphanumeric() || [' ', '-', '_'].contains(sign));
            found.insert(kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect());
        }
    }
    found
}

#[test]
fn every_metric_of_ours_that_is_shown_or_watched_is_one_that_its_function_prints() {
    let never: Vec<Printed> = shown().difference(&printed()).cloned().collect();
    assert!(never.is_empty(), "never printed: {never:?}");
}

#[test]
fn every_metric_that_is_printed_is_shown_or_left_out_on_purpose() {
    let names =
        |metrics: BTreeSet<Printed>| -> BTreeSet<String> { metrics.into_iter().map(|(_, name)| name).collect() };
    let left_out: BTreeSet<String> = names(printed()).difference(&names(shown())).cloned().collect();
    assert_eq!(left_out, BTreeSet::from(NOT_SHOWN.map(str::to_owned)));
}

#[test]
fn each_environment_prints_shows_and_watches_its_metrics_in_a_namespace_of_its_own() {
    assert!(TELEMETRY.contains("NAMESPACE_SAID: &str = \"TANDEM_METRICS_NAMESPACE\""));
    for (stack, told) in [(BATCH, "\nGlobals:\n"), (CANARY, "\n  CanaryFunction:\n")] {
        let (_, rest) = stack.split_once(told).expect("functions are told");
        let (told, _) = rest.split_once("\n\n").expect("something follows");
        assert!(told.contains("TANDEM_METRICS_NAMESPACE: !Sub Tandem/${Suffix}"), "{told}");
    }
    assert!(
        TEMPLATE.contains("        - Tandem: !Sub Tandem/${Suffix}\n"),
        "what the dashboard's texts are filled with"
    );
    for (alarm, text) in alarms() {
        for namespace in text.split("Namespace: ").skip(1).filter_map(|rest| rest.lines().next()) {
            assert!(namespace.starts_with("AWS/") || namespace == "!Sub Tandem/${Suffix}", "{alarm}: {namespace}");
        }
    }
    assert!(drawn().iter().all(|metric| metric[0].starts_with("AWS/") || metric[0] == OWN));
}

#[test]
fn our_metrics_are_asked_for_by_the_dimensions_that_they_are_printed_with() {
    assert!(TELEMETRY.contains(r#"[["function", "region"], ["function", "region", "outcome"]]"#));
    for metric in drawn().iter().filter(|metric| metric[0] == OWN) {
        let dimensions: Vec<&str> = metric[2..].iter().step_by(2).map(String::as_str).collect();
        assert!(["function", "region", "outcome"].starts_with(&dimensions), "{metric:?}");
        assert!(dimensions.len() >= 2, "{metric:?}");
    }
}

#[test]
fn what_aws_counts_is_asked_for_by_the_names_that_the_other_stacks_give() {
    for (stack, name) in [
        (BATCH, "Name: !Sub tandem-${Suffix}-batch\n"),
        (BATCH, "QueueName: !Sub tandem-${Suffix}-intake-failed\n"),
        (BATCH, "MemorySize: 256\n"),
        (STATE, "TableName: !Sub tandem-${Suffix}-batches\n"),
        (STATE, "TableName: !Sub tandem-${Suffix}-reference\n"),
        (STATE, "TableName: !Sub tandem-${Suffix}-rejects\n"),
        (STATE, "IndexName: unfinished\n"),
        (STORAGE, "BucketName: !Sub tandem-${Suffix}-${AWS::AccountId}-${AWS::Region}\n"),
        (STORAGE, "Id: everything\n"),
    ] {
        assert!(stack.contains(name), "{name}");
    }
    assert!(TEMPLATE.contains("FunctionMegabytes: { Type: Number, Default: 256,"));
    for metric in drawn().iter().filter(|metric| metric[2] == "FunctionName") {
        assert!(BATCH.contains(&format!("FunctionName: !Sub {}\n", metric[3])), "{metric:?}");
    }
}

#[test]
fn a_silent_reconciler_is_told_by_its_passes_and_not_by_every_answer_that_it_gives() {
    let alarms = alarms_of(TEMPLATE);
    let (_, silent) = alarms.iter().find(|(name, _)| name == "NoPasses").expect("there is the alarm");
    assert!(silent.contains("MetricName: Passes\n") && silent.contains("Statistic: Sum\n"), "{silent}");
    assert!(silent.contains("TreatMissingData: breaching"), "{silent}");
}

#[test]
fn an_execution_that_times_out_is_told_as_one_that_fails() {
    let alarms = alarms_of(TEMPLATE);
    let (_, failing) = alarms.iter().find(|(name, _)| name == "ExecutionsFailing").expect("there is the alarm");
    assert!(failing.contains("Expression: \"SUM([failed, late])\""), "{failing}");
    for metric in ["MetricName: ExecutionsFailed\n", "MetricName: ExecutionsTimedOut\n"] {
        assert!(failing.contains(metric), "{metric}");
    }
}

#[test]
fn more_new_files_in_an_hour_than_users_send_are_told_with_how_to_stop_them() {
    let alarms = alarms_of(TEMPLATE);
    let (_, many) = alarms.iter().find(|(name, _)| name == "ManyFiles").expect("there is the alarm");
    for part in [
        "MetricName: BatchesClaimed\n",
        "{ Name: function, Value: intake }",
        "Statistic: Sum\n",
        "Period: 3600\n",
        "ComparisonOperator: GreaterThanThreshold\n",
        "Threshold: !Ref FilesPerHour\n",
        "AlarmActions: [!Ref OperatorTopic]",
    ] {
        assert!(many.contains(part), "{part} in {many}");
    }
    let (_, place) = RUNBOOK.split_once("\n### Too many files\n").expect("it leads there");
    assert!(place.contains("--function-name tandem-<suffix>-intake --reserved-concurrent-executions 0\n"));
}

#[test]
fn every_alarm_leads_to_a_place_in_the_runbook() {
    let places = places();
    for (alarm, text) in alarms() {
        let place = after(&text, "docs/RUNBOOK.md#");
        assert!(places.contains(place), "{alarm}: the runbook has no heading for #{place}");
    }
    for link in RUNBOOK.split("](#").skip(1) {
        let place = link.split(')').next().unwrap_or_default();
        assert!(places.contains(place), "the runbook has no heading for its own link #{place}");
    }
}

#[test]
fn every_alarm_tells_the_operator_itself_or_through_the_question_whether_a_region_is_lost() {
    let alarms = alarms_of(TEMPLATE);
    let (_, lost) = alarms.iter().find(|(name, _)| name == "RegionLost").expect("there is the question");
    for (alarm, text) in &alarms {
        let asked = lost.contains(&format!("ALARM(\"${{{alarm}}}\")"));
        assert!(asked || text.contains("AlarmActions: [!Ref OperatorTopic]"), "{alarm} tells nobody");
        assert!(dashboard().to_string().contains(&format!("${{{alarm}.Arn}}")), "{alarm} is not on the dashboard");
    }
}

#[test]
fn the_canarys_alarms_tell_the_operator_and_its_own_question_asks_for_all_of_them() {
    let alarms = alarms_of(CANARY);
    let (_, lost) = alarms.iter().find(|(name, _)| name == "RegionLostFromOutside").expect("there is the question");
    for (alarm, text) in &alarms {
        assert!(text.contains("AlarmActions: [!Ref OperatorTopic]"), "{alarm} tells nobody");
        let asked = lost.contains(&format!("ALARM(\"${{{alarm}}}\")"));
        assert!(asked || alarm == "RegionLostFromOutside", "{alarm} is not asked for");
    }
    assert_eq!(alarms.len(), 4);
}

#[test]
fn every_alarm_on_a_metric_says_what_missing_data_means_and_why() {
    for (alarm, text) in alarms().iter().filter(|(_, text)| text.contains("MetricName:")) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let said = lines.windows(2).any(|two| two[0].starts_with('#') && two[1].starts_with("TreatMissingData: "));
        assert!(said, "{alarm}");
    }
}

#[test]
fn only_our_alarms_may_publish_and_use_the_key_for_it() {
    for template in [TEMPLATE, CANARY] {
        let statements = template.split("Sid: ").filter(|one| one.contains("Service: cloudwatch.amazonaws.com"));
        let conditions = ["\"aws:SourceAccount\": !Ref AWS::AccountId", ":alarm:tandem-${Suffix}-*\" }"];
        assert_eq!(statements.clone().count(), 2);
        assert!(statements.clone().all(|one| conditions.iter().all(|condition| one.contains(condition))));
    }
}

#[test]
fn prices_are_those_of_the_price_table() {
    let table: Value = serde_json::from_str(PRICES).unwrap();
    for (parameter, entry, per) in PRICED {
        let default = after(TEMPLATE, &format!("\n  {parameter}: {{ Type: Number, Default: \""));
        let price = &table["prices"][entry];
        assert_eq!(serde_json::from_str::<Value>(default).unwrap(), price["usd"], "{parameter}");
        assert_eq!(price["per"].as_u64(), Some(per), "{parameter}");
    }
    assert_eq!(TEMPLATE.matches("Usd: { Type: Number").count(), PRICED.len());
}

#[test]
fn the_template_can_be_deployed_without_a_bucket() {
    assert!(TEMPLATE.len() <= 51_200, "CloudFormation takes no more in a call: {}", TEMPLATE.len());
}
