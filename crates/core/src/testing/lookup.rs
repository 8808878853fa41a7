//! Reference records and pauses in memory.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use super::{Faults, lock, refused};
use crate::ports::{
    LOOKUP_KEYS, LookupAnswer, LookupRecords, LookupRequest, Pause, RECORD_ID_BYTES, Records, ReferenceRecord,
    ServiceError,
};

/// Reference records in memory.
#[derive(Debug, Default)]
pub struct MemoryLookup {
    tables: BTreeMap<String, BTreeMap<String, ReferenceRecord>>,
    faults: Faults,
    asked: Mutex<Vec<usize>>,
}

impl MemoryLookup {
    /// Without records.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    /// Adds a record.
    pub fn insert(&mut self, table: &str, key: &str, record: ReferenceRecord) {
        self.tables.entry(table.to_owned()).or_default().insert(key.to_owned(), record);
    }

    /// Number of keys in each call so far.
    #[must_use]
    pub fn asked(&self) -> Vec<usize> {
        lock(&self.asked).clone()
    }
}

impl LookupRecords for MemoryLookup {
    async fn lookup(&self, request: &LookupRequest<'_>) -> Result<LookupAnswer, ServiceError> {
        self.faults.call("dynamodb:BatchGetItem")?;
        let LookupRequest { table, fields, keys } = *request;
        check(request)?;
        lock(&self.asked).push(keys.len());
        let mut records = Records::new(fields.len());
        let Some(known) = self.tables.get(table) else {
            return Ok(LookupAnswer { records, unprocessed: Vec::new(), read_units: 0.0 });
        };
        // The service answers in no order.
        for (index, key) in keys.iter().enumerate().rev() {
            if let Some(record) = known.get(*key) {
                records.push(index, fields.iter().map(|field| record.get(field).map_or("", String::as_str)));
            }
        }
        Ok(LookupAnswer { records, unprocessed: Vec::new(), read_units: 0.5 * keys.len() as f64 })
    }
}

/// Refuses what the service refuses.
fn check(request: &LookupRequest<'_>) -> Result<(), ServiceError> {
    let LookupRequest { table, keys, .. } = *request;
    let distinct: HashSet<&str> = keys.iter().copied().collect();
    if keys.is_empty() || keys.len() > LOOKUP_KEYS || distinct.len() < keys.len() {
        return Err(refused("dynamodb:BatchGetItem", "1 to 100 keys, all different"));
    }
    if keys.iter().any(|key| key.is_empty() || table.len() + 1 + key.len() > RECORD_ID_BYTES) {
        return Err(refused("dynamodb:BatchGetItem", "a key has 1 to 2048 bytes"));
    }
    Ok(())
}

/// Pauses that take no time and are written down.
#[derive(Debug, Default)]
pub struct MemoryPause(Mutex<Vec<Duration>>);

impl MemoryPause {
    /// The pauses so far.
    #[must_use]
    pub fn taken(&self) -> Vec<Duration> {
        lock(&self.0).clone()
    }
}

impl Pause for MemoryPause {
    async fn pause(&self, time: Duration) {
        lock(&self.0).push(time);
    }
}
