//! What a run would do, stack by stack, by change sets that are made, looked at and deleted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{AllOutputs, Engine, Hooks, is_new, outputs_of, parameters, stack::refusal};
use crate::aws::{Aws, Stack};
use crate::changes::Change;
use crate::plan::{Action, Plan, StackStep, Step};

/// What would happen in one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The step.
    pub step: String,
    /// Its Region.
    pub region: String,
    /// What it does.
    #[serde(flatten)]
    pub what: What,
}

/// What a step would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum What {
    /// The stack is made. Its resources are not listed where they depend on what is made before.
    Creates {
        /// Its resources, where they are known.
        resources: Vec<Change>,
        /// What isn't known yet.
        waits_for: Option<String>,
    },
    /// The stack changes.
    Changes {
        /// What changes.
        resources: Vec<Change>,
    },
    /// The stack stays.
    Nothing,
    /// The step is about no stack.
    Runs,
}

impl Preview {
    /// The resources by whose change data could be lost.
    pub fn losses(&self) -> impl Iterator<Item = &Change> {
        let resources = match &self.what {
            What::Changes { resources } => &resources[..],
            _ => &[],
        };
        resources.iter().filter(|change| change.is_loss())
    }
}

impl<A: Aws, H: Hooks> Engine<'_, A, H> {
    /// What a run would do. Uploads the functions where there is a bucket for them already, and leaves nothing else.
    ///
    /// # Errors
    /// A change set can't be made or read.
    pub async fn preview(&self, plan: &Plan, there: &BTreeMap<String, Vec<Stack>>) -> anyhow::Result<Vec<Preview>> {
        let outputs = self.with_endpoints(plan, outputs_of(there)).await?;
        let mut previews = Vec::new();
        for step in &plan.steps {
            let what = match &step.action {
                Action::Stack(stack) => self.preview_of(step, stack, there, &outputs).await?,
                _ => What::Runs,
            };
            previews.push(Preview { step: step.name.clone(), region: step.region.clone(), what });
        }
        Ok(previews)
    }

    /// The endpoints are no output of a stack: they are read here too, if there is a cluster.
    async fn with_endpoints(&self, plan: &Plan, mut outputs: AllOutputs) -> anyhow::Result<AllOutputs> {
        for step in plan.steps.iter().filter(|step| step.action == Action::Endpoints) {
            if outputs.contains_key(&super::key(&step.region, &self.settings.stack("routing"))) {
                outputs.extend(self.endpoints(&step.region, &outputs).await?);
            }
        }
        Ok(outputs)
    }

    async fn preview_of(
        &self,
        step: &Step,
        stack: &StackStep,
        there: &BTreeMap<String, Vec<Stack>>,
        outputs: &AllOutputs,
    ) -> anyhow::Result<What> {
        let known = there.get(&step.region).into_iter().flatten().find(|known| known.name == stack.stack);
        if let Some(refusal) = known.and_then(|known| refusal(&known.status, &step.region, &stack.stack)) {
            anyhow::bail!(refusal);
        }
        let new = known.is_none_or(|known| is_new(&known.status));
        let creates = |resources, waits_for| What::Creates { resources, waits_for };
        let parameters = match parameters(stack, outputs) {
            Ok(parameters) => parameters,
            Err(missing) => return Ok(creates(Vec::new(), Some(missing))),
        };
        // A new stack's functions would have to be uploaded to a bucket that would have to be made.
        if new && (stack.packaged || known.is_some()) {
            return Ok(creates(Vec::new(), None));
        }
        if stack.packaged {
            self.package(stack.kind, &step.region).await?;
        }
        let Some(set) = self.change_set(stack, &step.region, &parameters).await? else { return Ok(What::Nothing) };
        let resources = set.changes(self.aws, &step.region).await?.0;
        set.delete(self.aws, &step.region).await?;
        // Asked anew: somebody may have made the stack since the survey, and that one is no preview's to delete.
        let now = self.aws.stack(&step.region, &stack.stack).await?;
        if now.is_none_or(|now| now.status != "REVIEW_IN_PROGRESS") {
            return Ok(What::Changes { resources });
        }
        // The stack that holds a new stack's change set has nothing in it.
        self.aws.run(&step.region, &["cloudformation", "delete-stack", "--stack-name", &stack.stack]).await?;
        Ok(creates(resources, None))
    }
}
