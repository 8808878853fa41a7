//! The reference table in memory: one text for all records, and their places in it.

use std::hash::BuildHasher;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};
use tandem_core::dataset::Lookup;
use tandem_core::ports::{LookupAnswer, LookupRecords, LookupRequest, Pause, Records, ServiceError};

use super::stopped;
use crate::reference::records::Records as Reader;

/// Records read between two looks at whether somebody wants to stop.
const STRIDE: usize = 4_096;

/// Bits of a length that one byte carries. Two are left: the highest, which keeps the text valid, and one that says more follows.
const LENGTH_BITS: u32 = 6;
const MORE: u8 = 1 << LENGTH_BITS;

/// Reference records by key, all with the same fields.
#[derive(Debug, Default)]
pub struct Table {
    /// For each record its key and its values, each behind its length.
    text: String,
    /// Where in the text each record begins.
    places: HashTable<u64>,
    hasher: DefaultHashBuilder,
    fields: usize,
}

impl Table {
    /// Reads a file. Where a key stands twice, the later record counts.
    ///
    /// # Errors
    /// When the file is not what the lookup needs, with the line; or when `stop` became true.
    pub fn load(path: &Path, lookup: &Lookup, stop: &AtomicBool) -> anyhow::Result<Self> {
        let mut reader = Reader::open(path, &lookup.fields)?;
        let mut table = Self { fields: lookup.fields.len(), ..Self::default() };
        let bytes = std::fs::metadata(path)?.len();
        let mut read = 0_usize;
        while reader.next_text(|key, values| table.insert(key, values))? {
            read += 1;
            if read.is_multiple_of(STRIDE) {
                stopped(stop)?;
            }
            if read == STRIDE {
                table.expect(bytes / (reader.offset() / STRIDE as u64).max(1));
            }
        }
        Ok(table)
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Makes room for about so many records at once: making it step by step would place every record several times.
    fn expect(&mut self, records: u64) {
        let (text, hasher) = (&self.text, &self.hasher);
        let more = usize::try_from(records + records / 50).unwrap_or_default().saturating_sub(self.places.len());
        // No more than memory holds: what is estimated wrongly is only slower.
        let _ = self.places.try_reserve(more, |place| hasher.hash_one(key_at(text, *place)));
    }

    fn insert<'v>(&mut self, key: &str, values: impl Iterator<Item = &'v str>) {
        let place = self.text.len();
        push(&mut self.text, key);
        values.for_each(|value| push(&mut self.text, value));
        let (text, hasher) = (&self.text, &self.hasher);
        let hash_at = |place: &u64| hasher.hash_one(key_at(text, *place));
        let entry = self.places.entry(hasher.hash_one(key), |at| key_at(text, *at) == key, hash_at);
        entry.insert(place as u64);
    }

    /// Hands over the values of each of these keys that has a record. First all are looked for, then all are read: what one
    /// has to wait for until memory answers, another waits for at the same time.
    fn each<'t>(&'t self, keys: &[&str], mut found: impl FnMut(usize, Values<'t>)) {
        let hashes: Vec<u64> = keys.iter().map(|key| self.hasher.hash_one(key)).collect();
        // By the few bits of a hash that the table itself holds: mostly the right one, without a look at the text.
        let likely: Vec<Option<u64>> = hashes.iter().map(|&hash| self.places.find(hash, |_| true).copied()).collect();
        for (index, (key, likely)) in keys.iter().zip(likely).enumerate() {
            let Some(likely) = likely else { continue };
            let is_key = |at: &u64| key_at(&self.text, *at) == *key;
            let place = if is_key(&likely) { Some(&likely) } else { self.places.find(hashes[index], is_key) };
            if let Some(&place) = place {
                found(index, self.values(place));
            }
        }
    }

    fn values(&self, place: u64) -> Values<'_> {
        let mut rest = &self.text[position(place)..];
        take(&mut rest);
        Values { rest, left: self.fields }
    }
}

/// The values of one record.
struct Values<'t> {
    rest: &'t str,
    left: usize,
}

impl<'t> Iterator for Values<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        self.left = self.left.checked_sub(1)?;
        Some(take(&mut self.rest))
    }
}

fn position(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

fn key_at(text: &str, place: u64) -> &str {
    take(&mut text.get(position(place)..).unwrap_or_default())
}

fn push(text: &mut String, value: &str) {
    let mut length = value.len();
    loop {
        let low = (length & usize::from(MORE - 1)) as u8;
        length >>= LENGTH_BITS;
        text.push(char::from(if length > 0 { low | MORE } else { low }));
        if length == 0 {
            break;
        }
    }
    text.push_str(value);
}

/// Takes the next value off the text.
fn take<'t>(rest: &mut &'t str) -> &'t str {
    let (mut length, mut shift) = (0_usize, 0);
    for (at, byte) in rest.bytes().enumerate() {
        length |= usize::from(byte & (MORE - 1)) << shift;
        shift += LENGTH_BITS;
        if byte & MORE == 0 {
            let (value, behind) = rest[at + 1..].split_at(length);
            *rest = behind;
            return value;
        }
    }
    ""
}

impl LookupRecords for Table {
    async fn lookup(&self, request: &LookupRequest<'_>) -> Result<LookupAnswer, ServiceError> {
        let mut records = Records::new(self.fields);
        self.each(request.keys, |index, values| records.push(index, values));
        Ok(LookupAnswer::whole(records, 0.0))
    }
}

impl Pause for Table {
    /// Never needed: nothing stays unprocessed.
    async fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(records: &[(&str, [&str; 2])]) -> Table {
        let mut table = Table { fields: 2, ..Table::default() };
        for (key, values) in records {
            table.insert(key, values.iter().copied());
        }
        table
    }

    fn values(table: &Table, key: &str) -> Option<Vec<String>> {
        let mut all = None;
        table.each(&[key], |_, values| all = Some(values.map(str::to_owned).collect()));
        all
    }

    #[test]
    fn values_of_any_length_come_back_as_they_went_in() {
        for length in [0, 1, 63, 64, 65, 4_095, 4_096, 300_000] {
            let long = "ß".repeat(length);
            let table = table(&[("k", [&long, ""]), (&long, ["a", "größe"])]);
            assert_eq!(values(&table, &long), Some(vec!["a".into(), "größe".into()]));
            assert_eq!(values(&table, "k"), Some(vec![long, String::new()]));
        }
    }

    #[test]
    fn a_key_is_known_only_as_a_whole_and_its_last_record_counts() {
        let table = table(&[("12", ["a", "b"]), ("123", ["c", "d"]), ("12", ["e", "f"])]);
        assert_eq!((table.len(), values(&table, "1"), values(&table, "1234")), (2, None, None));
        assert_eq!(values(&table, "12"), Some(vec!["e".into(), "f".into()]));
    }

    #[test]
    fn many_keys_are_found_again() {
        let keys: Vec<String> = (0..10_000).map(|number| format!("{number:09}")).collect();
        let mut table = Table { fields: 1, ..Table::default() };
        keys.iter().for_each(|key| table.insert(key, std::iter::once(key.as_str())));
        assert!(keys.iter().all(|key| values(&table, key) == Some(vec![key.clone()])));
    }
}
