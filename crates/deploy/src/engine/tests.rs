//! The runner on a CloudFormation that fails where it is told to.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::fake::{Asked, Fake, there};
use crate::plan::{Rollout, Routing};

fn settings() -> Settings {
    Settings {
        suffix: "dev".to_owned(),
        account: "123456789012".to_owned(),
        regions: ["us-east-1".to_owned(), "us-west-2".to_owned()],
        routing: Routing::Arc,
        runbook: true,
        observability: true,
        canary: None,
        parameters: BTreeMap::new(),
    }
}

fn folders() -> Folders {
    Folders { root: "/nowhere".into(), work: std::env::temp_dir().join("tandem-engine-tests") }
}

async fn run_as(aws: &Fake, rollout: &Rollout, allow: bool) -> (Result<AllOutputs, StepFailed>, Vec<String>) {
    let (settings, folders, asked) = (settings(), folders(), Asked::default());
    let found = there(aws, &settings.all_regions()).await;
    aws.changed.borrow_mut().clear();
    let quiet = |_: Stage| {};
    let engine = Engine::new(aws, &asked, &settings, &folders, &quiet).allow_replacement(allow);
    let result = engine.run(&Plan::new(&settings, rollout), &found).await;
    (result, asked.0.into_inner())
}

async fn run(aws: &Fake, rollout: &Rollout) -> (Result<AllOutputs, StepFailed>, Vec<String>) {
    run_as(aws, rollout, false).await
}

#[tokio::test]
async fn what_a_run_has_made_itself_holds_nothing_that_its_later_steps_could_lose() {
    let aws = Fake::default();
    aws.resource_changes
        .borrow_mut()
        .push(json!({ "ResourceChange": { "Action": "Modify", "Replacement": "Conditional",
        "LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket" } }));
    // A run before this one was broken off while it made that stack.
    let failed = crate::fake::Known { status: "ROLLBACK_COMPLETE".to_owned(), ..Default::default() };
    aws.stacks.borrow_mut().insert("us-east-1/tandem-dev-storage".to_owned(), failed);
    run(&aws, &Rollout::First).await.0.unwrap();
}

#[tokio::test]
async fn a_first_run_makes_every_stack_and_links_them_and_a_second_changes_nothing() {
    let aws = Fake::default();
    let (outputs, asked) = run(&aws, &Rollout::First).await;
    let outputs = outputs.unwrap();
    assert_eq!(outputs["us-west-2/tandem-dev-routing"]["ArcEndpoints"], "us-east-1=https://one");
    let stacks = aws.stacks.borrow().clone();
    assert_eq!(stacks.len(), 12);
    assert_eq!(stacks["us-east-1/tandem-dev-batch"].parameters["ArcEndpoints"], "us-east-1=https://one");
    let peer = &stacks["us-east-1/tandem-dev-storage"].parameters["PeerBucketArn"];
    assert_eq!(peer, "arn:aws:s3:::tandem-dev-123456789012-us-west-2");
    let expected = ["Activate us-west-2", "Delivers us-west-2", "Activate us-east-1", "Delivers us-east-1"];
    assert_eq!(asked[asked.len() - 4..], expected);

    let (again, _) = run(&aws, &Rollout::Update { active: "us-east-1".to_owned() }).await;
    again.unwrap();
    assert_eq!(*aws.changed.borrow(), Vec::<String>::new());
    assert_eq!(*aws.stacks.borrow(), stacks);
}

#[tokio::test]
async fn after_a_failure_at_any_step_the_next_run_does_only_what_is_left() {
    let whole = Fake::default();
    run(&whole, &Rollout::First).await.0.unwrap();
    let changes = whole.changed.borrow().len();
    assert_eq!(changes, 14);
    for step in 0..changes {
        let aws = Fake::default();
        *aws.fail_at.borrow_mut() = Some(step);
        let (failed, asked) = run(&aws, &Rollout::First).await;
        let failed = failed.unwrap_err();
        let (stack, status) = failed.stack.clone().unwrap();
        assert!(status.contains("ROLLBACK_COMPLETE"), "{failed}");
        assert!(failed.to_string().contains("Thing (AWS::X::Thing): limit exceeded"), "{failed}");
        assert!(!asked.iter().any(|asked| asked.starts_with("Activate")), "{asked:?}");
        let complete: BTreeSet<String> = aws.changed.borrow().iter().cloned().collect();

        *aws.fail_at.borrow_mut() = None;
        run(&aws, &Rollout::First).await.0.unwrap();
        assert_eq!(*aws.stacks.borrow(), whole_statuses(&aws, &whole), "after a failure of {stack}");
        let again = aws.changed.borrow().clone();
        let twice =
            again.iter().filter(|key| complete.contains(*key) && !key.ends_with(&stack) && !key.contains("storage"));
        assert_eq!(twice.collect::<Vec<_>>(), Vec::<&String>::new(), "after a failure of {stack}");
        assert!(again.len() <= changes - step + 1, "{again:?}");
    }
}

/// What an undisturbed run leaves, with the statuses that this one came to: an update more or less is no difference.
fn whole_statuses(aws: &Fake, whole: &Fake) -> BTreeMap<String, crate::fake::Known> {
    let mut expected = whole.stacks.borrow().clone();
    for (key, known) in expected.iter_mut() {
        let status = aws.stacks.borrow()[key].status.clone();
        assert!(["CREATE_COMPLETE", "UPDATE_COMPLETE"].contains(&status.as_str()), "{key} {status}");
        known.status = status;
    }
    expected
}

#[tokio::test]
async fn what_would_lose_data_is_not_done_unless_it_is_meant() {
    let aws = Fake::default();
    run(&aws, &Rollout::First).await.0.unwrap();
    aws.stacks.borrow_mut().get_mut("us-east-1/tandem-dev-state").unwrap().parameters.clear();
    let replaced = json!({ "ResourceChange": { "Action": "Modify", "LogicalResourceId": "BatchesTable",
        "ResourceType": "AWS::DynamoDB::GlobalTable", "Replacement": "True" } });
    aws.resource_changes.borrow_mut().push(replaced);
    let update = Rollout::Update { active: "us-east-1".to_owned() };
    let failed = run(&aws, &update).await.0.unwrap_err().to_string();
    assert!(failed.contains("BatchesTable") && failed.contains("--allow-replacement"), "{failed}");
    assert_eq!(*aws.changed.borrow(), Vec::<String>::new());
    assert!(aws.calls.borrow().iter().any(|call| call.contains("delete-change-set")));
    run_as(&aws, &update, true).await.0.unwrap();
    assert_eq!(*aws.changed.borrow(), ["us-east-1/tandem-dev-state"]);
}

#[tokio::test]
async fn a_failure_before_anything_was_begun_is_not_explained_by_what_failed_in_an_earlier_run() {
    let update = Rollout::Update { active: "us-east-1".to_owned() };
    let state = "us-east-1/tandem-dev-state";
    let rolled_back = async || {
        let aws = Fake::default();
        run(&aws, &Rollout::First).await.0.unwrap();
        let mut stacks = aws.stacks.borrow_mut();
        "UPDATE_ROLLBACK_COMPLETE".clone_into(&mut stacks.get_mut(state).unwrap().status);
        stacks.get_mut(state).unwrap().parameters.clear();
        drop(stacks);
        aws
    };
    let aws = rolled_back().await;
    aws.resource_changes.borrow_mut().push(json!({ "ResourceChange": { "Action": "Remove",
        "LogicalResourceId": "BatchesTable", "ResourceType": "AWS::DynamoDB::GlobalTable" } }));
    let refused = run(&aws, &update).await.0.unwrap_err();
    assert!(refused.to_string().contains("--allow-replacement"), "{refused}");
    assert_eq!(refused.resources, []);

    let aws = rolled_back().await;
    aws.answer("us-east-1 cloudformation deploy", Err("An error occurred (ValidationError): Template format error"));
    let invalid = run(&aws, &update).await.0.unwrap_err();
    assert!(invalid.to_string().contains("Template format error"), "{invalid}");
    assert_eq!(invalid.resources, []);

    // What fails in this run's own update is told.
    let aws = rolled_back().await;
    *aws.fail_at.borrow_mut() = Some(0);
    let failed = run(&aws, &update).await.0.unwrap_err();
    assert!(failed.to_string().contains("ended as UPDATE_ROLLBACK_COMPLETE"), "{failed}");
    assert_eq!(failed.resources.len(), 1, "{failed}");
}

#[tokio::test]
async fn a_stack_that_somebody_is_changing_is_waited_for() {
    let aws = Fake::default();
    run(&aws, &Rollout::First).await.0.unwrap();
    aws.busy.borrow_mut().insert("us-east-1/tandem-dev-network".to_owned(), 4);
    run(&aws, &Rollout::Update { active: "us-east-1".to_owned() }).await.0.unwrap();
    assert_eq!(aws.busy.borrow()["us-east-1/tandem-dev-network"], 0);
}

#[tokio::test]
async fn a_stack_that_could_not_be_undone_is_left_to_a_person_who_is_told_how() {
    let aws = Fake::default();
    run(&aws, &Rollout::First).await.0.unwrap();
    "UPDATE_ROLLBACK_FAILED"
        .clone_into(&mut aws.stacks.borrow_mut().get_mut("us-east-1/tandem-dev-batch").unwrap().status);
    let failed = run(&aws, &Rollout::Update { active: "us-east-1".to_owned() }).await.0.unwrap_err().to_string();
    assert!(failed.contains("continue-update-rollback --stack-name tandem-dev-batch"), "{failed}");
}

#[tokio::test]
async fn a_plan_shows_what_would_change_and_leaves_nothing() {
    let (settings, folders, asked) = (settings(), folders(), Asked::default());
    let quiet = |_: Stage| {};
    let aws = Fake::default();
    let preview = |rollout: Rollout, there: BTreeMap<String, Vec<Stack>>| {
        let (aws, asked, settings, folders) = (&aws, &asked, &settings, &folders);
        async move {
            let engine = Engine::new(aws, asked, settings, folders, &quiet);
            engine.preview(&Plan::new(settings, &rollout), &there).await.unwrap()
        }
    };
    let of = |previews: &[Preview], step: &str| previews.iter().find(|one| one.step == step).unwrap().what.clone();

    let new = preview(Rollout::First, BTreeMap::new()).await;
    assert_eq!(*aws.changed.borrow(), Vec::<String>::new());
    assert_eq!(aws.stacks.borrow().len(), 0);
    assert_eq!(of(&new, "storage"), What::Creates { resources: Vec::new(), waits_for: None });
    let What::Creates { waits_for, .. } = of(&new, "batch") else { panic!("{new:?}") };
    assert!(waits_for.unwrap().contains("of tandem-dev-"));

    run(&aws, &Rollout::First).await.0.unwrap();
    aws.stacks.borrow_mut().get_mut("us-east-1/tandem-dev-state").unwrap().parameters.clear();
    aws.resource_changes.borrow_mut().push(json!({ "ResourceChange": { "Action": "Remove",
        "LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket" } }));
    let stacks = aws.stacks.borrow().clone();
    let update = Rollout::Update { active: "us-east-1".to_owned() };
    let changed = preview(update, there(&aws, &settings.all_regions()).await).await;
    assert_eq!(of(&changed, "storage"), What::Nothing);
    assert!(matches!(of(&changed, "state"), What::Changes { resources } if resources.len() == 1));
    assert_eq!(changed.iter().flat_map(Preview::losses).count(), 1);
    assert_eq!(*aws.stacks.borrow(), stacks);
    assert!(aws.sets.borrow().is_empty(), "{:?}", aws.sets.borrow());
}

#[tokio::test]
async fn a_stack_that_appears_after_the_survey_survives_a_plan_and_loses_nothing_in_a_run() {
    let (settings, folders, asked) = (settings(), folders(), Asked::default());
    let quiet = |_: Stage| {};
    let aws = Fake::default();
    run(&aws, &Rollout::First).await.0.unwrap();
    let stacks = aws.stacks.borrow().clone();
    // As a survey before all of that had found it: nothing.
    let stale = BTreeMap::new();
    aws.stacks.borrow_mut().get_mut("us-east-1/tandem-dev-storage").unwrap().parameters.clear();
    aws.resource_changes.borrow_mut().push(json!({ "ResourceChange": { "Action": "Remove",
        "LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket" } }));
    let engine = Engine::new(&aws, &asked, &settings, &folders, &quiet);
    let previews = engine.preview(&Plan::new(&settings, &Rollout::First), &stale).await.unwrap();
    assert!(previews.iter().flat_map(Preview::losses).count() > 0, "{previews:?}");
    assert_eq!(aws.stacks.borrow().len(), stacks.len());
    assert!(aws.sets.borrow().is_empty());
    assert!(!aws.calls.borrow().iter().any(|call| call.contains("delete-stack")));

    let failed = engine.run(&Plan::new(&settings, &Rollout::First), &stale).await.unwrap_err().to_string();
    assert!(failed.contains("--allow-replacement"), "{failed}");
    assert_eq!(aws.stacks.borrow().len(), stacks.len());
}

#[tokio::test]
async fn a_stack_whose_deletion_failed_is_left_to_a_person_who_is_told_how() {
    let aws = Fake::default();
    run(&aws, &Rollout::First).await.0.unwrap();
    "DELETE_FAILED".clone_into(&mut aws.stacks.borrow_mut().get_mut("us-east-1/tandem-dev-storage").unwrap().status);
    let failed = run(&aws, &Rollout::Update { active: "us-east-1".to_owned() }).await.0.unwrap_err().to_string();
    assert!(failed.contains("cloudformation delete-stack --stack-name tandem-dev-storage"), "{failed}");
    assert!(!aws.calls.borrow().iter().any(|call| call.contains("cloudformation delete-stack")));
}

#[tokio::test]
async fn a_new_record_names_the_region_that_is_active() {
    for (rollout, expected) in
        [(Rollout::First, "us-east-1"), (Rollout::Update { active: "us-west-2".to_owned() }, "us-west-2")]
    {
        let settings = Settings { routing: Routing::Dns, ..settings() };
        let (folders, asked, quiet, aws) = (folders(), Asked::default(), |_: Stage| {}, Fake::default());
        aws.answer("route53 change-resource-record-sets", Ok("{}"));
        let engine = Engine::new(&aws, &asked, &settings, &folders, &quiet);
        engine.run(&Plan::new(&settings, &rollout), &BTreeMap::new()).await.unwrap();
        let calls = aws.calls.borrow().clone();
        let record = calls.iter().find(|call| call.contains("\"CREATE\"")).unwrap();
        assert!(record.contains(&format!("\\\"{expected}\\\"")), "{record}");
    }
}
