//! Writes records: UTF-8 or whatever bytes came, LF, quotes doubled.

use memchr::{memchr, memchr_iter, memchr3};

use super::formula::{guarded, is_formula};
use crate::dataset::{Formulas, Quoting};

/// Writes records into a buffer.
#[derive(Debug)]
pub struct Writer {
    delimiter: u8,
    quoting: Quoting,
    bytes: Vec<u8>,
    /// Where the record being written begins, and how many fields it has.
    start: usize,
    fields: usize,
}

impl Writer {
    /// A writer into an empty buffer.
    #[must_use]
    pub const fn new(delimiter: u8, quoting: Quoting) -> Self {
        Self { delimiter, quoting, bytes: Vec::new(), start: 0, fields: 0 }
    }

    /// The writer with room for so many more bytes.
    #[must_use]
    pub fn with_room(mut self, bytes: usize) -> Self {
        self.bytes.reserve_exact(bytes);
        self
    }

    /// Writes the next field of the record.
    pub fn field(&mut self, value: &[u8]) -> &mut Self {
        if self.fields > 0 {
            self.bytes.push(self.delimiter);
        }
        self.fields += 1;
        if self.quoting == Quoting::All || self.needs_quotes(value) {
            self.quoted(value);
        } else {
            self.bytes.extend_from_slice(value);
        }
        self
    }

    /// Writes the next field of the record as somebody's cell: where formulas are quoted, one gets an apostrophe before it.
    pub(crate) fn cell(&mut self, formulas: Formulas, value: &[u8]) -> &mut Self {
        if formulas == Formulas::Quote && is_formula(value) {
            return self.field(&[b"'", value].concat());
        }
        self.field(value)
    }

    /// Writes the next field of the record as the row that came, whose fields this delimiter separates: where formulas are
    /// quoted, those inside it get an apostrophe too.
    pub(crate) fn row(&mut self, formulas: Formulas, delimiter: u8, row: &[u8]) -> &mut Self {
        match formulas {
            Formulas::Quote => self.field(&guarded(row, delimiter)),
            Formulas::Keep => self.field(row),
        }
    }

    /// Writes the next field of the record, of which it is known that no quote is in it: nothing is looked for in vain.
    pub(crate) fn field_without_quote(&mut self, value: &[u8]) {
        if self.quoting != Quoting::All {
            self.field(value);
            return;
        }
        let before = [self.delimiter, b'"'];
        self.bytes.extend_from_slice(&before[usize::from(self.fields == 0)..]);
        self.bytes.extend_from_slice(value);
        self.bytes.push(b'"');
        self.fields += 1;
    }

    /// Ends the record.
    pub fn end(&mut self) {
        // A record of one empty field would be a blank line, which readers skip.
        if self.bytes.len() == self.start {
            self.bytes.extend_from_slice(b"\"\"");
        }
        self.bytes.push(b'\n');
        self.start = self.bytes.len();
        self.fields = 0;
    }

    /// Writes a whole record that is written already, without its line end.
    pub fn raw(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.end();
    }

    /// Writes a record as it came behind a first field. Where it ends with a `\r` that is data, the line end is CRLF: reading
    /// takes one `\r` for a part of the line end.
    pub fn numbered(&mut self, number: &[u8], record: &[u8]) {
        self.bytes.extend_from_slice(number);
        self.bytes.push(self.delimiter);
        self.bytes.extend_from_slice(record);
        if record.ends_with(b"\r") {
            self.bytes.push(b'\r');
        }
        self.end();
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The buffer.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn needs_quotes(&self, value: &[u8]) -> bool {
        memchr3(self.delimiter, b'"', b'\n', value).is_some() || memchr(b'\r', value).is_some()
    }

    fn quoted(&mut self, value: &[u8]) {
        self.bytes.push(b'"');
        let mut written = 0;
        for quote in memchr_iter(b'"', value) {
            self.bytes.extend_from_slice(&value[written..=quote]);
            self.bytes.push(b'"');
            written = quote + 1;
        }
        self.bytes.extend_from_slice(&value[written..]);
        self.bytes.push(b'"');
    }
}
