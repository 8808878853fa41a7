//! In-memory twins of the ports, for tests of this crate and of the functions.
//!
//! They hold what the real services promise and check what those demand: objects have versions and ETags, a part that is not
//! the last has a least size, a lookup takes at most 100 different keys. [`Faults`] lets the n-th call of a run fail.

mod batches;
mod faults;
mod lookup;
mod objects;
mod workflow;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use batches::MemoryBatches;
pub use faults::Faults;
pub use lookup::{Answering, MemoryLookup, MemoryPause};
pub use objects::MemoryObjects;
pub use workflow::MemoryWorkflow;

use crate::batch::BatchId;
use crate::ports::{RejectedRow, ServiceError, StoreRejects};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(operation: &'static str, message: &str) -> ServiceError {
    ServiceError::Refused { operation, message: message.to_owned() }
}

/// Rejected rows in memory.
#[derive(Debug, Default)]
pub struct MemoryRejects {
    rows: Mutex<BTreeMap<(BatchId, u64), RejectedRow>>,
    faults: Faults,
}

impl MemoryRejects {
    /// Without rows.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    /// The rows of all batches, in order.
    #[must_use]
    pub fn rows(&self) -> Vec<RejectedRow> {
        lock(&self.rows).values().cloned().collect()
    }
}

impl StoreRejects for MemoryRejects {
    async fn store(&self, batch_id: &BatchId, rows: &[RejectedRow]) -> Result<(), ServiceError> {
        self.faults.call("dynamodb:BatchWriteItem")?;
        lock(&self.rows).extend(rows.iter().map(|row| ((batch_id.clone(), row.row), row.clone())));
        Ok(())
    }
}
