//! The state machine and the code agree on the names of errors, and every task is guarded.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use serde_json::Value;
use tandem_core::error::ErrorType;

/// Names that come from the services around the code.
const SERVICE_PREFIXES: [&str; 4] = ["States.", "Lambda.", "Sandbox.", "Runtime."];

/// The definition, with its numbers' placeholders filled in: CloudFormation does so before Step Functions reads it.
fn definition() -> Value {
    let text = include_str!("../../../statemachines/batch.asl.json").replace("${MaxConcurrency}", "1");
    serde_json::from_str(&text).expect("the definition is JSON")
}

/// Every state, children included, by name.
fn states(machine: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, state) in machine["States"].as_object().expect("a machine has states") {
        found.push((name.clone(), state.clone()));
        if state["ItemProcessor"].is_object() {
            found.extend(states(&state["ItemProcessor"]));
        }
    }
    found
}

/// The error names in one of a state's handlers that `keep` chooses.
fn names(state: &Value, handlers: &str, keep: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let handlers = state[handlers].as_array().cloned().unwrap_or_default();
    let chosen = handlers.iter().filter(|handler| keep(handler));
    let names = chosen.flat_map(|handler| handler["ErrorEquals"].as_array().cloned().unwrap_or_default());
    names.map(|name| name.as_str().expect("an error name is text").to_owned()).collect()
}

fn tasks() -> Vec<(String, Value)> {
    states(&definition()).into_iter().filter(|(_, state)| state["Type"] == "Task").collect()
}

fn code_names(keep: impl Fn(ErrorType) -> bool) -> BTreeSet<String> {
    ErrorType::ALL.into_iter().filter(|error| keep(*error)).map(|error| error.as_str().to_owned()).collect()
}

#[test]
fn every_error_name_is_the_codes_or_a_services() {
    let known = code_names(|_| true);
    for (name, state) in states(&definition()) {
        for error in names(&state, "Retry", |_| true).union(&names(&state, "Catch", |_| true)) {
            let of_a_service = SERVICE_PREFIXES.iter().any(|prefix| error.starts_with(prefix));
            assert!(of_a_service || known.contains(error), "{name} names {error}, which nothing raises");
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_caught_at_split_and_fails_the_batch() {
    let states = states(&definition());
    let (_, split) = states.iter().find(|(name, _)| name == "Split").expect("there is a state Split");
    let caught = names(split, "Catch", |handler| handler["Next"] == "FailBatch");
    assert_eq!(caught, code_names(ErrorType::is_file_fault));
}

/// The tasks that send e-mail, and so can fail in ways that no other can.
const MAILING: [&str; 3] = ["Deliver", "FailBatch", "FailGivenUp"];

#[test]
fn every_task_retries_what_may_pass_and_nothing_else() {
    for (name, state) in tasks() {
        let mut retryable = code_names(ErrorType::is_retryable);
        if MAILING.contains(&name.as_str()) {
            retryable.insert(ErrorType::MailUndetermined.as_str().to_owned());
        } else {
            retryable.remove(ErrorType::LeaseExpired.as_str());
        }
        let retried: BTreeSet<String> = names(&state, "Retry", |_| true)
            .into_iter()
            .filter(|error| !SERVICE_PREFIXES.iter().any(|prefix| error.starts_with(prefix)))
            .collect();
        assert_eq!(retried, retryable, "{name}");
    }
}

#[test]
fn what_may_have_been_mailed_is_tried_once_more_and_what_was_mailed_never() {
    for (name, state) in tasks() {
        for retry in state["Retry"].as_array().expect("a task retries") {
            let names = retry["ErrorEquals"].to_string();
            assert!(!names.contains(ErrorType::EndUnrecorded.as_str()), "{name}");
            if names.contains(ErrorType::MailUndetermined.as_str()) {
                assert_eq!(retry["MaxAttempts"], 1, "{name}");
            }
        }
    }
}

/// After these nobody knows whether the call is over: the function may still run.
const MAY_STILL_RUN: [&str; 5] = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "States.Timeout",
];

/// Whether a retrier waits out a call that may still run.
fn waits_out(retry: &Value) -> bool {
    MAY_STILL_RUN.iter().any(|error| retry["ErrorEquals"].to_string().contains(error))
}

#[test]
fn no_mail_is_tried_again_while_the_try_before_may_still_run() {
    // Longer than the function may run, so that the one before has ended, whatever became of it.
    let template = include_str!("../../../sam/batch.yaml");
    let function = template.split("  DeliverFunction:").nth(1).unwrap();
    let timeout = function.split("Timeout: ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    let timeout: u64 = timeout.parse().unwrap();
    for (name, state) in tasks().into_iter().filter(|(name, _)| MAILING.contains(&name.as_str())) {
        let retries = state["Retry"].as_array().unwrap();
        let retried: BTreeSet<&str> = retries
            .iter()
            .flat_map(|retry| retry["ErrorEquals"].as_array().unwrap())
            .filter_map(Value::as_str)
            .collect();
        assert!(MAY_STILL_RUN.iter().all(|error| retried.contains(error)), "{name}");
        for retry in retries.iter().filter(|retry| waits_out(retry)) {
            assert!(retry["IntervalSeconds"].as_u64().unwrap() > timeout, "{name}: {retry}");
            assert_eq!((&retry["BackoffRate"], &retry["JitterStrategy"]), (&1.into(), &"NONE".into()), "{name}");
        }
    }
}

#[test]
fn an_end_that_could_not_be_written_after_the_mail_leads_to_a_state_that_sends_none() {
    for (name, state) in tasks().into_iter().filter(|(name, _)| MAILING.contains(&name.as_str())) {
        let first = &state["Catch"][0];
        assert_eq!(first["ErrorEquals"], serde_json::json!([ErrorType::EndUnrecorded.as_str()]), "{name}");
        let next = &definition()["States"][first["Next"].as_str().unwrap()];
        let action = next["Parameters"]["action"].as_str().unwrap();
        assert!(["record_delivered", "record_failed"].contains(&action), "{name}: {action}");
    }
}

#[test]
fn every_retry_is_bounded_and_backs_off_with_jitter() {
    for (name, state) in tasks() {
        for retry in state["Retry"].as_array().expect("a task retries") {
            let attempts = retry["MaxAttempts"].as_u64().expect("a retry is bounded");
            assert!((1..=10).contains(&attempts), "{name}");
            if MAILING.contains(&name.as_str()) && waits_out(retry) {
                continue;
            }
            assert!(retry["BackoffRate"].as_f64().unwrap() > 1.0, "{name}");
            assert_eq!(retry["JitterStrategy"], "FULL", "{name}");
        }
    }
}

#[test]
fn every_task_has_a_time_limit() {
    for (name, state) in tasks() {
        assert!(state["TimeoutSeconds"].as_u64().is_some(), "{name} could hang");
    }
}

#[test]
fn every_way_to_fail_ends_in_a_fail_state() {
    let machine = definition();
    for (name, state) in machine["States"].as_object().unwrap() {
        let needs_catch = matches!(state["Type"].as_str(), Some("Task" | "Map"));
        if needs_catch && name != "Interrupt" {
            assert!(names(state, "Catch", |_| true).contains("States.ALL"), "{name} lets an error through");
        }
    }
    let ends: Vec<&Value> =
        machine["States"].as_object().unwrap().values().filter(|state| state["Type"] == "Fail").collect();
    assert!(ends.iter().all(|end| end["Error"].is_string()), "a Fail state without a name");
    assert!(ends.len() >= 2, "one end for a faulty file, one for everything else");
}

/// A top-level state by name.
fn state(name: &str) -> Value {
    definition()["States"][name].clone()
}

#[test]
fn a_batch_that_is_given_up_is_failed_before_anything_else_is_done() {
    let machine = definition();
    assert_eq!(machine["StartAt"], "GivenUp");
    let choice = state("GivenUp");
    assert_eq!(choice["Choices"][0]["Variable"], "$.give_up");
    assert_eq!(choice["Choices"][0]["IsPresent"], true);
    assert_eq!(choice["Choices"][0]["Next"], "FailGivenUp");
    assert_eq!(choice["Default"], "Split");
}

#[test]
fn giving_up_tells_the_owner_the_reason_it_was_started_with() {
    let (given_up, faulty) = (state("FailGivenUp"), state("FailBatch"));
    assert_eq!(given_up["Parameters"]["action"], "fail");
    assert_eq!(given_up["Parameters"]["failed_state.$"], "$.give_up.failed_state");
    assert_eq!(given_up["Parameters"]["error.$"], "$.give_up.error");
    assert_eq!(given_up["Retry"], faulty["Retry"], "whoever is told, it is retried alike");
    assert_eq!(state(given_up["Next"].as_str().unwrap())["CausePath"], "States.JsonToString($.give_up.error)");
}

#[test]
fn every_state_that_hands_an_error_to_interrupt_names_itself() {
    for name in ["Split", "ProcessChunks", "ValidateOnly", "EnrichOnly", "Merge", "Deliver", "FailBatch", "FailGivenUp"]
    {
        let through = names(&state(name), "Catch", |handler| handler["Next"] == format!("{name}Interrupted"));
        assert!(through.contains("States.ALL"), "{name}");
        let named = state(&format!("{name}Interrupted"));
        assert_eq!((&named["Result"], &named["Next"]), (&name.into(), &"Interrupt".into()));
        assert_eq!(named["ResultPath"], "$.failed_state");
    }
}

#[test]
fn a_file_of_one_chunk_goes_through_what_a_chunk_goes_through_without_a_map() {
    let choices = state("HasRows")["Choices"].as_array().unwrap().clone();
    assert_eq!((&choices[0]["NumericEquals"], &choices[0]["Next"]), (&0.into(), &"Merge".into()));
    assert_eq!(choices[1]["Variable"], "$.split.only_chunk");
    assert_eq!((&choices[1]["IsPresent"], &choices[1]["Next"]), (&true.into(), &"ValidateOnly".into()));
    let child = |name: &str| state("ProcessChunks")["ItemProcessor"]["States"][name].clone();
    for (only, in_map, next) in [("ValidateOnly", "Validate", "EnrichOnly"), ("EnrichOnly", "Enrich", "Merge")] {
        let (only, in_map) = (state(only), child(in_map));
        for same in ["Resource", "TimeoutSeconds", "Retry"] {
            assert_eq!(only[same], in_map[same], "{same}");
        }
        assert_eq!(only["Parameters"]["chunk.$"], "$.split.only_chunk");
        assert_eq!((only.get("ResultPath"), &only["Next"]), (Some(&Value::Null), &next.into()));
    }
}

#[test]
fn a_map_hands_its_children_all_that_they_need_to_know_of_the_split() {
    let handed = state("ProcessChunks")["ItemSelector"]["split"].as_object().unwrap().clone();
    for name in ["work_prefix", "layout", "definition", "version_id"] {
        assert_eq!(handed[&format!("{name}.$")], format!("$.split.{name}"), "{name}");
    }
}
