//! What the generator knows of a dataset: its columns, its values, its reference records, and what can be wrong with a row.

use super::random::{Random, Scramble};
use super::row::Row;

/// Rows in a block. Among those of a whole block, exactly the percentage asked for is bad.
const BLOCK: u64 = 10_000;

/// A dataset, as something to make rows of.
pub struct Shape {
    /// Name of the dataset.
    pub dataset: &'static str,
    /// Separates the fields.
    pub delimiter: u8,
    /// Headers, in the order of the file.
    pub columns: &'static [&'static str],
    /// How many keys there are: so many rows can be made.
    pub keys: u64,
    /// The key with this number.
    pub key: fn(u64) -> String,
    /// Appends the fields of a good row with this key.
    pub fill: fn(&str, &mut Random, &mut Row),
    /// The fields of a reference record.
    pub reference: &'static [&'static str],
    /// Appends the reference record's fields, without its key, for the row given first; answers whether there is a record.
    pub refer: fn(&Row, &mut Random, &mut Row) -> bool,
    /// What can be wrong with a row; each is as frequent as the others.
    pub faults: &'static [Fault],
}

/// What is wrong with a bad row.
#[derive(Clone, Copy)]
pub enum Fault {
    /// The last field is missing.
    TooFewFields,
    /// There is a field too many.
    TooManyFields,
    /// The row is as it should be, but nobody knows its key.
    UnknownKey,
    /// The field of this column is no longer what it should be.
    Spoilt(usize, fn(&mut Vec<u8>)),
    /// The field of this column ends with these bytes, which are no UTF-8.
    NotUtf8(usize, &'static [u8]),
}

impl Fault {
    /// Whether the row still is text with the right number of fields: a fault that every reader of CSV can pass on.
    pub const fn is_well_formed(self) -> bool {
        matches!(self, Self::UnknownKey | Self::Spoilt(..))
    }

    fn apply(self, row: &mut Row) {
        match self {
            Self::TooFewFields => row.pop(),
            Self::TooManyFields => row.push("surplus"),
            Self::UnknownKey => {}
            Self::Spoilt(column, spoil) => {
                if let Some(field) = row.field_mut(column) {
                    spoil(field);
                }
            }
            Self::NotUtf8(column, bytes) => {
                if let Some(field) = row.field_mut(column) {
                    field.extend_from_slice(bytes);
                }
            }
        }
    }
}

/// Makes any row of a file: the n-th row is the same in whatever order, and up to whatever number, rows are made.
pub struct Rows<'a> {
    shape: &'a Shape,
    seed: u64,
    keys: Keys,
    places: Scramble,
    bad: u64,
    faults: Vec<Fault>,
}

/// Which key a row has.
enum Keys {
    /// One of its own.
    Own(Scramble),
    /// One of the first so many of a series: each of them once, in another order, in every so many rows.
    Shared(Scramble, u64),
}

/// Of the series of shared keys and of their records: one for all seeds.
const SHARED_SEED: u64 = 0;

impl<'a> Rows<'a> {
    /// Rows of `shape`, of which `bad_percent` are bad, to the hundredth.
    pub fn new(shape: &'a Shape, seed: u64, bad_percent: f64) -> Self {
        let bad = (bad_percent.clamp(0.0, 100.0) * 100.0).round() as u64;
        let keys = Keys::Own(Scramble::new(seed, shape.keys));
        Self { shape, seed, keys, places: Scramble::new(!seed, BLOCK), bad, faults: shape.faults.to_vec() }
    }

    /// The same rows, but bad ones are bad only in ways that leave them well-formed.
    #[must_use]
    pub fn well_formed(mut self) -> Self {
        self.faults.retain(|fault| fault.is_well_formed());
        self
    }

    /// The same rows, their keys drawn from so many, which are fewer than the dataset has.
    #[must_use]
    pub fn with_keys(self, shared: Option<u64>) -> Self {
        let Some(shared) = shared else { return self };
        Self { keys: Keys::Shared(Scramble::new(SHARED_SEED, self.shape.keys), shared), ..self }
    }

    /// How many keys rows share; 0 where each has its own.
    pub const fn shared_keys(&self) -> u64 {
        match self.keys {
            Keys::Own(_) => 0,
            Keys::Shared(_, shared) => shared,
        }
    }

    /// The key of a row, which nobody knows if that is what is wrong with it.
    fn key(&self, number: u64, fault: Option<Fault>) -> String {
        (self.shape.key)(match &self.keys {
            Keys::Own(keys) => keys.apply(number),
            Keys::Shared(keys, shared) if matches!(fault, Some(Fault::UnknownKey)) => {
                keys.apply(shared + number % (self.shape.keys - shared))
            }
            Keys::Shared(keys, shared) => {
                let (round, place) = (number / shared, number % shared);
                keys.apply(Scramble::new(self.seed.wrapping_add(round), *shared).apply(place))
            }
        })
    }

    /// Makes the reference record of a shared key, from 0. Answers whether there is one. `row` is overwritten.
    pub fn record_of(&self, number: u64, row: &mut Row, record: &mut Row) -> bool {
        let Keys::Shared(keys, _) = &self.keys else { return false };
        let mut random = Random::of_row(SHARED_SEED, number);
        let key = (self.shape.key)(keys.apply(number));
        row.clear();
        (self.shape.fill)(&key, &mut random, row);
        record.clear();
        record.push(&key);
        (self.shape.refer)(row, &mut random, record)
    }

    /// The dataset.
    pub const fn shape(&self) -> &'a Shape {
        self.shape
    }

    /// What is wrong with the row of this number, from 0; `None` for a good row.
    pub fn fault(&self, number: u64) -> Option<Fault> {
        let place = self.places.apply(number % BLOCK);
        // Blocks are shifted against each other, so that no kind is always the one left out.
        let kind = (place + number / BLOCK) % self.faults.len().max(1) as u64;
        if place < self.bad { self.faults.get(usize::try_from(kind).ok()?).copied() } else { None }
    }

    /// Makes the row of this number and, for a good one with a key of its own, its reference record with its key first.
    /// Answers whether there is such a record.
    pub fn make(&self, number: u64, row: &mut Row, reference: &mut Row) -> bool {
        let mut random = Random::of_row(self.seed, number);
        let fault = self.fault(number);
        let key = self.key(number, fault);
        row.clear();
        (self.shape.fill)(&key, &mut random, row);
        if let Some(fault) = fault {
            fault.apply(row);
            return false;
        }
        if matches!(self.keys, Keys::Shared(..)) {
            return false;
        }
        reference.clear();
        reference.push(&key);
        (self.shape.refer)(row, &mut random, reference)
    }
}
