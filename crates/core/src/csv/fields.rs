//! Takes one record apart.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use memchr::{memchr, memchr_iter};

/// Takes records apart. A record without quotes is cut where it lies; one with quotes is unescaped by `csv-core` into a
/// buffer that is used again and again.
pub struct Fields {
    delimiter: u8,
    reader: Reader,
    scratch: Vec<u8>,
    ends: Vec<usize>,
}

/// One record, taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
    /// Bytes between one field's end and the next one's start.
    gap: usize,
}

/// One record, taken apart, all of it UTF-8.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    text: &'a str,
    ends: &'a [usize],
    gap: usize,
}

impl Fields {
    /// A parser for this delimiter.
    #[must_use]
    pub fn new(delimiter: u8) -> Self {
        let mut reader = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        // The reader takes a byte order mark off its first input, which here is the middle of a file: a blank line goes first.
        reader.read_record(b"\n", &mut [], &mut []);
        Self { delimiter, reader, scratch: Vec::new(), ends: Vec::new() }
    }

    /// Takes a record, given without its line end, apart.
    pub fn parse<'a>(&'a mut self, record: &'a [u8]) -> Record<'a> {
        self.ends.clear();
        if memchr(b'"', record).is_none() {
            self.ends.extend(memchr_iter(self.delimiter, record));
            self.ends.push(record.len());
            return Record { bytes: record, ends: &self.ends, gap: 1 };
        }
        let (bytes, fields) = self.unescape(record);
        Record { bytes: &self.scratch[..bytes], ends: &self.ends[..fields], gap: 0 }
    }

    /// One field of a record that is given without its line end: the others are not looked at where that is not needed.
    pub fn field<'a>(&'a mut self, record: &'a [u8], index: usize) -> Option<&'a [u8]> {
        let delimiter = self.delimiter;
        if memchr(b'"', record).is_some() {
            return self.parse(record).get(index);
        }
        let mut ends = memchr_iter(delimiter, record);
        let start = match index.checked_sub(1) {
            Some(before) => ends.nth(before)? + 1,
            None => 0,
        };
        record.get(start..ends.next().unwrap_or(record.len()))
    }

    /// Fills scratch and ends; answers how much of each.
    fn unescape(&mut self, record: &[u8]) -> (usize, usize) {
        // Unescaping only ever shortens, and a field takes at least one byte, its delimiter, except the last.
        self.scratch.resize(self.scratch.len().max(record.len()), 0);
        self.ends.resize(memchr_iter(self.delimiter, record).count() + 1, 0);
        let (mut bytes, mut fields) = (0, 0);
        let mut input = record;
        let mut line_end: &[u8] = b"\n";
        loop {
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.scratch[bytes..], &mut self.ends[fields..]);
            input = &input[read..];
            bytes += written;
            fields += ended;
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => return (bytes, fields),
                ReadRecordResult::OutputFull => self.scratch.resize(self.scratch.len() + record.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() + 16, 0),
                ReadRecordResult::InputEmpty => input = std::mem::take(&mut line_end),
            }
        }
    }
}

impl<'a> Record<'a> {
    /// Number of fields; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Never: a record has at least one field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether no field has a quote in it. Where one is quoted, that is not known, and the answer no.
    pub(crate) const fn is_without_quotes(&self) -> bool {
        self.gap == 1
    }

    /// The bytes of a field.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let (start, end) = bounds(self.ends, self.gap, index)?;
        self.bytes.get(start..end)
    }

    /// The record as text, if every field of it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<Text<'a>> {
        let text = std::str::from_utf8(self.bytes).ok()?;
        // Between unescaped fields nothing stands: two halves of a character could meet there and look whole.
        let whole = self.gap == 1 || self.ends.iter().all(|&end| text.is_char_boundary(end));
        whole.then_some(Text { text, ends: self.ends, gap: self.gap })
    }
}

impl<'a> Text<'a> {
    /// The text of a field.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a str> {
        let (start, end) = bounds(self.ends, self.gap, index)?;
        self.text.get(start..end)
    }
}

fn bounds(ends: &[usize], gap: usize, index: usize) -> Option<(usize, usize)> {
    let start = match index.checked_sub(1) {
        Some(before) => ends.get(before)? + gap,
        None => 0,
    };
    Some((start, *ends.get(index)?))
}
