//! The reference records that one chunk needs, held tightly: one text for all values, one number for each.

use super::keys::Keys;
use super::lookups::{Asked, Lookups};
use crate::dataset::Lookup;
use crate::ports::{LookupRecords, Pause, RECORD_ID_BYTES, Records, ServiceError};

/// In the place of a record's number: the key has none.
const UNMATCHED: u32 = u32::MAX;

/// Reference records by the number of their key.
#[derive(Debug)]
pub(super) struct References {
    records: Vec<u32>,
    known: u32,
    values: String,
    ends: Vec<usize>,
    fields: usize,
}

impl References {
    pub(super) async fn look_up<L: LookupRecords, P: Pause>(
        lookups: &Lookups<'_, L, P>,
        lookup: &Lookup,
        keys: &Keys,
    ) -> Result<(Self, Asked), ServiceError> {
        let fields = lookup.fields.len();
        let mut references = Self {
            records: vec![UNMATCHED; keys.len()],
            known: 0,
            values: String::new(),
            ends: Vec::with_capacity(keys.len() * fields),
            fields,
        };
        // A key that is empty or too long for the table cannot be in it, and asking for it would fail the whole call.
        let longest = RECORD_ID_BYTES - (lookup.table.len() + 1).min(RECORD_ID_BYTES);
        let possible: Vec<usize> =
            (0..keys.len()).filter(|&number| (1..=longest).contains(&keys.get(number).len())).collect();
        let texts: Vec<&str> = possible.iter().map(|&number| keys.get(number)).collect();
        let take = |records: &Records, asked: &[usize]| references.take(records, |key| possible[asked[key]]);
        let asked = lookups.look_up(lookup, &texts, take).await?;
        Ok((references, asked))
    }

    /// Takes an answer's records over, whole: `number` tells a key's number by its index in the request.
    fn take(&mut self, records: &Records, number: impl Fn(usize) -> usize) {
        for (&key, record) in records.keys().iter().zip(self.known..) {
            if let Some(known) = self.records.get_mut(number(key)).filter(|known| **known == UNMATCHED) {
                *known = record;
            }
        }
        self.known += records.len() as u32;
        let (values, ends) = records.values();
        let before = self.values.len();
        self.values.push_str(values);
        self.ends.extend(ends.iter().map(|end| before + end));
    }

    /// The record of a key.
    pub(super) fn get(&self, key: usize) -> Option<usize> {
        self.records.get(key).filter(|record| **record != UNMATCHED).map(|&record| record as usize)
    }

    /// Whether no value has a quote in it.
    pub(super) fn are_without_quotes(&self) -> bool {
        memchr::memchr(b'"', self.values.as_bytes()).is_none()
    }

    /// Bytes of all values.
    pub(super) fn bytes(&self) -> usize {
        self.values.len()
    }

    /// One value of a record.
    pub(super) fn value(&self, record: usize, field: usize) -> &str {
        let at = record * self.fields + field;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.ends.get(at).and_then(|&end| self.values.get(start..end)).unwrap_or_default()
    }
}
