//! Joins valid rows with their reference records, and the two kinds of rejects with each other.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::references::References;
use super::{output_writer, rejects_header};
use crate::csv::{Fields, LineEnds, Records, Text, Writer};
use crate::dataset::{Dataset, Failed, Source, Unmatched};
use crate::payload::{Layout, ReasonCount};
use crate::validate::{rejects_writer, write_reject};

/// Why a work file cannot be read.
type Problem = String;

/// A chunk's valid rows.
pub(super) struct Join<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) layout: &'a Layout,
    pub(super) valid: Bytes,
}

/// A chunk's result.
pub(super) struct Joined {
    pub(super) output: Vec<u8>,
    pub(super) rejects: Vec<u8>,
    pub(super) rows_out: u64,
    pub(super) rows_rejected: u64,
    pub(super) reasons: Vec<ReasonCount>,
}

impl Join<'_> {
    /// The keys that rows ask for, each once.
    pub(super) fn keys(&self) -> Result<HashSet<String>, Problem> {
        let mut keys = HashSet::new();
        self.each_row(|_, row, _| {
            let key = self.key(&row);
            if !keys.contains(key) {
                keys.insert(key.to_owned());
            }
        })?;
        Ok(keys)
    }

    /// The chunk's output and rejects, with header lines if this chunk is the first.
    pub(super) fn with(&self, references: &References, invalid: &[u8], first: bool) -> Result<Joined, Problem> {
        let mut output = output_writer(self.dataset, first);
        let mut rejects = Rejects::new(invalid, first);
        let mut rows_out = 0;
        let unmatched = Failed::new(self.key_field(), "unmatched");
        self.each_row(|number, row, line| {
            let reference = references.get(self.key(&row));
            if reference.is_none() && self.dataset.lookup.unmatched == Unmatched::Reject {
                rejects.add(number, line, &unmatched);
                return;
            }
            rows_out += 1;
            self.write(&mut output, &row, references, reference);
        })?;
        let (rejects, rows_rejected, reasons) = rejects.finish()?;
        Ok(Joined { output: output.into_bytes(), rejects, rows_out, rows_rejected, reasons })
    }

    fn write(&self, output: &mut Writer, row: &Text<'_>, references: &References, reference: Option<usize>) {
        for column in &self.dataset.output.columns {
            let value = match column.source {
                Source::Input(column) => self.field(row, column),
                Source::Lookup(field) => reference.map_or("", |record| references.value(record, field)),
            };
            output.field(value.as_bytes());
        }
        output.end();
    }

    fn key_field(&self) -> &str {
        self.dataset.columns.get(self.dataset.lookup.key).map_or("", |column| &column.field)
    }

    fn key<'r>(&self, row: &Text<'r>) -> &'r str {
        self.field(row, self.dataset.lookup.key)
    }

    /// A field of a valid row, which stands one further right there: the row's number comes first.
    fn field<'r>(&self, row: &Text<'r>, column: usize) -> &'r str {
        self.layout.positions.get(column).and_then(|position| row.get(position + 1)).unwrap_or_default()
    }

    /// Calls with each row's number, the row, and its line, number included.
    fn each_row(&self, mut each: impl FnMut(u64, Text<'_>, &[u8])) -> Result<(), Problem> {
        let mut records = Records::new(self.dataset.delimiter);
        let mut fields = Fields::new(self.dataset.delimiter);
        records.push(self.valid.clone());
        while let Some(line) = records.next() {
            let row = fields.parse(line).text().ok_or("a valid row is not UTF-8")?;
            let number = row.get(0).and_then(|number| number.parse().ok()).ok_or("a row has no number")?;
            each(number, row, line);
        }
        match records.finish() {
            None => Ok(()),
            Some(_) => Err("the last row is cut off".to_owned()),
        }
    }
}

/// The rejects of `validate`, into which those of the join are woven by row number.
struct Rejects<'a> {
    rest: &'a [u8],
    ends: LineEnds,
    writer: Writer,
    rows: u64,
    reasons: BTreeMap<Failed, u64>,
    problem: Option<Problem>,
}

impl<'a> Rejects<'a> {
    fn new(invalid: &'a [u8], header: bool) -> Self {
        let writer = if header { rejects_header() } else { rejects_writer() };
        Self { rest: invalid, ends: LineEnds::new(b','), writer, rows: 0, reasons: BTreeMap::new(), problem: None }
    }

    /// Adds a row whose line begins with its number.
    fn add(&mut self, row: u64, line: &[u8], failed: &Failed) {
        self.copy_before(row);
        let number = row.to_string();
        let record = line.get(number.len() + 1..).unwrap_or_default();
        write_reject(&mut self.writer, number.as_bytes(), failed, record);
        self.count(failed.clone());
    }

    /// Copies the rejects of `validate` whose rows come before this one.
    fn copy_before(&mut self, row: u64) {
        while let Some((number, failed)) = head(self.rest) {
            if number >= row {
                return;
            }
            let Some(length) = self.ends.next(self.rest) else {
                self.problem = Some("the last rejected row is cut off".to_owned());
                self.rest = &[];
                return;
            };
            let (line, rest) = self.rest.split_at(length);
            self.writer.raw(&line[..length - 1]);
            self.rest = rest;
            self.count(failed);
        }
    }

    fn count(&mut self, failed: Failed) {
        self.rows += 1;
        *self.reasons.entry(failed).or_default() += 1;
    }

    fn finish(mut self) -> Result<(Vec<u8>, u64, Vec<ReasonCount>), Problem> {
        self.copy_before(u64::MAX);
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if !self.rest.is_empty() {
            return Err("a rejected row has no number".to_owned());
        }
        let reason = |(failed, count): (Failed, u64)| ReasonCount { field: failed.field, rule: failed.rule, count };
        Ok((self.writer.into_bytes(), self.rows, self.reasons.into_iter().map(reason).collect()))
    }
}

/// Row number and reason of the reject that a text begins with. Neither field names nor rules are ever quoted.
fn head(rejects: &[u8]) -> Option<(u64, Failed)> {
    let mut fields = rejects.splitn(4, |&byte| byte == b',').map(|field| std::str::from_utf8(field).ok());
    let (row, field, rule) = (fields.next()??, fields.next()??, fields.next()??);
    Some((row.parse().ok()?, Failed::new(field, rule)))
}
