//! Executions in memory: they are started, and end when a test says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{Faults, lock, refused};
use crate::batch::execution_name;
use crate::ownership::ExecutionState;
use crate::payload::ExecutionInput;
use crate::ports::{ServiceError, Workflow};

/// The executions of one Region; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryWorkflow {
    executions: Arc<Mutex<BTreeMap<String, (ExecutionInput, ExecutionState)>>>,
    faults: Faults,
}

impl MemoryWorkflow {
    /// Without executions.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    /// The same executions, reached with other faults.
    #[must_use]
    pub fn reached_with(&self, faults: Faults) -> Self {
        Self { faults, ..self.clone() }
    }

    /// What was started, in the order of names.
    #[must_use]
    pub fn started(&self) -> Vec<ExecutionInput> {
        lock(&self.executions).values().map(|(input, _)| input.clone()).collect()
    }

    /// Lets every execution end.
    pub fn end_all(&self) {
        lock(&self.executions).values_mut().for_each(|(_, state)| *state = ExecutionState::Ended);
    }
}

impl Workflow for MemoryWorkflow {
    async fn start(&self, input: &ExecutionInput) -> Result<String, ServiceError> {
        self.faults.call("states:StartExecution")?;
        let name = execution_name(&input.batch.batch_id, input.batch.attempt);
        let mut executions = lock(&self.executions);
        let (started, _) = executions.entry(name.clone()).or_insert_with(|| (input.clone(), ExecutionState::Running));
        if started == input { Ok(name) } else { Err(refused("states:StartExecution", "the same name, another input")) }
    }

    async fn state(&self, execution_arn: &str) -> Result<ExecutionState, ServiceError> {
        self.faults.call("states:DescribeExecution")?;
        Ok(lock(&self.executions).get(execution_arn).map_or(ExecutionState::Gone, |(_, state)| *state))
    }
}
