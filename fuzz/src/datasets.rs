//! Dataset definitions: none makes the parser panic, and one that is accepted judges any row.
//!
//! Input: a definition; behind a first NUL, if there is one, rows.

use tandem_core::csv::{Fields, Writer};
use tandem_core::dataset::{Dataset, Quoting};
use tandem_core::split::{SplitSettings, Splitter};

/// Parses the definition, and puts the rows to its rules.
pub fn run(data: &[u8]) {
    let (definition, rows) = match data.iter().position(|byte| *byte == 0) {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[][..]),
    };
    let dataset = match Dataset::parse("fuzzed", definition) {
        Ok(dataset) => dataset,
        Err(error) => {
            assert!(error.to_string().starts_with("dataset fuzzed: "), "{error}");
            return;
        }
    };
    let again = Dataset::parse("fuzzed", definition).expect("it was accepted before");
    assert_eq!(dataset.fingerprint(1, 2, 3), again.fingerprint(1, 2, 3));
    judge(&dataset, rows);
    split_own_header(&dataset, rows);
}

fn judge(dataset: &Dataset, rows: &[u8]) {
    let mut fields = Fields::new(dataset.delimiter);
    let positions: Vec<usize> = (0..dataset.columns.len()).collect();
    for row in rows.split(|byte| *byte == b'\n') {
        let Some(text) = fields.parse(row).text() else { continue };
        let failed = dataset.rules.first_failed(&text, &positions);
        let known = |name: &str| name.is_empty() || dataset.columns.iter().any(|column| column.field == name);
        assert!(failed.as_ref().is_none_or(|failed| known(&failed.field)), "{failed:?} names no field");
    }
}

/// A file with the dataset's own header is read or refused, and nothing else.
fn split_own_header(dataset: &Dataset, rows: &[u8]) {
    let mut file = Writer::new(dataset.delimiter, Quoting::All);
    for column in &dataset.columns {
        file.field(column.header.as_bytes());
    }
    file.end();
    let settings = SplitSettings::default();
    let mut splitter = Splitter::new(&settings, dataset);
    let pushed = splitter.push(file.bytes()).and_then(|()| splitter.push(rows));
    if let Ok(found) = pushed.and_then(|()| splitter.finish()) {
        assert!(found.layout.positions.iter().all(|position| *position < found.layout.columns));
    }
}
