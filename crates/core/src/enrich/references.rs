//! The reference records that one chunk needs, held tightly: one text for all values, one number for each.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use crate::dataset::Lookup;
use crate::ports::{LOOKUP_KEYS, LookupRecords, ReferenceRecord, ServiceError};

/// Lookups under way at once.
const CONCURRENT: usize = 8;

/// The longest id of a reference record that the table takes, in bytes. A longer one cannot be in it, and asking for it would
/// fail the whole call.
const LONGEST_ID: usize = crate::ports::RECORD_ID_BYTES;

/// Reference records by key.
#[derive(Debug, Default)]
pub(super) struct References {
    index: HashMap<String, usize>,
    values: String,
    ends: Vec<usize>,
    fields: usize,
}

impl References {
    pub(super) async fn look_up<L: LookupRecords>(
        records: &L,
        lookup: &Lookup,
        keys: HashSet<String>,
    ) -> Result<Self, ServiceError> {
        let longest = LONGEST_ID - (lookup.table.len() + 1).min(LONGEST_ID);
        let mut keys: Vec<String> = keys.into_iter().filter(|key| !key.is_empty() && key.len() <= longest).collect();
        // In one order, so that a repeated run asks the same.
        keys.sort_unstable();
        let calls: Vec<Vec<String>> = keys.chunks(LOOKUP_KEYS).map(<[String]>::to_vec).collect();
        drop(keys);
        let references = Self { fields: lookup.fields.len(), ..Self::default() };
        stream::iter(calls)
            .map(|keys| async move { records.lookup(&lookup.table, &keys).await })
            .buffer_unordered(CONCURRENT)
            .try_fold(references, |mut references, found| async move {
                for (key, record) in found {
                    references.insert(lookup, key, &record);
                }
                Ok(references)
            })
            .await
    }

    fn insert(&mut self, lookup: &Lookup, key: String, record: &ReferenceRecord) {
        if self.index.contains_key(&key) {
            return;
        }
        self.index.insert(key, self.index.len());
        for field in &lookup.fields {
            self.values.push_str(record.get(field).map_or("", String::as_str));
            self.ends.push(self.values.len());
        }
    }

    /// The record of a key.
    pub(super) fn get(&self, key: &str) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// One value of a record.
    pub(super) fn value(&self, record: usize, field: usize) -> &str {
        let at = record * self.fields + field;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.ends.get(at).and_then(|&end| self.values.get(start..end)).unwrap_or_default()
    }
}
