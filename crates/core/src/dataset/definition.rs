//! The JSON form of a dataset, and every check that it must pass.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::source::{self, SourceKind};
use super::{DEFAULT_DATASET, Dataset, Lookup, Output, OutputColumn, Rules, Source};

/// A column of the input.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The name in the file's header.
    pub header: String,
    /// The name in rules, lookup, output and rejects.
    pub field: String,
}

/// What a key without a reference record means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmatched {
    /// The row is rejected under the rule `unmatched`.
    Reject,
    /// The row is delivered with empty lookup fields.
    Empty,
}

/// Which fields of the output stand in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quoting {
    /// Every field.
    All,
    /// Those that hold a delimiter, a quote or a line break.
    Necessary,
}

/// Who is e-mailed when a batch ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// The owner: the links, or why there are none.
    #[default]
    Owner,
    /// Nobody: whoever sends the files looks for their results.
    Nobody,
}

/// What becomes of cells that a spreadsheet would take for a formula.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Formulas {
    /// They are written as they came.
    #[default]
    Keep,
    /// An apostrophe is written before them, in the output and in the rejects.
    Quote,
}

/// A definition that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// It is no JSON of the right shape.
    #[error("dataset {dataset}: {problem}")]
    Shape {
        /// Name of the dataset.
        dataset: String,
        /// What and where. Not the error's source, whose words would then be told twice.
        problem: serde_json::Error,
    },
    /// It says something that cannot be meant.
    #[error("dataset {dataset}: {at}: {problem}")]
    Content {
        /// Name of the dataset.
        dataset: String,
        /// Where in the definition, for example `lookup.key`.
        at: String,
        /// What to mend.
        problem: String,
    },
}

impl DatasetError {
    pub(super) fn no_default() -> Self {
        Self::Content {
            dataset: DEFAULT_DATASET.to_owned(),
            at: "datasets".to_owned(),
            problem: format!("the default dataset is missing: add {DEFAULT_DATASET}.json"),
        }
    }
}

/// Most bytes of a reference table's name: it and a record's key share [`crate::ports::RECORD_ID_BYTES`].
const LONGEST_TABLE: usize = 255;

/// The column of a reference file, and the attribute of the table, that hold a record's key.
const RECORD_KEY: &str = "id";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    description: String,
    delimiter: String,
    columns: Vec<Column>,
    rules: Value,
    lookup: LookupDefinition,
    output: OutputDefinition,
    #[serde(default)]
    notify: Notify,
}

/// What `deliver` reads of a definition: without its rules, which take longer to make than a delivery.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    notify: Notify,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookupDefinition {
    #[serde(default)]
    source: SourceKind,
    api: Option<String>,
    table: String,
    key: String,
    fields: Vec<String>,
    unmatched: Unmatched,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputDefinition {
    columns: Vec<Column>,
    quoting: Quoting,
    #[serde(default)]
    formulas: Formulas,
}

/// Where in the definition something is wrong, and what to mend.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {text}")]
pub(super) struct Problem {
    at: String,
    text: String,
}

/// A [`Problem`] at a place.
pub(super) fn problem(at: impl Into<String>, text: impl Into<String>) -> Problem {
    Problem { at: at.into(), text: text.into() }
}

pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Dataset, DatasetError> {
    let definition: Definition =
        serde_json::from_slice(bytes).map_err(|problem| DatasetError::Shape { dataset: name.to_owned(), problem })?;
    check(name, definition, Sha256::digest(bytes).into()).map_err(|problem| DatasetError::Content {
        dataset: name.to_owned(),
        at: problem.at,
        problem: problem.text,
    })
}

/// Who is e-mailed, of a definition of which nothing else is looked at.
pub(super) fn notify(name: &str, bytes: &[u8]) -> Result<Notify, DatasetError> {
    let told: Told =
        serde_json::from_slice(bytes).map_err(|problem| DatasetError::Shape { dataset: name.to_owned(), problem })?;
    Ok(told.notify)
}

fn check(name: &str, definition: Definition, digest: [u8; 32]) -> Result<Dataset, Problem> {
    let Definition { description, delimiter, columns, rules, lookup, output, notify } = definition;
    check_name("name", name)?;
    let columns = check_columns(columns)?;
    let lookup = check_lookup(name, &columns, lookup)?;
    let delimiter = check_delimiter(&delimiter)?;
    if delimiter == b'\'' && output.formulas == Formulas::Quote {
        return Err(problem(
            "delimiter",
            "\"formulas\": \"quote\" writes apostrophes, which then would separate fields",
        ));
    }
    Ok(Dataset {
        name: name.to_owned(),
        description,
        delimiter,
        rules: Rules::compile(&columns, &rules)?,
        output: check_output(&columns, &lookup.fields, output)?,
        lookup,
        notify,
        columns,
        digest,
    })
}

fn check_delimiter(delimiter: &str) -> Result<u8, Problem> {
    match delimiter.as_bytes() {
        [b'"' | b'\r' | b'\n'] => Err(problem("delimiter", "a quote or a line end cannot separate fields")),
        [byte @ (b'\t' | b' '..=b'~')] if !byte.is_ascii_alphanumeric() => Ok(*byte),
        _ => Err(problem("delimiter", format!("{delimiter:?} is not one ASCII sign such as \",\" or \";\" or a tab"))),
    }
}

fn check_columns(columns: Vec<Column>) -> Result<Vec<Column>, Problem> {
    if columns.is_empty() {
        return Err(problem("columns", "name at least one column"));
    }
    no_duplicates("columns", columns.iter().map(|column| column.header.trim()))?;
    no_duplicates("columns", columns.iter().map(|column| column.field.as_str()))?;
    let trimmed = |column: Column| -> Result<Column, Problem> {
        check_name("columns", &column.field)?;
        check_header("columns", &column.header)?;
        Ok(Column { header: column.header.trim().to_owned(), field: column.field })
    };
    columns.into_iter().map(trimmed).collect()
}

fn check_header(at: &str, header: &str) -> Result<(), Problem> {
    if header.trim().is_empty() { Err(problem(at, "a header is empty: name it")) } else { Ok(()) }
}

/// Field and dataset names become JSON pointers, attribute names and metric dimensions: no sign in them may need escaping.
fn check_name(at: &str, name: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.bytes().all(plain) {
        return Ok(());
    }
    Err(problem(at, format!("{name:?} is no name: use ASCII letters, digits, \"_\" and \"-\" only")))
}

fn no_duplicates<'a>(at: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(problem(at, format!("{name:?} stands there twice: remove one")));
        }
    }
    Ok(())
}

fn position(columns: &[Column], field: &str) -> Option<usize> {
    columns.iter().position(|column| column.field == field)
}

fn check_lookup(dataset: &str, columns: &[Column], lookup: LookupDefinition) -> Result<Lookup, Problem> {
    let LookupDefinition { source, api, table, key, fields, unmatched } = lookup;
    let source = source::check(dataset, source, api.as_deref())?;
    check_name("lookup.table", &table)?;
    if table.len() > LONGEST_TABLE {
        let text = format!("it has {} bytes, which leaves too few for keys: use at most {LONGEST_TABLE}", table.len());
        return Err(problem("lookup.table", text));
    }
    no_duplicates("lookup.fields", fields.iter().map(String::as_str))?;
    for field in &fields {
        check_name("lookup.fields", field)?;
        if field == RECORD_KEY {
            let text = format!(
                "{RECORD_KEY:?} is what a record's key is kept under: look up by it, and name fields otherwise"
            );
            return Err(problem("lookup.fields", text));
        }
        if position(columns, field).is_some() {
            return Err(problem("lookup.fields", format!("{field:?} is the name of an input field too: rename one")));
        }
    }
    let key = position(columns, &key).ok_or_else(|| {
        problem(
            "lookup.key",
            format!(
                "{key:?} is no field of any column: use one of {}",
                listed(columns.iter().map(|column| &column.field))
            ),
        )
    })?;
    Ok(Lookup { source, table, key, fields, unmatched })
}

/// Names as a sentence lists them.
fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn check_output(columns: &[Column], lookup_fields: &[String], output: OutputDefinition) -> Result<Output, Problem> {
    // A reject names its field in a cell of its own, which is to be read back as it is.
    if let Some(column) = columns.iter().find(|column| column.field.starts_with('-'))
        && output.formulas == Formulas::Quote
    {
        let text = format!(
            "{:?} begins like a formula, which \"formulas\": \"quote\" is to keep out: rename it",
            column.field
        );
        return Err(problem("columns", text));
    }
    if output.columns.is_empty() {
        return Err(problem("output.columns", "name at least one column"));
    }
    no_duplicates("output.columns", output.columns.iter().map(|column| column.header.as_str()))?;
    let resolve = |column: Column| -> Result<OutputColumn, Problem> {
        check_header("output.columns", &column.header)?;
        let source = position(columns, &column.field)
            .map(Source::Input)
            .or_else(|| lookup_fields.iter().position(|field| *field == column.field).map(Source::Lookup));
        let unknown = || {
            let known = listed(columns.iter().map(|column| &column.field).chain(lookup_fields));
            let text = format!("{:?} is neither an input field nor a lookup field: use one of {known}", column.field);
            problem("output.columns", text)
        };
        Ok(OutputColumn { source: source.ok_or_else(unknown)?, header: column.header })
    };
    let columns = output.columns.into_iter().map(resolve).collect::<Result<_, _>>()?;
    Ok(Output { columns, quoting: output.quoting, formulas: output.formulas })
}
