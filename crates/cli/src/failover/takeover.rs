//! One run of the runbook: prepared, so that whatever is wrong is said before anything is set, and carried out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tandem_aws::invoke::{Functions, InvokeError};
use tandem_core::reconcile::RunId;
use tandem_local::admin::{Admin, ReplicationStatus};
use time::OffsetDateTime;

use super::lock::{self, Lock};
use super::outcome::{Outcome, Rpo};
use super::story::Story;
use crate::deployment::{Deployment, Which};
use crate::exit::{in_short, usage};
use crate::runbook::{self, Document, Invoke, Observe, Runner};

/// Time between two passes of the reconciler while batches are followed, as in the runbook.
const BETWEEN_PASSES: Duration = Duration::from_secs(60);
/// The parameter that the whole runbook turns on.
const TARGET: &str = "TargetRegion";

/// A run that can begin. While it is there, no other one begins on this machine.
pub struct Takeover {
    to: String,
    run_id: RunId,
    document: Document,
    parameters: BTreeMap<&'static str, String>,
    functions: Functions,
    pace: f64,
    pending: Option<Rpo>,
    _lock: Option<Lock>,
}

/// When a run began, by both clocks, and how often it looks again.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// For what took how long.
    pub instant: Instant,
    /// For what the table says.
    pub time: OffsetDateTime,
    /// Time between two passes while batches are followed.
    pub between_passes: Duration,
}

impl Begun {
    /// Now, with pauses multiplied by `pace`.
    pub fn now(pace: f64) -> Self {
        let between_passes = BETWEEN_PASSES.mul_f64(pace).max(Duration::from_secs(2));
        Self { instant: Instant::now(), time: OffsetDateTime::now_utc(), between_passes }
    }
}

impl Takeover {
    /// Prepares a run. Asks for nothing of the other Region.
    ///
    /// # Errors
    /// When there is no such Region, the runbook cannot be run, or another run is under way on this machine ([`lock::Busy`]).
    pub async fn prepare(which: &Which, deployment: &Deployment, to: &str, pace: f64) -> anyhow::Result<Self> {
        let regions = deployment.regions();
        if !regions.iter().any(|region| region == to) {
            return Err(usage(format!("{to:?} is none of {}", regions.join(" and "))));
        }
        let document = runbook::load(&which.root())?;
        ensure!(document.has_parameter(TARGET), "the runbook has no parameter {TARGET}: it cannot be told the Region");
        let lock = lock::take(&which.root(), deployment.suffix(), to)?;
        Ok(Self {
            to: to.to_owned(),
            run_id: new_run_id()?,
            document,
            parameters: parameters(deployment, to),
            functions: deployment.functions(to),
            pace,
            // Before anything is set: what is not replicated at the moment of the decision.
            pending: pending(which, to).await,
            _lock: lock,
        })
    }

    /// Names it.
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// The steps to come: the name of each, and what it does.
    pub fn steps(&self) -> impl Iterator<Item = (&str, &str)> {
        self.document.described_steps()
    }

    /// Runs the runbook, and lets go of the lock.
    ///
    /// # Errors
    /// When a parameter has no value; nothing was done then. What fails later is part of the outcome.
    pub async fn run(self, begun: Begun, observe: &impl Observe) -> anyhow::Result<Outcome> {
        let (to, run_id) = (&self.to, &self.run_id);
        let invoke = Region(self.functions);
        let name = run_id.to_string();
        let runner = Runner::new(&self.document, (to, &name), &self.parameters, (&invoke, observe), self.pace)?;
        let run = runner.run().await;
        let story = Story::of(&run, run_id);
        let rpo = self.pending.or_else(|| Rpo::of_missing(&story, begun.time));
        Ok(Outcome::new(to, run_id, run, story, rpo))
    }
}

fn parameters(deployment: &Deployment, to: &str) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        (TARGET, to.to_owned()),
        ("FailoverFunction", deployment.function("failover")),
        ("ReconcileFunction", deployment.function("reconcile")),
        // The caller's own permissions are used.
        ("AutomationAssumeRole", String::new()),
    ])
}

/// A name that no other run has.
fn new_run_id() -> anyhow::Result<RunId> {
    let now = OffsetDateTime::now_utc();
    let mark: String = Sha256::new()
        .chain_update(now.unix_timestamp_nanos().to_be_bytes())
        .chain_update(std::process::id().to_be_bytes())
        .finalize()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    Ok(format!("{}-{mark}", now.format(format)?).parse()?)
}

/// What is not replicated to the Region, if the edge tells: only the local one does.
async fn pending(which: &Which, to: &str) -> Option<Rpo> {
    let status: ReplicationStatus = Admin::new(&which.local()?).replication().await.ok()?;
    Some(Rpo::of_pending(&status, to))
}

/// The functions of the Region that takes over.
struct Region(Functions);

impl Invoke for Region {
    async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, String> {
        self.0.invoke(function, payload).await.map_err(|error| match error {
            InvokeError::Service(error) => in_short(&error),
            error => error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn two_runs_have_two_names() {
        assert_ne!(new_run_id().unwrap(), new_run_id().unwrap());
    }
}
