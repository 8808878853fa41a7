//! Cells that a spreadsheet would take for a formula.

use std::borrow::Cow;

/// Characters with which a formula begins, or that a spreadsheet skips before one; the last four in their full width.
const BEGINNINGS: [&[u8]; 12] = [
    b"=",
    b"+",
    b"-",
    b"@",
    b"\t",
    b"\r",
    b"\n",
    b"\0",
    "＝".as_bytes(),
    "＋".as_bytes(),
    "－".as_bytes(),
    "＠".as_bytes(),
];

/// What spreadsheets separate cells at, whatever the file's own delimiter is.
const SEPARATORS: [u8; 3] = *b",;\t";

/// Whether a spreadsheet may take a cell for a formula: it begins with one of these characters, and is no number.
pub(crate) fn is_formula(cell: &[u8]) -> bool {
    begins(cell) && !is_number(cell)
}

/// A row as it came, an apostrophe before each formula in it: before the whole, which is one cell of the rejects, and wherever
/// a cell begins for whoever separates the file, or the row, at something else: at its own delimiter, a comma, a semicolon or a
/// tab. For all of them one begins with the row and behind a line break, which a quote does not hold where they take it for
/// none; where they find the end of it differs.
pub(crate) fn guarded(row: &[u8], delimiter: u8) -> Cow<'_, [u8]> {
    let separators = [b'\n', delimiter].into_iter().chain(SEPARATORS);
    let formula = |start: usize, separator: u8| formula_behind(separator, &row[start..]).map(|formula| start + formula);
    let for_all = |start: usize| separators.clone().find_map(|separator| formula(start, separator));
    let whole = if is_formula(row) { Some(0) } else { for_all(0) };
    let inside = row.iter().zip(1..).filter_map(|(&byte, start)| match byte {
        byte if is_line_break(byte) => for_all(start),
        byte if byte == delimiter || SEPARATORS.contains(&byte) => formula(start, byte),
        _ => None,
    });
    let (mut guarded, mut written) = (Vec::new(), 0);
    for formula in whole.into_iter().chain(inside) {
        guarded.extend_from_slice(&row[written..formula]);
        guarded.push(b'\'');
        written = formula;
    }
    if guarded.is_empty() {
        return Cow::Borrowed(row);
    }
    guarded.extend_from_slice(&row[written..]);
    Cow::Owned(guarded)
}

/// Where in the text behind a separator a formula begins, if the cell there is one. Quotes before it are not looked at: they
/// are doubled in the rejects, and two are an empty text with the formula behind it.
fn formula_behind(separator: u8, text: &[u8]) -> Option<usize> {
    let ends = |byte: u8| byte == separator || is_line_break(byte);
    let quotes = quotes(text);
    let (cell, quoted) = (&text[quotes..], quotes % 2 == 1);
    if !begins(cell) || (!quoted && cell.first().is_some_and(|&byte| ends(byte))) {
        return None;
    }
    let length = cell.iter().position(|&byte| byte == b'"' || (!quoted && ends(byte))).unwrap_or(cell.len());
    let (value, behind) = cell.split_at(length);
    let closing = self::quotes(behind);
    let closed = !quoted || closing % 2 == 1;
    let whole = closed && behind.get(closing).is_none_or(|&byte| ends(byte));
    (!(whole && is_number(value))).then_some(quotes)
}

fn begins(cell: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| cell.starts_with(beginning))
}

const fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// How many quotes a text begins with.
fn quotes(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| byte == b'"').count()
}

/// A number: perhaps a sign; digits, of which none need stand before the separator; perhaps one `.` or `,` and digits behind it;
/// perhaps `e` or `E`, perhaps a sign, and digits.
fn is_number(cell: &[u8]) -> bool {
    let unsigned = cell.strip_prefix(b"-").or_else(|| cell.strip_prefix(b"+")).unwrap_or(cell);
    let (whole, rest) = digits(unsigned);
    let (fraction, rest) = match rest {
        [b'.' | b',', behind @ ..] => match digits(behind) {
            (0, _) => return false,
            found => found,
        },
        rest => (0, rest),
    };
    whole + fraction > 0 && (rest.is_empty() || is_exponent(rest))
}

fn is_exponent(text: &[u8]) -> bool {
    match text {
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => matches!(digits(rest), (1.., [])),
        _ => false,
    }
}

/// How many digits a text begins with, and what is behind them.
fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &text[count..])
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

    use super::{SEPARATORS, guarded, is_formula};
    use crate::csv::Writer;
    use crate::dataset::{Formulas, Quoting};

    /// All rows of so many of these bytes at most.
    fn rows(bytes: &[u8], length: u32) -> impl Iterator<Item = Vec<u8>> {
        let count = bytes.len();
        (0..=length).flat_map(move |length| {
            (0..count.pow(length)).map(move |row| (0..length).map(|at| bytes[row / count.pow(at) % count]).collect())
        })
    }

    /// Where a reader who separates elsewhere may find a formula: a cell of theirs may begin with the line break before the
    /// next row, and end with the quotes around this one.
    fn formulas(reader: &mut Reader, file: &[u8]) -> Vec<String> {
        reader.reset();
        let (mut cell, mut length, mut rest, mut found) = ([0; 64], 0, file, Vec::new());
        loop {
            let (result, read, written) = reader.read_field(rest, &mut cell[length..]);
            (rest, length) = (&rest[read..], length + written);
            assert_ne!(result, ReadFieldResult::OutputFull, "a cell of more than 64 bytes");
            match result {
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::End => return found,
                ReadFieldResult::Field { .. } => {
                    let cell = &cell[..std::mem::take(&mut length)];
                    let start = cell.iter().position(|byte| !b"\t\r\n\0".contains(byte)).unwrap_or(cell.len());
                    let end = cell.iter().rposition(|&byte| byte != b'"').map_or(start, |last| last + 1);
                    if is_formula(&cell[start..end.max(start)]) {
                        found.push(cell.escape_ascii().to_string());
                    }
                }
            }
        }
    }

    #[test]
    fn no_short_row_holds_a_formula_for_any_reader_of_the_rejects() {
        for delimiter in *b",;\t|" {
            let separators = SEPARATORS.into_iter().chain([delimiter]);
            let mut readers: Vec<Reader> =
                separators.map(|separator| ReaderBuilder::new().delimiter(separator).build()).collect();
            let mut signs = b"\";,\n\r=-1x".to_vec();
            signs.extend(Some(delimiter).filter(|delimiter| !signs.contains(delimiter)));
            for row in rows(&signs, 5) {
                let mut rejects = Writer::new(b',', Quoting::Necessary);
                rejects.field(b"1").field(b"price").field(b"type").row(Formulas::Quote, delimiter, &row).end();
                // Behind a line break, as the row after another.
                let alone = [b"\n", guarded(&row, delimiter).as_ref()].concat();
                for file in [rejects.bytes(), &alone] {
                    for reader in &mut readers {
                        let found = formulas(reader, file);
                        assert!(found.is_empty(), "{}: {found:?} in {}", row.escape_ascii(), file.escape_ascii());
                    }
                }
            }
        }
    }

    #[test]
    fn a_number_is_none_whatever_its_sign() {
        for cell in
            ["-12.5", "+3", "-0,5", "-.5", "+1e5", "-1.5E-3", "-1E+10", "-0", "", "3", "12-5", "'=1", " =1", "a"]
        {
            assert!(!is_formula(cell.as_bytes()), "{cell}");
        }
    }

    #[test]
    fn what_begins_like_a_formula_and_is_no_number_is_one() {
        for cell in [
            "=1",
            "=",
            "@SUM(A1)",
            "-",
            "+",
            "--1",
            "-1-1",
            "+1+1",
            "-1.",
            "-.",
            "-1.2.3",
            "-1,000.5",
            "-1e",
            "-1e+",
            "-1e5x",
            "-12 EUR",
            "+49 30 1234",
            "-١",
            "\t=1",
            "\t1",
            "\r1",
            "\n=1",
            "\0=1",
            "＝1",
            "＋3",
            "－12",
            "＠x",
            "-\t1",
            "-1\n",
        ] {
            assert!(is_formula(cell.as_bytes()), "{cell}");
        }
    }
    #[test]
    fn in_a_row_each_formula_gets_an_apostrophe_wherever_a_reader_separates() {
        for (delimiter, row, expected) in [
            (b';', "bad;=1+1;x", "bad;'=1+1;x"),
            (b';', "=1;=1", "'=1;'=1"),
            (b';', "bad,=1;x", "bad,'=1;x"),
            (b',', "bad,=1;@x\t+y|-z", "bad,'=1;'@x\t'+y|-z"),
            (b'|', "bad|-z", "bad|'-z"),
            (b';', "bad;\"=1\";x", "bad;\"'=1\";x"),
            (b';', "\"=1\";\"a;\"\"=1\"", "\"'=1\";\"a;\"\"'=1\""),
            (b',', "bad,\"two\n=1\r\n\r+x\"", "bad,\"two\n'=1\r\n\r'+x\""),
            (b';', "bad;＝1", "bad;'＝1"),
            (b';', "bad;\"\n=1\"", "bad;\"'\n'=1\""),
            // No number for a reader who does not separate there.
            (b';', "bad;-1,x", "bad;'-1,x"),
            (b';', "bad;-0,1+cmd", "bad;'-0,1+cmd"),
            (b',', "bad,\"x\n-1,y\"", "bad,\"x\n'-1,y\""),
            (b';', "bad;\"-0;1+x\"", "bad;\"'-0;1+x\""),
            (b';', "bad;\"-1\"\";+2\"", "bad;\"'-1\"\";+2\""),
            (b';', "bad;-1\"+x", "bad;'-1\"+x"),
            (b';', "\"\"-1;", "\"\"'-1;"),
            (b',', "\"-0,5\",x", "\"'-0,5\",x"),
            (b'|', "\"\"-1|", "\"\"'-1|"),
            (b';', "bad;\"\n-1,5\"", "bad;\"'\n-1,5\""),
            (b';', "bad;x\r+,1", "bad;x\r'+,1"),
        ] {
            let guarded = guarded(row.as_bytes(), delimiter);
            assert_eq!(String::from_utf8_lossy(&guarded), expected, "{row}");
        }
    }

    #[test]
    fn a_row_without_formulas_is_left_where_it_lies() {
        for (delimiter, row) in [
            (b';', "bad;-12.5;+3;-0,5;\"-1\";\"-0,5\""),
            (b',', "bad,-1,50,\"-0,5\",x"),
            (b',', "bad,\"12 Main Street,\r\nSpringfield;\n\n\""),
            (b'\t', "bad\t\t\"\"\tx"),
            (b';', "a=1; =1;'=1;1-1"),
            (b'=', "a==b"),
            (b';', ""),
        ] {
            assert!(
                matches!(guarded(row.as_bytes(), delimiter), Cow::Borrowed(same) if same == row.as_bytes()),
                "{row}"
            );
        }
    }
}
