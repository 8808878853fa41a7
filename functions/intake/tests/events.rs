//! `intake` on recorded S3 events, with ports in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use intake::Intake;
use serde_json::Value;
use tandem_aws::lambda::{Function, invoke};
use tandem_aws::telemetry::Metrics;
use tandem_core::batch::{BatchId, BatchRecord, BatchStatus, Ending, execution_name};
use tandem_core::dataset::Datasets;
use tandem_core::payload::BatchInput;
use tandem_core::ports::{
    ActiveRegion, ActiveRegionError, AskActiveRegion, Batches, Claim, Clock, Owner, ServiceError, Workflow,
};

const REGION: &str = "us-east-1";

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
            Self::Standby => Ok(ActiveRegion::Standby { active: "us-west-2".into() }),
            Self::Missing => Err(ActiveRegionError::NoRecord { record: "active.example".into() }),
        }
    }
}

/// The state table in memory.
#[derive(Default)]
struct Table(Mutex<BTreeMap<BatchId, BatchRecord>>);

impl Batches for &Table {
    async fn claim(&self, record: &BatchRecord) -> Result<Claim, ServiceError> {
        let mut records = self.0.lock().unwrap();
        if let Some(known) = records.get(&record.batch_id) {
            return Ok(Claim::Exists(Box::new(known.clone())));
        }
        records.insert(record.batch_id.clone(), record.clone());
        Ok(Claim::Claimed)
    }

    async fn get(&self, batch_id: &BatchId) -> Result<Option<BatchRecord>, ServiceError> {
        Ok(self.0.lock().unwrap().get(batch_id).cloned())
    }

    async fn mark_running(&self, owner: &Owner, execution_arn: &str, _now: &str) -> Result<bool, ServiceError> {
        let mut records = self.0.lock().unwrap();
        let record = records.get_mut(&owner.batch_id).unwrap();
        let held = record.status == BatchStatus::Claimed && record.attempt == owner.attempt;
        if held {
            record.status = BatchStatus::Running;
            record.execution_arn = Some(execution_arn.to_owned());
        }
        Ok(held)
    }

    async fn fence(&self, _owner: &Owner, _now: &str) -> Result<bool, ServiceError> {
        panic!("intake never fences")
    }

    async fn end(&self, _owner: &Owner, _ending: &Ending, _now: &str) -> Result<bool, ServiceError> {
        panic!("intake never ends a batch")
    }

    async fn interrupt(&self, _: &Owner, _: &str, _: &str, _: &str) -> Result<bool, ServiceError> {
        panic!("intake never interrupts a batch")
    }
}

/// Starts executions, after failing a number of times.
#[derive(Default)]
struct Executions {
    failures: AtomicU32,
    started: Mutex<Vec<BatchInput>>,
}

impl Workflow for &Executions {
    async fn start(&self, batch: &BatchInput) -> Result<String, ServiceError> {
        if self.failures.load(Ordering::SeqCst) > 0 {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            let source = "not today".into();
            return Err(ServiceError::Throttled { operation: "states:StartExecution", source });
        }
        let mut started = self.started.lock().unwrap();
        if !started.contains(batch) {
            started.push(batch.clone());
        }
        Ok(execution_name(&batch.batch_id, batch.attempt))
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> time::OffsetDateTime {
        time::macros::datetime!(2026-01-02 12:00 UTC)
    }
}

/// The world around one function.
#[derive(Default)]
struct World {
    table: Table,
    executions: Executions,
}

impl World {
    fn function(&self, txt: Txt) -> Intake<Txt, &Table, &Executions, Noon> {
        Intake {
            active_region: txt,
            batches: &self.table,
            workflow: &self.executions,
            datasets: datasets(),
            clock: Noon,
            region: REGION.to_owned(),
        }
    }

    async fn receives(&self, txt: Txt, event: &str) -> Result<(), String> {
        let event: Value = serde_json::from_str(event).unwrap();
        invoke(&self.function(txt), REGION, event).await.map_err(|failed| failed.error_type)
    }

    /// The values of these metrics after an event.
    async fn measures<const N: usize>(&self, txt: Txt, event: &str, names: [&str; N]) -> [Option<f64>; N] {
        let mut metrics = Metrics::begin("intake", REGION);
        self.function(txt).handle(serde_json::from_str(event).unwrap(), &mut metrics).await.unwrap();
        names.map(|name| metrics.value(name))
    }

    fn started(&self) -> Vec<(String, String)> {
        let started = self.executions.started.lock().unwrap();
        started.iter().map(|batch| (batch.key.clone(), batch.dataset.clone())).collect()
    }

    fn claimed(&self) -> usize {
        self.table.0.lock().unwrap().len()
    }
}

fn datasets() -> Datasets {
    tandem_aws::datasets::from_directory(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/datasets").as_ref())
        .unwrap()
}

const PUT: &str = include_str!("../../../assets/events/s3-put.json");
const ENCODED: &str = include_str!("../../../assets/events/s3-put-encoded-key.json");
const SEVERAL: &str = include_str!("../../../assets/events/s3-several-records.json");
const UNDECODABLE: &str = include_str!("../../../assets/events/s3-undecodable-key.json");

#[tokio::test]
async fn an_upload_is_claimed_and_started_once_however_often_its_event_comes() {
    let world = World::default();
    for _ in 0..3 {
        world.receives(Txt::Active, PUT).await.unwrap();
    }
    assert_eq!(world.started(), [("input/sales-orders/orders.csv".into(), "sales-orders".into())]);
    let records = world.table.0.lock().unwrap();
    let record = records.values().next().unwrap();
    assert_eq!(record.status, BatchStatus::Running);
    assert_eq!(record.owner_region, REGION);
    assert_eq!(record.version_id.as_deref(), Some("096fKKXTRTtl3on89fVO.nfljtsv6qko"));
}

#[tokio::test]
async fn an_encoded_key_is_decoded_before_anything_else() {
    let world = World::default();
    world.receives(Txt::Active, ENCODED).await.unwrap();
    assert_eq!(world.started(), [("input/a b+c% €.csv".into(), "sales-orders".into())]);
}

#[tokio::test]
async fn of_several_records_each_input_is_its_own_batch_and_the_rest_starts_nothing() {
    let world = World::default();
    world.receives(Txt::Active, SEVERAL).await.unwrap();
    assert_eq!(
        world.started(),
        [("input/one.csv".into(), "sales-orders".into()), ("input/price-list/two.csv".into(), "price-list".into()),]
    );
}

#[tokio::test]
async fn a_key_that_does_not_decode_fails_the_event_and_keeps_no_other_from_being_claimed() {
    let world = World::default();
    assert_eq!(world.receives(Txt::Active, UNDECODABLE).await, Err("Internal".into()));
    assert_eq!(world.started(), [("input/good.csv".into(), "sales-orders".into())]);
}

#[tokio::test]
async fn the_standby_region_claims_nothing() {
    let world = World::default();
    world.receives(Txt::Standby, PUT).await.unwrap();
    assert_eq!(world.claimed(), 0);
}

#[tokio::test]
async fn without_an_answer_who_is_active_the_event_fails_and_nothing_is_claimed() {
    let world = World::default();
    assert_eq!(world.receives(Txt::Missing, PUT).await, Err("ServiceUnavailable".into()));
    assert_eq!(world.claimed(), 0);
}

#[tokio::test]
async fn a_batch_whose_start_failed_is_started_by_the_repeated_event() {
    let world = World::default();
    world.executions.failures.store(2, Ordering::SeqCst);
    assert_eq!(world.receives(Txt::Active, PUT).await, Err("Throttled".into()));
    assert_eq!((world.claimed(), world.started().len()), (1, 0));
    assert_eq!(world.receives(Txt::Active, PUT).await, Err("Throttled".into()));
    world.receives(Txt::Active, PUT).await.unwrap();
    assert_eq!((world.claimed(), world.started().len()), (1, 1));
}

#[tokio::test]
async fn what_is_claimed_known_ignored_or_skipped_is_measured() {
    let world = World::default();
    let names = ["BatchesClaimed", "BatchesKnown", "BatchesSkipped", "UploadsIgnored", "BytesIn"];
    let claimed = world.measures(Txt::Active, SEVERAL, names).await;
    assert_eq!(claimed, [Some(2.0), None, None, Some(2.0), Some(2048.0)]);
    let known = world.measures(Txt::Active, SEVERAL, names).await;
    assert_eq!(known, [None, Some(2.0), None, Some(2.0), None]);
    let skipped = world.measures(Txt::Standby, SEVERAL, names).await;
    assert_eq!(skipped, [None, None, Some(2.0), None, None]);
}

#[tokio::test]
async fn a_batch_of_the_other_region_is_left_alone() {
    let world = World::default();
    world.receives(Txt::Active, PUT).await.unwrap();
    {
        let mut records = world.table.0.lock().unwrap();
        for record in records.values_mut() {
            record.owner_region = "us-west-2".into();
            record.status = BatchStatus::Claimed;
            record.execution_arn = None;
        }
        world.executions.started.lock().unwrap().clear();
    }
    world.receives(Txt::Active, PUT).await.unwrap();
    assert!(world.started().is_empty());
}
