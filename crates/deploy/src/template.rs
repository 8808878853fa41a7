//! What a template says of its parameters, and of what it keeps when its stack is deleted.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use regex_lite::Regex;
use serde_json::Value as Json;

/// A template's parameters, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// By name.
    pub parameters: BTreeMap<String, Parameter>,
}

/// What is said of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameter {
    /// Whether it is a number.
    pub number: bool,
    /// Its default; without one it must be given.
    pub default: Option<String>,
    /// What values must match as a whole.
    pub pattern: Option<String>,
    /// The pattern in words.
    pub constraint: Option<String>,
    /// The values that there are, if they are few.
    pub values: Vec<String>,
    /// The smallest number.
    pub min: Option<i64>,
    /// The largest number.
    pub max: Option<i64>,
}

impl Template {
    /// Reads the template `kind` of a project.
    ///
    /// # Errors
    /// There is none, or it is no YAML.
    pub fn load(root: &Path, kind: &str) -> anyhow::Result<Self> {
        let file = root.join("sam").join(format!("{kind}.yaml"));
        let text = std::fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no template", file.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        // Short forms of intrinsic functions read as their text here; parameters have none.
        let template: Json = serde_saphyr::from_str(text)?;
        let parameters = template["Parameters"].as_object().into_iter().flatten();
        Ok(Self { parameters: parameters.map(|(name, about)| (name.clone(), Parameter::of(about))).collect() })
    }
}

impl Parameter {
    fn of(about: &Json) -> Self {
        let text = |field: &str| match &about[field] {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let listed = about["AllowedValues"].as_array().into_iter().flatten();
        Self {
            number: about["Type"] == "Number",
            default: text("Default"),
            pattern: text("AllowedPattern"),
            constraint: text("ConstraintDescription"),
            values: listed.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect(),
            min: about["MinValue"].as_i64(),
            max: about["MaxValue"].as_i64(),
        }
    }

    /// Checks a value; gives what is allowed if it isn't.
    ///
    /// # Errors
    /// What is allowed, in words.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if !self.values.is_empty() && !self.values.iter().any(|allowed| allowed == value) {
            return Err(format!("allowed are {}", self.values.join(", ")));
        }
        if self.number && !self.is_in_range(value) {
            return Err(format!("allowed is {}", self.range()));
        }
        if self.pattern.as_ref().is_some_and(|pattern| !matches(pattern, value)) {
            let pattern = || format!("what matches {}", self.pattern.as_deref().unwrap_or_default());
            return Err(format!("allowed is {}", self.constraint.clone().unwrap_or_else(pattern)));
        }
        Ok(())
    }

    fn is_in_range(&self, value: &str) -> bool {
        let above = |number: f64| self.min.is_none_or(|min| number >= min as f64);
        let below = |number: f64| self.max.is_none_or(|max| number <= max as f64);
        value.parse::<f64>().is_ok_and(|number| number.is_finite() && above(number) && below(number))
    }

    fn range(&self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("a number from {min} to {max}"),
            (Some(min), None) => format!("a number, {min} or more"),
            (None, Some(max)) => format!("a number, {max} or less"),
            (None, None) => "a number".to_owned(),
        }
    }
}

/// Whether a value matches a pattern as a whole. A pattern that isn't understood here is CloudFormation's to judge.
fn matches(pattern: &str, value: &str) -> bool {
    Regex::new(&format!("^(?:{pattern})$")).map_or(true, |pattern| pattern.is_match(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_value_is_checked_as_the_template_says() {
        let text = "Parameters:\n  A: {Type: Number, MinValue: 1, MaxValue: 50, Default: 5}\n  \
            B: {Type: String, AllowedPattern: \"[a-z]+\", ConstraintDescription: letters}\n  \
            C: {Type: Number, AllowedValues: [1, 3]}\nResources:\n  R: {Type: X, Properties: {N: !Ref A}}\n";
        let template = Template::parse(text).unwrap();
        let check = |name: &str, value: &str| template.parameters[name].check(value);
        assert_eq!(check("A", "5"), Ok(()));
        for wrong in ["0", "51", "many", "NaN"] {
            assert_eq!(check("A", wrong), Err("allowed is a number from 1 to 50".to_owned()), "{wrong}");
        }
        assert_eq!(check("B", "ab"), Ok(()));
        assert_eq!(check("B", "ab1"), Err("allowed is letters".to_owned()));
        assert_eq!(check("C", "2"), Err("allowed are 1, 3".to_owned()));
        assert_eq!(template.parameters["A"].default.as_deref(), Some("5"));
    }

    #[test]
    fn every_pattern_of_every_template_is_understood() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for file in std::fs::read_dir(root.join("sam")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let template = Template::load(&root, path.file_stem().unwrap().to_str().unwrap()).unwrap();
            for (name, parameter) in template.parameters {
                let pattern = parameter.pattern.clone().unwrap_or_default();
                assert!(Regex::new(&pattern).is_ok(), "{} {name}: {pattern}", path.display());
                if let Some(default) = &parameter.default {
                    assert_eq!(parameter.check(default), Ok(()), "{} {name}", path.display());
                }
            }
        }
    }
}
