//! Reads reference records from a CSV file; whatever is wrong is said with its line.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail};
use csv::{Reader, ReaderBuilder, StringRecord};
use tandem_aws::reference_load::Keyed;

/// The column that holds the key.
const KEY: &str = "id";

/// The records of a file, in its order.
pub struct Records {
    reader: Reader<File>,
    record: StringRecord,
    key: usize,
    /// Name and column of each field.
    fields: Vec<(String, usize)>,
}

/// One record, and the byte at which it ends.
pub struct ReadRecord {
    /// Key and fields.
    pub keyed: Keyed,
    /// Offset in the file behind the record.
    pub end: u64,
}

impl Records {
    /// Opens a file, whose header must name `id` and each of `fields`; other columns are ignored.
    ///
    /// # Errors
    /// When the file cannot be read or a column is missing.
    pub fn open(path: &Path, fields: &[String]) -> anyhow::Result<Self> {
        let mut reader = ReaderBuilder::new().buffer_capacity(1 << 20).from_path(path)?;
        let header = reader.headers().map_err(said)?.clone();
        let column = |name: &str| {
            let found = header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
            found.with_context(|| format!("line 1: there is no column {name:?}; expected {KEY},{}", fields.join(",")))
        };
        let key = column(KEY)?;
        let fields = fields.iter().map(|name| Ok((name.clone(), column(name)?))).collect::<anyhow::Result<_>>()?;
        Ok(Self { reader, record: StringRecord::new(), key, fields })
    }

    /// Reads the next record and hands over its key and its fields' values, without an allocation for either; answers whether
    /// there was one.
    ///
    /// # Errors
    /// When the file cannot be read or the record is wrong, with its line.
    pub fn next_text(&mut self, take: impl FnOnce(&str, &mut dyn Iterator<Item = &str>)) -> anyhow::Result<bool> {
        if !self.advance()? {
            return Ok(false);
        }
        let value = |column: usize| self.record.get(column).unwrap_or_default();
        take(value(self.key), &mut self.fields.iter().map(|(_, column)| value(*column)));
        Ok(true)
    }

    /// Offset in the file behind the last record.
    pub fn offset(&self) -> u64 {
        self.reader.position().byte()
    }

    fn read(&mut self) -> anyhow::Result<Option<ReadRecord>> {
        if !self.advance()? {
            return Ok(None);
        }
        let value = |column: usize| self.record.get(column).unwrap_or_default().to_owned();
        let fields = self.fields.iter().map(|(name, column)| (name.clone(), value(*column))).collect();
        Ok(Some(ReadRecord { keyed: (value(self.key), fields), end: self.offset() }))
    }

    fn advance(&mut self) -> anyhow::Result<bool> {
        if !self.reader.read_record(&mut self.record).map_err(said)? {
            return Ok(false);
        }
        if self.record.get(self.key).is_none_or(str::is_empty) {
            bail!("line {}: the {KEY} is empty", self.record.position().map_or(0, csv::Position::line));
        }
        Ok(true)
    }
}

impl Iterator for Records {
    type Item = anyhow::Result<ReadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// A CSV error, beginning with its line.
fn said(error: csv::Error) -> anyhow::Error {
    match (error.position().map(csv::Position::line), error.kind()) {
        (Some(line), csv::ErrorKind::UnequalLengths { expected_len, len, .. }) => {
            anyhow::anyhow!("line {line}: it has {len} fields, but the header has {expected_len}")
        }
        (Some(line), csv::ErrorKind::Utf8 { .. }) => anyhow::anyhow!("line {line}: it is not UTF-8"),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(name: &str, content: &[u8]) -> anyhow::Result<Vec<Keyed>> {
        let path = std::env::temp_dir().join(format!("tandem-reference-{}-{name}.csv", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let records = Records::open(&path, &["stock".to_owned(), "warehouse".to_owned()]);
        let read = records.and_then(|records| records.map(|record| Ok(record?.keyed)).collect());
        std::fs::remove_file(path).unwrap();
        read
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_and_others_are_ignored() {
        let read = read("order", "\u{feff}warehouse,note,id,stock\r\n\"A, B\",x,K1,7\r\n".as_bytes()).unwrap();
        let fields = [("stock".to_owned(), "7".to_owned()), ("warehouse".to_owned(), "A, B".to_owned())];
        assert_eq!(read, [("K1".to_owned(), fields.into())]);
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = read("column", b"id,stock\nK1,7\n").unwrap_err().to_string();
        assert!(error.starts_with("line 1: there is no column \"warehouse\""), "{error}");
    }

    #[test]
    fn what_is_wrong_with_a_record_is_said_with_its_line() {
        let message = |name: &str, content: &[u8]| read(name, content).unwrap_err().to_string();
        assert_eq!(message("empty", b"id,stock,warehouse\nK1,7,W\n,8,W\n"), "line 3: the id is empty");
        let short = message("short", b"id,stock,warehouse\nK1,\"7\n7\",W\nK2,8\n");
        assert_eq!(short, "line 4: it has 2 fields, but the header has 3");
        assert_eq!(message("utf8", b"id,stock,warehouse\nK1,7,\xff\n"), "line 2: it is not UTF-8");
    }
}
