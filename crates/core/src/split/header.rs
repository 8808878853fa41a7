//! Reads a file's header line, or says what the file is instead.

use super::SplitError;
use crate::csv::Fields;
use crate::dataset::{Column, Dataset};
use crate::payload::Layout;

/// First bytes of what people upload by mistake.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive"),
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook"),
    (b"\x1F\x8B", "compressed with gzip"),
    (b"\x28\xB5\x2F\xFD", "compressed with Zstandard"),
    (b"\xFF\xFE", "text in UTF-16"),
    (b"\xFE\xFF", "text in UTF-16"),
    (b"\x89PNG", "a PNG image"),
    (b"\xFF\xD8\xFF", "a JPEG image"),
];

/// Delimiters that are looked for when the dataset's makes no sense of a header.
const DELIMITERS: &[u8] = b",;\t|:";

/// Longest header that is compared with a missing one.
const LONGEST_SIMILAR: usize = 64;

/// Fails if these first bytes of a file are no text.
pub(super) fn check_is_text(start: &[u8]) -> Result<(), SplitError> {
    let not_csv = |found: &str| Err(SplitError::NotCsv { found: found.to_owned() });
    if let Some((_, found)) = SIGNATURES.iter().find(|(signature, _)| start.starts_with(signature)) {
        return not_csv(found);
    }
    if start.iter().any(|&byte| (byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n')) || byte == 0x7F) {
        return not_csv("binary data");
    }
    match std::str::from_utf8(start) {
        // A character that the limit cuts in two is no fault of the file.
        Err(error) if error.error_len().is_some() => not_csv("text in another encoding than UTF-8"),
        _ => Ok(()),
    }
}

/// Finds the dataset's columns in a header line, given without its line end.
pub(super) fn read(dataset: &Dataset, line: &[u8]) -> Result<Layout, SplitError> {
    let names = names(dataset.delimiter, line);
    let missing: Vec<&Column> = dataset.columns.iter().filter(|column| !names.contains(&column.header)).collect();
    if !missing.is_empty() {
        return Err(explain(dataset, line, &names, &missing));
    }
    let positions = dataset.columns.iter().map(|column| position(&names, column)).collect::<Result<_, _>>()?;
    Ok(Layout { columns: names.len(), positions })
}

fn position(names: &[String], column: &Column) -> Result<usize, SplitError> {
    let mut found = names.iter().enumerate().filter(|(_, name)| **name == column.header).map(|(index, _)| index);
    let first = found.next().unwrap_or_default();
    match found.count() {
        0 => Ok(first),
        more => Err(SplitError::DuplicateColumn { column: column.header.clone(), times: more + 1 }),
    }
}

/// The fields of a header line, whitespace around them taken away.
fn names(delimiter: u8, line: &[u8]) -> Vec<String> {
    let mut fields = Fields::new(delimiter);
    let record = fields.parse(line);
    let name = |index| String::from_utf8_lossy(record.get(index).unwrap_or_default()).trim().to_owned();
    (0..record.len()).map(name).collect()
}

/// Another delimiter if one makes more of the header, otherwise the columns that are missing.
fn explain(dataset: &Dataset, line: &[u8], names: &[String], missing: &[&Column]) -> SplitError {
    let known = |names: &[String]| dataset.columns.iter().filter(|column| names.contains(&column.header)).count();
    let others = DELIMITERS.iter().filter(|&&delimiter| delimiter != dataset.delimiter);
    let best =
        others.map(|&delimiter| (known(&self::names(delimiter, line)), delimiter)).max_by_key(|(found, _)| *found);
    match best {
        Some((found, delimiter)) if found > known(names) => {
            SplitError::WrongDelimiter { expected: delimiter_name(dataset.delimiter), found: delimiter_name(delimiter) }
        }
        _ => SplitError::MissingColumn {
            columns: missing.iter().map(|column| column.header.clone()).collect(),
            hint: hint(dataset, names, missing),
        },
    }
}

/// What stands there instead of a missing column: a header that nobody needs and that reads almost the same.
fn hint(dataset: &Dataset, names: &[String], missing: &[&Column]) -> String {
    let spare: Vec<&String> = names
        .iter()
        .filter(|name| name.len() <= LONGEST_SIMILAR && !dataset.columns.iter().any(|column| column.header == **name))
        .collect();
    let similar = |column: &&Column| {
        let found = spare.iter().find(|name| is_similar(name, &column.header))?;
        Some(format!("{found:?} instead of {:?}", column.header))
    };
    let similar: Vec<String> = missing.iter().filter_map(similar).collect();
    if similar.is_empty() { String::new() } else { format!(", which has {}", similar.join(", ")) }
}

/// Whether two headers differ in case, signs or at most two letters only.
fn is_similar(one: &str, other: &str) -> bool {
    let plain = |name: &str| -> Vec<char> {
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (one, other) = (plain(one), plain(other));
    !one.is_empty() && (one == other || (other.len() > 4 && distance(&one, &other) <= 2))
}

/// Letters to insert, remove or replace (Levenshtein).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in other.iter().enumerate() {
            let replace = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replace.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

fn delimiter_name(delimiter: u8) -> String {
    let sign = char::from(delimiter);
    match delimiter {
        b',' => "a comma (,)".to_owned(),
        b';' => "a semicolon (;)".to_owned(),
        b'\t' => "a tab".to_owned(),
        b'|' => "a vertical bar (|)".to_owned(),
        b':' => "a colon (:)".to_owned(),
        _ => format!("{sign:?}"),
    }
}
