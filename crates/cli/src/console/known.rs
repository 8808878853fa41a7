//! What the watchers hand each other: the batches that are shown, how far their executions are, what was uploaded from here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tandem_core::batch::{BatchId, BatchRecord};

use super::watch::Going;

/// Uploads from this page that are looked for by name until the table lists them.
const UPLOADED: usize = 200;

/// What the watchers know between two looks.
#[derive(Default)]
pub struct Known(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    records: Vec<BatchRecord>,
    going: HashMap<BatchId, Going>,
    uploaded: VecDeque<BatchId>,
}

impl Known {
    /// The records of the batches that are shown.
    pub fn records(&self) -> Vec<BatchRecord> {
        self.inner().records.clone()
    }

    /// Replaces them.
    pub fn set_records(&self, records: Vec<BatchRecord>) {
        self.inner().records = records;
    }

    /// How far the executions of the open ones are.
    pub fn going(&self) -> HashMap<BatchId, Going> {
        self.inner().going.clone()
    }

    /// Replaces it.
    pub fn set_going(&self, going: HashMap<BatchId, Going>) {
        self.inner().going = going;
    }

    /// The latest uploads from this page.
    pub fn uploaded(&self) -> Vec<BatchId> {
        self.inner().uploaded.iter().cloned().collect()
    }

    /// Notes one: it may be delivered before any list shows it.
    pub fn upload(&self, id: BatchId) {
        let mut inner = self.inner();
        inner.uploaded.push_back(id);
        if inner.uploaded.len() > UPLOADED {
            inner.uploaded.pop_front();
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
