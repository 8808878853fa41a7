//! Step Functions: starting a batch's execution, and asking how it stands.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use tandem_core::batch::execution_name;
use tandem_core::ownership::ExecutionState;
use tandem_core::payload::ExecutionInput;
use tandem_core::ports::{ServiceError, Workflow};

use crate::error::translate;
use crate::metering::Metered;

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
        let config = aws_sdk_sfn::config::Builder::from(config).interceptor(Metered::new()).build();
        Self { client: Client::from_conf(config), arn }
    }

    /// ARN of the execution with this name.
    fn execution_arn(&self, name: &str) -> String {
        format!("{}:{name}", self.arn.replacen(":stateMachine:", ":execution:", 1))
    }
}

impl Workflow for StateMachine {
    async fn start(&self, input: &ExecutionInput) -> Result<String, ServiceError> {
        let name = execution_name(&input.batch.batch_id, input.batch.attempt);
        let input = serde_json::to_string(input).map_err(|error| ServiceError::Refused {
            operation: "states:StartExecution",
            message: error.to_string(),
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

    async fn state(&self, execution_arn: &str) -> Result<ExecutionState, ServiceError> {
        let described = self.client.describe_execution().execution_arn(execution_arn).send().await;
        match described {
            Ok(output) if *output.status() == ExecutionStatus::Running => Ok(ExecutionState::Running),
            // An execution that waits to be redriven has failed: nobody redrives it here.
            Ok(_) => Ok(ExecutionState::Ended),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_does_not_exist()) => {
                Ok(ExecutionState::Gone)
            }
            Err(error) => Err(translate("states:DescribeExecution", execution_arn, error)),
        }
    }
}
