//! Step Functions: starting a batch's execution.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use tandem_core::batch::execution_name;
use tandem_core::payload::{BatchInput, SplitTask};
use tandem_core::ports::{ServiceError, Workflow};

use crate::error::translate;

/// One state machine.
#[derive(Debug, Clone)]
pub struct StateMachine {
    client: Client,
    arn: String,
}

impl StateMachine {
    /// The state machine with this ARN.
    #[must_use]
    pub fn new(config: &SdkConfig, arn: String) -> Self {
        Self { client: Client::new(config), arn }
    }

    /// ARN of the execution with this name.
    fn execution_arn(&self, name: &str) -> String {
        format!("{}:{name}", self.arn.replacen(":stateMachine:", ":execution:", 1))
    }
}

impl Workflow for StateMachine {
    async fn start(&self, batch: &BatchInput) -> Result<String, ServiceError> {
        let name = execution_name(&batch.batch_id, batch.attempt);
        let input = serde_json::to_string(&SplitTask { batch: batch.clone() }).map_err(|error| {
            ServiceError::Refused { operation: "states:StartExecution", message: error.to_string() }
        })?;
        let started = self.client.start_execution().state_machine_arn(&self.arn).name(&name).input(input).send().await;
        match started {
            Ok(output) => Ok(output.execution_arn),
            // The name is this attempt's alone, so an execution that has it, even one that has ended, is the one meant.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_already_exists()) => {
                Ok(self.execution_arn(&name))
            }
            Err(error) => Err(translate("states:StartExecution", &name, error)),
        }
    }
}
