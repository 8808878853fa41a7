//! The different keys of a chunk's rows: one text for all, and for each row which of them it has.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Keys by number, in the order in which rows first have them.
#[derive(Debug, Default)]
pub(super) struct Keys {
    text: String,
    /// Where each key ends in the text.
    ends: Vec<usize>,
    numbers: HashTable<usize>,
    hasher: DefaultHashBuilder,
    of_rows: Vec<usize>,
}

impl Keys {
    /// Room for the keys of so many rows.
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            ends: Vec::with_capacity(rows),
            numbers: HashTable::with_capacity(rows),
            of_rows: Vec::with_capacity(rows),
            ..Self::default()
        }
    }

    /// Adds the key of the next row.
    pub(super) fn push(&mut self, key: &str) {
        let Self { text, ends, numbers, hasher, of_rows } = self;
        let is_key = |&number: &usize| get(text, ends, number) == key;
        let hash_of = |&number: &usize| hasher.hash_one(get(text, ends, number));
        let number = *numbers.entry(hasher.hash_one(key), is_key, hash_of).or_insert(ends.len()).get();
        if number == ends.len() {
            text.push_str(key);
            ends.push(text.len());
        }
        of_rows.push(number);
    }

    /// Number of different keys.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A key by its number.
    pub(super) fn get(&self, number: usize) -> &str {
        get(&self.text, &self.ends, number)
    }

    /// Which key each row has.
    pub(super) fn of_rows(&self) -> &[usize] {
        &self.of_rows
    }
}

fn get<'t>(text: &'t str, ends: &[usize], number: usize) -> &'t str {
    let start = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or_default();
    ends.get(number).and_then(|&end| text.get(start..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn each_key_is_held_once_and_every_row_finds_its_own() {
        let rows = ["b", "", "a", "b", "é", "", "ab", "a"];
        for capacity in [0, 100] {
            let mut keys = Keys::with_capacity(capacity);
            rows.iter().for_each(|key| keys.push(key));
            assert_eq!((0..keys.len()).map(|number| keys.get(number)).collect::<Vec<_>>(), ["b", "", "a", "é", "ab"]);
            let of_rows: Vec<&str> = keys.of_rows().iter().map(|&number| keys.get(number)).collect();
            assert_eq!(of_rows, rows);
        }
    }
}
