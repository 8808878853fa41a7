//! The document: what its steps are, and that its names and references fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::condition::Condition;
use super::{Invalid, reference};

/// An Automation document that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its parameters, with their defaults.
    pub(super) parameters: BTreeMap<String, Option<Value>>,
    /// Its steps, in order.
    pub(super) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub name: String,
    /// For people.
    pub description: String,
    pub action: Action,
    pub max_attempts: u32,
    pub timeout: Option<Duration>,
    pub on_failure: OnFailure,
    /// Whether the run has failed when this step fails and the run goes on.
    pub critical: bool,
    pub next: Next,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Invoke { function: Value, payload: Value, outputs: Vec<Output> },
    Loop { condition: Condition, most: u32, steps: Vec<Step> },
    Sleep(Duration),
    Branch { choices: Vec<(Condition, String)>, default: Option<String> },
}

/// A part of an answer that later steps can refer to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Output {
    pub name: String,
    /// Fields to follow from the answer's top.
    pub path: Vec<String>,
    pub kind: Kind,
}

/// Type of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Kind {
    String,
    Boolean,
    Integer,
    StringList,
    StringMap,
    MapList,
}

/// What follows a step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OnFailure {
    Abort,
    Continue,
    Step(String),
}

/// What follows a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Following,
    Step(String),
    End,
}

impl Document {
    /// Whether it can be told this.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameters.contains_key(name)
    }

    /// The names of the top steps, in order.
    pub fn step_names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.name.as_str())
    }

    /// The names of the top steps and what each does, in order.
    pub fn described_steps(&self) -> impl Iterator<Item = (&str, &str)> {
        self.steps.iter().map(|step| (step.name.as_str(), step.description.trim()))
    }

    /// Every name is one step's, and every reference leads somewhere.
    pub(super) fn check_references(&self) -> Result<(), Invalid> {
        let mut known: BTreeSet<String> = self.parameters.keys().cloned().collect();
        known.extend([reference::REGION, reference::EXECUTION_ID].map(str::to_owned));
        let mut all = Vec::new();
        flatten(&self.steps, &mut all);
        let mut names = BTreeSet::new();
        for step in &all {
            if !names.insert(&step.name) {
                return Err(Invalid::at(&step.name, "there are two steps of that name"));
            }
            if let Action::Invoke { outputs, .. } = &step.action {
                known.extend(outputs.iter().map(|output| format!("{}.{}", step.name, output.name)));
                known.insert(reference::payload_of(&step.name));
            }
        }
        let defaults = self.parameters.iter().filter_map(|(name, default)| Some((name, vec![default.as_ref()?])));
        let steps = all.iter().map(|step| (&step.name, step.referring()));
        for (place, values) in defaults.chain(steps) {
            for value in values {
                for name in reference::names(value).map_err(|error| Invalid::at(place, error))? {
                    if !known.contains(name) {
                        return Err(Invalid::at(place, format!("{{{{ {name} }}}} is nothing that is known")));
                    }
                }
            }
        }
        Ok(())
    }
}

impl Step {
    /// Everything in which references may stand.
    fn referring(&self) -> Vec<&Value> {
        match &self.action {
            Action::Invoke { function, payload, .. } => vec![function, payload],
            Action::Loop { condition, .. } => condition.variables(),
            Action::Branch { choices, .. } => choices.iter().flat_map(|(condition, _)| condition.variables()).collect(),
            Action::Sleep(_) => Vec::new(),
        }
    }

    /// The steps that this one names as its successors.
    pub(super) fn successors(&self) -> Vec<&str> {
        let mut successors = Vec::new();
        if let Next::Step(name) = &self.next {
            successors.push(name.as_str());
        }
        if let OnFailure::Step(name) = &self.on_failure {
            successors.push(name);
        }
        if let Action::Branch { choices, default } = &self.action {
            successors.extend(choices.iter().map(|(_, name)| name.as_str()).chain(default.as_deref()));
        }
        successors
    }
}

/// All steps, those inside loops too.
fn flatten<'a>(steps: &'a [Step], into: &mut Vec<&'a Step>) {
    for step in steps {
        into.push(step);
        if let Action::Loop { steps, .. } = &step.action {
            flatten(steps, into);
        }
    }
}

impl Kind {
    /// Whether a value is of this type.
    pub fn is_of(self, value: &Value) -> bool {
        let list_of = |of: fn(&Value) -> bool| value.as_array().is_some_and(|values| values.iter().all(of));
        match self {
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::StringList => list_of(Value::is_string),
            Self::StringMap => value.is_object(),
            Self::MapList => list_of(Value::is_object),
        }
    }
}
