//! `{{ Name }}`: what a document refers to, and what stands in its place.

use std::collections::BTreeMap;

use serde_json::Value;

/// The Region that the document runs in.
pub const REGION: &str = "global:REGION";
/// The id of this run.
pub const EXECUTION_ID: &str = "automation:EXECUTION_ID";

/// The output that every invocation has: the function's answer as JSON text, without blanks.
pub fn payload_of(step: &str) -> String {
    format!("{step}.Payload")
}

/// What references mean at one moment of a run: parameters by name, outputs as `Step.Output`, and the two of the system.
#[derive(Debug, Clone, Default)]
pub struct Scope(BTreeMap<String, Value>);

impl Scope {
    /// Nothing but the Region and the run.
    pub fn new(region: &str, run: &str) -> Self {
        let system = [(REGION, region), (EXECUTION_ID, run)];
        Self(system.map(|(name, value)| (name.to_owned(), Value::from(value))).into())
    }

    /// Gives a name its value.
    pub fn set(&mut self, name: String, value: Value) {
        self.0.insert(name, value);
    }

    /// Forgets the outputs of a step, which is run anew.
    pub fn forget(&mut self, step: &str) {
        self.0.retain(|name, _| name.split_once('.').is_none_or(|(of, _)| of != step));
    }

    /// The value with every reference replaced. A text that is one reference and nothing else becomes the value itself,
    /// with its type; inside a longer text it becomes text.
    ///
    /// # Errors
    /// When something has no value (yet): the name.
    pub fn resolve(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::String(text) => self.resolve_text(text),
            Value::Array(values) => values.iter().map(|value| self.resolve(value)).collect(),
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| Ok((name.clone(), self.resolve(value)?));
                fields.iter().map(field).collect::<Result<serde_json::Map<_, _>, String>>().map(Value::Object)
            }
            other => Ok(other.clone()),
        }
    }

    fn resolve_text(&self, text: &str) -> Result<Value, String> {
        let parts = parts(text)?;
        if let [Part::Reference(name)] = parts[..] {
            return self.value(name).cloned();
        }
        let mut resolved = String::new();
        for part in parts {
            match part {
                Part::Text(text) => resolved.push_str(text),
                Part::Reference(name) => match self.value(name)? {
                    Value::String(text) => resolved.push_str(text),
                    other => resolved.push_str(&other.to_string()),
                },
            }
        }
        Ok(Value::String(resolved))
    }

    fn value(&self, name: &str) -> Result<&Value, String> {
        self.0.get(name).ok_or_else(|| format!("{{{{ {name} }}}} has no value"))
    }
}

/// A piece of a text.
enum Part<'a> {
    Text(&'a str),
    Reference(&'a str),
}

/// The pieces of a text.
fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let unclosed = || format!("{text:?} opens {{{{ and does not close it");
        let (name, behind) = after.split_once("}}").ok_or_else(unclosed)?;
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Reference(name.trim()));
        rest = behind;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// Every name that a value refers to.
///
/// # Errors
/// When a reference is not closed.
pub fn names(value: &Value) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    match value {
        Value::String(text) => {
            for part in parts(text)? {
                if let Part::Reference(name) = part {
                    found.push(name);
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                found.extend(names(value)?);
            }
        }
        Value::Object(fields) => {
            for value in fields.values() {
                found.extend(names(value)?);
            }
        }
        _ => {}
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_alone_keeps_its_type_and_inside_a_text_becomes_text() {
        let mut scope = Scope::new("us-west-2", "r1");
        scope.set("Ask.Active".into(), json!(true));
        let value = json!({"a": "{{ Ask.Active }}", "b": ["x-{{global:REGION}}-{{ Ask.Active }}"], "c": 1});
        assert_eq!(scope.resolve(&value).unwrap(), json!({"a": true, "b": ["x-us-west-2-true"], "c": 1}));
    }

    #[test]
    fn a_step_that_runs_anew_has_no_outputs_until_it_has_ended() {
        let mut scope = Scope::new("us-west-2", "r1");
        scope.set("Ask.Active".into(), json!(true));
        scope.set("Asked.Active".into(), json!(true));
        scope.forget("Ask");
        assert!(scope.resolve(&json!("{{ Ask.Active }}")).unwrap_err().contains("Ask.Active"));
        assert!(scope.resolve(&json!("{{ Asked.Active }}")).is_ok());
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        let value = json!({"a": ["{{ B }} and {{C.D}}"], "e": {"f": "{{ G }}"}, "h": "plain"});
        assert_eq!(names(&value).unwrap(), ["B", "C.D", "G"]);
        assert!(names(&json!("{{ B")).is_err());
    }
}
