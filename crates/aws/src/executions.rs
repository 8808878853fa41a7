//! Step Functions: how far an execution is, for a person who waits.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use tandem_core::ports::ServiceError;

use crate::error::translate;

/// Events read, newest first, to find the state that was entered last.
const EVENTS: i32 = 20;

/// How far an execution is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The state that was entered last.
    pub state: Option<String>,
    /// Chunks done and chunks in all, once the map over them runs.
    pub chunks: Option<(u64, u64)>,
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
