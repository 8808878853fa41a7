//! The file's way through the global endpoint, stage by stage.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::{Either, select};

use super::sample::{ROWS, Run};
use super::{AskStanding, Canary, Global, Stage};
use crate::batch::{BatchId, BatchRecord, BatchStatus};
use crate::ports::{Batches, Clock, LookupRecords, ObjectRef, Pause, ReadObjects, ServiceError, WriteObjects};
use crate::protocol::time_text;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// A result is a few hundred bytes; of a wrong one no more is read than tells that it is wrong.
const LARGEST: usize = 64 * 1024;

/// How far the file has come, for whoever gives up waiting.
#[derive(Debug, Default)]
struct Way(Mutex<Known>);

#[derive(Debug, Clone)]
struct Known {
    stage: Stage,
    batch_id: Option<BatchId>,
    region: Option<String>,
    /// The last call that failed, and may succeed yet.
    last: Option<String>,
    /// Which Region's state table answered last.
    answering: usize,
}

impl Default for Known {
    fn default() -> Self {
        Self { stage: Stage::Upload, batch_id: None, region: None, last: None, answering: 0 }
    }
}

impl Way {
    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Enters a stage; what failed before has passed.
    fn enter(&self, stage: Stage) {
        self.change(|known| (known.stage, known.last) = (stage, None));
    }

    fn failed(&self, error: &ServiceError) {
        self.change(|known| known.last = Some(error.to_string()));
    }

    fn known(&self) -> Known {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why nothing more is waited for.
    fn over(&self, seconds: f64) -> String {
        let last = self.known().last.map(|error| format!("; the last answer was: {error}"));
        format!("not over after {seconds:.0} s{}", last.unwrap_or_default())
    }
}

impl<E, O, B, L, A, T> Canary<'_, E, O, B, L, A, T>
where
    E: ReadObjects + WriteObjects,
    O: ReadObjects + WriteObjects,
    B: Batches,
    L: LookupRecords,
    A: AskStanding,
    T: Clock + Pause,
{
    pub(super) async fn endpoint_until(&self, run: &Run, stop: impl Future<Output = ()>) -> Global {
        let (way, began) = (Way::default(), time_text(self.time.now()));
        let went = match select(pin!(self.go(run, &way, &began)), pin!(stop)).await {
            Either::Left((went, _)) => went,
            Either::Right(((), _)) => Err(way.over(self.seconds(&began))),
        };
        let Known { stage, batch_id, region, .. } = way.known();
        let failed = went.is_err().then_some(stage);
        let seconds = self.seconds(&began);
        Global { ok: went.is_ok(), seconds, batch_id, region, stage: failed, reason: went.err() }
    }

    async fn go(&self, run: &Run, way: &Way, began: &str) -> Result<(), String> {
        let body = Bytes::from(run.input());
        let stored = self.endpoint.write(self.access_point, &run.key(), "text/csv", body).await;
        let etag = stored.map_err(|error| error.to_string())?.etag;
        if etag.is_empty() {
            return Err(String::from("the upload was answered without an ETag"));
        }
        let batch_id = BatchId::of(&run.key(), &etag);
        way.change(|known| known.batch_id = Some(batch_id.clone()));
        let record = self.delivered(&batch_id, way, began).await?;
        way.enter(Stage::Fetch);
        let output = self.fetch(record.output_key.as_deref(), record.output_version.as_deref(), way, began).await?;
        let rejects = self.fetch(record.rejects_key.as_deref(), record.rejects_version.as_deref(), way, began).await?;
        way.enter(Stage::Content);
        compare(run, &record, &output, &rejects)
    }

    /// Waits until the state table says that the batch was delivered.
    async fn delivered(&self, batch_id: &BatchId, way: &Way, began: &str) -> Result<BatchRecord, String> {
        way.enter(Stage::Claim);
        loop {
            match self.record(batch_id, way).await {
                Ok(Some(record)) => {
                    way.enter(Stage::Delivery);
                    way.change(|known| known.region = Some(record.owner_region.clone()));
                    match record.status {
                        BatchStatus::Delivered => return Ok(record),
                        BatchStatus::Failed => return Err(failure(&record)),
                        _ => {}
                    }
                }
                Ok(None) => {}
                Err(error) => way.failed(&error),
            }
            self.wait(way, began).await?;
        }
    }

    /// The record, from whichever Region answers; the one that did last is asked first, because one that is away takes long.
    async fn record(&self, batch_id: &BatchId, way: &Way) -> Result<Option<BatchRecord>, ServiceError> {
        let mut away = ServiceError::NotFound { what: String::from("a Region to ask") };
        let (count, first) = (self.regions.len(), way.known().answering);
        for (number, region) in self.regions.iter().enumerate().cycle().skip(first).take(count) {
            match region.batches.get(batch_id).await {
                Ok(record) => {
                    way.change(|known| known.answering = number);
                    return Ok(record);
                }
                Err(error) => away = error,
            }
        }
        Err(away)
    }

    /// One result, as its link would give it. It may be on its way to the Region that the endpoint leads to.
    async fn fetch(&self, key: Option<&str>, version: Option<&str>, way: &Way, began: &str) -> Result<Vec<u8>, String> {
        let key = key.ok_or("the record of the delivered batch names no result")?;
        let object = ObjectRef {
            bucket: self.access_point.to_owned(),
            key: key.to_owned(),
            etag: None,
            version_id: version.map(str::to_owned),
        };
        loop {
            match read(self.endpoint, &object).await {
                Ok(content) => return Ok(content),
                // Refused as well, which without the right to list is how S3 says "not yet there".
                Err(error) => way.failed(&error),
            }
            self.wait(way, began).await?;
        }
    }

    async fn wait(&self, way: &Way, began: &str) -> Result<(), String> {
        let seconds = self.seconds(began);
        if seconds >= self.patience.as_secs_f64() {
            return Err(way.over(seconds));
        }
        self.time.pause(LOOK).await;
        Ok(())
    }
}

/// A small object, whole.
pub(super) async fn read(objects: &impl ReadObjects, object: &ObjectRef) -> Result<Vec<u8>, ServiceError> {
    let mut body = objects.read(object, None).await?.stream;
    let mut content = Vec::new();
    while let Some(bytes) = body.try_next().await? {
        content.extend_from_slice(&bytes);
        if content.len() > LARGEST {
            break;
        }
    }
    Ok(content)
}

fn failure(record: &BatchRecord) -> String {
    let state = record.failed_state.as_deref().unwrap_or("an unknown state");
    format!("the batch is FAILED, at {state}: {}", record.reason.as_deref().unwrap_or("no reason is noted"))
}

fn compare(run: &Run, record: &BatchRecord, output: &[u8], rejects: &[u8]) -> Result<(), String> {
    run.compare(output, rejects)?;
    let rows = (record.rows_out.unwrap_or_default(), record.rows_rejected.unwrap_or_default());
    if rows == ROWS {
        return Ok(());
    }
    Err(format!(
        "the record counts {} rows delivered and {} rejected instead of {} and {}",
        rows.0, rows.1, ROWS.0, ROWS.1
    ))
}
