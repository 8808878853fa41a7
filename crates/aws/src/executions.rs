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

/// A task that failed, whether it was tried again or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedTask {
    /// The state that called it.
    pub state: String,
    /// Name of the error.
    pub error: String,
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

    /// The tasks of an execution that failed, in order, without those of its children; none where its history is gone.
    ///
    /// # Errors
    /// [`ServiceError`] when Step Functions does not answer.
    pub async fn failed_tasks(&self, execution_arn: &str) -> Result<Vec<FailedTask>, ServiceError> {
        Ok(failed_tasks(&self.history(execution_arn).await?))
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

/// The failed tasks that a history shows. A failure names no state: it is that of the state that was entered last.
fn failed_tasks(events: &[HistoryEvent]) -> Vec<FailedTask> {
    let (mut state, mut failed) = ("", Vec::new());
    for event in events {
        if let Some(entered) = event.state_entered_event_details() {
            state = entered.name();
        }
        if let Some(error) = task_error(event) {
            failed.push(FailedTask { state: state.to_owned(), error: error.to_owned() });
        }
    }
    failed
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
    use aws_sdk_sfn::types::{
        LambdaFunctionFailedEventDetails, StateEnteredEventDetails, TaskFailedEventDetails, TaskTimedOutEventDetails,
    };

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
    fn a_failure_belongs_to_the_state_that_was_entered_last_and_both_kinds_of_event_count() {
        let entered = |name: &str| {
            let details = StateEnteredEventDetails::builder().name(name).build().unwrap();
            event("TaskStateEntered", |event| event.state_entered_event_details(details))
        };
        let by_lambda = LambdaFunctionFailedEventDetails::builder().error("Throttled").build();
        let by_task =
            TaskFailedEventDetails::builder().resource_type("lambda").resource("arn").error("Runtime.ExitError");
        let timed_out = TaskTimedOutEventDetails::builder().resource_type("lambda").resource("arn").build().unwrap();
        let events = [
            entered("Split"),
            event("LambdaFunctionFailed", |event| event.lambda_function_failed_event_details(by_lambda)),
            event("LambdaFunctionSucceeded", |event| event),
            entered("Deliver"),
            event("TaskFailed", |event| event.task_failed_event_details(by_task.build().unwrap())),
            event("TaskTimedOut", |event| event.task_timed_out_event_details(timed_out)),
            event("TaskSucceeded", |event| event),
        ];
        let found: Vec<(String, String)> =
            failed_tasks(&events).into_iter().map(|task| (task.state, task.error)).collect();
        let expected = [("Split", "Throttled"), ("Deliver", "Runtime.ExitError"), ("Deliver", "States.Timeout")];
        assert_eq!(found, expected.map(|(state, error)| (state.to_owned(), error.to_owned())));
    }

    fn event(name: &str, details: impl FnOnce(HistoryEventBuilder) -> HistoryEventBuilder) -> HistoryEvent {
        let event = HistoryEvent::builder().r#type(name.into()).id(1).timestamp(DateTime::from_secs(0));
        details(event).build().unwrap()
    }
}
