//! `deliver` on every way a batch can end, with ports in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Mutex;
use std::time::Duration;

use deliver::Deliver;
use serde_json::{Value, json};
use tandem_aws::lambda::{Function, invoke};
use tandem_aws::telemetry::Metrics;
use tandem_core::batch::{Attempt, BatchId, BatchRecord, BatchStatus, Ending};
use tandem_core::dataset::SilentDatasets;
use tandem_core::event::Upload;
use tandem_core::payload::{BatchInput, DeliverTask, MergeOutput, Outcome};
use tandem_core::ports::{
    Batches, Claim, Clock, Cursor, Email, Mail, MailError, ObjectRef, Owner, Page, Presign, ServiceError, TagObjects,
};

const REGION: &str = "us-east-1";
const LEASE: Duration = Duration::from_secs(30);

/// Everything outside, in memory. Each call leaves its name in `calls`, so that a test can see the order.
struct World {
    record: Mutex<BatchRecord>,
    calls: Mutex<Vec<&'static str>>,
    mails: Mutex<Vec<Email>>,
    fails: Option<&'static str>,
    taken_over_at_end: bool,
    now: Mutex<time::OffsetDateTime>,
    /// How long the process is frozen right after the fence.
    frozen: Duration,
}

impl World {
    fn new() -> Self {
        let upload = Upload {
            bucket: "b".into(),
            key: "input/orders.csv".into(),
            etag: "e".into(),
            version_id: Some("v".into()),
            size: 7,
        };
        let mut record = upload.first_claim("sales-orders", REGION, "2026-01-02T11:59:58.000Z");
        record.status = BatchStatus::Running;
        Self {
            record: Mutex::new(record),
            calls: Mutex::default(),
            mails: Mutex::default(),
            fails: None,
            taken_over_at_end: false,
            now: Mutex::new(time::macros::datetime!(2026-01-02 12:00 UTC)),
            frozen: Duration::ZERO,
        }
    }

    fn called(&self, name: &'static str) -> Result<(), ServiceError> {
        self.calls.lock().unwrap().push(name);
        if self.fails == Some(name) {
            return Err(ServiceError::Unavailable { operation: name, message: "down".into(), source: "down".into() });
        }
        Ok(())
    }

    fn change(&self, owner: &Owner, allowed: impl Fn(BatchStatus) -> bool, to: impl FnOnce(&mut BatchRecord)) -> bool {
        let mut record = self.record.lock().unwrap();
        let held = record.attempt == owner.attempt && record.owner_region == owner.region && allowed(record.status);
        if held {
            to(&mut record);
        }
        held
    }

    fn status(&self) -> BatchStatus {
        self.record.lock().unwrap().status
    }

    fn input(&self) -> BatchInput {
        self.record.lock().unwrap().input()
    }

    fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    fn function(&self) -> Deliver<&Self, &Self, &Self, &Self, &Self> {
        Deliver {
            batches: self,
            presign: self,
            mail: self,
            objects: self,
            clock: self,
            region: REGION.into(),
            link_lifetime: Duration::from_secs(3600),
            lease: LEASE,
            silent: SilentDatasets::read([("probe", r#"{"notify": "nobody"}"#)]).unwrap(),
        }
    }

    async fn runs(&self, task: Value) -> Result<Value, String> {
        let answer = invoke(&self.function(), REGION, task).await.map_err(|failed| failed.error_type)?;
        Ok(serde_json::to_value(answer).unwrap())
    }
}

impl Batches for &World {
    async fn claim(&self, _record: &BatchRecord) -> Result<Claim, ServiceError> {
        panic!("deliver never claims")
    }

    async fn get(&self, _batch_id: &BatchId) -> Result<Option<BatchRecord>, ServiceError> {
        Ok(Some(self.record.lock().unwrap().clone()))
    }

    async fn mark_running(&self, _: &Owner, _: &str, _: &str) -> Result<bool, ServiceError> {
        panic!("deliver never starts")
    }

    async fn fence(&self, owner: &Owner, _now: &str) -> Result<bool, ServiceError> {
        self.called("fence")?;
        let open = |status: BatchStatus| !status.has_ended();
        let fenced = self.change(owner, open, |record| record.status = BatchStatus::Delivering);
        *self.now.lock().unwrap() += self.frozen;
        Ok(fenced)
    }

    async fn end(&self, owner: &Owner, ending: &Ending, _now: &str) -> Result<bool, ServiceError> {
        self.called("end")?;
        if self.taken_over_at_end {
            let mut record = self.record.lock().unwrap();
            record.attempt = Attempt::new(owner.attempt.number() + 1);
            record.status = BatchStatus::Claimed;
        }
        let fenced = |status| status == BatchStatus::Delivering;
        Ok(self.change(owner, fenced, |record| match ending {
            Ending::Delivered(_) => record.status = BatchStatus::Delivered,
            Ending::Failed { reason, .. } => {
                record.status = BatchStatus::Failed;
                record.reason = Some(reason.clone());
            }
        }))
    }

    async fn interrupt(&self, owner: &Owner, _state: &str, reason: &str, _now: &str) -> Result<bool, ServiceError> {
        self.called("interrupt")?;
        let open = |status: BatchStatus| !status.has_ended();
        Ok(self.change(owner, open, |record| record.reason = Some(reason.to_owned())))
    }

    async fn take_over(&self, _: &BatchRecord, _: &BatchRecord) -> Result<bool, ServiceError> {
        panic!("deliver takes nothing over")
    }

    async fn unfinished(&self, _: &str, _: Option<Cursor>) -> Result<Page, ServiceError> {
        panic!("deliver lists nothing")
    }
}

impl Presign for &World {
    async fn presign(&self, key: &str, version: Option<&str>, name: &str) -> Result<String, ServiceError> {
        self.called("presign")?;
        Ok(format!("https://example.com/{key}?version={}&name={name}", version.unwrap_or_default()))
    }
}

impl Mail for &World {
    async fn send(&self, email: &Email, deadline: time::OffsetDateTime) -> Result<(), MailError> {
        let now = *self.now.lock().unwrap();
        if now >= deadline {
            return Err(MailError::TooLate { deadline: deadline.to_string() });
        }
        self.called("mail").map_err(MailError::NotSent)?;
        self.called("answer").map_err(MailError::Undetermined)?;
        self.mails.lock().unwrap().push(email.clone());
        Ok(())
    }
}

impl TagObjects for &World {
    async fn tag_status(&self, object: &ObjectRef, status: &str) -> Result<(), ServiceError> {
        assert_eq!((object.version_id.as_deref(), status), (Some("v"), "delivered"));
        self.called("tag")
    }
}

impl Clock for &World {
    fn now(&self) -> time::OffsetDateTime {
        *self.now.lock().unwrap()
    }
}

fn merged() -> MergeOutput {
    MergeOutput {
        output_key: "output/x/output.csv".into(),
        output_version: Some("o1".into()),
        rejects_key: "output/x/rejects.csv".into(),
        rejects_version: Some("r1".into()),
        rows_in: 10,
        rows_out: 9,
        rows_rejected: 1,
        bytes_out: 99,
        reasons: Vec::new(),
    }
}

fn delivery(batch: &BatchInput) -> Value {
    json!({"action": "deliver", "batch": batch, "merge": merged()})
}

fn failure(action: &str, batch: &BatchInput) -> Value {
    let cause = json!({"errorType": "MissingColumn", "errorMessage": "The column \"uuid\" is missing."}).to_string();
    let error = json!({"Error": "MissingColumn", "Cause": cause});
    json!({"action": action, "batch": batch, "failed_state": "Split", "error": error})
}

#[tokio::test]
async fn a_batch_is_fenced_before_its_owner_hears_of_it_and_ended_after() {
    let world = World::new();
    let answer = world.runs(delivery(&world.input())).await.unwrap();
    assert_eq!(answer, json!({"outcome": "delivered"}));
    assert_eq!(world.calls(), ["fence", "presign", "presign", "mail", "answer", "end", "tag"]);
    assert_eq!(world.status(), BatchStatus::Delivered);
    let mails = world.mails.lock().unwrap();
    assert!(mails[0].text.contains("version=o1&name=orders-output.csv"), "{}", mails[0].text);
    assert!(mails[0].text.contains("2026-01-02T13:00:00.000Z"), "{}", mails[0].text);
}

#[tokio::test]
async fn a_superseded_attempt_tells_nobody_anything() {
    for supersede in [
        (|record: &mut BatchRecord| record.attempt = Attempt::new(2)) as fn(&mut BatchRecord),
        |record| record.owner_region = "us-west-2".into(),
        |record| record.status = BatchStatus::Delivered,
        |record| record.status = BatchStatus::Failed,
    ] {
        let world = World::new();
        let input = world.input();
        supersede(&mut world.record.lock().unwrap());
        for task in [delivery(&input), failure("fail", &input)] {
            assert_eq!(world.runs(task).await.unwrap(), json!({"outcome": "superseded"}));
        }
        assert!(world.mails.lock().unwrap().is_empty());
        assert_eq!(world.calls(), ["fence", "fence"]);
    }
}

#[tokio::test]
async fn delivering_twice_sends_one_mail() {
    let world = World::new();
    let task = delivery(&world.input());
    world.runs(task.clone()).await.unwrap();
    assert_eq!(world.runs(task).await.unwrap(), json!({"outcome": "superseded"}));
    assert_eq!(world.mails.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_failure_before_the_mail_leaves_the_batch_open_for_a_retry_by_the_same_attempt() {
    for broken in ["fence", "presign", "mail"] {
        let mut world = World::new();
        world.fails = Some(broken);
        let task = delivery(&world.input());
        assert_eq!(world.runs(task.clone()).await, Err("ServiceUnavailable".into()), "{broken}");
        assert!(!world.status().has_ended() && world.mails.lock().unwrap().is_empty());
        world.fails = None;
        assert_eq!(world.runs(task).await.unwrap(), json!({"outcome": "delivered"}));
        assert_eq!(world.mails.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_end_that_cannot_be_written_after_the_mail_is_no_error_that_is_retried() {
    for task in ["deliver", "fail"] {
        let mut world = World::new();
        world.fails = Some("end");
        let input = world.input();
        let task = if task == "deliver" { delivery(&input) } else { failure("fail", &input) };
        assert_eq!(world.runs(task).await, Err("EndUnrecorded".into()));
        assert_eq!(world.mails.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_end_that_could_not_be_written_is_written_later_without_another_mail() {
    for (action, record, status) in
        [("deliver", "record_delivered", BatchStatus::Delivered), ("fail", "record_failed", BatchStatus::Failed)]
    {
        let mut world = World::new();
        let input = world.input();
        let task = |action| {
            let mut task = if status == BatchStatus::Delivered { delivery(&input) } else { failure("fail", &input) };
            task["action"] = json!(action);
            task
        };
        world.fails = Some("end");
        assert_eq!(world.runs(task(action)).await, Err("EndUnrecorded".into()));
        assert_eq!(world.runs(task(record)).await, Err("ServiceUnavailable".into()));
        world.fails = None;
        world.runs(task(record)).await.unwrap();
        assert_eq!((world.status(), world.mails.lock().unwrap().len()), (status, 1));
        // Its answer may have been lost, and it comes again.
        world.runs(task(record)).await.unwrap();
        assert_eq!((world.status(), world.mails.lock().unwrap().len()), (status, 1));
    }
}

#[tokio::test]
async fn a_mail_without_an_answer_has_an_error_of_its_own() {
    let mut world = World::new();
    world.fails = Some("answer");
    assert_eq!(world.runs(delivery(&world.input())).await, Err("MailUndetermined".into()));
    assert!(!world.status().has_ended());
}

#[tokio::test]
async fn a_batch_taken_over_between_fence_and_end_is_superseded_and_not_tagged() {
    let mut world = World::new();
    world.taken_over_at_end = true;
    assert_eq!(world.runs(delivery(&world.input())).await.unwrap(), json!({"outcome": "superseded"}));
    assert!(!world.calls().contains(&"tag"));
    assert_eq!(world.status(), BatchStatus::Claimed);
}

#[tokio::test]
async fn an_input_that_cannot_be_tagged_is_delivered_all_the_same() {
    let mut world = World::new();
    world.fails = Some("tag");
    assert_eq!(world.runs(delivery(&world.input())).await.unwrap(), json!({"outcome": "delivered"}));
    assert_eq!(world.status(), BatchStatus::Delivered);
}

#[tokio::test]
async fn the_owner_of_a_faulty_file_is_told_why() {
    let world = World::new();
    assert_eq!(world.runs(failure("fail", &world.input())).await.unwrap(), json!({"outcome": "failed"}));
    assert_eq!(world.status(), BatchStatus::Failed);
    assert_eq!(world.record.lock().unwrap().reason.as_deref(), Some("The column \"uuid\" is missing."));
    assert!(world.mails.lock().unwrap()[0].text.contains("The column \"uuid\" is missing."));
}

#[tokio::test]
async fn an_interruption_is_noted_and_the_batch_stays_open() {
    let world = World::new();
    assert_eq!(world.runs(failure("interrupt", &world.input())).await.unwrap(), json!({"outcome": "interrupted"}));
    assert!(!world.status().has_ended());
    assert_eq!(world.calls(), ["interrupt"]);
    assert!(world.record.lock().unwrap().reason.as_deref().unwrap().contains("MissingColumn"));
}

#[tokio::test]
async fn a_delivery_is_measured_in_rows_bytes_and_seconds_end_to_end() {
    let world = World::new();
    let mut metrics = Metrics::begin("deliver", REGION);
    let task: DeliverTask = serde_json::from_value(delivery(&world.input())).unwrap();
    let answer = world.function().handle(task, &mut metrics).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Delivered);
    let values = ["RowsIn", "RowsOut", "RowsRejected", "BytesOut", "BatchesDelivered", "EndToEndSeconds"]
        .map(|name| metrics.value(name));
    assert_eq!(values, [10.0, 9.0, 1.0, 99.0, 1.0, 2.0].map(Some));
}

#[tokio::test]
async fn a_deliverer_that_was_frozen_beyond_its_lease_sends_nothing() {
    let mut world = World::new();
    world.frozen = LEASE;
    let task = delivery(&world.input());
    assert_eq!(world.runs(task.clone()).await, Err("LeaseExpired".into()));
    assert!(world.mails.lock().unwrap().is_empty());
    // Tried again it must pass the fence again, which it does only while nobody else has the batch.
    world.frozen = Duration::ZERO;
    assert_eq!(world.runs(task).await.unwrap(), json!({"outcome": "delivered"}));
}

#[tokio::test]
async fn who_is_told_of_used_up_attempts_is_told_that_it_was_not_their_file() {
    let world = World::new();
    let error = json!({"Error": "AttemptsUsedUp", "Cause": "ServiceUnavailable: s3:GetObject failed"});
    let task = json!({"action": "fail", "batch": world.input(), "failed_state": "Split", "error": error});
    assert_eq!(world.runs(task).await.unwrap(), json!({"outcome": "failed"}));
    assert!(world.mails.lock().unwrap()[0].text.contains("not your file"));
}

#[tokio::test]
async fn the_mail_of_an_ended_batch_is_sent_again_on_request_and_nothing_changes() {
    let world = World::new();
    world.runs(delivery(&world.input())).await.unwrap();
    {
        let mut record = world.record.lock().unwrap();
        record.output_key = Some("output/x/output.csv".into());
        record.output_version = Some("o1".into());
        record.rejects_key = Some("output/x/rejects.csv".into());
        record.rows_in = Some(10);
    }
    let before = world.record.lock().unwrap().clone();
    let resend = json!({"action": "resend", "batch_id": before.batch_id});
    assert_eq!(world.runs(resend).await.unwrap(), json!({"outcome": "resent"}));
    assert_eq!(*world.record.lock().unwrap(), before);
    let mails = world.mails.lock().unwrap();
    assert_eq!(mails.len(), 2);
    assert!(mails[1].text.contains("version=o1&name=orders-output.csv"), "{}", mails[1].text);
}

#[tokio::test]
async fn the_mail_of_an_open_batch_cannot_be_sent_again() {
    let world = World::new();
    let resend = json!({"action": "resend", "batch_id": world.input().batch_id});
    assert_eq!(world.runs(resend).await, Err("StillOpen".into()));
    assert!(world.mails.lock().unwrap().is_empty());
}

/// A world whose batch belongs to a dataset of which nobody is told.
fn silent_world() -> World {
    let world = World::new();
    world.record.lock().unwrap().dataset = "probe".into();
    world
}

#[tokio::test]
async fn a_batch_that_nobody_is_told_of_is_fenced_and_ended_by_the_same_writes_without_a_mail() {
    for (task, status) in [("deliver", BatchStatus::Delivered), ("fail", BatchStatus::Failed)] {
        let world = silent_world();
        let input = world.input();
        let task = if task == "deliver" { delivery(&input) } else { failure("fail", &input) };
        world.runs(task.clone()).await.unwrap();
        assert_eq!(world.status(), status);
        let tag = if status == BatchStatus::Delivered { &["tag"][..] } else { &[] };
        assert_eq!(world.calls(), [&["fence", "end"], tag].concat());
        // Ended once: what comes again is superseded.
        assert_eq!(world.runs(task).await.unwrap(), json!({"outcome": "superseded"}));
        assert!(world.mails.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_superseded_attempt_at_a_batch_that_nobody_is_told_of_ends_nothing() {
    let world = silent_world();
    let input = world.input();
    world.record.lock().unwrap().attempt = Attempt::new(2);
    assert_eq!(world.runs(delivery(&input)).await.unwrap(), json!({"outcome": "superseded"}));
    assert_eq!((world.calls(), world.status()), (vec!["fence"], BatchStatus::Running));
    let mut world = silent_world();
    world.taken_over_at_end = true;
    assert_eq!(world.runs(delivery(&world.input())).await.unwrap(), json!({"outcome": "superseded"}));
    assert_eq!(world.status(), BatchStatus::Claimed);
}

#[tokio::test]
async fn where_nothing_was_mailed_an_end_that_could_not_be_written_is_an_error_that_is_retried() {
    let mut world = silent_world();
    world.fails = Some("end");
    let task = delivery(&world.input());
    assert_eq!(world.runs(task.clone()).await, Err("ServiceUnavailable".into()));
    world.fails = None;
    assert_eq!(world.runs(task).await.unwrap(), json!({"outcome": "delivered"}));
}

#[tokio::test]
async fn a_mail_that_never_was_is_not_sent_again() {
    let world = silent_world();
    world.runs(delivery(&world.input())).await.unwrap();
    let resend = json!({"action": "resend", "batch_id": world.input().batch_id});
    assert_eq!(world.runs(resend).await, Err("MailsNobody".into()));
    assert!(world.mails.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_that_nobody_is_told_of_is_counted_with_its_bytes_and_its_rows_and_seconds_pass_for_nobodys() {
    for (task, counted) in [("deliver", "BatchesDelivered"), ("fail", "BatchesFailed")] {
        let world = silent_world();
        let input = world.input();
        let task = if task == "deliver" { delivery(&input) } else { failure("fail", &input) };
        let mut metrics = Metrics::begin("deliver", REGION);
        world.function().handle(serde_json::from_value(task).unwrap(), &mut metrics).await.unwrap();
        assert_eq!(metrics.value(counted), Some(1.0));
        assert_eq!(metrics.value("BytesOut"), (counted == "BatchesDelivered").then_some(99.0));
        let owners = ["RowsIn", "RowsOut", "RowsRejected", "EndToEndSeconds"].map(|name| metrics.value(name));
        assert_eq!(owners, [None; 4]);
    }
}
