//! Catches rules that JSON Schema would silently ignore, at any depth: a misspelt keyword, a field that does not exist, a limit
//! for numbers; and those that no row could keep.

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

/// Keywords whose value is a schema, or a list of schemas, for what the keyword itself stands in.
const SAME: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// What a schema is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Row,
    Field,
    /// One of the two: in `$defs` nobody knows yet.
    Either,
}

impl About {
    fn knows(self, keyword: &str) -> bool {
        (self != Self::Field && ROW.contains(&keyword)) || (self != Self::Row && FIELD.contains(&keyword))
    }

    fn keywords(self) -> String {
        let of = |keywords: &[&str]| keywords.join(", ");
        match self {
            Self::Row => of(ROW),
            Self::Field => of(FIELD),
            Self::Either => format!("{}, {}", of(ROW), of(FIELD)),
        }
    }
}

/// Checks a schema, and all that stand in it.
pub(super) fn check(fields: &[String], schema: &Value) -> Result<(), Problem> {
    let row = object("rules", schema)?;
    // The two levels that nearly all definitions have: a field's rules are an object there, not `true`.
    for (name, rules) in row.get("properties").and_then(Value::as_object).into_iter().flatten() {
        field(fields, "rules.properties", name)?;
        object(&format!("rules.properties.{name}"), rules)?;
    }
    Schemas { fields }.check("rules", About::Row, schema)
}

/// A walk through a schema.
struct Schemas<'a> {
    fields: &'a [String],
}

impl Schemas<'_> {
    fn check(&self, at: &str, about: About, schema: &Value) -> Result<(), Problem> {
        // `true` and `false` are schemas too.
        let Value::Object(rules) = schema else {
            return if schema.is_boolean() { Ok(()) } else { Err(problem(at, "must be an object")) };
        };
        for keyword in rules.keys() {
            known(about, at, keyword)?;
        }
        check_type(at, about, rules)?;
        limits(at, rules, "minLength", "maxLength")?;
        limits(at, rules, "minProperties", "maxProperties")?;
        texts_only(at, rules)?;
        self.names(at, rules)?;
        for (keyword, value) in rules {
            self.within(&format!("{at}.{keyword}"), about, keyword, value)?;
        }
        Ok(())
    }

    /// The schemas that stand in a keyword's value.
    fn within(&self, at: &str, about: About, keyword: &str, value: &Value) -> Result<(), Problem> {
        match (keyword, value) {
            (_, Value::Array(list)) if SAME.contains(&keyword) => {
                let mut numbered = list.iter().enumerate();
                numbered.try_for_each(|(index, schema)| self.check(&format!("{at}[{index}]"), about, schema))
            }
            _ if SAME.contains(&keyword) => self.check(at, about, value),
            ("properties" | "patternProperties", Value::Object(members)) => self.each(at, About::Field, members),
            ("dependentSchemas", Value::Object(members)) => self.each(at, About::Row, members),
            ("$defs", Value::Object(members)) => self.each(at, About::Either, members),
            ("additionalProperties" | "unevaluatedProperties" | "propertyNames", _) => {
                self.check(at, About::Field, value)
            }
            ("properties" | "patternProperties" | "dependentSchemas" | "$defs", _) => {
                Err(problem(at, "must be an object"))
            }
            _ => Ok(()),
        }
    }

    fn each(&self, at: &str, about: About, members: &Map<String, Value>) -> Result<(), Problem> {
        members.iter().try_for_each(|(name, schema)| self.check(&format!("{at}.{name}"), about, schema))
    }

    /// Every field that is named is one, and no more are asked for than there are.
    fn names(&self, at: &str, rules: &Map<String, Value>) -> Result<(), Problem> {
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
        };
        for name in rules.get("required").map(texts).into_iter().flatten() {
            field(self.fields, &format!("{at}.required"), &name)?;
        }
        for keyword in ["properties", "dependentSchemas", "dependentRequired"] {
            for (name, value) in rules.get(keyword).and_then(Value::as_object).into_iter().flatten() {
                let at = format!("{at}.{keyword}");
                field(self.fields, &at, name)?;
                texts(value).iter().try_for_each(|name| field(self.fields, &at, name))?;
            }
        }
        match rules.get("minProperties").and_then(Value::as_f64) {
            Some(least) if least > self.fields.len() as f64 => {
                let text =
                    format!("{least} fields are asked for, and a row has {}: no row has them", self.fields.len());
                Err(problem(format!("{at}.minProperties"), text))
            }
            _ => Ok(()),
        }
    }
}

/// A row is an object and a field a text: another type fits none, alone or in a list.
fn check_type(at: &str, about: About, rules: &Map<String, Value>) -> Result<(), Problem> {
    let Some(kind) = rules.get("type") else { return Ok(()) };
    let kinds: Vec<&Value> = kind.as_array().map_or_else(|| vec![kind], |kinds| kinds.iter().collect());
    let has = |wanted: &str| kinds.iter().any(|kind| **kind == wanted);
    match about {
        About::Row if has("object") => Ok(()),
        About::Field if has("string") => Ok(()),
        About::Either if has("object") || has("string") => Ok(()),
        About::Row => Err(problem(format!("{at}.type"), "a row is an object: write \"object\" or leave it out")),
        About::Field | About::Either => {
            Err(problem(at, format!("type {kind}: a field is text: write \"string\" and a \"pattern\"")))
        }
    }
}

/// A least above the most fits no row.
fn limits(at: &str, rules: &Map<String, Value>, least: &str, most: &str) -> Result<(), Problem> {
    let number = |keyword: &str| rules.get(keyword).and_then(Value::as_f64);
    match number(least).zip(number(most)) {
        Some((low, high)) if low > high => {
            Err(problem(at, format!("{least:?} is above {most:?}, so no row would pass: exchange them")))
        }
        _ => Ok(()),
    }
}

/// What a field may be is written as text: a number or `null` is no field's value.
fn texts_only(at: &str, rules: &Map<String, Value>) -> Result<(), Problem> {
    let listed = rules.get("enum").and_then(Value::as_array);
    if listed.is_some_and(Vec::is_empty) {
        return Err(problem(
            format!("{at}.enum"),
            "nothing is listed, so no row would pass: list texts, or leave it out",
        ));
    }
    let values = listed.into_iter().flatten().map(|value| ("enum", value));
    let mut values = values.chain(rules.get("const").map(|value| ("const", value)));
    let Some((keyword, value)) = values.find(|(_, value)| !value.is_string()) else { return Ok(()) };
    let remedy = if value.is_number() { format!("write \"{value}\"") } else { "write texts only".to_owned() };
    Err(problem(format!("{at}.{keyword}"), format!("{value} is no text, and a field is text: {remedy}")))
}

fn object<'a>(at: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Problem> {
    value.as_object().ok_or_else(|| problem(at, "must be an object"))
}

fn known(about: About, at: &str, keyword: &str) -> Result<(), Problem> {
    if about.knows(keyword) {
        return Ok(());
    }
    let text = match NUMBER.contains(&keyword) {
        true => format!("{keyword:?} limits numbers, and a field is text: use \"pattern\""),
        false => format!("{keyword:?} is no rule here: use one of {}", about.keywords()),
    };
    Err(problem(at, text))
}

fn field(fields: &[String], at: &str, name: &str) -> Result<(), Problem> {
    if fields.iter().any(|field| field == name) {
        return Ok(());
    }
    Err(problem(at, format!("{name:?} is no field of any column: use one of {}", fields.join(", "))))
}
