//! Conditions of loops and branches.

use serde_json::{Map, Value};

use super::reference::Scope;

/// What must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A comparison of a value that references may stand for.
    Compare {
        /// What is compared: a text with references.
        variable: Value,
        /// How.
        operator: Operator,
        /// With what.
        expected: Value,
    },
    /// All of them.
    And(Vec<Condition>),
    /// One of them at least.
    Or(Vec<Condition>),
    /// The opposite.
    Not(Box<Condition>),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    StringEquals,
    EqualsIgnoreCase,
    StartsWith,
    EndsWith,
    Contains,
    NumericEquals,
    NumericGreater,
    NumericLesser,
    NumericGreaterOrEquals,
    NumericLesserOrEquals,
    BooleanEquals,
}

impl Operator {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "StringEquals" => Self::StringEquals,
            "EqualsIgnoreCase" => Self::EqualsIgnoreCase,
            "StartsWith" => Self::StartsWith,
            "EndsWith" => Self::EndsWith,
            "Contains" => Self::Contains,
            "NumericEquals" => Self::NumericEquals,
            "NumericGreater" => Self::NumericGreater,
            "NumericLesser" => Self::NumericLesser,
            "NumericGreaterOrEquals" => Self::NumericGreaterOrEquals,
            "NumericLesserOrEquals" => Self::NumericLesserOrEquals,
            "BooleanEquals" => Self::BooleanEquals,
            _ => return None,
        })
    }

    /// Whether it holds; `None` for values that it does not compare.
    fn holds(self, actual: &Value, expected: &Value) -> Option<bool> {
        match self {
            Self::BooleanEquals => Some(actual.as_bool()? == expected.as_bool()?),
            Self::StringEquals => Some(actual.as_str()? == expected.as_str()?),
            Self::EqualsIgnoreCase => Some(actual.as_str()?.eq_ignore_ascii_case(expected.as_str()?)),
            Self::StartsWith => Some(actual.as_str()?.starts_with(expected.as_str()?)),
            Self::EndsWith => Some(actual.as_str()?.ends_with(expected.as_str()?)),
            Self::Contains => Some(actual.as_str()?.contains(expected.as_str()?)),
            Self::NumericEquals => Some(actual.as_f64()? == expected.as_f64()?),
            Self::NumericGreater => Some(actual.as_f64()? > expected.as_f64()?),
            Self::NumericLesser => Some(actual.as_f64()? < expected.as_f64()?),
            Self::NumericGreaterOrEquals => Some(actual.as_f64()? >= expected.as_f64()?),
            Self::NumericLesserOrEquals => Some(actual.as_f64()? <= expected.as_f64()?),
        }
    }
}

impl Condition {
    /// The condition that an object states.
    ///
    /// # Errors
    /// What is missing, unknown or too much.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let fields = value.as_object().ok_or("a condition must be an object")?;
        match (fields.len(), fields.keys().next().map(String::as_str)) {
            (1, Some("And")) => Ok(Self::And(Self::list(&fields["And"])?)),
            (1, Some("Or")) => Ok(Self::Or(Self::list(&fields["Or"])?)),
            (1, Some("Not")) => Ok(Self::Not(Box::new(Self::parse(&fields["Not"])?))),
            _ => Self::comparison(fields),
        }
    }

    fn list(value: &Value) -> Result<Vec<Self>, String> {
        let conditions = value.as_array().filter(|list| !list.is_empty());
        conditions.ok_or("And and Or take a list of conditions")?.iter().map(Self::parse).collect()
    }

    fn comparison(fields: &Map<String, Value>) -> Result<Self, String> {
        let variable = fields.get("Variable").filter(|variable| variable.is_string());
        let variable = variable.ok_or("a comparison needs a Variable, a text")?.clone();
        let mut others = fields.iter().filter(|(name, _)| *name != "Variable");
        let (Some((name, expected)), None) = (others.next(), others.next()) else {
            return Err(String::from("a comparison needs a Variable and one operator, and nothing else"));
        };
        let operator = Operator::named(name).ok_or_else(|| format!("the operator {name} is unknown"))?;
        // A value that no actual value could be compared with would make the condition fail at its first use.
        if operator.holds(expected, expected).is_none() {
            return Err(format!("{name} does not compare with {expected}"));
        }
        Ok(Self::Compare { variable, operator, expected: expected.clone() })
    }

    /// Everything that references may stand in.
    pub fn variables(&self) -> Vec<&Value> {
        match self {
            Self::Compare { variable, .. } => vec![variable],
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::variables).collect(),
            Self::Not(inner) => inner.variables(),
        }
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// When a reference has no value, or one that is not of the operator's type.
    pub fn holds(&self, scope: &Scope) -> Result<bool, String> {
        match self {
            Self::Compare { variable, operator, expected } => {
                let actual = scope.resolve(variable)?;
                let compared = operator.holds(&actual, expected);
                compared.ok_or_else(|| format!("{variable} is {actual}, which {operator:?} does not compare"))
            }
            Self::And(all) => all.iter().try_fold(true, |held, one| Ok(held && one.holds(scope)?)),
            Self::Or(any) => any.iter().try_fold(false, |held, one| Ok(held || one.holds(scope)?)),
            Self::Not(inner) => inner.holds(scope).map(|held| !held),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn holds(condition: Value) -> Result<bool, String> {
        let mut scope = Scope::new("us-west-2", "r1");
        scope.set("Ask.Active".into(), json!(true));
        scope.set("Ask.Text".into(), json!("Abc"));
        scope.set("Ask.Count".into(), json!(3));
        Condition::parse(&condition)?.holds(&scope)
    }

    fn compare(variable: &str, operator: &str, expected: Value) -> Value {
        json!({"Variable": format!("{{{{ Ask.{variable} }}}}"), operator: expected})
    }

    #[test]
    fn every_operator_compares_as_it_is_named() {
        for (variable, operator, expected, outcome) in [
            ("Active", "BooleanEquals", json!(true), true),
            ("Active", "BooleanEquals", json!(false), false),
            ("Text", "StringEquals", json!("abc"), false),
            ("Text", "EqualsIgnoreCase", json!("abc"), true),
            ("Text", "StartsWith", json!("Ab"), true),
            ("Text", "EndsWith", json!("Ab"), false),
            ("Text", "Contains", json!("b"), true),
            ("Count", "NumericEquals", json!(3), true),
            ("Count", "NumericGreater", json!(3), false),
            ("Count", "NumericGreaterOrEquals", json!(3), true),
            ("Count", "NumericLesser", json!(4), true),
            ("Count", "NumericLesserOrEquals", json!(2), false),
        ] {
            assert_eq!(holds(compare(variable, operator, expected)), Ok(outcome), "{operator}");
        }
    }

    #[test]
    fn conditions_combine() {
        let (yes, no) = (compare("Count", "NumericEquals", json!(3)), compare("Active", "BooleanEquals", json!(false)));
        assert_eq!(holds(json!({"And": [yes, no]})), Ok(false));
        assert_eq!(holds(json!({"Or": [no, yes]})), Ok(true));
        assert_eq!(holds(json!({"Not": no})), Ok(true));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for (condition, reason) in [
            (json!("x"), "object"),
            (json!({"Variable": "x"}), "one operator"),
            (json!({"Variable": "x", "StringMatches": "y"}), "StringMatches"),
            (json!({"Variable": "x", "StringEquals": "y", "Contains": "z"}), "nothing else"),
            (json!({"Variable": "x", "BooleanEquals": "true"}), "BooleanEquals"),
            (json!({"And": []}), "list"),
        ] {
            assert!(Condition::parse(&condition).unwrap_err().contains(reason), "{condition}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_an_error_and_not_a_no() {
        assert!(holds(compare("Text", "BooleanEquals", json!(true))).is_err());
        assert!(holds(compare("Missing", "BooleanEquals", json!(true))).unwrap_err().contains("Ask.Missing"));
    }
}
