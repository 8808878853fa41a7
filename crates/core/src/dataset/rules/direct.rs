//! Rules as direct checks on a row's fields, where the schema says nothing that needs more.
//!
//! Only their "valid" counts: what fails a direct check is put to `jsonschema`, which then says why, or that it was wrong. What a
//! field's rules hold beyond the checks here is asked of a validator of that field alone.

use jsonschema::Validator;
use serde_json::{Map, Value};

use super::node::{Node, RowJson};
use super::pattern::Sequence;
use crate::csv::Text;

/// Keywords for a row that may stand there, or are turned into checks.
const ROW: [&str; 6] = ["$comment", "title", "description", "type", "properties", "required"];
/// Keywords for a field that ask for nothing.
const SILENT: [&str; 4] = ["$comment", "title", "description", "examples"];

/// The checks of all fields.
#[derive(Debug)]
pub(super) struct Direct(Vec<Field>);

#[derive(Debug, Default)]
struct Field {
    required: bool,
    checks: Vec<Check>,
}

#[derive(Debug)]
enum Check {
    /// At least so many characters.
    AtLeast(usize),
    /// At most so many characters.
    AtMost(usize),
    OneOf(Vec<String>),
    Pattern(Sequence),
    Schema(Box<Validator<RowJson>>),
}

impl Direct {
    /// The checks, or `None` where the schema asks for more about a row than its fields one by one.
    pub(super) fn compile(fields: &[String], schema: &Value) -> Option<Self> {
        let row = schema.as_object()?;
        if !row.keys().all(|keyword| ROW.contains(&keyword.as_str())) || refers(schema) {
            return None;
        }
        let required: Vec<&str> = texts(row.get("required"));
        let rules = |name: &String| row.get("properties").and_then(|properties| properties.get(name));
        let field = |name: &String| {
            let checks = rules(name).map_or(Some(Vec::new()), |rules| checks(rules.as_object()?))?;
            Some(Field { required: required.contains(&name.as_str()), checks })
        };
        fields.iter().map(field).collect::<Option<_>>().map(Self)
    }

    /// Whether the row keeps all rules. An empty field is an absent member.
    pub(super) fn is_valid(&self, record: &Text<'_>, positions: &[usize]) -> bool {
        self.0.iter().enumerate().all(|(index, field)| {
            let value = positions.get(index).and_then(|&position| record.get(position)).unwrap_or_default();
            if value.is_empty() { !field.required } else { field.checks.iter().all(|check| check.holds(value)) }
        })
    }
}

impl Check {
    fn holds(&self, value: &str) -> bool {
        match self {
            // A character has 1 to 4 bytes: they are counted only where that could matter.
            Self::AtLeast(least) => value.len() / 4 >= *least || value.chars().count() >= *least,
            Self::AtMost(most) => value.len() <= *most || value.chars().count() <= *most,
            Self::OneOf(values) => values.iter().any(|one| one == value),
            Self::Pattern(sequence) => sequence.matches(value),
            Self::Schema(validator) => validator.is_valid(Node::Text(value)),
        }
    }
}

/// The checks of one field; what they do not cover goes into one schema, because keywords can belong together.
fn checks(rules: &Map<String, Value>) -> Option<Vec<Check>> {
    let mut rest = Map::new();
    let mut checks = Vec::new();
    for (keyword, value) in rules.iter().filter(|(keyword, _)| !SILENT.contains(&keyword.as_str())) {
        match check(keyword, value) {
            Some(check) => checks.push(check),
            None if keyword == "type" && value == "string" => {}
            None => drop(rest.insert(keyword.clone(), value.clone())),
        }
    }
    if !rest.is_empty() {
        checks.push(Check::Schema(Box::new(super::validator(&Value::Object(rest)).ok()?)));
    }
    Some(checks)
}

/// The check of one keyword, if it is one of these.
fn check(keyword: &str, value: &Value) -> Option<Check> {
    let count = || usize::try_from(value.as_u64()?).ok();
    match keyword {
        "minLength" => count().map(Check::AtLeast),
        "maxLength" => count().map(Check::AtMost),
        "enum" => value.is_array().then(|| Check::OneOf(owned(texts(Some(value))))),
        "const" => value.as_str().map(|text| Check::OneOf(vec![text.to_owned()])),
        "pattern" => Sequence::parse(value.as_str()?).map(Check::Pattern),
        _ => None,
    }
}

/// The texts among an array's values; no other value can equal a field.
fn texts(array: Option<&Value>) -> Vec<&str> {
    array.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn owned(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

/// Whether anything in the schema refers to something else, or changes what keywords mean.
fn refers(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.iter().any(|(name, value)| (name.starts_with('$') && name != "$comment") || refers(value))
        }
        Value::Array(values) => values.iter().any(refers),
        _ => false,
    }
}
