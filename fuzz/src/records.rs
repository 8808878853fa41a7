//! The record parser against `csv-core`, which is given one byte at a time.
//!
//! Input: a byte that chooses the delimiter, one that says how buffers are cut, then records.

use bytes::Bytes;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use tandem_core::csv::{Fields, Records};

use crate::lines::{buffers, lines, without_end};

/// A record without its line end, and its fields.
type Parsed = (Vec<u8>, Vec<Vec<u8>>);

/// Cuts records out and takes them apart in two ways.
pub fn run(data: &[u8]) {
    let Some((&[delimiter, cuts], rest)) = data.split_first_chunk::<2>() else { return };
    let delimiter = [b',', b';', b'\t', b'|'][usize::from(delimiter % 4)];
    let mut bytes = rest.to_vec();
    if lines(&bytes, 0, delimiter).open {
        // What a quote that nothing closes means is the splitter's to say: no record with one comes this far.
        bytes.push(b'"');
    }
    let expected = reference(delimiter, &bytes);
    assert_eq!(parse(delimiter, buffers(&bytes, 0)), expected, "in one buffer");
    assert_eq!(parse(delimiter, bytes.chunks(1)), expected, "byte by byte");
    assert_eq!(parse(delimiter, buffers(&bytes, cuts.max(2))), expected, "in buffers of up to {} bytes", cuts.max(2));
    // Nor may one with an open quote do any harm.
    assert!(Fields::new(delimiter).parse(rest).text().is_none_or(|text| text.get(0).is_some()));
}

fn parse<'a>(delimiter: u8, buffers: impl Iterator<Item = &'a [u8]>) -> Vec<Parsed> {
    let (mut records, mut fields, mut found) = (Records::new(delimiter), Fields::new(delimiter), Vec::new());
    for buffer in buffers {
        records.push(Bytes::copy_from_slice(buffer));
        while let Some(record) = records.next() {
            found.push(take_apart(&mut fields, record));
        }
    }
    found.extend(records.finish().map(|record| take_apart(&mut fields, record)));
    found
}

/// Also holds a record's text against its bytes: there is one exactly if every field is UTF-8, and it says the same.
fn take_apart(fields: &mut Fields, raw: &[u8]) -> Parsed {
    let record = fields.parse(raw);
    let bytes: Vec<Vec<u8>> = (0..).map_while(|index| record.get(index)).map(<[u8]>::to_vec).collect();
    assert_eq!(record.len(), bytes.len());
    let expected: Option<Vec<&str>> = bytes.iter().map(|field| std::str::from_utf8(field).ok()).collect();
    let text = record.text().map(|text| (0..).map_while(|index| text.get(index)).collect::<Vec<_>>());
    assert_eq!(text, expected, "the text of {raw:?}");
    (raw.to_vec(), bytes)
}

/// `csv-core` with one byte of input at a time.
struct ByteByByte {
    reader: Reader,
    out: Vec<u8>,
    ends: Vec<usize>,
    written: usize,
    ended: usize,
}

impl ByteByByte {
    fn new(delimiter: u8, room: usize) -> Self {
        let mut reader = ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        // A byte order mark is taken off the first input only, and this may be the middle of a file.
        reader.read_record(b"\n", &mut [], &mut []);
        Self { reader, out: vec![0; room + 1], ends: vec![0; room + 2], written: 0, ended: 0 }
    }

    /// The fields of the record that ends with this input: one byte, or nothing at the end.
    fn feed(&mut self, input: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut input = input;
        loop {
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.out[self.written..], &mut self.ends[self.ended..]);
            input = &input[read..];
            self.written += written;
            self.ended += ended;
            match result {
                ReadRecordResult::Record => return Some(self.take()),
                ReadRecordResult::End => return None,
                ReadRecordResult::InputEmpty if input.is_empty() => return None,
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => panic!("there is room for all"),
            }
        }
    }

    fn take(&mut self) -> Vec<Vec<u8>> {
        let mut start = 0;
        let field = |end: &usize| self.out[std::mem::replace(&mut start, *end)..*end].to_vec();
        let fields = self.ends[..self.ended].iter().map(field).collect();
        (self.written, self.ended) = (0, 0);
        fields
    }
}

fn reference(delimiter: u8, bytes: &[u8]) -> Vec<Parsed> {
    let mut reader = ByteByByte::new(delimiter, bytes.len());
    let (mut found, mut start) = (Vec::new(), 0);
    for end in 1..=bytes.len() + 1 {
        let input = bytes.get(end - 1..end).unwrap_or_default();
        let Some(fields) = reader.feed(input) else { continue };
        found.extend(trimmed(&bytes[start..end.min(bytes.len())], fields));
        start = end;
    }
    found
}

/// A record as this system means it: one `\r` before its end is not its, and a line with nothing in it is none.
fn trimmed(raw: &[u8], mut fields: Vec<Vec<u8>>) -> Option<Parsed> {
    let blanks = raw.iter().take_while(|byte| **byte == b'\n').count();
    let line = &raw[blanks..];
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let record = without_end(line);
    if record.len() < line.len() {
        fields.last_mut().map(Vec::pop);
    }
    (!record.is_empty()).then(|| (record.to_vec(), fields))
}
