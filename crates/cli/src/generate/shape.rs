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
}

impl Fault {
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
        }
    }
}

/// Makes any row of a file: the n-th row is the same in whatever order, and up to whatever number, rows are made.
pub struct Rows<'a> {
    shape: &'a Shape,
    seed: u64,
    keys: Scramble,
    places: Scramble,
    bad: u64,
}

impl<'a> Rows<'a> {
    /// Rows of `shape`, of which `bad_percent` are bad, to the hundredth.
    pub fn new(shape: &'a Shape, seed: u64, bad_percent: f64) -> Self {
        let bad = (bad_percent.clamp(0.0, 100.0) * 100.0).round() as u64;
        Self { shape, seed, keys: Scramble::new(seed, shape.keys), places: Scramble::new(!seed, BLOCK), bad }
    }

    /// The dataset.
    pub const fn shape(&self) -> &'a Shape {
        self.shape
    }

    /// What is wrong with the row of this number, from 0; `None` for a good row.
    pub fn fault(&self, number: u64) -> Option<Fault> {
        let place = self.places.apply(number % BLOCK);
        // Blocks are shifted against each other, so that no kind is always the one left out.
        let kind = (place + number / BLOCK) % self.shape.faults.len().max(1) as u64;
        if place < self.bad { self.shape.faults.get(usize::try_from(kind).ok()?).copied() } else { None }
    }

    /// Makes the row of this number and, for a good one, its reference record with its key first. Answers whether there is
    /// such a record.
    pub fn make(&self, number: u64, row: &mut Row, reference: &mut Row) -> bool {
        let mut random = Random::of_row(self.seed, number);
        let key = (self.shape.key)(self.keys.apply(number));
        row.clear();
        (self.shape.fill)(&key, &mut random, row);
        if let Some(fault) = self.fault(number) {
            fault.apply(row);
            return false;
        }
        reference.clear();
        reference.push(&key);
        (self.shape.refer)(row, &mut random, reference)
    }
}
