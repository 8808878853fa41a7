//! The state table in memory, by the rules of [`crate::ownership`].

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Faults, lock};
use crate::batch::{BatchId, BatchRecord, Ending};
use crate::ownership;
use crate::ports::{Batches, Claim, Cursor, Owner, Page, ServiceError};

/// Records that a page of open batches holds: few, so that tests meet a second page.
const PAGE: usize = 2;

/// A strongly consistent table; clones share it, as the two Regions do.
#[derive(Debug, Clone, Default)]
pub struct MemoryBatches {
    records: std::sync::Arc<Mutex<BTreeMap<BatchId, BatchRecord>>>,
    faults: Faults,
}

impl MemoryBatches {
    /// Without records.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    /// The same table, reached with other faults.
    #[must_use]
    pub fn reached_with(&self, faults: Faults) -> Self {
        Self { faults, ..self.clone() }
    }

    /// Every record, in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<BatchRecord> {
        lock(&self.records).values().cloned().collect()
    }

    /// Puts a record as it is.
    pub fn put(&self, record: BatchRecord) {
        lock(&self.records).insert(record.batch_id.clone(), record);
    }

    fn change(&self, owner: &Owner, change: impl FnOnce(&BatchRecord) -> Option<BatchRecord>) -> bool {
        let mut records = lock(&self.records);
        let next = records.get(&owner.batch_id).and_then(change);
        next.is_some_and(|next| records.insert(owner.batch_id.clone(), next).is_some())
    }
}

impl Batches for MemoryBatches {
    async fn claim(&self, record: &BatchRecord) -> Result<Claim, ServiceError> {
        self.faults.call("dynamodb:PutItem")?;
        let mut records = lock(&self.records);
        if let Some(known) = records.get(&record.batch_id) {
            return Ok(Claim::Exists(Box::new(known.clone())));
        }
        records.insert(record.batch_id.clone(), record.clone());
        Ok(Claim::Claimed)
    }

    async fn get(&self, batch_id: &BatchId) -> Result<Option<BatchRecord>, ServiceError> {
        self.faults.call("dynamodb:GetItem")?;
        Ok(lock(&self.records).get(batch_id).cloned())
    }

    async fn mark_running(&self, owner: &Owner, execution_arn: &str, now: &str) -> Result<bool, ServiceError> {
        self.faults.call("dynamodb:UpdateItem")?;
        let marked = self.change(owner, |record| ownership::running(record, owner, execution_arn, now));
        if !marked {
            self.change(owner, |record| ownership::execution_noted(record, owner, execution_arn));
        }
        Ok(marked)
    }

    async fn fence(&self, owner: &Owner, now: &str) -> Result<bool, ServiceError> {
        self.faults.call("dynamodb:UpdateItem")?;
        Ok(self.change(owner, |record| ownership::delivering(record, owner, now)))
    }

    async fn end(&self, owner: &Owner, ending: &Ending, now: &str) -> Result<bool, ServiceError> {
        self.faults.call("dynamodb:UpdateItem")?;
        Ok(self.change(owner, |record| ownership::ended(record, owner, ending, now)))
    }

    async fn interrupt(
        &self,
        owner: &Owner,
        failed_state: &str,
        reason: &str,
        now: &str,
    ) -> Result<bool, ServiceError> {
        self.faults.call("dynamodb:UpdateItem")?;
        Ok(self.change(owner, |record| ownership::interrupted(record, owner, failed_state, reason, now)))
    }

    async fn take_over(&self, read: &BatchRecord, next: &BatchRecord) -> Result<bool, ServiceError> {
        self.faults.call("dynamodb:PutItem")?;
        let mut records = lock(&self.records);
        let held = records.get(&read.batch_id).is_some_and(|record| ownership::is_as_read(record, read));
        if held {
            records.insert(next.batch_id.clone(), next.clone());
        }
        Ok(held)
    }

    async fn unfinished(&self, region: &str, after: Option<Cursor>) -> Result<Page, ServiceError> {
        self.faults.call("dynamodb:Query")?;
        let place = |record: &BatchRecord| (record.updated.clone(), record.batch_id.clone());
        let after = after.map(|cursor| (cursor.updated, cursor.batch_id));
        let mut open: Vec<BatchRecord> = lock(&self.records)
            .values()
            .filter(|record| record.owner_region == region && !record.status.has_ended())
            .filter(|record| after.as_ref().is_none_or(|after| place(record) > *after))
            .cloned()
            .collect();
        open.sort_by_key(place);
        let more = open.len() > PAGE;
        open.truncate(PAGE);
        let last = open.last().filter(|_| more);
        let next = last.map(|record| Cursor { batch_id: record.batch_id.clone(), updated: record.updated.clone() });
        Ok(Page { records: open, next })
    }
}
