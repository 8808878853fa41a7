//! The scanner, the field parser and the writer against the `csv` crate.

use bytes::Bytes;
use csv::{QuoteStyle, WriterBuilder};
use proptest::collection::vec;
use proptest::prelude::*;
use tandem_core::csv::{Fields, LineEnds, Records, Writer};
use tandem_core::dataset::Quoting;

use crate::support::{config, records};

/// Bytes that mean something to CSV, and a few that do not.
fn csv_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => Just(b'"'), 3 => Just(b','), 2 => Just(b'\n'), 2 => Just(b'\r'), 4 => Just(b'a'), 1 => Just(b';'),
        1 => Just(0xC3_u8), 1 => Just(0xA9_u8), 1 => Just(0xEF_u8), 1 => any::<u8>(),
    ];
    vec(byte, 0..120)
}

fn pieces(bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut pieces = Vec::new();
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        pieces.push(rest.split_to((*cut).min(rest.len())));
    }
    pieces
}

/// Every record that the scanner cuts out, taken apart.
fn cut(delimiter: u8, pieces: Vec<Bytes>) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
    let (mut records, mut fields, mut found) = (Records::new(delimiter), Fields::new(delimiter), Vec::new());
    let mut take = |raw: &[u8]| {
        let record = fields.parse(raw);
        found.push((raw.to_vec(), (0..record.len()).map(|index| record.get(index).unwrap().to_vec()).collect()));
    };
    for piece in pieces {
        records.push(piece);
        while let Some(raw) = records.next() {
            take(raw);
        }
    }
    if let Some(raw) = records.finish() {
        take(raw);
    }
    found
}

fn ends_in_quotes(bytes: &[u8]) -> bool {
    let mut ends = LineEnds::new(b',');
    let mut rest = bytes;
    while let Some(length) = ends.next(rest) {
        rest = &rest[length..];
    }
    ends.in_quotes()
}

/// Where records end, a byte at a time; and whether the last byte is inside quotes.
fn line_ends(delimiter: u8, bytes: &[u8]) -> (Vec<usize>, bool) {
    let (mut ends, mut quoted, mut at_start, mut closing) = (Vec::new(), false, true, false);
    for (at, &byte) in bytes.iter().enumerate() {
        let quote = byte == b'"' && (quoted || at_start || closing);
        closing = quote && quoted;
        quoted = quoted != quote;
        at_start = !quoted && (byte == b'\n' || byte == delimiter);
        if at_start && byte == b'\n' {
            ends.push(at + 1);
        }
    }
    (ends, quoted)
}

/// Long enough for several of the scanner's blocks, and for whole blocks without oddities among them.
fn blocks() -> impl Strategy<Value = Vec<u8>> {
    let tidy = prop_oneof![
        3 => Just("\"ab\",".to_owned()), 2 => Just("\"a\"\"b,\n\"\"\",".to_owned()), 2 => Just("\"\"\n".to_owned()), 1 => Just("cd,".to_owned()),
        1 => Just("plain text that is longer\n".to_owned()), 1 => "[a,\n\"]{1,3}",
    ];
    let odd =
        vec(prop_oneof![5 => Just(b'"'), 3 => Just(b','), 2 => Just(b'\n'), 3 => Just(b'a'), 1 => any::<u8>()], 0..90);
    let piece = prop_oneof![12 => tidy.prop_map(String::into_bytes), 1 => odd];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn line_ends_are_those_of_a_plain_loop(bytes in blocks(), cuts in vec(1..200_usize, 1..6), delimiter in prop_oneof![Just(b','), Just(b'a')]) {
        let (mut ends, mut found, mut at) = (LineEnds::new(delimiter), Vec::new(), 0);
        for piece in pieces(&bytes, &cuts) {
            let mut rest = &piece[..];
            while let Some(length) = ends.next(rest) {
                found.push(at + length);
                at += length;
                rest = &rest[length..];
            }
            at += rest.len();
        }
        prop_assert_eq!((found, ends.in_quotes()), line_ends(delimiter, &bytes));
    }

    #[test]
    fn records_and_fields_are_those_of_the_csv_crate(bytes in csv_bytes(), cuts in vec(1..20_usize, 1..6)) {
        let mut bytes = bytes;
        if ends_in_quotes(&bytes) {
            // What follows a quote that is never closed is an error here and a field there.
            bytes.push(b'"');
        }
        prop_assert_eq!(cut(b',', pieces(&bytes, &cuts)), records(b',', &bytes));
    }

    #[test]
    fn text_is_given_only_where_every_field_is_utf8(bytes in csv_bytes()) {
        let mut fields = Fields::new(b',');
        for (raw, expected) in records(b',', &bytes) {
            if ends_in_quotes(&raw) {
                continue;
            }
            let text = fields.parse(&raw).text();
            let expected: Option<Vec<&str>> = expected.iter().map(|field| std::str::from_utf8(field).ok()).collect();
            let text = text.map(|text| (0..).map_while(|index| text.get(index)).collect::<Vec<_>>());
            prop_assert_eq!(text, expected);
        }
    }

    #[test]
    fn written_records_are_those_of_the_csv_crate(
        rows in vec(vec(vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..6), 1..5), 0..6),
        all in any::<bool>(),
    ) {
        let (style, quoting) = if all { (QuoteStyle::Always, Quoting::All) } else { (QuoteStyle::Necessary, Quoting::Necessary) };
        let mut expected = WriterBuilder::new().quote_style(style).flexible(true).from_writer(Vec::new());
        let mut writer = Writer::new(b',', quoting);
        for row in &rows {
            expected.write_record(row).unwrap();
            for field in row {
                writer.field(field);
            }
            writer.end();
        }
        prop_assert_eq!(writer.into_bytes(), expected.into_inner().unwrap());
    }
}

#[test]
fn a_byte_order_mark_inside_a_file_is_data() {
    let found = cut(b',', vec![Bytes::from_static(b"a,b\n\xEF\xBB\xBF\"c\",d\n")]);
    assert_eq!(found[1].1, [b"\xEF\xBB\xBF\"c\"".to_vec(), b"d".to_vec()]);
    let mut fields = Fields::new(b',');
    assert_eq!(fields.parse(b"\xEF\xBB\xBFx,\"y\"").get(0), Some(&b"\xEF\xBB\xBFx"[..]));
}
