//! The state table: who may act on a batch, and how far it is.

use std::future::Future;

use super::ServiceError;
use crate::batch::{Attempt, BatchId, BatchRecord, Ending};

/// Answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The record was absent and is now this one.
    Claimed,
    /// Somebody was first; this is what the table holds.
    Exists(Box<BatchRecord>),
}

/// The state table. Writes are conditional and mutually exclusive across Regions (strongly consistent global table);
/// a conflict between Regions is retried by the adapter, with bounds.
pub trait Batches: Send + Sync {
    /// Puts the record if there is none with its id.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer: nothing may be started then.
    fn claim(&self, record: &BatchRecord) -> impl Future<Output = Result<Claim, ServiceError>> + Send;

    /// Reads a record, strongly consistent.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn get(&self, batch_id: &BatchId) -> impl Future<Output = Result<Option<BatchRecord>, ServiceError>> + Send;

    /// CLAIMED → RUNNING with the execution's ARN, if the record is still CLAIMED under this attempt and owner.
    /// Answers whether it was: the execution may already be further, and only its ARN is noted then.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn mark_running(
        &self,
        owner: &Owner,
        execution_arn: &str,
        now: &str,
    ) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// → DELIVERING, if attempt and owner are still these and the batch has not ended. Answers whether it was; `false`
    /// means superseded. May be repeated by the same attempt.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer: nothing may be delivered then.
    fn fence(&self, owner: &Owner, now: &str) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// Ends the batch, if it is DELIVERING under this attempt and owner. Answers whether it was.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn end(&self, owner: &Owner, ending: &Ending, now: &str)
    -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// Notes why an attempt was interrupted, if attempt and owner are still these and the batch has not ended; the status
    /// stays. Answers whether it was.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn interrupt(
        &self,
        owner: &Owner,
        failed_state: &str,
        reason: &str,
        now: &str,
    ) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// Puts `next` in the place of a record, if that is still as it was read: same attempt, status and time of change.
    /// Answers whether it was; `false` means that somebody else was quicker.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer: nothing may be started then.
    fn take_over(
        &self,
        read: &BatchRecord,
        next: &BatchRecord,
    ) -> impl Future<Output = Result<bool, ServiceError>> + Send;

    /// One page of the open batches that a Region owns, the longest unchanged first. Eventually consistent: a record can be
    /// older than the table's, and a batch that was just claimed can be absent.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    fn unfinished(
        &self,
        region: &str,
        after: Option<Cursor>,
    ) -> impl Future<Output = Result<Page, ServiceError>> + Send;
}

/// Where a listing goes on: the last record that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Its batch.
    pub batch_id: BatchId,
    /// Its time of change.
    pub updated: String,
}

/// A page of open batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Vec<BatchRecord>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// Who acts: a batch under one attempt in one Region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The batch.
    pub batch_id: BatchId,
    /// The attempt.
    pub attempt: Attempt,
    /// The Region.
    pub region: String,
}
