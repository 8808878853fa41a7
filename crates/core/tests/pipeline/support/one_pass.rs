//! One pass over the whole file with the `csv` crate and plain JSON values: slow, short and obvious.

use csv::{ByteRecord, QuoteStyle, ReaderBuilder, Terminator, WriterBuilder};
use serde_json::{Map, Value};
use tandem_core::dataset::{Dataset, Quoting, Unmatched};

use super::{definition, lookup_of};

pub struct Expected {
    pub output: Vec<u8>,
    pub rejects: Vec<u8>,
    pub rows: u64,
    pub rejected_rows: Vec<u64>,
}

pub fn reference(dataset: &Dataset, file: &[u8]) -> Expected {
    let definition = definition(&dataset.name);
    let style = if dataset.output.quoting == Quoting::All { QuoteStyle::Always } else { QuoteStyle::Necessary };
    let mut output = WriterBuilder::new().delimiter(dataset.delimiter).quote_style(style).from_writer(Vec::new());
    let mut rejects = WriterBuilder::new().from_writer(Vec::new());
    output.write_record(dataset.output.columns.iter().map(|column| &column.header)).unwrap();
    rejects.write_record(["row", "field", "rule", "record"]).unwrap();
    let mut records = records(dataset.delimiter, file).into_iter();
    let (_, header) = records.next().unwrap();
    let (mut row, mut rejected_rows) = (0, Vec::new());
    for (raw, record) in records {
        row += 1;
        match judge(dataset, &definition, &header, &raw, &record) {
            Ok(values) => output.write_record(values).unwrap(),
            Err((field, rule)) => {
                rejected_rows.push(row);
                rejects.write_record([row.to_string().as_bytes(), field.as_bytes(), rule.as_bytes(), &raw]).unwrap();
            }
        }
    }
    let (output, rejects) = (output.into_inner().unwrap(), rejects.into_inner().unwrap());
    Expected { output, rejects, rows: row, rejected_rows }
}

/// Every record that is not blank, as it came and taken apart.
pub fn records(delimiter: u8, file: &[u8]) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).terminator(Terminator::Any(b'\n')).has_headers(false).flexible(true);
    let mut reader = builder.from_reader(file);
    let (mut found, mut record) = (Vec::new(), ByteRecord::new());
    let mut start = 0;
    while reader.read_byte_record(&mut record).unwrap() {
        let end = reader.position().byte() as usize;
        let raw = &file[start..end];
        let raw = if start == 0 { raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw) } else { raw };
        start = end;
        let blanks = raw.iter().take_while(|byte| **byte == b'\n').count();
        let raw = raw[blanks..].strip_suffix(b"\n").unwrap_or(&raw[blanks..]);
        let mut fields: Vec<Vec<u8>> = record.iter().map(<[u8]>::to_vec).collect();
        let record = raw.strip_suffix(b"\r").unwrap_or(raw);
        if record.len() < raw.len() {
            fields.last_mut().unwrap().pop();
        }
        if !record.is_empty() {
            found.push((record.to_vec(), fields));
        }
    }
    found
}

type Fields = Vec<Vec<u8>>;

fn judge(
    dataset: &Dataset,
    definition: &Value,
    header: &Fields,
    raw: &[u8],
    record: &Fields,
) -> Result<Vec<String>, (String, String)> {
    let at = |name: &str| header.iter().position(|field| String::from_utf8_lossy(field).trim() == name).unwrap();
    let failed = |field: &str, rule: &str| Err((field.to_owned(), rule.to_owned()));
    if record.len() != header.len() {
        return failed("", "field_count");
    }
    if std::str::from_utf8(raw).is_err() {
        let broken = dataset.columns.iter().find(|column| std::str::from_utf8(&record[at(&column.header)]).is_err());
        return failed(broken.map_or("", |column| &column.field), "utf8");
    }
    let value = |header: &str| String::from_utf8(record[at(header)].clone()).unwrap();
    let row: Map<String, Value> = dataset
        .columns
        .iter()
        .map(|column| (column.field.clone(), Value::from(value(&column.header))))
        .filter(|(_, value)| value != "")
        .collect();
    if let Some((_, field, rule)) = failures(dataset, definition, &Value::from(row.clone())).into_iter().min() {
        return Err((field, rule));
    }
    let key_field = &dataset.columns[dataset.lookup.key].field;
    let key = row.get(key_field).and_then(Value::as_str).unwrap_or_default();
    let found = lookup_of(&dataset.lookup.table, key);
    if found.is_none() && dataset.lookup.unmatched == Unmatched::Reject {
        return failed(key_field, "unmatched");
    }
    let output =
        definition["output"]["columns"].as_array().unwrap().iter().map(|column| column["field"].as_str().unwrap());
    let text = |field: &str| row.get(field).and_then(Value::as_str).map(str::to_owned);
    Ok(output.map(|field| text(field).or_else(|| found.as_ref()?.get(field).cloned()).unwrap_or_default()).collect())
}

thread_local! {
    static VALIDATORS: std::cell::RefCell<std::collections::HashMap<String, jsonschema::Validator>> = Default::default();
}

/// Column, field and rule of everything that is wrong with a row.
fn failures(dataset: &Dataset, definition: &Value, row: &Value) -> Vec<(usize, String, String)> {
    VALIDATORS.with_borrow_mut(|validators| {
        let validator = validators.entry(dataset.name.clone()).or_insert_with(|| {
            jsonschema::options().should_validate_formats(true).build(&definition["rules"]).unwrap()
        });
        let failure = |error: jsonschema::ValidationError<'_>| {
            let path = error.instance_path().as_str().trim_start_matches('/').to_owned();
            let missing = |property: &str| error.to_string() == format!("\"{property}\" is a required property");
            let field = dataset.columns.iter().map(|column| &column.field);
            let (index, field) =
                field.enumerate().find(|(_, field)| **field == path || (path.is_empty() && missing(field))).unwrap();
            (index, field.clone(), error.kind().keyword().to_owned())
        };
        validator.iter_errors(row).map(failure).collect()
    })
}
