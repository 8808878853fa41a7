//! `reconcile` on everything it can be asked, with ports in memory.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use reconcile::Reconcile;
use serde_json::{Value, json};
use tandem_aws::lambda::{Function, invoke};
use tandem_aws::telemetry::Metrics;
use tandem_core::batch::BatchStatus;
use tandem_core::event::Upload;
use tandem_core::ownership::Limits;
use tandem_core::ports::{
    ActiveRegion, ActiveRegionError, AskActiveRegion, Batches, Clock, ObjectRef, ReadObjects, WriteObjects,
};
use tandem_core::protocol::time_text;
use tandem_core::regions::Regions;
use tandem_core::testing::{Faults, MemoryBatches, MemoryObjects, MemoryWorkflow};

const REGION: &str = "us-west-2";
const BUCKET: &str = "b-us-west-2";

/// What the TXT record says in a test.
#[derive(Clone, Copy)]
enum Txt {
    Active,
    Standby,
    Missing,
}

impl AskActiveRegion for Txt {
    async fn ask(&self) -> Result<ActiveRegion, ActiveRegionError> {
        match self {
            Self::Active => Ok(ActiveRegion::Active),
            Self::Standby => Ok(ActiveRegion::Standby { active: "us-east-1".into() }),
            Self::Missing => Err(ActiveRegionError::NoRecord { record: "active.example".into() }),
        }
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> time::OffsetDateTime {
        time::macros::datetime!(2026-01-02 12:00 UTC)
    }
}

/// Two batches that the east left open: the input of one is here.
async fn function(txt: Txt, faults: Faults) -> Reconcile<Txt, MemoryBatches, MemoryWorkflow, MemoryObjects, Noon> {
    let (batches, objects) = (MemoryBatches::default(), MemoryObjects::new(faults));
    for (key, here) in [("input/here.csv", true), ("input/missing.csv", false)] {
        let etag = if here { objects.write(BUCKET, key, "", "x".into()).await.unwrap().etag } else { "e".into() };
        let upload = Upload { bucket: "b-us-east-1".into(), key: key.into(), etag, version_id: None, size: 1 };
        let ten_before = time_text(Noon.now() - time::Duration::seconds(10));
        batches.claim(&upload.first_claim("sales-orders", "us-east-1", &ten_before)).await.unwrap();
    }
    Reconcile {
        active_region: txt,
        batches,
        workflow: MemoryWorkflow::default(),
        objects,
        clock: Noon,
        regions: Regions::new(REGION, BUCKET, "us-east-1", REGION).unwrap(),
        limits: Limits { max_attempts: 3, grace: Duration::from_secs(60), pause: Duration::ZERO },
    }
}

async fn asked(
    function: &Reconcile<Txt, MemoryBatches, MemoryWorkflow, MemoryObjects, Noon>,
    task: Value,
) -> Result<Value, String> {
    let answer = invoke(function, REGION, task).await.map_err(|failed| failed.error_type)?;
    Ok(serde_json::to_value(answer).unwrap())
}

#[tokio::test]
async fn a_pass_says_what_it_did_and_leaves_a_report() {
    let function = function(Txt::Active, Faults::none()).await;
    let pass = asked(&function, json!({"action": "reconcile"})).await.unwrap();
    assert_eq!((&pass["counts"]["taken_over"], &pass["counts"]["missing"]), (&json!(1), &json!(1)));
    assert_eq!((&pass["settled"], &pass["complete"], &pass["active"]), (&json!(false), &json!(true), &json!(true)));
    assert_eq!(pass["missing"][0]["key"], "input/missing.csv");
    let key = pass["report"].as_str().unwrap();
    assert!(key.starts_with("reports/reconcile/"), "{key}");
    let report = ObjectRef { bucket: BUCKET.into(), key: key.into(), etag: None, version_id: None };
    function.objects.read(&report, None).await.unwrap();
}

#[tokio::test]
async fn the_region_that_stands_by_does_nothing_and_says_so() {
    let function = function(Txt::Standby, Faults::none()).await;
    let pass = asked(&function, json!({"action": "reconcile"})).await.unwrap();
    assert_eq!((&pass["active"], &pass["record"]), (&json!(false), &json!("us-east-1")));
    assert_eq!((&pass["settled"], &pass["counts"]["seen"]), (&json!(false), &json!(0)));
    assert!(function.workflow.started().is_empty());
    let standing = asked(&function, json!({"action": "ask"})).await.unwrap();
    assert_eq!(standing, json!({"region": REGION, "active": false, "record": "us-east-1"}));
}

#[tokio::test]
async fn without_a_txt_record_nothing_is_touched() {
    let function = function(Txt::Missing, Faults::none()).await;
    let failed = asked(&function, json!({"action": "reconcile"})).await;
    assert_eq!(failed, Err("ServiceUnavailable".into()));
    assert!(function.workflow.started().is_empty());
}

#[tokio::test]
async fn the_report_of_a_failover_grows_with_each_pass() {
    let function = function(Txt::Active, Faults::none()).await;
    let run = json!({"action": "reconcile", "run": "run-1"});
    asked(&function, run.clone()).await.unwrap();
    asked(&function, run).await.unwrap();
    let report = asked(&function, json!({"action": "report", "run": "run-1"})).await.unwrap();
    assert_eq!((&report["passes"], &report["region"]), (&json!(2), &json!(REGION)));
    let lengths = ["taken_over", "missing"].map(|list| report[list].as_array().unwrap().len());
    assert_eq!(lengths, [1, 1]);
    assert!(asked(&function, json!({"action": "report", "run": "run-2"})).await.is_err());
}

#[tokio::test]
async fn a_name_that_would_leave_the_reports_is_no_run() {
    let function = function(Txt::Active, Faults::none()).await;
    for run in ["../x", "", "a/b", "a b"] {
        assert!(asked(&function, json!({"action": "reconcile", "run": run})).await.is_err(), "{run}");
    }
    assert!(function.workflow.started().is_empty());
}

#[tokio::test]
async fn a_batch_can_be_run_again_only_where_it_is_active_and_only_if_it_is_known() {
    let unknown = json!({"action": "rerun", "batch_id": "0123456789abcdef0123456789abcdef"});
    let standby = function(Txt::Standby, Faults::none()).await;
    assert_eq!(asked(&standby, unknown.clone()).await, Err("NotActive".into()));
    let active = function(Txt::Active, Faults::none()).await;
    assert_eq!(asked(&active, unknown).await, Err("UnknownBatch".into()));
    let open = active.batches.all()[0].batch_id.clone();
    assert_eq!(asked(&active, json!({"action": "rerun", "batch_id": open})).await, Err("StillOpen".into()));
}

#[tokio::test]
async fn a_pass_is_measured_by_what_it_did_and_by_the_age_of_what_is_missing() {
    let function = function(Txt::Active, Faults::none()).await;
    let mut metrics = Metrics::begin("reconcile", REGION);
    let task = serde_json::from_value(json!({"action": "reconcile"})).unwrap();
    function.handle(task, &mut metrics).await.unwrap();
    let values = ["BatchesReconciled", "BatchesTakenOver", "InputsMissing", "OldestMissingSeconds", "BatchesStuck"]
        .map(|name| metrics.value(name));
    assert_eq!(values, [1.0, 1.0, 1.0, 10.0, 0.0].map(Some));
    let ages = ["OldestOpenSeconds", "ActiveUnchangedSeconds"].map(|name| metrics.value(name));
    assert_eq!(ages, [Some(10.0), None]);
}

#[tokio::test]
async fn the_region_that_stands_by_measures_for_how_long_the_active_one_has_changed_nothing() {
    let function = function(Txt::Standby, Faults::none()).await;
    let mut metrics = Metrics::begin("reconcile", REGION);
    let task = serde_json::from_value(json!({"action": "reconcile"})).unwrap();
    function.handle(task, &mut metrics).await.unwrap();
    let ages = ["OldestOpenSeconds", "ActiveUnchangedSeconds"].map(|name| metrics.value(name));
    assert_eq!(ages, [None, Some(10.0)]);
}

#[tokio::test]
async fn a_region_stands_by_without_the_table_too() {
    let mut function = function(Txt::Standby, Faults::none()).await;
    function.batches = function.batches.reached_with(Faults::from(0));
    let mut metrics = Metrics::begin("reconcile", REGION);
    let task = serde_json::from_value(json!({"action": "reconcile"})).unwrap();
    function.handle(task, &mut metrics).await.unwrap();
    assert_eq!(metrics.value("ActiveUnchangedSeconds"), None);
}

/// How often a task counts itself as a pass, and whether it ended well.
async fn passes(
    function: &Reconcile<Txt, MemoryBatches, MemoryWorkflow, MemoryObjects, Noon>,
    task: Value,
) -> (Option<f64>, bool) {
    let mut metrics = Metrics::begin("reconcile", REGION);
    let done = function.handle(serde_json::from_value(task).unwrap(), &mut metrics).await;
    (metrics.value("Passes"), done.is_ok())
}

#[tokio::test]
async fn a_pass_that_ends_well_counts_itself_wherever_it_is_made_and_one_that_fails_does_not() {
    let pass = json!({"action": "reconcile"});
    for txt in [Txt::Active, Txt::Standby] {
        let function = function(txt, Faults::none()).await;
        assert_eq!(passes(&function, pass.clone()).await, (Some(1.0), true));
        assert_eq!(passes(&function, json!({"action": "reconcile", "run": "run-1"})).await, (Some(1.0), true));
    }
    assert_eq!(passes(&function(Txt::Missing, Faults::none()).await, pass.clone()).await, (None, false));
    let mut without_the_table = function(Txt::Active, Faults::none()).await;
    without_the_table.batches = without_the_table.batches.reached_with(Faults::from(0));
    assert_eq!(passes(&without_the_table, pass).await, (None, false));
}

#[tokio::test]
async fn a_question_a_rerun_and_a_report_are_no_passes() {
    let function = function(Txt::Active, Faults::none()).await;
    asked(&function, json!({"action": "reconcile", "run": "run-1"})).await.unwrap();
    assert_eq!(passes(&function, json!({"action": "ask"})).await, (None, true));
    assert_eq!(passes(&function, json!({"action": "report", "run": "run-1"})).await, (None, true));
    let mut ended = function.batches.all().into_iter().find(|record| record.key == "input/here.csv").unwrap();
    ended.status = BatchStatus::Failed;
    let rerun = json!({"action": "rerun", "batch_id": ended.batch_id});
    function.batches.put(ended);
    assert_eq!(passes(&function, rerun).await, (None, true));
}
