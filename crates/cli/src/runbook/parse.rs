//! Reads a document: everything in it is understood, or refused by name.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::condition::Condition;
use super::document::{Action, Document, Kind, Next, OnFailure, Output, Step};
use super::{Invalid, duration};

/// Systems Manager lets an invocation take no longer.
const LONGEST_INVOCATION: u64 = 300;
/// Systems Manager's own limit, and what it takes if none is named.
const MOST_ITERATIONS: u32 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawDocument {
    schema_version: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    /// Whose permissions Systems Manager uses; here they are the caller's.
    #[serde(rename = "assumeRole")]
    _assume_role: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, RawParameter>,
    /// What Systems Manager shows at the end; the runner has every answer.
    #[serde(rename = "outputs")]
    _outputs: Option<Vec<String>>,
    main_steps: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawParameter {
    #[serde(rename = "type")]
    _type: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    default: Option<Value>,
    // Guards against what a person types; the runner's own values are right.
    #[serde(rename = "allowedPattern")]
    _allowed_pattern: Option<String>,
    #[serde(rename = "allowedValues")]
    _allowed_values: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawStep {
    name: String,
    action: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    inputs: Value,
    #[serde(default)]
    outputs: Vec<RawOutput>,
    max_attempts: Option<u32>,
    timeout_seconds: Option<u64>,
    on_failure: Option<String>,
    is_critical: Option<bool>,
    #[serde(default)]
    is_end: bool,
    next_step: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawOutput {
    name: String,
    selector: String,
    #[serde(rename = "Type")]
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct InvokeInputs {
    function_name: Value,
    #[serde(default)]
    input_payload: Value,
    #[serde(rename = "InvocationType")]
    invocation_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct LoopInputs {
    loop_condition: Value,
    max_iterations: Option<u32>,
    steps: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct SleepInputs {
    duration: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct BranchInputs {
    choices: Vec<serde_json::Map<String, Value>>,
    default: Option<String>,
}

impl Document {
    /// The document that a `Content` is.
    ///
    /// # Errors
    /// [`Invalid`] with the first thing that is not understood or does not fit together.
    pub fn parse(content: &Value) -> Result<Self, Invalid> {
        let raw: RawDocument = read("the document", content)?;
        if raw.schema_version != "0.3" {
            return Err(Invalid::at("schemaVersion", format!("{:?} is not 0.3", raw.schema_version)));
        }
        let parameters = raw.parameters.into_iter().map(|(name, parameter)| (name, parameter.default)).collect();
        let document = Self { parameters, steps: steps("mainSteps", &raw.main_steps, false)? };
        document.check_references()?;
        Ok(document)
    }
}

/// Steps that follow each other. They go forward only, so that every run ends.
fn steps(place: &str, raw: &[Value], in_loop: bool) -> Result<Vec<Step>, Invalid> {
    if raw.is_empty() {
        return Err(Invalid::at(place, "there are no steps"));
    }
    let steps = raw.iter().map(|raw| step(raw, in_loop)).collect::<Result<Vec<_>, _>>()?;
    for (position, step) in steps.iter().enumerate() {
        for successor in step.successors() {
            if !steps[position + 1..].iter().any(|later| later.name == successor) {
                return Err(Invalid::at(&step.name, format!("it leads to {successor}, which is no later step")));
            }
        }
    }
    Ok(steps)
}

fn step(value: &Value, in_loop: bool) -> Result<Step, Invalid> {
    let place = value["name"].as_str().unwrap_or("a step without a name").to_owned();
    let raw: RawStep = read(&place, value)?;
    let refuse = |what: &str| Err(Invalid::at(&place, what));
    if raw.name.is_empty() || !raw.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return refuse("a step's name is letters, digits and underscores");
    }
    let action = action(&place, &raw)?;
    if !raw.outputs.is_empty() && !matches!(action, Action::Invoke { .. }) {
        return refuse("outputs are known of aws:invokeLambdaFunction only");
    }
    let next = match (raw.is_end, raw.next_step) {
        (true, Some(_)) => return refuse("it has a nextStep and isEnd"),
        (true, None) if in_loop => return refuse("isEnd is not known inside a loop"),
        (true, None) => Next::End,
        (false, Some(name)) => Next::Step(name),
        (false, None) => Next::Following,
    };
    let on_failure = match raw.on_failure.as_deref() {
        None | Some("Abort") => OnFailure::Abort,
        Some("Continue") => OnFailure::Continue,
        Some(other) => match other.strip_prefix("step:") {
            Some(name) => OnFailure::Step(name.trim().to_owned()),
            None => return refuse("onFailure is Abort, Continue or step:<name>"),
        },
    };
    if raw.max_attempts == Some(0) || raw.timeout_seconds == Some(0) {
        return refuse("maxAttempts and timeoutSeconds begin at 1");
    }
    // As in Systems Manager: going on after a failure makes a step uncritical unless it says otherwise.
    let critical = raw.is_critical.unwrap_or(on_failure != OnFailure::Continue);
    let limit = matches!(action, Action::Invoke { .. }).then_some(LONGEST_INVOCATION);
    let timeout = raw.timeout_seconds.into_iter().chain(limit).min().map(Duration::from_secs);
    Ok(Step {
        name: raw.name,
        description: raw.description,
        action,
        max_attempts: raw.max_attempts.unwrap_or(1),
        timeout,
        on_failure,
        critical,
        next,
    })
}

fn action(place: &str, raw: &RawStep) -> Result<Action, Invalid> {
    match raw.action.as_str() {
        "aws:invokeLambdaFunction" => invoke(place, raw),
        "aws:loop" => {
            let inputs: LoopInputs = read(place, &raw.inputs)?;
            let most = inputs.max_iterations.unwrap_or(MOST_ITERATIONS);
            if !(1..=MOST_ITERATIONS).contains(&most) {
                return Err(Invalid::at(place, format!("MaxIterations is 1 to {MOST_ITERATIONS}")));
            }
            let condition = Condition::parse(&inputs.loop_condition).map_err(|error| Invalid::at(place, error))?;
            Ok(Action::Loop { condition, most, steps: steps(place, &inputs.steps, true)? })
        }
        "aws:sleep" => {
            let inputs: SleepInputs = read(place, &raw.inputs)?;
            let unknown = || Invalid::at(place, format!("{:?} is no duration as PT1M", inputs.duration));
            duration::parse(&inputs.duration).map(Action::Sleep).ok_or_else(unknown)
        }
        "aws:branch" => {
            let inputs: BranchInputs = read(place, &raw.inputs)?;
            let choices = inputs.choices.into_iter().map(|choice| self::choice(place, choice));
            Ok(Action::Branch { choices: choices.collect::<Result<_, _>>()?, default: inputs.default })
        }
        other => Err(Invalid::at(place, format!("the action {other} is unknown"))),
    }
}

fn invoke(place: &str, raw: &RawStep) -> Result<Action, Invalid> {
    let inputs: InvokeInputs = read(place, &raw.inputs)?;
    if inputs.invocation_type.is_some_and(|kind| kind != "RequestResponse") {
        return Err(Invalid::at(place, "InvocationType must be RequestResponse"));
    }
    let outputs = raw.outputs.iter().map(|output| {
        let path = output.selector.strip_prefix("$.Payload").map(|path| path.split('.').skip(1));
        let path: Vec<String> = path.into_iter().flatten().map(str::to_owned).collect();
        let simple = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let rebuilt: String = path.iter().map(|name| format!(".{name}")).collect();
        if output.selector != format!("$.Payload{rebuilt}") || !path.iter().all(simple) {
            let message = format!("the selector {:?} is not of the form $.Payload.field.field", output.selector);
            return Err(Invalid::at(place, message));
        }
        Ok(Output { name: output.name.clone(), path, kind: output.kind })
    });
    let outputs = outputs.collect::<Result<_, _>>()?;
    Ok(Action::Invoke { function: inputs.function_name, payload: inputs.input_payload, outputs })
}

fn choice(place: &str, mut fields: serde_json::Map<String, Value>) -> Result<(Condition, String), Invalid> {
    let Some(Value::String(next)) = fields.remove("NextStep") else {
        return Err(Invalid::at(place, "a choice needs a NextStep"));
    };
    let condition = Condition::parse(&Value::Object(fields)).map_err(|error| Invalid::at(place, error))?;
    Ok((condition, next))
}

fn read<T: for<'de> Deserialize<'de>>(place: &str, value: &Value) -> Result<T, Invalid> {
    T::deserialize(value).map_err(|error| Invalid::at(place, error))
}
