//! Carries a document out, step by step, and notes what happened.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::document::{Action, Next, OnFailure, Output, Step};
use super::record::{Answer, Run, StepRecord, StepStatus};
use super::reference::{Scope, payload_of};
use super::{Document, Invalid};

/// Pause before a step is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Invokes functions: the only thing that a runbook does to the world.
pub trait Invoke {
    /// The answer of a function, or why there is none.
    fn invoke(&self, function: &str, payload: &Value) -> impl Future<Output = Result<Value, String>>;
}

/// Sees a run as it happens.
pub trait Observe {
    /// A step begins. `depth` is 0, or more inside loops.
    fn begins(&self, step: &str, depth: usize);
    /// A function has answered.
    fn answers(&self, answer: &Answer);
    /// A try has failed and the step is tried again.
    fn tries_again(&self, step: &str, error: &str);
    /// A step is over.
    fn ends(&self, record: &StepRecord, depth: usize);
}

/// A document, ready to be run.
pub struct Runner<'a, I, O> {
    document: &'a Document,
    invoke: &'a I,
    observe: &'a O,
    pace: f64,
    begun: Instant,
    scope: Scope,
}

/// What changes during a run.
struct State {
    scope: Scope,
    records: BTreeMap<String, StepRecord>,
    answers: Vec<Answer>,
    iterations: BTreeMap<String, u32>,
    failed: bool,
}

/// Why a step did not succeed.
struct Failure {
    error: String,
    status: StepStatus,
    /// A step inside a loop ended the run, whatever the loop's own `onFailure` says.
    aborts: bool,
}

impl From<String> for Failure {
    fn from(error: String) -> Self {
        Self { error, status: StepStatus::Failed, aborts: false }
    }
}

/// The run has ended early.
struct Aborted(String);

impl<'a, I: Invoke, O: Observe> Runner<'a, I, O> {
    /// Prepares a run in `region` under the id `run`. Of `parameters`, those are used that the document has. Pauses are
    /// multiplied by `pace`.
    ///
    /// # Errors
    /// [`Invalid`] when a parameter has no value that can be used here.
    pub fn new(
        document: &'a Document,
        (region, run): (&str, &str),
        parameters: &BTreeMap<&str, String>,
        (invoke, observe): (&'a I, &'a O),
        pace: f64,
    ) -> Result<Self, Invalid> {
        let system = Scope::new(region, run);
        let mut scope = system.clone();
        for (name, default) in &document.parameters {
            let value = match (parameters.get(name.as_str()), default) {
                (Some(given), _) => Value::String(given.clone()),
                (None, Some(default)) if !default.to_string().contains("${") => {
                    system.resolve(default).map_err(|error| Invalid::at(name, error))?
                }
                (None, _) => return Err(Invalid::at(name, "the parameter has no value that is known here")),
            };
            scope.set(name.clone(), value);
        }
        Ok(Self { document, invoke, observe, pace, begun: Instant::now(), scope })
    }

    /// Runs the document to its end.
    pub async fn run(self) -> Run {
        let mut state = State {
            scope: self.scope.clone(),
            records: BTreeMap::new(),
            answers: Vec::new(),
            iterations: BTreeMap::new(),
            failed: false,
        };
        let aborted = self.steps(&self.document.steps, &mut state, 0).await.is_err();
        let mut records = state.records;
        let steps =
            self.document.step_names().map(|name| records.remove(name).unwrap_or_else(|| StepRecord::not_run(name)));
        Run { steps: steps.collect(), answers: state.answers, succeeded: !aborted && !state.failed }
    }

    /// Runs steps that follow each other; boxed, because a loop holds steps itself.
    fn steps<'b>(
        &'b self,
        steps: &'b [Step],
        state: &'b mut State,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<(), Aborted>> + 'b>> {
        Box::pin(async move {
            let mut position = 0;
            while let Some(step) = steps.get(position) {
                let next = match self.step(step, state, depth).await {
                    Ok(Some(chosen)) => Next::Step(chosen),
                    Ok(None) => step.next.clone(),
                    Err(failure) => after_failure(step, failure, state)?,
                };
                position = match next {
                    Next::Following => position + 1,
                    Next::End => steps.len(),
                    // Checked when the document was read: it is there, and later.
                    Next::Step(name) => steps.iter().position(|step| step.name == name).unwrap_or(steps.len()),
                };
            }
            Ok(())
        })
    }

    /// Runs one step, as often as it may be tried; the step that it chose to go on with, if it chose.
    async fn step(&self, step: &Step, state: &mut State, depth: usize) -> Result<Option<String>, Failure> {
        self.observe.begins(&step.name, depth);
        let (started_at, started) = (now(), Instant::now());
        state.scope.forget(&step.name);
        if matches!(step.action, Action::Invoke { .. }) {
            // Of a step that fails: a loop that looks for something in it goes on.
            state.scope.set(payload_of(&step.name), Value::from(""));
        }
        let mut attempts = 1;
        let outcome = loop {
            let attempt = self.attempt(step, state, depth);
            let outcome = match step.timeout {
                Some(limit) => tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| Err(timed_out(limit))),
                None => attempt.await,
            };
            match outcome {
                Err(failure) if attempts < step.max_attempts && !failure.aborts => {
                    self.observe.tries_again(&step.name, &failure.error);
                    attempts += 1;
                    self.pause(RETRY).await;
                }
                outcome => break outcome,
            }
        };
        let record = StepRecord {
            name: step.name.clone(),
            status: outcome.as_ref().map_or_else(|failure| failure.status, |_| StepStatus::Succeeded),
            started_at: Some(started_at),
            ended_at: Some(now()),
            seconds: (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            attempts,
            iterations: state.iterations.remove(&step.name),
            error: outcome.as_ref().err().map(|failure| failure.error.clone()),
        };
        self.observe.ends(&record, depth);
        state.records.insert(step.name.clone(), record);
        outcome
    }

    async fn attempt(&self, step: &Step, state: &mut State, depth: usize) -> Result<Option<String>, Failure> {
        match &step.action {
            Action::Sleep(length) => self.pause(*length).await,
            Action::Invoke { function, payload, outputs } => {
                self.call(&step.name, (function, payload), outputs, state).await?;
            }
            Action::Branch { choices, default } => {
                for (condition, name) in choices {
                    if condition.holds(&state.scope)? {
                        return Ok(Some(name.clone()));
                    }
                }
                return Ok(default.clone());
            }
            Action::Loop { condition, most, steps } => {
                for iteration in 1..=*most {
                    state.iterations.insert(step.name.clone(), iteration);
                    let ran = self.steps(steps, state, depth + 1).await;
                    ran.map_err(|Aborted(error)| Failure { error, status: StepStatus::Failed, aborts: true })?;
                    if !condition.holds(&state.scope)? {
                        break;
                    }
                }
            }
        }
        Ok(None)
    }

    async fn call(
        &self,
        step: &str,
        (function, payload): (&Value, &Value),
        outputs: &[Output],
        state: &mut State,
    ) -> Result<(), String> {
        let function = state.scope.resolve(function)?;
        let function = function.as_str().ok_or_else(|| format!("the function's name is {function}"))?;
        let payload = self.invoke.invoke(function, &state.scope.resolve(payload)?).await?;
        let answer = Answer { step: step.to_owned(), after: self.begun.elapsed(), payload };
        self.observe.answers(&answer);
        state.scope.set(payload_of(step), Value::from(answer.payload.to_string()));
        let selected = outputs.iter().map(|output| select(&answer.payload, output)).collect::<Vec<_>>();
        state.answers.push(answer);
        for (output, value) in outputs.iter().zip(selected) {
            state.scope.set(format!("{step}.{}", output.name), value?);
        }
        Ok(())
    }

    async fn pause(&self, length: Duration) {
        tokio::time::sleep(length.mul_f64(self.pace)).await;
    }
}

/// What follows a step that failed, unless the run ends with it.
fn after_failure(step: &Step, failure: Failure, state: &mut State) -> Result<Next, Aborted> {
    let aborted = Aborted(format!("{}: {}", step.name, failure.error));
    if failure.aborts {
        return Err(aborted);
    }
    state.failed |= step.critical;
    match &step.on_failure {
        OnFailure::Abort => Err(aborted),
        OnFailure::Continue => Ok(step.next.clone()),
        OnFailure::Step(name) => Ok(Next::Step(name.clone())),
    }
}

/// The part of an answer that an output is.
fn select(answer: &Value, output: &Output) -> Result<Value, String> {
    let found = output.path.iter().try_fold(answer, |value, field| value.get(field));
    let at = || output.path.join(".");
    let found = found.ok_or_else(|| format!("the answer has no {}", at()))?;
    if output.kind.is_of(found) {
        return Ok(found.clone());
    }
    Err(format!("{} is {found} in the answer, which is no {:?}", at(), output.kind))
}

fn timed_out(limit: Duration) -> Failure {
    let error = format!("no end within {} s", limit.as_secs());
    Failure { error, status: StepStatus::TimedOut, aborts: false }
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
