//! The reference records that one chunk needs, held tightly: one text for all values, one number for each.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use crate::dataset::Lookup;
use crate::ports::{LOOKUP_KEYS, LookupAnswer, LookupRecords, LookupRequest, Pause, ServiceError};

/// Lookups under way at once.
const CONCURRENT: usize = 8;

/// How often keys are asked for before the lookup counts as throttled.
const TRIES: u32 = 8;

/// The longest id of a reference record that the table takes, in bytes. A longer one cannot be in it, and asking for it would
/// fail the whole call.
const LONGEST_ID: usize = crate::ports::RECORD_ID_BYTES;

async fn ask<'c, 'k, L: LookupRecords>(
    records: &L,
    lookup: &Lookup,
    keys: &'c [&'k str],
) -> Result<(&'c [&'k str], LookupAnswer), ServiceError> {
    let request = LookupRequest { table: &lookup.table, fields: &lookup.fields, keys };
    Ok((keys, records.lookup(&request).await?))
}

/// Reference records by key.
#[derive(Debug, Default)]
pub(super) struct References {
    index: HashMap<String, usize>,
    values: String,
    ends: Vec<usize>,
    fields: usize,
}

impl References {
    pub(super) async fn look_up<L: LookupRecords, P: Pause>(
        records: &L,
        pause: &P,
        lookup: &Lookup,
        keys: HashSet<String>,
    ) -> Result<Self, ServiceError> {
        let longest = LONGEST_ID - (lookup.table.len() + 1).min(LONGEST_ID);
        let mut keys: Vec<String> = keys.into_iter().filter(|key| !key.is_empty() && key.len() <= longest).collect();
        // In one order, so that a repeated run asks the same.
        keys.sort_unstable();
        let mut references = Self { fields: lookup.fields.len(), ..Self::default() };
        let mut wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut tries = 0;
        while !wanted.is_empty() {
            let calls: Vec<_> = wanted.chunks(LOOKUP_KEYS).map(|keys| ask(records, lookup, keys)).collect();
            let answers: Vec<_> = stream::iter(calls).buffer_unordered(CONCURRENT).try_collect().await?;
            let mut left = Vec::new();
            for (keys, answer) in answers {
                for (key, values) in answer.records.iter() {
                    references.insert(keys[key], values);
                }
                left.extend(answer.unprocessed.iter().map(|&key| keys[key]));
            }
            wanted = left;
            tries += 1;
            if !wanted.is_empty() && tries == TRIES {
                let source = format!("{} keys stayed unprocessed after {TRIES} tries", wanted.len()).into();
                return Err(ServiceError::Throttled { operation: "dynamodb:BatchGetItem", source });
            }
            if !wanted.is_empty() {
                pause.pause(Duration::from_millis(50 << tries)).await;
            }
        }
        Ok(references)
    }

    fn insert<'v>(&mut self, key: &str, values: impl Iterator<Item = &'v str>) {
        if self.index.contains_key(key) {
            return;
        }
        self.index.insert(key.to_owned(), self.index.len());
        for value in values {
            self.values.push_str(value);
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
