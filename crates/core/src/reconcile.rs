//! Reconciling: what the active Region does about every batch that is open.
//!
//! It takes over what the other Region left open, starts and restarts what is its own, and names the inputs that are not
//! here without giving them up. Every step is conditional, so that two passes at once, even in both Regions, do no more
//! than one. A batch that cannot be dealt with does not keep the others waiting.

mod pass;
mod report;

use std::time::Duration;

use futures::{StreamExt, stream};
use time::OffsetDateTime;

use crate::batch::{BatchId, BatchRecord};
use crate::error::{Classified, ErrorType};
use crate::ownership::{self, Next};
use crate::ports::{Batches, Clock, Cursor, InspectObjects, ObjectRef, Page, ServiceError, Workflow};
use crate::protocol::{Protocol, time_text};
use crate::work::WorkError;

pub use pass::{Counts, Item, NAMED, Pass};
pub use report::{FailoverReport, RunId, merged, read_report, report_key, write_pass, write_report};

/// How many batches are dealt with at once.
const CONCURRENT: usize = 16;

/// What reconciling needs.
#[derive(Debug)]
pub struct Reconciler<'a, B, W, O, C> {
    /// Claims, takes over, starts.
    pub protocol: Protocol<'a, B, W, C>,
    /// Where inputs are looked for.
    pub objects: &'a O,
    /// How long one pass may take; what is left by then is the next one's.
    pub patience: Duration,
}

/// Why something that was asked of the reconciler was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// This Region is not the one that should act.
    #[error("{region} stands by, {active} is active: ask there, or fail over first")]
    NotActive {
        /// Where it was asked.
        region: String,
        /// Which Region is active.
        active: String,
    },
    /// There is no such batch.
    #[error("there is no batch {0}")]
    UnknownBatch(BatchId),
    /// The batch is still open.
    #[error("batch {batch_id} is {status} in {owner_region}: only a batch that has ended can be run again")]
    StillOpen {
        /// The batch.
        batch_id: BatchId,
        /// Where it stands.
        status: crate::batch::BatchStatus,
        /// Who owns it.
        owner_region: String,
    },
    /// The input is not in this Region's bucket.
    #[error("the input {key} with ETag {etag} is not in {bucket}: upload it again, which makes no second batch")]
    InputMissing {
        /// Its key.
        key: String,
        /// Its ETag.
        etag: String,
        /// Where it was looked for.
        bucket: String,
    },
    /// A service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A report could not be read or written.
    #[error(transparent)]
    Report(#[from] WorkError),
}

impl Classified for ReconcileError {
    fn error_type(&self) -> ErrorType {
        match self {
            Self::NotActive { .. } => ErrorType::NotActive,
            Self::UnknownBatch(_) => ErrorType::UnknownBatch,
            Self::StillOpen { .. } => ErrorType::StillOpen,
            Self::InputMissing { .. } => ErrorType::InputMissing,
            Self::Service(error) => error.error_type(),
            Self::Report(error) => error.error_type(),
        }
    }
}

/// What was done about one batch.
#[derive(Debug)]
pub(crate) enum Done {
    TakenOver(BatchRecord),
    Started,
    GivenUp(BatchRecord),
    Running,
    Waiting,
    Missing,
    Changed,
    Stuck,
    /// Somebody else was quicker, or it has ended.
    Nothing,
    Failed(ServiceError),
}

/// Where a batch's input is.
enum Input {
    /// Here, as this version.
    Here(Option<String>),
    /// Not here.
    Missing,
    /// Another content stands under its key, and its own version is not here.
    Changed,
}

impl<B: Batches, W: Workflow, O: InspectObjects, C: Clock> Reconciler<'_, B, W, O, C> {
    /// Deals once with every open batch of both Regions. To be called only where the TXT record says so.
    ///
    /// # Errors
    /// [`ServiceError`] when the open batches cannot be listed; what was done until then is done.
    pub async fn run(&self) -> Result<Pass, ServiceError> {
        let regions = self.protocol.regions;
        let started = self.protocol.clock.now();
        let mut pass = Pass::begun(regions.here(), started);
        // The lost Region's first: nobody else looks after them.
        for owner in [regions.other(), regions.here()] {
            let mut after: Option<Cursor> = None;
            while pass.complete {
                let page = self.protocol.batches.unfinished(owner, after).await?;
                after = page.next.clone();
                if self.deal_with_page(&mut pass, page, started).await {
                    // Of the other Region's batches nobody knows why they changed: they are the next pass's.
                    pass.complete &= owner == regions.here();
                    break;
                }
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(pass.over(self.protocol.clock.now()))
    }

    /// Deals with a page; answers whether it has come to batches that have changed since the pass began. Those are under way,
    /// perhaps by this very pass: once in a pass is enough.
    async fn deal_with_page(&self, pass: &mut Pass, page: Page, started: OffsetDateTime) -> bool {
        let begun = time_text(started);
        let (before, since): (Vec<_>, Vec<_>) = page.records.into_iter().partition(|record| record.updated <= begun);
        let mut done = stream::iter(before)
            .map(|record| async move {
                let in_time = self.protocol.clock.now() - started < self.patience;
                let done = if in_time { Some(self.deal_with(&record).await) } else { None };
                (record, done)
            })
            .buffer_unordered(CONCURRENT);
        while let Some((record, done)) = done.next().await {
            match done {
                Some(done) => pass.note(&record, done),
                None => pass.complete = false,
            }
        }
        !since.is_empty()
    }

    /// Runs a batch that has ended, or that nobody could end, once more.
    ///
    /// # Errors
    /// [`ReconcileError`], which says why not.
    pub async fn rerun(&self, batch_id: &BatchId) -> Result<BatchRecord, ReconcileError> {
        let read = self.protocol.batches.get(batch_id).await?;
        let read = read.ok_or_else(|| ReconcileError::UnknownBatch(batch_id.clone()))?;
        let still_open = || ReconcileError::StillOpen {
            batch_id: batch_id.clone(),
            status: read.status,
            owner_region: read.owner_region.clone(),
        };
        if !read.status.has_ended() && self.next(&read).await? != Next::Stuck {
            return Err(still_open());
        }
        let Input::Here(version_id) = self.input(&read).await? else {
            return Err(ReconcileError::InputMissing {
                key: read.key.clone(),
                etag: read.etag.clone(),
                bucket: self.protocol.regions.bucket().to_owned(),
            });
        };
        self.protocol.rerun(&read, version_id.as_deref()).await?.ok_or_else(still_open)
    }

    async fn deal_with(&self, listed: &BatchRecord) -> Done {
        self.try_to_deal_with(listed).await.unwrap_or_else(Done::Failed)
    }

    async fn try_to_deal_with(&self, listed: &BatchRecord) -> Result<Done, ServiceError> {
        // The index may be behind the table.
        let Some(record) = self.protocol.batches.get(&listed.batch_id).await? else { return Ok(Done::Nothing) };
        if record.status.has_ended() {
            return Ok(Done::Nothing);
        }
        match self.next(&record).await? {
            Next::Leave => Ok(Done::Running),
            Next::Wait => Ok(Done::Waiting),
            Next::Stuck => Ok(Done::Stuck),
            Next::Start if record.gives_up => self.protocol.start(&record).await.map(|()| Done::Started),
            // Also where it is given up: an input that is not here has not failed here.
            next @ (Next::Start | Next::TakeOver | Next::GiveUp) => match self.input(&record).await? {
                Input::Missing => Ok(Done::Missing),
                Input::Changed => Ok(Done::Changed),
                Input::Here(version)
                    if next == Next::Start && (record.version_id.is_none() || version == record.version_id) =>
                {
                    self.protocol.start(&record).await.map(|()| Done::Started)
                }
                Input::Here(version) => {
                    let gives_up = next == Next::GiveUp;
                    let taken = self.protocol.take_over(&record, version.as_deref(), gives_up).await?;
                    Ok(taken.map_or(Done::Nothing, if gives_up { Done::GivenUp } else { Done::TakenOver }))
                }
            },
        }
    }

    /// What the rules say, with the execution's state where they depend on it.
    async fn next(&self, record: &BatchRecord) -> Result<Next, ServiceError> {
        let (here, mut execution) = (self.protocol.regions.here(), None);
        if let Some(arn) = record.execution_arn.as_deref().filter(|_| ownership::depends_on_execution(record, here)) {
            execution = Some(self.protocol.workflow.state(arn).await?);
        }
        Ok(ownership::next(record, here, execution, &self.protocol.limits, self.protocol.clock.now()))
    }

    /// Looks for the input in this Region's bucket: the version that was claimed, or one with the same content.
    async fn input(&self, record: &BatchRecord) -> Result<Input, ServiceError> {
        let head = |version_id: Option<String>| async move {
            let object = ObjectRef {
                bucket: self.protocol.regions.bucket().to_owned(),
                key: record.key.clone(),
                etag: None,
                version_id,
            };
            self.objects.head(&object).await
        };
        if record.version_id.is_some() {
            match head(record.version_id.clone()).await {
                Ok(Some(found)) if found.etag == record.etag => return Ok(Input::Here(record.version_id.clone())),
                // A version that is not there may be answered as one that must not be seen; the key decides.
                Ok(_) | Err(ServiceError::Denied { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(match head(None).await? {
            Some(found) if found.etag == record.etag => Input::Here(found.version_id),
            Some(_) => Input::Changed,
            None => Input::Missing,
        })
    }
}

/// What a pass of the Region that stands by says.
#[must_use]
pub fn standing_by(region: &str, active: &str, now: time::OffsetDateTime) -> Pass {
    Pass { active: false, record: active.to_owned(), settled: false, ..Pass::begun(region, now).over(now) }
}

/// Name of the report object of a pass.
#[must_use]
pub fn pass_key(pass: &Pass) -> String {
    format!("reports/reconcile/{}-{}.json", pass.started_at.replace(':', ""), pass.region)
}

/// A time as reports hold it.
fn at(time: time::OffsetDateTime) -> String {
    time_text(time)
}
