//! Joins valid rows with their reference records, and the two kinds of rejects with each other.

use bytes::Bytes;

use super::keys::Keys;
use super::references::References;
use super::{output_writer, rejects_header};
use crate::csv::{Fields, LineEnds, Record, Records, Writer};
use crate::dataset::{Dataset, Formulas, Source, Unmatched};
use crate::payload::{Layout, ReasonCount};
use crate::validate::{RowNumber, rejects_writer, write_reject};

/// Why a work file cannot be read.
type Problem = String;

const NOT_UTF8: &str = "a valid row is not UTF-8";

/// Room is made at first for the keys of at most so many rows: a manifest's number is no reason to take any memory.
const ROWS_AT_FIRST: usize = 1 << 20;

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
    /// The keys of so many rows. Only what is needed to find them is looked at: the rows are read once more, and as a whole,
    /// when they are joined.
    pub(super) fn keys(&self, rows: u64) -> Result<Keys, Problem> {
        let mut keys = Keys::with_capacity(usize::try_from(rows).unwrap_or_default().min(ROWS_AT_FIRST));
        let mut fields = Fields::new(self.dataset.delimiter);
        let position = self.layout.positions.get(self.dataset.lookup.key).map(|position| position + 1);
        // Once for all: fields are cut at ASCII characters, which leaves them whole.
        std::str::from_utf8(&self.valid).map_err(|_| NOT_UTF8)?;
        self.each_line(|line| {
            let key = position.and_then(|position| fields.field(line, position)).unwrap_or_default();
            keys.push(std::str::from_utf8(key).map_err(|_| NOT_UTF8)?);
            Ok(())
        })?;
        Ok(keys)
    }

    /// The chunk's output and rejects, with header lines if this chunk is the first.
    pub(super) fn with(
        &self,
        keys: &Keys,
        references: &References,
        invalid: &[u8],
        first: bool,
    ) -> Result<Joined, Problem> {
        let mut output = output_writer(self.dataset, first).with_room(self.output_bytes(keys, references));
        let formulas = self.dataset.output.formulas;
        let mut rejects = Rejects::new(invalid, first, self.dataset);
        let mut rows_out = 0;
        let mut keys = keys.of_rows().iter();
        let mut fields = Fields::new(self.dataset.delimiter);
        let plain = references.are_without_quotes();
        self.each_line(|line| {
            let row = fields.parse(line);
            let number = row.get(0).and_then(|number| str::from_utf8(number).ok()?.parse().ok());
            let number = number.ok_or("a row has no number")?;
            let reference = keys.next().and_then(|&key| references.get(key));
            if reference.is_none() && self.dataset.lookup.unmatched == Unmatched::Reject {
                rejects.add(number, line, self.key_field(), "unmatched");
                return Ok(());
            }
            rows_out += 1;
            if formulas == Formulas::Quote {
                self.write(&row, references, reference, |value| {
                    output.cell(formulas, value);
                });
            } else if plain && row.is_without_quotes() {
                self.write(&row, references, reference, |value| output.field_without_quote(value));
            } else {
                self.write(&row, references, reference, |value| {
                    output.field(value);
                });
            }
            output.end();
            Ok(())
        })?;
        let (rejects, rows_rejected, reasons) = rejects.finish()?;
        Ok(Joined { output: output.into_bytes(), rejects, rows_out, rows_rejected, reasons })
    }

    /// What the output takes at most, if no quote is doubled and each record stands in it once.
    fn output_bytes(&self, keys: &Keys, references: &References) -> usize {
        let rows = keys.of_rows().len();
        self.valid.len() + references.bytes() + 3 * rows * self.dataset.output.columns.len()
    }

    /// Hands over the fields of a row of the output.
    fn write(&self, row: &Record<'_>, references: &References, reference: Option<usize>, mut field: impl FnMut(&[u8])) {
        for column in &self.dataset.output.columns {
            match column.source {
                Source::Input(column) => field(self.field(row, column)),
                Source::Lookup(at) => field(reference.map_or("", |record| references.value(record, at)).as_bytes()),
            }
        }
    }

    fn key_field(&self) -> &str {
        self.dataset.columns.get(self.dataset.lookup.key).map_or("", |column| &column.field)
    }

    /// A field of a valid row, which stands one further right there: the row's number comes first.
    fn field<'r>(&self, row: &Record<'r>, column: usize) -> &'r [u8] {
        self.layout.positions.get(column).and_then(|position| row.get(position + 1)).unwrap_or_default()
    }

    /// Calls with each row's line, its number included.
    fn each_line(&self, mut each: impl FnMut(&[u8]) -> Result<(), &'static str>) -> Result<(), Problem> {
        let mut records = Records::new(self.dataset.delimiter);
        records.push(self.valid.clone());
        while let Some(line) = records.next() {
            each(line)?;
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
    dataset: &'a Dataset,
    rows: u64,
    reasons: Reasons,
    problem: Option<Problem>,
}

impl<'a> Rejects<'a> {
    fn new(invalid: &'a [u8], header: bool, dataset: &'a Dataset) -> Self {
        let writer = if header { rejects_header() } else { rejects_writer() };
        let (ends, reasons) = (LineEnds::new(b','), Reasons::default());
        Self { rest: invalid, ends, writer, dataset, rows: 0, reasons, problem: None }
    }

    /// Adds a row whose line begins with its number.
    fn add(&mut self, row: u64, line: &[u8], field: &str, rule: &str) {
        self.copy_before(row);
        let mut digits = RowNumber::default();
        let number = digits.write(row);
        let record = line.get(number.len() + 1..).unwrap_or_default();
        write_reject(&mut self.writer, self.dataset, number, [field, rule], record);
        self.count(field, rule);
    }

    /// Copies the rejects of `validate` whose rows come before this one.
    fn copy_before(&mut self, row: u64) {
        while let Some((number, field, rule)) = head(self.rest) {
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
            self.count(field, rule);
        }
    }

    fn count(&mut self, field: &str, rule: &str) {
        self.rows += 1;
        self.reasons.count(field, rule);
    }

    fn finish(mut self) -> Result<(Vec<u8>, u64, Vec<ReasonCount>), Problem> {
        self.copy_before(u64::MAX);
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if !self.rest.is_empty() {
            return Err("a rejected row has no number".to_owned());
        }
        Ok((self.writer.into_bytes(), self.rows, self.reasons.sorted()))
    }
}

/// How often rows were rejected for what: as few reasons as there are fields and rules, so they are looked through.
#[derive(Default)]
struct Reasons(Vec<ReasonCount>);

impl Reasons {
    fn count(&mut self, field: &str, rule: &str) {
        match self.0.iter_mut().find(|reason| reason.field == field && reason.rule == rule) {
            Some(reason) => reason.count += 1,
            None => self.0.push(ReasonCount { field: field.to_owned(), rule: rule.to_owned(), count: 1 }),
        }
    }

    fn sorted(mut self) -> Vec<ReasonCount> {
        self.0.sort_unstable_by(|one, other| (&one.field, &one.rule).cmp(&(&other.field, &other.rule)));
        self.0
    }
}

/// Row number, field and rule of the reject that a text begins with. Neither field names nor rules are ever quoted.
fn head(rejects: &[u8]) -> Option<(u64, &str, &str)> {
    let mut fields = rejects.splitn(4, |&byte| byte == b',').map(|field| std::str::from_utf8(field).ok());
    let (row, field, rule) = (fields.next()??, fields.next()??, fields.next()??);
    Some((row.parse().ok()?, field, rule))
}
