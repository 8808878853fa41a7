//! A dataset's rules: a JSON Schema, compiled once, asked about each row where it lies.
//!
//! Where the schema allows it, a row's fields are put to direct checks first, and a row that passes them is valid. Any other
//! is put to the validator, which walks the record itself through `jsonschema`'s own representation trait: no JSON value is
//! built, and nothing is allocated for a row that passes. Only for a row that fails are the errors asked for.

mod direct;
mod keywords;
mod node;
mod pattern;
#[cfg(test)]
mod tests;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::definition::{Column, Problem, problem};
use crate::csv::Text;
use direct::Direct;
use node::{Node, Row, RowJson};

/// Compiled rules.
#[derive(Debug)]
pub struct Rules {
    direct: Option<Direct>,
    validator: Validator<RowJson>,
    fields: Vec<String>,
}

/// The rule that a row failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Failed {
    /// Field that failed; empty when the record as a whole is at fault.
    pub field: String,
    /// The rule: for a schema its keyword.
    pub rule: String,
}

impl Failed {
    /// A failure of a field, or of the whole record under an empty field.
    #[must_use]
    pub fn new(field: &str, rule: &str) -> Self {
        Self { field: field.to_owned(), rule: rule.to_owned() }
    }
}

impl Rules {
    pub(super) fn compile(columns: &[Column], schema: &Value) -> Result<Self, Problem> {
        let fields: Vec<String> = columns.iter().map(|column| column.field.clone()).collect();
        keywords::check(&fields, schema)?;
        let validator = validator(schema)?;
        Ok(Self { direct: Direct::compile(&fields, schema), validator, fields })
    }

    /// The first rule that the row fails, in the order of the dataset's columns; rules about the row as a whole come last.
    /// Two rules failed by one field are ordered by name, so that the answer does not depend on how a schema is written.
    ///
    /// `positions` says where each of the dataset's columns stands in the record.
    #[must_use]
    pub fn first_failed(&self, record: &Text<'_>, positions: &[usize]) -> Option<Failed> {
        let row = Row { fields: &self.fields, positions, record };
        let is_valid = match &self.direct {
            Some(direct) => direct.is_valid(record, positions),
            None => self.validator.is_valid(Node::Row(&row)),
        };
        if is_valid {
            return None;
        }
        let failures = self.validator.iter_errors(Node::Row(&row)).map(|error| self.failure(&error));
        failures
            .min()
            .map(|(column, rule)| Failed { field: self.fields.get(column).cloned().unwrap_or_default(), rule })
    }

    /// Index of the failing column (one past the last for the whole row) and the rule.
    fn failure(&self, error: &ValidationError<'_>) -> (usize, String) {
        let field = match error.kind() {
            ValidationErrorKind::Required { property } => property.as_str().unwrap_or_default().to_owned(),
            _ => error.instance_path().as_str().trim_start_matches('/').to_owned(),
        };
        let column = self.fields.iter().position(|name| *name == field).unwrap_or(self.fields.len());
        (column, error.kind().keyword().to_owned())
    }
}

/// Said of a pattern that is none: most often it is one elsewhere.
const NO_PATTERN: &str = ": patterns are matched in linear time, so they know no look-around and no back-references";

fn validator(schema: &Value) -> Result<Validator<RowJson>, Problem> {
    // A pattern runs over what strangers upload: the linear-time engine keeps a hostile field from stalling a chunk.
    jsonschema::options_for::<RowJson>()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| {
            let place = error.instance_path().as_str().replace('/', ".");
            let hint = if place.ends_with(".pattern") { NO_PATTERN } else { "" };
            problem(format!("rules{place}"), format!("{error}{hint}"))
        })
}
