//! Datasets: what a file's columns, rules, lookup and output are, said in JSON, without touching code.
//!
//! [`Dataset::parse`] checks a whole definition when it is loaded, so that a mistake in it is found at deployment and never in
//! the middle of a batch. A header is matched by name, exactly, after whitespace around it is taken away: `item type` is not
//! `Item Type`, because two columns may differ in case only. An empty field counts as absent: `required` catches it, and no
//! other rule is asked about it.

mod definition;
mod rules;
mod silent;
mod source;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

pub use definition::{Column, DatasetError, Formulas, Notify, Quoting, Unmatched};
pub use rules::{Failed, Rules};
pub use silent::SilentDatasets;
pub use source::RecordSource;

use crate::batch::BatchId;
use crate::error::{Classified, ErrorType};

/// Name of the dataset of files that lie in no dataset's folder.
pub const DEFAULT_DATASET: &str = "sales-orders";

/// Prefix of uploads.
const INPUT_PREFIX: &str = "input/";

/// One dataset, checked and ready to use.
#[derive(Debug)]
pub struct Dataset {
    /// Its name: the folder under `input/`, and the stem of its definition's file name.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// One ASCII byte; neither quote nor line end.
    pub delimiter: u8,
    /// The columns that are used, in the order in which failures are reported. Others in a file are ignored.
    pub columns: Vec<Column>,
    /// The rules for a row.
    pub rules: Rules,
    /// What is added to a row.
    pub lookup: Lookup,
    /// What is written.
    pub output: Output,
    /// Who is e-mailed when a batch ends.
    pub notify: Notify,
    digest: [u8; 32],
}

/// What is added to a row, by which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Where reference records are asked for.
    pub source: RecordSource,
    /// First part of the reference records' ids.
    pub table: String,
    /// The column that holds the key, as an index into [`Dataset::columns`].
    pub key: usize,
    /// Fields of a reference record.
    pub fields: Vec<String>,
    /// What an unknown key means.
    pub unmatched: Unmatched,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Header and source of each column, in order.
    pub columns: Vec<OutputColumn>,
    /// Which fields stand in quotes.
    pub quoting: Quoting,
    /// What becomes of cells that a spreadsheet would take for a formula, there and in the rejects.
    pub formulas: Formulas,
}

/// One column of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its header.
    pub header: String,
    /// Where its value comes from.
    pub source: Source,
}

/// Where an output column's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An index into [`Dataset::columns`].
    Input(usize),
    /// An index into [`Lookup::fields`].
    Lookup(usize),
}

impl Dataset {
    /// Reads and checks a definition.
    ///
    /// # Errors
    /// [`DatasetError`], which says what to mend.
    pub fn parse(name: &str, definition: &[u8]) -> Result<Self, DatasetError> {
        definition::parse(name, definition)
    }

    /// The folder of a batch's results. Where nobody is told of them, whoever fetches them has to be allowed to: they lie under
    /// their dataset's name, so that it can be allowed those and no others.
    #[must_use]
    pub fn result_folder(&self, batch_id: &BatchId) -> String {
        match self.notify {
            Notify::Owner => format!("output/{batch_id}"),
            Notify::Nobody => format!("output/{}/{batch_id}", self.name),
        }
    }

    /// 16 hex digits that change with the definition.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(&self.digest)
    }

    /// 16 hex digits that change with the definition, the form of work files or the chunk settings: work files made under
    /// one are never taken for those of another.
    #[must_use]
    pub fn fingerprint(&self, work_format: u32, chunk_rows: u64, chunk_bytes: u64) -> String {
        let settings = format!("\0{work_format}\0{chunk_rows}\0{chunk_bytes}");
        let digest = Sha256::new().chain_update(self.digest).chain_update(settings).finalize();
        hex(&digest)
    }
}

/// The first 16 hex digits of a digest.
fn hex(digest: &[u8]) -> String {
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The datasets of an installation.
#[derive(Debug)]
pub struct Datasets(BTreeMap<String, Dataset>);

impl Datasets {
    /// Reads definitions, given as name and content of each file.
    ///
    /// # Errors
    /// [`DatasetError`] of the first that is wrong, or if the default dataset is not among them.
    pub fn load<N: AsRef<str>, B: AsRef<[u8]>>(
        definitions: impl IntoIterator<Item = (N, B)>,
    ) -> Result<Self, DatasetError> {
        let mut datasets = BTreeMap::new();
        for (name, definition) in definitions {
            datasets.insert(name.as_ref().to_owned(), Dataset::parse(name.as_ref(), definition.as_ref())?);
        }
        if datasets.contains_key(DEFAULT_DATASET) { Ok(Self(datasets)) } else { Err(DatasetError::no_default()) }
    }

    /// The dataset of this name.
    ///
    /// # Errors
    /// [`UnknownDataset`], naming those there are.
    pub fn named(&self, name: &str) -> Result<&Dataset, UnknownDataset> {
        self.0.get(name).ok_or_else(|| UnknownDataset {
            name: name.to_owned(),
            known: self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }

    /// Name of the dataset of an upload: its first folder under `input/` if that names a dataset, otherwise the default.
    #[must_use]
    pub fn for_key<'a>(&'a self, key: &str) -> &'a str {
        folder(key).and_then(|folder| self.0.get_key_value(folder)).map_or(DEFAULT_DATASET, |(name, _)| name)
    }

    /// All datasets, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Dataset> {
        self.0.values()
    }
}

/// The first folder of an upload under `input/`.
fn folder(key: &str) -> Option<&str> {
    key.strip_prefix(INPUT_PREFIX)?.split_once('/').map(|(folder, _)| folder)
}

/// That an upload's folder named no dataset, so that it was read as one of the default: what its owner may not have meant.
#[must_use]
pub fn folder_of_no_dataset<'a>(key: &'a str, dataset: &str) -> Option<&'a str> {
    folder(key).filter(|folder| !folder.is_empty() && *folder != dataset)
}

/// No dataset of that name is defined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "There is no dataset {name:?}; there are: {known}. A file is of the one whose name its folder below input/ has."
)]
pub struct UnknownDataset {
    name: String,
    known: String,
}

impl Classified for UnknownDataset {
    fn error_type(&self) -> ErrorType {
        ErrorType::UnknownDataset
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Dataset, Datasets, Notify, Quoting, Source, Unmatched};
    use crate::batch::BatchId;

    const SALES_ORDERS: &str = include_str!("../../../assets/datasets/sales-orders.json");
    const PRICE_LIST: &str = include_str!("../../../assets/datasets/price-list.json");

    fn datasets() -> Datasets {
        Datasets::load([("sales-orders", SALES_ORDERS), ("price-list", PRICE_LIST)]).unwrap()
    }

    #[test]
    fn the_shipped_datasets_load_and_differ() {
        let datasets = datasets();
        let (orders, prices) = (datasets.named("sales-orders").unwrap(), datasets.named("price-list").unwrap());
        assert_eq!((orders.delimiter, prices.delimiter), (b',', b';'));
        assert_eq!((orders.lookup.unmatched, prices.lookup.unmatched), (Unmatched::Reject, Unmatched::Empty));
        assert_eq!((orders.output.quoting, prices.output.quoting), (Quoting::All, Quoting::Necessary));
        assert_eq!(orders.output.columns.len(), 14);
        assert_eq!(orders.output.columns.last().map(|column| column.source), Some(Source::Lookup(5)));
    }

    #[test]
    fn a_files_first_folder_chooses_its_dataset() {
        let datasets = datasets();
        for (key, name) in [
            ("input/file.csv", "sales-orders"),
            ("input/price-list/file.csv", "price-list"),
            ("input/price-list/2024/file.csv", "price-list"),
            ("input/sales-orders/file.csv", "sales-orders"),
            ("input/unknown/price-list/file.csv", "sales-orders"),
            ("input/price-list", "sales-orders"),
            ("other/price-list/file.csv", "sales-orders"),
        ] {
            assert_eq!(datasets.for_key(key), name, "{key}");
        }
    }

    #[test]
    fn an_unknown_dataset_is_answered_with_those_there_are() {
        let message = datasets().named("orders").unwrap_err().to_string();
        assert!(message.contains("\"orders\"") && message.contains("price-list, sales-orders"), "{message}");
    }

    #[test]
    fn the_default_dataset_must_be_there() {
        let message = Datasets::load([("price-list", PRICE_LIST)]).unwrap_err().to_string();
        assert!(message.contains("add sales-orders.json"), "{message}");
    }

    #[test]
    fn every_mistake_in_a_definition_is_told_with_its_place() {
        let mistakes: &[(&str, &str, &str)] = &[
            ("\"delimiter\": \",\"", "\"delimiter\": \"\\\"\"", "delimiter: a quote or a line end"),
            ("\"delimiter\": \",\"", "\"delimiter\": \"::\"", "delimiter: \"::\" is not one ASCII sign"),
            ("\"delimiter\": \",\"", "\"delimiter\": \"§\"", "delimiter: \"§\" is not one ASCII sign"),
            ("\"delimiter\": \",\"", "\"delimiter\": \"\\n\"", "delimiter: a quote or a line end"),
            ("\"delimiter\":", "\"separator\":", "unknown field `separator`"),
            (
                "\"unmatched\": \"reject\"",
                "\"unmatched\": \"drop\"",
                "unknown variant `drop`, expected `reject` or `empty`",
            ),
            ("\"quoting\": \"all\"", "\"quoting\": \"some\"", "unknown variant `some`"),
            ("\"quoting\": \"all\"", "\"quoting\": \"all\", \"formulas\": \"drop\"", "expected `keep` or `quote`"),
            (
                "\"header\": \"Region\", \"field\": \"region\"",
                "\"header\": \" uuid\", \"field\": \"region\"",
                "columns: \"uuid\" stands there twice",
            ),
            (
                "\"header\": \"Region\", \"field\": \"region\"",
                "\"header\": \"Region\", \"field\": \"uuid\"",
                "columns: \"uuid\" stands there twice",
            ),
            ("\"field\": \"region\"", "\"field\": \"a/b\"", "columns: \"a/b\" is no name"),
            ("\"key\": \"uuid\"", "\"key\": \"id\"", "lookup.key: \"id\" is no field of any column"),
            ("\"fields\": [\"unitsSold\"", "\"fields\": [\"id\"", "lookup.fields: \"id\" is what a record's key"),
            (
                "\"table\": \"orders\"",
                &format!("\"table\": \"{}\"", "t".repeat(2_048)),
                "lookup.table: it has 2048 bytes",
            ),
            (
                "\"fields\": [\"unitsSold\"",
                "\"fields\": [\"uuid\"",
                "lookup.fields: \"uuid\" is the name of an input field too",
            ),
            (
                "\"lookup\": {",
                "\"lookup\": { \"source\": \"api\", \"api\": \"http://example.com\",",
                "lookup.api: \"http://example.com\" would send keys in the clear",
            ),
            ("\"lookup\": {", "\"lookup\": { \"source\": \"api\",", "lookup.api: say which"),
            ("\"lookup\": {", "\"lookup\": { \"source\": \"file\",", "unknown variant `file`"),
            ("\"field\": \"totalProfit\"", "\"field\": \"profit\"", "output.columns: \"profit\" is neither"),
            ("\"maxLength\": 50", "\"maxLenght\": 50", "rules.properties.country: \"maxLenght\" is no rule here"),
            ("\"maxLength\": 50", "\"maximum\": 50", "rules.properties.country: \"maximum\" limits numbers"),
            ("\"maxLength\": 50", "\"format\": \"datum\"", "rules"),
            ("\"maxLength\": 50", "\"maxLength\": \"many\"", "rules"),
            ("\"^[0-9]{9}$\"", "\"^[0-9{9}$\"", "rules"),
            ("\"type\": \"string\", \"maxLength\": 50", "\"type\": \"integer\"", "type \"integer\": a field is text"),
            ("\"required\": [\"uuid\"", "\"required\": [\"id\"", "rules.required: \"id\" is no field"),
            (
                "\"properties\": {\n      \"uuid\"",
                "\"properties\": {\n      \"id\"",
                "rules.properties: \"id\" is no field",
            ),
        ];
        for (right, wrong, expected) in mistakes {
            let definition = SALES_ORDERS.replacen(right, wrong, 1);
            assert_ne!(definition, SALES_ORDERS, "{right} is not in the definition");
            let message = Dataset::parse("sales-orders", definition.as_bytes()).unwrap_err().to_string();
            assert!(message.starts_with("dataset sales-orders: ") && message.contains(expected), "{wrong}: {message}");
        }
    }

    #[test]
    fn the_owner_is_told_unless_the_definition_says_nobody_and_then_results_have_a_folder_of_their_own() {
        let id = BatchId::of("input/a.csv", "e");
        let orders = Dataset::parse("sales-orders", SALES_ORDERS.as_bytes()).unwrap();
        assert_eq!((orders.notify, orders.result_folder(&id)), (Notify::Owner, format!("output/{id}")));
        let with = |notify: &str| SALES_ORDERS.replacen('{', &format!("{{\"notify\": {notify},"), 1);
        let silent = Dataset::parse("probe", with("\"nobody\"").as_bytes()).unwrap();
        assert_eq!((silent.notify, silent.result_folder(&id)), (Notify::Nobody, format!("output/probe/{id}")));
        let wrong = Dataset::parse("probe", with("\"none\"").as_bytes()).unwrap_err().to_string();
        assert!(wrong.contains("unknown variant `none`, expected `owner` or `nobody`"), "{wrong}");
    }

    #[test]
    fn where_formulas_are_quoted_no_field_is_named_like_one() {
        let renamed = SALES_ORDERS.replace("\"region\"", "\"-region\"");
        assert!(Dataset::parse("sales-orders", renamed.as_bytes()).is_ok());
        let quoting = renamed.replace("\"quoting\": \"all\"", "\"quoting\": \"all\", \"formulas\": \"quote\"");
        let message = Dataset::parse("sales-orders", quoting.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("columns: \"-region\" begins like a formula"), "{message}");
    }

    #[test]
    fn where_formulas_are_quoted_no_apostrophe_separates_fields() {
        let separated = SALES_ORDERS.replace("\"delimiter\": \",\"", "\"delimiter\": \"'\"");
        assert!(Dataset::parse("sales-orders", separated.as_bytes()).is_ok());
        let quoting = separated.replace("\"quoting\": \"all\"", "\"quoting\": \"all\", \"formulas\": \"quote\"");
        let message = Dataset::parse("sales-orders", quoting.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("delimiter: \"formulas\": \"quote\" writes apostrophes"), "{message}");
    }

    #[test]
    fn what_is_wrong_with_the_json_is_told_once() {
        let error = Dataset::parse("loans", b"{").unwrap_err();
        assert!(error.to_string().starts_with("dataset loans: EOF"), "{error}");
        assert!(std::error::Error::source(&error).is_none(), "it would be told again");
    }

    #[test]
    fn the_fingerprint_changes_with_definition_format_and_sizes() {
        let orders = Dataset::parse("sales-orders", SALES_ORDERS.as_bytes()).unwrap();
        let other = Dataset::parse("sales-orders", SALES_ORDERS.replace("50", "51").as_bytes()).unwrap();
        assert_ne!(orders.digest(), other.digest());
        let prints = [
            orders.fingerprint(1, 10, 20),
            orders.fingerprint(2, 10, 20),
            orders.fingerprint(1, 11, 20),
            orders.fingerprint(1, 10, 21),
            other.fingerprint(1, 10, 20),
        ];
        assert!(prints.iter().all(|print| print.len() == 16));
        let distinct: std::collections::BTreeSet<&String> = prints.iter().collect();
        assert_eq!(distinct.len(), prints.len());
    }
}
