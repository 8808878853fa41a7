//! Step Functions: how far an execution is, for a person who waits.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};
use tandem_core::ports::ServiceError;

use crate::error::translate;

/// Events read, newest first, to find the state that was entered last.
const EVENTS: i32 = 20;
/// Events of a history read in one call; the service allows no more.
const PAGE: i32 = 1_000;

/// How far an execution is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The state that was entered last.
    pub state: Option<String>,
    /// Chunks done and chunks in all, once the map over them runs.
    pub chunks: Option<(u64, u64)>,
}

/// What an execution is billed by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Billed {
    /// Its own state transitions: its start and its end, each state entered, each retry, each child started.
    pub transitions: u64,
    /// Express children that its map started.
    pub children: u64,
}

/// One call of a task; a task that is tried again is called again.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskCall {
    /// The state that called it.
    pub state: String,
    /// When it was scheduled, in seconds since 1970.
    pub began: f64,
    /// When it failed, in seconds since 1970, and the error's name; absent if it did not.
    pub failed: Option<(f64, String)>,
}

/// Executions of one Region.
#[derive(Debug, Clone)]
pub struct Executions {
    client: Client,
}

impl Executions {
    /// Executions in the Region of this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    /// How far an execution is: two or three calls.
    ///
    /// # Errors
    /// [`ServiceError`] when Step Functions does not answer or does not know the execution.
    pub async fn progress(&self, execution_arn: &str) -> Result<Progress, ServiceError> {
        let history = self.client.get_execution_history().execution_arn(execution_arn);
        let history = history.reverse_order(true).include_execution_data(false).max_results(EVENTS).send().await;
        let history = history.map_err(|error| translate("states:GetExecutionHistory", execution_arn, error))?;
        let entered = history.events().iter().find_map(|event| event.state_entered_event_details());
        Ok(Progress {
            state: entered.map(|details| details.name().to_owned()),
            chunks: self.chunks(execution_arn).await?,
        })
    }

    /// What an execution is billed by so far; nothing where its history is gone, which is 90 days after its end.
    ///
    /// # Errors
    /// [`ServiceError`] when Step Functions does not answer.
    pub async fn billed(&self, execution_arn: &str) -> Result<Billed, ServiceError> {
        let events = self.history(execution_arn).await?;
        let children = self.chunks(execution_arn).await?.map_or(0, |(_, total)| total);
        Ok(Billed { transitions: own_transitions(&events) + children, children })
    }

    /// The calls of an execution's tasks, in order, without those of its children; none where its history is gone.
    ///
    /// # Errors
    /// [`ServiceError`] when Step Functions does not answer.
    pub async fn task_calls(&self, execution_arn: &str) -> Result<Vec<TaskCall>, ServiceError> {
        Ok(task_calls(&self.history(execution_arn).await?))
    }

    /// All events of an execution, in order; none where its history is gone.
    async fn history(&self, execution_arn: &str) -> Result<Vec<HistoryEvent>, ServiceError> {
        let mut events = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let call = self.client.get_execution_history().execution_arn(execution_arn).include_execution_data(false);
            let page = match call.max_results(PAGE).set_next_token(next).send().await {
                Ok(page) => page,
                Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_does_not_exist()) => {
                    return Ok(Vec::new());
                }
                Err(error) => return Err(translate("states:GetExecutionHistory", execution_arn, error)),
            };
            next = page.next_token;
            events.extend(page.events);
            if next.is_none() {
                return Ok(events);
            }
        }
    }

    /// Rows of the file that an execution works on, once it is split.
    ///
    /// # Errors
    /// [`ServiceError`] when Step Functions does not answer.
    pub async fn rows(&self, execution_arn: &str) -> Result<Option<u64>, ServiceError> {
        let history = self.client.get_execution_history().execution_arn(execution_arn);
        let history = history.include_execution_data(true).max_results(EVENTS).send().await;
        let history = history.map_err(|error| translate("states:GetExecutionHistory", execution_arn, error))?;
        let outputs = history.events().iter().filter_map(|event| event.state_exited_event_details()?.output());
        Ok(outputs.filter_map(rows_of).next())
    }

    async fn chunks(&self, execution_arn: &str) -> Result<Option<(u64, u64)>, ServiceError> {
        let runs = self.client.list_map_runs().execution_arn(execution_arn).max_results(1).send().await;
        let runs = runs.map_err(|error| translate("states:ListMapRuns", execution_arn, error))?;
        let Some(run) = runs.map_runs().first() else { return Ok(None) };
        let run = self.client.describe_map_run().map_run_arn(run.map_run_arn()).send().await;
        let run = run.map_err(|error| translate("states:DescribeMapRun", execution_arn, error))?;
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(run.item_counts().map(|items| (count(items.succeeded()), count(items.total()))))
    }
}

/// The number of rows in a state's output, if the split's is part of it.
fn rows_of(output: &str) -> Option<u64> {
    let output: serde_json::Value = serde_json::from_str(output).ok()?;
    output["split"]["rows"].as_u64()
}

/// The calls that a history shows. An event of a call names no state: it is that of the state that was entered last.
fn task_calls(events: &[HistoryEvent]) -> Vec<TaskCall> {
    let (mut state, mut calls) = ("", Vec::<TaskCall>::new());
    for event in events {
        let time = event.timestamp().as_secs_f64();
        if let Some(entered) = event.state_entered_event_details() {
            state = entered.name();
        }
        if matches!(event.r#type(), HistoryEventType::TaskScheduled | HistoryEventType::LambdaFunctionScheduled) {
            calls.push(TaskCall { state: state.to_owned(), began: time, failed: None });
        }
        if let (Some(call), Some(error)) = (calls.last_mut(), task_error(event)) {
            call.failed = Some((time, error.to_owned()));
        }
    }
    calls
}

/// The error of a task that failed. Lambda functions that are named by their ARN have events of their own.
fn task_error(event: &HistoryEvent) -> Option<&str> {
    use HistoryEventType as Type;
    let named = match event.r#type() {
        Type::TaskFailed => event.task_failed_event_details()?.error(),
        Type::LambdaFunctionFailed => event.lambda_function_failed_event_details()?.error(),
        Type::TaskTimedOut | Type::LambdaFunctionTimedOut => Some("States.Timeout"),
        _ => return None,
    };
    Some(named.unwrap_or_default())
}

/// The transitions that a history shows. A retry is a task that was scheduled again without its state being entered again.
fn own_transitions(events: &[HistoryEvent]) -> u64 {
    let count = |is: fn(&HistoryEventType) -> bool| events.iter().filter(|event| is(event.r#type())).count() as u64;
    let ends = count(|kind| {
        use HistoryEventType as Type;
        matches!(
            kind,
            Type::ExecutionStarted
                | Type::ExecutionSucceeded
                | Type::ExecutionFailed
                | Type::ExecutionAborted
                | Type::ExecutionTimedOut
        )
    });
    let entered = count(|kind| kind.as_str().ends_with("StateEntered"));
    let tasks = count(|kind| *kind == HistoryEventType::TaskStateEntered);
    let scheduled =
        count(|kind| matches!(kind, HistoryEventType::TaskScheduled | HistoryEventType::LambdaFunctionScheduled));
    ends + entered + scheduled.saturating_sub(tasks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_sdk_sfn::primitives::DateTime;
    use aws_sdk_sfn::types::builders::HistoryEventBuilder;
    use aws_sdk_sfn::types::{LambdaFunctionFailedEventDetails, StateEnteredEventDetails, TaskFailedEventDetails};

    use super::*;

    /// What Step Functions records of a batch whose split was retried once, and whose rows were one map run.
    const RECORDED: &[&str] = &[
        "ExecutionStarted",
        "ChoiceStateEntered",
        "ChoiceStateExited",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionFailed",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "ChoiceStateEntered",
        "ChoiceStateExited",
        "MapStateEntered",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateExited",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];

    #[test]
    fn start_end_states_and_retries_are_transitions() {
        let events: Vec<HistoryEvent> = RECORDED.iter().map(|name| event(name, |event| event)).collect();
        assert_eq!(own_transitions(&events), 2 + 6 + 1);
        assert_eq!(own_transitions(&[]), 0);
    }

    #[test]
    fn a_call_is_that_of_the_state_that_was_entered_last_and_both_kinds_of_event_count() {
        let entered = |name: &str| {
            let details = StateEnteredEventDetails::builder().name(name).build().unwrap();
            event("TaskStateEntered", |event| event.state_entered_event_details(details))
        };
        let at = |name: &str, second| event(name, |event| event.timestamp(DateTime::from_secs(second)));
        let by_lambda = LambdaFunctionFailedEventDetails::builder().error("Throttled").build();
        let by_task =
            TaskFailedEventDetails::builder().resource_type("lambda").resource("arn").error("Runtime.ExitError");
        let events = [
            entered("Split"),
            at("LambdaFunctionScheduled", 1),
            event("LambdaFunctionFailed", |event| event.lambda_function_failed_event_details(by_lambda)),
            at("LambdaFunctionScheduled", 2),
            event("LambdaFunctionSucceeded", |event| event),
            entered("Deliver"),
            at("TaskScheduled", 3),
            event("TaskFailed", |event| event.task_failed_event_details(by_task.build().unwrap())),
            at("TaskScheduled", 4),
            at("TaskTimedOut", 69),
        ];
        let call = |state: &str, began, failed: Option<(f64, &str)>| {
            let failed = failed.map(|(time, error)| (time, error.to_owned()));
            TaskCall { state: state.to_owned(), began, failed }
        };
        let expected = [
            call("Split", 1.0, Some((0.0, "Throttled"))),
            call("Split", 2.0, None),
            call("Deliver", 3.0, Some((0.0, "Runtime.ExitError"))),
            call("Deliver", 4.0, Some((69.0, "States.Timeout"))),
        ];
        assert_eq!(task_calls(&events), expected);
    }

    fn event(name: &str, details: impl FnOnce(HistoryEventBuilder) -> HistoryEventBuilder) -> HistoryEvent {
        let event = HistoryEvent::builder().r#type(name.into()).id(1).timestamp(DateTime::from_secs(0));
        details(event).build().unwrap()
    }
}
