//! Reference records: asked for by key, and answered as text that is held once.

use std::future::Future;
use std::time::Duration;

use super::ServiceError;
use crate::dataset::RecordSource;

/// One reference record: field name to value.
pub type ReferenceRecord = std::collections::BTreeMap<String, String>;

/// Most bytes that a reference table's name, a slash and a key have together: what DynamoDB takes as a partition key.
pub const RECORD_ID_BYTES: usize = 2048;

/// Most keys in one [`LookupRecords::lookup`].
pub const LOOKUP_KEYS: usize = 100;

/// What one call asks for.
#[derive(Debug, Clone, Copy)]
pub struct LookupRequest<'a> {
    /// Where to ask. An adapter that knows one place only asks there.
    pub source: &'a RecordSource,
    /// The reference table's name: the first part of its records' ids.
    pub table: &'a str,
    /// The fields of a record that are wanted.
    pub fields: &'a [String],
    /// 1 to [`LOOKUP_KEYS`] keys, all different, none empty, each with at most [`RECORD_ID_BYTES`] together with table and slash.
    pub keys: &'a [&'a str],
}

/// What one call answered.
#[derive(Debug, Clone)]
pub struct LookupAnswer {
    /// The records that there are, in any order.
    pub records: Records,
    /// Indexes of the keys that the service left out of this call and that are to be asked for again.
    pub unprocessed: Vec<usize>,
    /// Read units that the call consumed.
    pub read_units: f64,
    /// How long the service wants to be left alone before the next call; zero where it says nothing.
    pub wait: Duration,
}

impl LookupAnswer {
    /// An answer that leaves no key out.
    #[must_use]
    pub const fn whole(records: Records, read_units: f64) -> Self {
        Self { records, unprocessed: Vec::new(), read_units, wait: Duration::ZERO }
    }
}

/// Values of records: one text for all, so that nothing is allocated for a field.
#[derive(Debug, Clone, Default)]
pub struct Records {
    fields: usize,
    keys: Vec<usize>,
    text: String,
    /// Where each value ends in the text.
    ends: Vec<usize>,
}

impl Records {
    /// Without records, of which each will have as many values as fields were asked for.
    #[must_use]
    pub fn new(fields: usize) -> Self {
        // Room for a full call with short values, so that it is made once for each call.
        let values = LOOKUP_KEYS * fields;
        Self {
            fields,
            keys: Vec::with_capacity(LOOKUP_KEYS),
            text: String::with_capacity(8 * values),
            ends: Vec::with_capacity(values),
        }
    }

    /// Adds the record of a key, given as its index in the request. Values are in the order of the request's fields, empty for
    /// a field that the record lacks; too few are filled up with empty ones, and what is too many is left out.
    pub fn push<'v>(&mut self, key: usize, values: impl IntoIterator<Item = &'v str>) {
        self.keys.push(key);
        for value in values.into_iter().take(self.fields) {
            self.text.push_str(value);
            self.ends.push(self.text.len());
        }
        self.ends.resize(self.keys.len() * self.fields, self.text.len());
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Each record: its key's index in the request, and its values in the order of the request's fields.
    pub fn iter(&self) -> impl Iterator<Item = (usize, impl Iterator<Item = &str>)> {
        self.keys.iter().enumerate().map(|(record, &key)| {
            let values = record * self.fields..(record + 1) * self.fields;
            (key, values.map(|value| self.value(value)))
        })
    }

    /// The index of each record's key in the request.
    pub(crate) fn keys(&self) -> &[usize] {
        &self.keys
    }

    /// The values of all records, one behind the other, and where each ends.
    pub(crate) fn values(&self) -> (&str, &[usize]) {
        (&self.text, &self.ends)
    }

    fn value(&self, at: usize) -> &str {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.ends.get(at).and_then(|&end| self.text.get(start..end)).unwrap_or_default()
    }
}

/// Reads reference records. Eventually consistent; every call may be repeated.
pub trait LookupRecords: Send + Sync {
    /// The records of the given keys; unknown keys are left out. The adapter does not ask again for what was left unprocessed,
    /// nor where the service asked to slow down: it reports, and the caller decides on pauses.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`] when the service refused the call for its rate: all its keys are then unprocessed.
    fn lookup(&self, request: &LookupRequest<'_>) -> impl Future<Output = Result<LookupAnswer, ServiceError>> + Send;
}

/// Waits.
pub trait Pause: Send + Sync {
    /// Waits for this long.
    fn pause(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

#[cfg(test)]
mod tests {
    use super::Records;

    #[test]
    fn records_keep_their_values_apart_whatever_their_number() {
        let mut records = Records::new(2);
        records.push(3, ["a", "bc"]);
        records.push(0, [""]);
        records.push(1, ["", "é", "too many"]);
        let all: Vec<(usize, Vec<&str>)> = records.iter().map(|(key, values)| (key, values.collect())).collect();
        assert_eq!(all, [(3, vec!["a", "bc"]), (0, vec!["", ""]), (1, vec!["", "é"])]);
        let mut none = Records::new(0);
        none.push(5, []);
        assert_eq!(none.iter().map(|(key, values)| (key, values.count())).collect::<Vec<_>>(), [(5, 0)]);
    }
}
