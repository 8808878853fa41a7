//! `intake` on recorded S3 events, with ports in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use intake::Intake;
use serde_json::Value;
use tandem_aws::lambda::{Function, invoke};
use tandem_aws::telemetry::Metrics;
use tandem_core::batch::{Attempt, BatchRecord, BatchStatus};
use tandem_core::dataset::Datasets;
use tandem_core::ownership::Limits;
use tandem_core::ports::{ActiveRegion, ActiveRegionError, AskActiveRegion, Clock};
use tandem_core::protocol::time_text;
use tandem_core::regions::Regions;
use tandem_core::testing::{Faults, MemoryBatches, MemoryWorkflow};

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

struct Noon;

impl Clock for Noon {
    fn now(&self) -> time::OffsetDateTime {
        time::macros::datetime!(2026-01-02 12:00 UTC)
    }
}

/// The world around one function.
#[derive(Default)]
struct World {
    table: MemoryBatches,
    executions: MemoryWorkflow,
}

impl World {
    fn function(&self, txt: Txt) -> Intake<Txt, MemoryBatches, MemoryWorkflow, Noon> {
        Intake {
            active_region: txt,
            batches: self.table.clone(),
            workflow: self.executions.clone(),
            datasets: datasets(),
            clock: Noon,
            regions: Regions::new(REGION, "example-us-east-1", REGION, "us-west-2").unwrap(),
            limits: Limits { max_attempts: 3, grace: Duration::from_secs(60), pause: Duration::ZERO },
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

    /// The record after this event.
    async fn after(&self, txt: Txt) -> BatchRecord {
        self.receives(txt, PUT).await.unwrap();
        self.record()
    }

    fn started(&self) -> Vec<(String, String)> {
        let started = self.executions.started();
        let mut started: Vec<_> = started.into_iter().map(|input| (input.batch.key, input.batch.dataset)).collect();
        started.sort();
        started
    }

    fn claimed(&self) -> usize {
        self.table.all().len()
    }

    /// The one record there is.
    fn record(&self) -> BatchRecord {
        let [record] = &self.table.all()[..] else { panic!("not one record") };
        record.clone()
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
const TEST: &str = include_str!("../../../assets/events/s3-test-event.json");

#[tokio::test]
async fn an_upload_is_claimed_and_started_once_however_often_its_event_comes() {
    let world = World::default();
    for _ in 0..3 {
        world.receives(Txt::Active, PUT).await.unwrap();
    }
    assert_eq!(world.started(), [("input/sales-orders/orders.csv".into(), "sales-orders".into())]);
    let record = world.record();
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
async fn a_record_without_what_is_needed_fails_the_event_and_keeps_no_other_from_being_claimed() {
    for missing in ["size", "eTag", "key"] {
        let world = World::default();
        let mut event: Value = serde_json::from_str(SEVERAL).unwrap();
        event["Records"][0]["s3"]["object"].as_object_mut().unwrap().remove(missing).unwrap();
        assert_eq!(world.receives(Txt::Active, &event.to_string()).await, Err("Internal".into()));
        assert_eq!(world.started(), [("input/price-list/two.csv".into(), "price-list".into())]);
    }
}

#[tokio::test]
async fn a_test_event_claims_nothing_and_anything_else_that_is_no_notification_fails() {
    for txt in [Txt::Active, Txt::Standby] {
        let world = World::default();
        world.receives(txt, TEST).await.unwrap();
        assert_eq!(world.receives(txt, r#"{"Event": "other"}"#).await, Err("Internal".into()));
        assert_eq!(world.claimed(), 0);
    }
}

#[tokio::test]
async fn the_standby_region_puts_a_batch_down_for_the_active_one_and_starts_nothing() {
    let world = World::default();
    world.receives(Txt::Standby, PUT).await.unwrap();
    let record = world.record();
    assert_eq!((record.owner_region.as_str(), record.bucket.as_str()), ("us-west-2", "example-us-west-2"));
    assert_eq!((record.status, record.execution_arn), (BatchStatus::Claimed, None));
    assert!(world.started().is_empty());
}

#[tokio::test]
async fn what_the_other_region_put_down_for_this_one_is_started_here() {
    let world = World::default();
    let mut announced = world.after(Txt::Standby).await;
    announced.owner_region = REGION.into();
    world.table.put(announced);
    world.receives(Txt::Active, PUT).await.unwrap();
    assert_eq!((world.record().attempt, world.started().len()), (Attempt::FIRST, 1));
}

#[tokio::test]
async fn the_standby_region_leaves_what_it_cannot_understand_to_the_active_one() {
    let world = World::default();
    world.receives(Txt::Standby, UNDECODABLE).await.unwrap();
    assert_eq!(world.record().key, "input/good.csv");
}

#[tokio::test]
async fn without_an_answer_who_is_active_the_event_fails_and_nothing_is_claimed() {
    let world = World::default();
    assert_eq!(world.receives(Txt::Missing, PUT).await, Err("ServiceUnavailable".into()));
    assert_eq!(world.claimed(), 0);
}

#[tokio::test]
async fn a_batch_whose_start_failed_is_started_by_the_repeated_event() {
    let mut world = World::default();
    world.executions = world.executions.reached_with(Faults::at(0));
    assert_eq!(world.receives(Txt::Active, PUT).await, Err("ServiceUnavailable".into()));
    assert_eq!((world.claimed(), world.started().len()), (1, 0));
    world.receives(Txt::Active, PUT).await.unwrap();
    assert_eq!((world.claimed(), world.started().len()), (1, 1));
}

#[tokio::test]
async fn what_is_claimed_known_ignored_or_announced_is_measured() {
    let world = World::default();
    let names = ["BatchesClaimed", "BatchesKnown", "BatchesSkipped", "BatchesAnnounced", "UploadsIgnored", "BytesIn"];
    let claimed = world.measures(Txt::Active, SEVERAL, names).await;
    assert_eq!(claimed, [Some(2.0), None, None, None, Some(2.0), Some(2048.0)]);
    let known = world.measures(Txt::Active, SEVERAL, names).await;
    assert_eq!(known, [None, Some(2.0), None, None, Some(2.0), None]);
    let skipped = world.measures(Txt::Standby, SEVERAL, names).await;
    assert_eq!(skipped, [None, Some(2.0), Some(2.0), None, Some(2.0), None]);
    let announced = World::default().measures(Txt::Standby, SEVERAL, names).await;
    assert_eq!(announced, [None, None, Some(2.0), Some(2.0), Some(2.0), None]);
}

#[tokio::test]
async fn a_replica_that_comes_late_is_taken_over_from_the_lost_region_once() {
    let world = World::default();
    let mut lost = world.after(Txt::Active).await;
    lost.owner_region = "us-west-2".into();
    world.table.put(lost);
    for _ in 0..2 {
        world.receives(Txt::Active, PUT).await.unwrap();
    }
    let record = world.record();
    assert_eq!((record.owner_region.as_str(), record.attempt), (REGION, Attempt::new(2)));
    assert_eq!(record.region_history.last().map(String::as_str), Some("us-east-1/2"));
}

#[tokio::test]
async fn what_the_other_region_delivers_or_has_ended_is_left_alone() {
    for status in [BatchStatus::Delivering, BatchStatus::Delivered, BatchStatus::Failed] {
        let world = World::default();
        let record = world.after(Txt::Active).await;
        let theirs = BatchRecord { owner_region: "us-west-2".into(), status, updated: time_text(Noon.now()), ..record };
        world.table.put(theirs.clone());
        world.receives(Txt::Active, PUT).await.unwrap();
        assert_eq!(world.record(), theirs);
    }
}
