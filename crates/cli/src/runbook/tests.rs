//! Documents run with faked answers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::template::document;
use super::*;

/// A small document with everything that the runner knows.
const SMALL: &str = r#"
Parameters:
  Suffix: { Type: String }
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties: { RoleName: !Sub "tandem-${Suffix}-failover" }
  Runbook:
    Type: AWS::SSM::Document
    Properties:
      DocumentType: Automation
      Content:
        schemaVersion: "0.3"
        description: For the tests.
        assumeRole: "{{ AutomationAssumeRole }}"
        parameters:
          Target: { type: String, default: "{{ global:REGION }}" }
          Function: { type: String, default: !Sub "tandem-${Suffix}-f" }
          AutomationAssumeRole: { type: String, default: !GetAtt Role.Arn }
        mainSteps:
          - name: First
            action: aws:invokeLambdaFunction
            maxAttempts: 3
            timeoutSeconds: 30
            onFailure: Abort
            inputs:
              FunctionName: "{{ Function }}"
              InputPayload: { do: first, region: "{{ Target }}", run: "{{ automation:EXECUTION_ID }}" }
            outputs:
              - { Name: Way, Selector: $.Payload.way, Type: String }
          - name: Optional
            action: aws:invokeLambdaFunction
            onFailure: Continue
            isCritical: true
            inputs: { FunctionName: "{{ Function }}", InputPayload: { do: optional, way: "to {{ First.Way }}" } }
          - name: Choose
            action: aws:branch
            inputs:
              Choices:
                - { NextStep: Last, Variable: "{{ First.Way }}", StringEquals: short }
              Default: Until
          - name: Until
            action: aws:loop
            inputs:
              MaxIterations: 4
              LoopCondition: { Variable: "{{ Ask.Done }}", BooleanEquals: false }
              Steps:
                - name: Ask
                  action: aws:invokeLambdaFunction
                  inputs: { FunctionName: "{{ Function }}", InputPayload: { do: ask } }
                  outputs:
                    - { Name: Done, Selector: $.Payload.state.done, Type: Boolean }
                - name: Rest
                  action: aws:sleep
                  inputs: { Duration: PT5S }
          - name: Last
            action: aws:invokeLambdaFunction
            isEnd: true
            inputs: { FunctionName: "{{ Function }}", InputPayload: { do: last } }
"#;

/// Answers of a function by what it was asked to do: one after the other, the last one ever after.
struct Faked {
    answers: RefCell<BTreeMap<String, Vec<Result<Value, String>>>>,
    asked: RefCell<Vec<(String, Value)>>,
    seen: RefCell<Vec<String>>,
}

impl Faked {
    fn new<const N: usize>(answers: [(&str, Vec<Result<Value, &str>>); N]) -> Self {
        let owned = |answers: Vec<Result<Value, &str>>| {
            answers.into_iter().map(|answer| answer.map_err(str::to_owned)).collect::<Vec<_>>()
        };
        let answers = answers.map(|(what, answers)| (what.to_owned(), owned(answers)));
        Self { answers: RefCell::new(answers.into()), asked: RefCell::default(), seen: RefCell::default() }
    }

    fn asked(&self, what: &str) -> usize {
        self.asked.borrow().iter().filter(|(_, payload)| payload["do"] == what || payload["action"] == what).count()
    }
}

impl Invoke for Faked {
    async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, String> {
        self.asked.borrow_mut().push((function.to_owned(), payload.clone()));
        let what = payload["do"].as_str().or(payload["action"].as_str()).unwrap().to_owned();
        let mut all = self.answers.borrow_mut();
        let answers = all.get_mut(&what).unwrap_or_else(|| panic!("nobody expected {what}"));
        if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
    }
}

impl Observe for Faked {
    fn begins(&self, step: &str, depth: usize) {
        self.seen.borrow_mut().push(format!("{depth} {step}"));
    }
    fn answers(&self, _: &Answer) {}
    fn tries_again(&self, step: &str, _: &str) {
        self.seen.borrow_mut().push(format!("again {step}"));
    }
    fn ends(&self, _: &StepRecord, _: usize) {}
}

async fn run(document: &Document, faked: &Faked) -> Run {
    let parameters = BTreeMap::from([
        ("TargetRegion", String::from("us-west-2")),
        ("Function", String::from("f")),
        ("FailoverFunction", String::from("failover")),
        ("ReconcileFunction", String::from("reconcile")),
        ("AutomationAssumeRole", String::new()),
    ]);
    Runner::new(document, ("us-west-2", "r1"), &parameters, (faked, faked), 0.0).unwrap().run().await
}

fn statuses(run: &Run) -> Vec<(&str, StepStatus)> {
    run.steps.iter().map(|step| (step.name.as_str(), step.status)).collect()
}

use StepStatus::{Failed, NotRun, Succeeded};

fn done(done: bool) -> Result<Value, &'static str> {
    Ok(json!({"state": {"done": done}}))
}

fn small() -> Document {
    document(SMALL, "small.yaml").unwrap()
}

#[tokio::test]
async fn steps_run_in_order_and_a_loop_until_its_condition_no_longer_holds() {
    let faked = Faked::new([
        ("first", vec![Ok(json!({"way": "long"}))]),
        ("optional", vec![Ok(Value::Null)]),
        ("ask", vec![done(false), done(false), done(true)]),
        ("last", vec![Ok(json!({"end": 1}))]),
    ]);
    let run = run(&small(), &faked).await;
    assert!(run.succeeded);
    assert!(run.steps.iter().all(|step| step.status == Succeeded), "{:?}", run.steps);
    assert_eq!(run.steps[3].iterations, Some(3));
    let last = run.answers.last().unwrap();
    assert_eq!((last.step.as_str(), &last.payload), ("Last", &json!({"end": 1})));
    let asked = faked.asked.borrow();
    assert_eq!(asked[0], ("f".into(), json!({"do": "first", "region": "us-west-2", "run": "r1"})));
    assert_eq!(asked[1].1["way"], "to long");
    assert_eq!(faked.seen.borrow()[4..7], ["1 Ask", "1 Rest", "1 Ask"]);
}

#[tokio::test]
async fn a_loop_ends_after_its_last_iteration_and_the_run_goes_on() {
    let faked = Faked::new([
        ("first", vec![Ok(json!({"way": "long"}))]),
        ("optional", vec![Ok(Value::Null)]),
        ("ask", vec![done(false)]),
        ("last", vec![Ok(Value::Null)]),
    ]);
    let run = run(&small(), &faked).await;
    assert!(run.succeeded);
    assert_eq!(run.steps[3].iterations, Some(4));
    assert_eq!(faked.asked("last"), 1);
}

#[tokio::test]
async fn a_step_is_tried_as_often_as_it_may_be_and_the_run_ends_with_it() {
    let faked = Faked::new([("first", vec![Err("NoEndpoint: none answered")])]);
    let run = run(&small(), &faked).await;
    assert!(!run.succeeded);
    assert_eq!(faked.asked("first"), 3);
    assert_eq!(statuses(&run)[..2], [("First", Failed), ("Optional", NotRun)]);
    assert_eq!(run.steps[0].attempts, 3);
    assert_eq!(run.steps[0].error.as_deref(), Some("NoEndpoint: none answered"));
}

#[tokio::test]
async fn after_a_try_that_failed_the_next_may_succeed() {
    let faked = Faked::new([
        ("first", vec![Err("Throttled: slowly"), Ok(json!({"way": "short"}))]),
        ("optional", vec![Ok(Value::Null)]),
        ("last", vec![Ok(Value::Null)]),
    ]);
    let run = run(&small(), &faked).await;
    assert!(run.succeeded);
    assert_eq!((run.steps[0].attempts, run.steps[0].error.as_deref()), (2, None));
    assert!(faked.seen.borrow().contains(&"again First".to_owned()));
}

#[tokio::test]
async fn a_branch_leads_to_a_later_step() {
    let faked = Faked::new([
        ("first", vec![Ok(json!({"way": "short"}))]),
        ("optional", vec![Ok(Value::Null)]),
        ("last", vec![Ok(Value::Null)]),
    ]);
    let run = run(&small(), &faked).await;
    assert_eq!(statuses(&run)[2..], [("Choose", Succeeded), ("Until", NotRun), ("Last", Succeeded)]);
}

#[tokio::test]
async fn a_critical_step_that_fails_lets_the_run_go_on_and_fail_in_the_end() {
    let faked = Faked::new([
        ("first", vec![Ok(json!({"way": "short"}))]),
        ("optional", vec![Err("no")]),
        ("last", vec![Ok(Value::Null)]),
    ]);
    let run = run(&small(), &faked).await;
    assert!(!run.succeeded);
    assert_eq!(faked.asked("last"), 1);
}

#[tokio::test]
async fn a_step_in_a_loop_that_fails_ends_the_run_unless_it_says_otherwise() {
    let answers = || {
        Faked::new([
            ("first", vec![Ok(json!({"way": "long"}))]),
            ("optional", vec![Ok(Value::Null)]),
            ("ask", vec![Err("away"), done(true)]),
            ("last", vec![Ok(Value::Null)]),
        ])
    };
    let strict = run(&small(), &answers()).await;
    assert_eq!(statuses(&strict)[3..], [("Until", Failed), ("Last", NotRun)]);
    assert_eq!(strict.steps[3].error.as_deref(), Some("Ask: away"));
    let patient = SMALL.replace("- name: Ask\n", "- name: Ask\n                  maxAttempts: 2\n");
    assert!(run(&document(&patient, "x").unwrap(), &answers()).await.succeeded);
}

#[tokio::test]
async fn an_answer_without_what_the_document_selects_is_a_failure_that_names_it() {
    for (answer, reason) in
        [(json!({}), "no way"), (json!({"way": null}), "way is null"), (json!({"way": 1}), "way is 1")]
    {
        let run = run(&small(), &Faked::new([("first", vec![Ok(answer)])])).await;
        assert!(run.steps[0].error.as_ref().unwrap().contains(reason), "{:?}", run.steps[0]);
    }
}

#[test]
fn what_the_runner_does_not_know_is_refused_by_name_before_anything_runs() {
    for (from, to, named) in [
        ("action: aws:sleep", "action: aws:pause", "Rest: the action aws:pause"),
        ("timeoutSeconds: 30", "timeoutMinutes: 30", "First: unknown field `timeoutMinutes`"),
        ("InputPayload: { do: ask }", "LogType: Tail", "Ask: unknown field `LogType`"),
        ("Duration: PT5S", "Duration: 5", "Rest"),
        ("onFailure: Abort", "onFailure: Ignore", "First: onFailure"),
        ("onFailure: Abort", "onFailure: step:Nowhere", "First: it leads to Nowhere"),
        ("Default: Until", "Default: First", "Choose: it leads to First"),
        ("to {{ First.Way }}", "to {{ First.Road }}", "Optional: {{ First.Road }}"),
        ("$.Payload.way", "\"$.Payload.ways[0]\"", "First: the selector"),
        ("$.Payload.way", "$.Answer", "First: the selector"),
        ("Type: Boolean", "Type: Bool", "Ask: unknown variant `Bool`"),
        ("BooleanEquals", "IsTrue", "Until: the operator IsTrue"),
        ("MaxIterations: 4", "MaxIterations: 101", "Until: MaxIterations"),
        ("- name: Rest", "- name: First", "First: there are two steps"),
        ("schemaVersion: \"0.3\"", "schemaVersion: \"2.2\"", "schemaVersion"),
        ("isEnd: true", "isEnd: true\n            nextStep: First", "Last: it has a nextStep"),
        ("{ do: last }", "{ do: !Sub \"${Suffix}\" }", "${Suffix}"),
        ("AWS::SSM::Document", "AWS::SSM::Parameter", "one AWS::SSM::Document"),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let error = document(&SMALL.replacen(from, to, 1), "small.yaml").unwrap_err().to_string();
        assert!(error.contains(named), "{to}: {error}");
    }
}

#[test]
fn a_parameter_that_only_the_template_can_fill_in_must_be_given() {
    let (document, faked) = (small(), Faked::new([]));
    let error = Runner::new(&document, ("us-west-2", "r1"), &BTreeMap::new(), (&faked, &faked), 1.0).err().unwrap();
    assert!(error.to_string().contains("Function"), "{error}");
}

/// The runbook that is deployed.
fn deployed() -> Document {
    load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// The names by which scripts know its steps.
const STEPS: [&str; 6] = ["ReadState", "SetActive", "RouteUploads", "AwaitRecord", "Reconcile", "Report"];

fn set(active: &str, before: &str) -> Value {
    json!({"active": active, "before": before, "changed": active != before, "endpoint": "us-west-2", "failed_endpoints": []})
}

/// Answers when all is well, with `changed` in the place of some.
fn answers<const N: usize>(changed: [(&str, Vec<Result<Value, &str>>); N]) -> Faked {
    let faked = Faked::new([
        ("read", vec![Ok(json!({"active": "us-east-1", "routed": ["us-east-1"], "endpoint": "us-west-2"}))]),
        ("set", vec![Ok(set("us-west-2", "us-east-1"))]),
        ("route", vec![Ok(json!({"routed": ["us-west-2"], "before": ["us-east-1"], "changed": true}))]),
        ("ask", vec![Ok(json!({"active": false})), Ok(json!({"active": true}))]),
        ("reconcile", vec![Ok(json!({"settled": false})), Ok(json!({"settled": true}))]),
        ("report", vec![Ok(json!({"run": "r1"}))]),
    ]);
    faked.answers.borrow_mut().extend(Faked::new(changed).answers.into_inner());
    faked
}

#[tokio::test]
async fn the_deployed_runbook_takes_over_when_all_is_well() {
    let faked = answers([]);
    let run = run(&deployed(), &faked).await;
    assert!(run.succeeded, "{:?}", run.steps);
    assert_eq!(statuses(&run), STEPS.map(|name| (name, Succeeded)));
    assert_eq!(["ask", "reconcile", "report"].map(|what| faked.asked(what)), [2, 2, 1]);
    let asked = faked.asked.borrow();
    assert_eq!(asked[1], ("failover".into(), json!({"action": "set", "region": "us-west-2"})));
    assert_eq!(asked.last().unwrap(), &("reconcile".into(), json!({"action": "report", "run": "r1"})));
}

#[tokio::test]
async fn the_deployed_runbook_ends_in_the_same_place_where_the_region_is_active_already() {
    let faked = answers([
        ("read", vec![Ok(json!({"active": "us-west-2", "routed": ["us-west-2"]}))]),
        ("set", vec![Ok(set("us-west-2", "us-west-2"))]),
        ("ask", vec![Ok(json!({"active": true}))]),
        ("reconcile", vec![Ok(json!({"settled": true}))]),
    ]);
    let run = run(&deployed(), &faked).await;
    assert!(run.succeeded);
    assert_eq!(["ask", "reconcile"].map(|what| faked.asked(what)), [1, 1]);
}

#[tokio::test]
async fn the_deployed_runbook_ends_before_it_changes_anything_else_if_no_region_can_be_made_active() {
    // To set is tried once: again, it would undo what another failover was first to set.
    for (step, what, attempts) in [(0, "read", 3), (1, "set", 1)] {
        let faked = answers([(what, vec![Err("NoEndpoint: none answered")])]);
        let run = run(&deployed(), &faked).await;
        assert!(!run.succeeded);
        assert_eq!((run.steps[step].status, run.steps[step].attempts), (Failed, attempts));
        assert!(run.steps[step + 1..].iter().all(|step| step.status == NotRun));
        assert_eq!(faked.asked("route"), 0);
    }
}

#[tokio::test]
async fn the_deployed_runbook_takes_over_without_routes_and_fails_in_the_end() {
    let faked = answers([("route", vec![Err("NoEndpoint: none answered")])]);
    let run = run(&deployed(), &faked).await;
    assert!(!run.succeeded);
    assert_eq!(run.steps[2].status, Failed);
    assert!(run.steps.iter().enumerate().all(|(at, step)| at == 2 || step.status == Succeeded), "{:?}", run.steps);
}

#[tokio::test]
async fn the_deployed_runbook_makes_fifteen_passes_at_most_and_then_reports() {
    let faked = answers([("reconcile", vec![Ok(json!({"settled": false}))])]);
    let run = run(&deployed(), &faked).await;
    assert!(run.succeeded);
    assert_eq!(run.steps[4].iterations, Some(15));
    assert_eq!(faked.asked("report"), 1);
}

#[tokio::test]
async fn the_deployed_runbook_waits_for_the_record_as_long_as_it_may_and_then_goes_on() {
    for answer in [Ok(json!({"active": false})), Err("NoRecord: there is no TXT record")] {
        let faked = answers([("ask", vec![answer])]);
        let run = run(&deployed(), &faked).await;
        assert_eq!(run.steps[3].iterations, Some(60));
        assert_eq!(["reconcile", "report"].map(|what| faked.asked(what)), [2, 1]);
    }
}

#[tokio::test]
async fn the_deployed_runbook_goes_on_after_a_pass_that_failed() {
    let faked = answers([(
        "reconcile",
        vec![Err("Throttled"), Err("Throttled"), Err("Throttled"), Ok(json!({"settled": true}))],
    )]);
    let run = run(&deployed(), &faked).await;
    assert!(run.succeeded, "{:?}", run.steps);
    assert_eq!(run.steps[4].iterations, Some(2));
}

#[test]
fn without_a_project_the_embedded_runbook_is_the_same() {
    assert_eq!(load(&std::env::temp_dir()).unwrap(), deployed());
}
