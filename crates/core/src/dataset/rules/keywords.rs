//! Catches rules that JSON Schema would silently ignore: a misspelt keyword, a field that does not exist, a limit for numbers.

use serde_json::{Map, Value};

use crate::dataset::definition::{Problem, problem};

/// Keywords for a row as a whole.
const ROW: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];
/// Keywords for one field.
const FIELD: &[&str] = &[
    "$comment",
    "$ref",
    "title",
    "description",
    "examples",
    "type",
    "enum",
    "const",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "contentEncoding",
    "contentMediaType",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];
/// Keywords that say nothing about text.
const NUMBER: &[&str] = &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];

/// Checks the schema's first two levels; deeper ones are `jsonschema`'s.
pub(super) fn check(fields: &[String], schema: &Value) -> Result<(), Problem> {
    let schema = object("rules", schema)?;
    for keyword in schema.keys() {
        known(ROW, "rules", keyword)?;
    }
    match schema.get("type") {
        None => {}
        Some(Value::String(kind)) if kind == "object" => {}
        Some(_) => return Err(problem("rules.type", "a row is an object: write \"object\" or leave it out")),
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        field(fields, "rules.required", name.as_str().unwrap_or_default())?;
    }
    let Some(properties) = schema.get("properties") else { return Ok(()) };
    for (name, rules) in object("rules.properties", properties)? {
        field(fields, "rules.properties", name)?;
        check_field(&format!("rules.properties.{name}"), rules)?;
    }
    Ok(())
}

fn check_field(at: &str, rules: &Value) -> Result<(), Problem> {
    let rules = object(at, rules)?;
    for keyword in rules.keys() {
        if NUMBER.contains(&keyword.as_str()) {
            let text = format!("{keyword:?} limits numbers, and a field is text: use \"pattern\"");
            return Err(problem(at, text));
        }
        known(FIELD, at, keyword)?;
    }
    match rules.get("type").and_then(Value::as_str) {
        None | Some("string") => Ok(()),
        Some(other) => Err(problem(at, format!("type {other:?}: a field is text: write \"string\" and a \"pattern\""))),
    }
}

fn object<'a>(at: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Problem> {
    value.as_object().ok_or_else(|| problem(at, "must be an object"))
}

fn known(keywords: &[&str], at: &str, keyword: &str) -> Result<(), Problem> {
    if keywords.contains(&keyword) {
        return Ok(());
    }
    Err(problem(at, format!("{keyword:?} is no rule here: use one of {}", keywords.join(", "))))
}

fn field(fields: &[String], at: &str, name: &str) -> Result<(), Problem> {
    if fields.iter().any(|field| field == name) {
        return Ok(());
    }
    Err(problem(at, format!("{name:?} is no field of any column: use one of {}", fields.join(", "))))
}
