//! Reconciling in two Regions that share one table.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Mutex;
use std::time::Duration;

use tandem_core::batch::{Attempt, BatchRecord, BatchStatus};
use tandem_core::event::Upload;
use tandem_core::ownership::{GIVE_UP_TRIES, Limits};
use tandem_core::ports::{Batches, Clock, WriteObjects};
use tandem_core::protocol::Protocol;
use tandem_core::reconcile::{Pass, ReconcileError, Reconciler};
use tandem_core::regions::Regions;
use tandem_core::testing::{Faults, MemoryBatches, MemoryObjects, MemoryWorkflow};
use time::OffsetDateTime;

const LIMITS: Limits = Limits { max_attempts: 3, grace: Duration::from_secs(360), pause: Duration::ZERO };

/// A clock that a test moves.
struct Hands(Mutex<OffsetDateTime>);

impl Clock for Hands {
    /// Each look is a little later than the one before.
    fn now(&self) -> OffsetDateTime {
        let mut now = self.0.lock().unwrap();
        *now += time::Duration::milliseconds(1);
        *now
    }
}

/// Two Regions, one table.
struct World {
    batches: MemoryBatches,
    east: Regions,
    west: Regions,
    workflow: [MemoryWorkflow; 2],
    objects: MemoryObjects,
    clock: Hands,
}

impl World {
    fn new() -> Self {
        let regions = |here| Regions::new(here, &format!("b-{here}"), "us-east-1", "us-west-2").unwrap();
        Self {
            batches: MemoryBatches::default(),
            east: regions("us-east-1"),
            west: regions("us-west-2"),
            workflow: [MemoryWorkflow::default(), MemoryWorkflow::default()],
            objects: MemoryObjects::default(),
            clock: Hands(Mutex::new(time::macros::datetime!(2026-01-02 12:00 UTC))),
        }
    }

    fn in_region<'a>(
        &'a self,
        regions: &'a Regions,
    ) -> Reconciler<'a, MemoryBatches, MemoryWorkflow, MemoryObjects, Hands> {
        let protocol = Protocol {
            batches: &self.batches,
            workflow: &self.workflow[usize::from(regions == &self.west)],
            clock: &self.clock,
            regions,
            limits: LIMITS,
        };
        Reconciler { protocol, objects: &self.objects, patience: Duration::from_secs(240) }
    }

    async fn east(&self) -> Pass {
        self.in_region(&self.east).run().await.unwrap()
    }

    async fn west(&self) -> Pass {
        self.in_region(&self.west).run().await.unwrap()
    }

    fn later(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() += time::Duration::seconds(seconds);
    }

    /// Writes the input to a Region's bucket and answers what its event says.
    async fn stored(&self, regions: &Regions, key: &str, content: &'static str) -> Upload {
        let stored = self.objects.write(regions.bucket(), key, "text/csv", content.into()).await.unwrap();
        Upload {
            bucket: regions.bucket().into(),
            key: key.into(),
            etag: stored.etag,
            version_id: stored.version_id,
            size: content.len() as u64,
        }
    }

    /// A batch that the east has claimed and started; its input is replicated if so wanted.
    async fn begun_in_the_east(&self, key: &str, replicated: bool) -> BatchRecord {
        let upload = self.stored(&self.east, key, "content").await;
        if replicated {
            self.stored(&self.west, key, "content").await;
        }
        self.in_region(&self.east).protocol.take_in("sales-orders", &upload).await.unwrap();
        self.record(key)
    }

    fn record(&self, key: &str) -> BatchRecord {
        self.batches.all().into_iter().find(|record| record.key == key).unwrap()
    }
}

#[tokio::test]
async fn what_the_lost_region_left_open_is_taken_over_and_what_is_not_here_is_named() {
    let world = World::new();
    for number in 0..5 {
        world.begun_in_the_east(&format!("input/{number}.csv"), number != 3).await;
    }
    let pass = world.west().await;
    assert_eq!((pass.counts.taken_over, pass.counts.missing, pass.settled), (4, 1, false));
    assert_eq!(pass.missing[0].key, "input/3.csv");
    let taken = world.record("input/0.csv");
    assert_eq!(
        (taken.owner_region.as_str(), taken.attempt, taken.status),
        ("us-west-2", Attempt::new(2), BatchStatus::Running)
    );
    assert_eq!(taken.bucket, "b-us-west-2");
    let missing = world.record("input/3.csv");
    assert_eq!((missing.owner_region.as_str(), missing.attempt), ("us-east-1", Attempt::FIRST));

    world.stored(&world.west, "input/3.csv", "content").await;
    let pass = world.west().await;
    assert_eq!((pass.counts.taken_over, pass.counts.running, pass.settled), (1, 4, true));
}

#[tokio::test]
async fn another_content_under_the_inputs_key_is_reported_and_never_processed_as_that_batch() {
    let world = World::new();
    world.begun_in_the_east("input/a.csv", false).await;
    world.stored(&world.west, "input/a.csv", "another").await;
    let pass = world.west().await;
    assert_eq!((pass.counts.changed, pass.counts.taken_over, pass.settled), (1, 0, false));
    assert_eq!(world.workflow[1].started(), []);
}

#[tokio::test]
async fn a_batch_that_was_overwritten_is_taken_over_from_its_own_version() {
    let world = World::new();
    let upload = world.stored(&world.west, "input/a.csv", "content").await;
    world.in_region(&world.west).protocol.announce("sales-orders", &upload, "us-east-1").await.unwrap();
    world.stored(&world.west, "input/a.csv", "another").await;
    assert_eq!(world.west().await.counts.taken_over, 1);
    assert_eq!(world.workflow[1].started()[0].batch.version_id, upload.version_id);
}

#[tokio::test]
async fn what_was_claimed_and_never_started_is_started_under_the_same_attempt() {
    let mut world = World::new();
    world.workflow[0] = MemoryWorkflow::new(Faults::at(0));
    let upload = world.stored(&world.east, "input/a.csv", "content").await;
    assert!(world.in_region(&world.east).protocol.take_in("sales-orders", &upload).await.is_err());
    assert_eq!(world.east().await.counts.started, 1);
    assert_eq!(world.record("input/a.csv").attempt, Attempt::FIRST);
    assert_eq!(world.east().await.counts.running, 1);
}

#[tokio::test]
async fn an_own_batch_whose_execution_has_ended_badly_is_begun_again() {
    let world = World::new();
    world.begun_in_the_east("input/a.csv", false).await;
    assert_eq!(world.east().await.counts.running, 1);
    world.workflow[0].end_all();
    assert_eq!(world.east().await.counts.taken_over, 1);
    assert_eq!(world.record("input/a.csv").attempt, Attempt::new(2));
}

#[tokio::test]
async fn a_batch_that_is_being_delivered_is_left_for_the_grace() {
    let world = World::new();
    let record = world.begun_in_the_east("input/a.csv", true).await;
    let now = tandem_core::protocol::time_text(world.clock.now());
    assert!(world.batches.fence(&record.input().owner("us-east-1"), &now).await.unwrap());
    let pass = world.west().await;
    assert_eq!((pass.counts.waiting, pass.settled), (1, false));
    world.later(360);
    assert_eq!(world.west().await.counts.taken_over, 1);
}

#[tokio::test]
async fn two_passes_at_once_take_a_batch_once() {
    let world = World::new();
    for number in 0..4 {
        world.begun_in_the_east(&format!("input/{number}.csv"), true).await;
    }
    let (first, second) = tokio::join!(world.west(), world.west());
    assert_eq!(first.counts.taken_over + second.counts.taken_over, 4);
    assert!(world.batches.all().iter().all(|record| record.attempt == Attempt::new(2)));
}

#[tokio::test]
async fn used_up_attempts_end_in_telling_the_owner_and_then_in_a_report() {
    let world = World::new();
    world.begun_in_the_east("input/a.csv", false).await;
    let mut fates = Vec::new();
    for _ in 0..LIMITS.max_attempts + GIVE_UP_TRIES {
        world.workflow[0].end_all();
        let counts = world.east().await.counts;
        fates.push((counts.taken_over, counts.given_up, counts.stuck));
    }
    let expected = [vec![(1, 0, 0); 2], vec![(0, 1, 0); GIVE_UP_TRIES as usize], vec![(0, 0, 1)]].concat();
    assert_eq!(fates, expected);
    let inputs = world.workflow[0].started();
    let telling = inputs.iter().filter(|input| input.give_up.is_some()).count();
    assert_eq!((inputs.len(), telling), (3 + 5, 5));

    let again = world.in_region(&world.east).rerun(&world.record("input/a.csv").batch_id).await.unwrap();
    assert!(!again.gives_up);
    world.workflow[0].end_all();
    assert_eq!(world.east().await.counts.taken_over, 1);
}

#[tokio::test]
async fn a_batch_whose_input_is_not_here_is_never_given_up_here() {
    let world = World::new();
    let record = world.begun_in_the_east("input/a.csv", false).await;
    world.batches.put(BatchRecord { attempt: Attempt::new(LIMITS.max_attempts), ..record });
    let pass = world.west().await;
    assert_eq!((pass.counts.missing, pass.counts.given_up), (1, 0));
    world.stored(&world.west, "input/a.csv", "content").await;
    assert_eq!(world.west().await.counts.given_up, 1);
}

#[tokio::test]
async fn one_batch_that_cannot_be_dealt_with_keeps_no_other_waiting() {
    let mut world = World::new();
    for number in 0..3 {
        world.begun_in_the_east(&format!("input/{number}.csv"), true).await;
    }
    world.workflow[1] = MemoryWorkflow::new(Faults::at(0));
    let pass = world.west().await;
    assert_eq!((pass.counts.taken_over, pass.counts.failed, pass.settled), (2, 1, false));
    assert!(pass.failed[0].error.as_deref().unwrap().contains("StartExecution"));
    let pass = world.west().await;
    assert_eq!((pass.counts.started, pass.counts.running, pass.settled), (1, 2, true));
}

#[tokio::test]
async fn only_a_batch_that_has_ended_is_run_again_on_request() {
    let world = World::new();
    let record = world.begun_in_the_east("input/a.csv", false).await;
    let reconciler = world.in_region(&world.east);
    assert!(matches!(reconciler.rerun(&record.batch_id).await, Err(ReconcileError::StillOpen { .. })));
    world.batches.put(BatchRecord { status: BatchStatus::Delivered, rows_out: Some(1), ..record.clone() });
    let elsewhere = world.in_region(&world.west);
    assert!(matches!(elsewhere.rerun(&record.batch_id).await, Err(ReconcileError::InputMissing { .. })));
    let again = reconciler.rerun(&record.batch_id).await.unwrap();
    assert_eq!((again.attempt, again.first_attempt, again.rows_out), (Attempt::new(2), Attempt::new(2), None));
    assert_eq!(world.record("input/a.csv").status, BatchStatus::Running);
}

#[tokio::test]
async fn failing_back_takes_everything_back_and_leaves_the_attempts_in_the_history() {
    let world = World::new();
    world.begun_in_the_east("input/a.csv", true).await;
    world.west().await;
    world.east().await;
    let record = world.record("input/a.csv");
    assert_eq!(record.region_history, ["us-east-1/1", "us-west-2/2", "us-east-1/3"]);
    assert_eq!(record.status, BatchStatus::Running);
}
