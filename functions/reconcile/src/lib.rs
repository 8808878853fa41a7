//! Deals with every batch that is open: takes over, starts, and names the inputs that are missing.
//!
//! Called every few minutes in both Regions, and by the runbook of a failover; it acts only where the TXT record says so, and
//! elsewhere only measures whether the active Region's batches still change. It may read and write the state table, look at
//! `input/`, start and describe executions, and write `reports/`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_aws::lambda::Function;
use tandem_aws::telemetry::Metrics;
use tandem_core::batch::{Attempt, BatchId};
use tandem_core::error::{Classified, ErrorType};
use tandem_core::ownership::Limits;
use tandem_core::ports::{
    ActiveRegion, ActiveRegionError, AskActiveRegion, Batches, Clock, InspectObjects, ReadObjects, ServiceError,
    Workflow, WriteObjects,
};
use tandem_core::protocol::{Protocol, seconds_since};
use tandem_core::reconcile::{
    FailoverReport, Pass, ReconcileError as Refusal, Reconciler, RunId, merged, read_report, standing_by, write_pass,
    write_report,
};
use tandem_core::regions::Regions;
use tracing::{Span, error, info, warn};

/// How long one pass goes on to new batches: what it has begun by then still ends well inside the function's limit of 300 s,
/// which is also what a runbook's step may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// The function, with its ports.
pub struct Reconcile<A, B, W, O, C> {
    /// Says which Region should act.
    pub active_region: A,
    /// The state table.
    pub batches: B,
    /// Starts and describes executions.
    pub workflow: W,
    /// Inputs, and the reports.
    pub objects: O,
    /// Dates what is written.
    pub clock: C,
    /// The two Regions, seen from the one this runs in.
    pub regions: Regions,
    /// What bounds taking over.
    pub limits: Limits,
}

/// What is asked of the function.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Task {
    /// Says whether this Region is the one that should act.
    Ask {},
    /// Deals with every open batch.
    Reconcile {
        /// The failover that this pass belongs to.
        #[serde(default)]
        run: Option<RunId>,
    },
    /// Runs a batch that has ended once more.
    Rerun {
        /// The batch.
        batch_id: BatchId,
    },
    /// What all passes of a failover did.
    Report {
        /// The failover.
        run: RunId,
    },
}

/// What the function answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Task::Ask`].
    Standing {
        /// The Region this runs in.
        region: String,
        /// Whether it is the one that should act.
        active: bool,
        /// What the TXT record says.
        record: String,
    },
    /// To [`Task::Reconcile`].
    Pass(Box<Pass>),
    /// To [`Task::Rerun`].
    Rerun {
        /// The batch.
        batch_id: BatchId,
        /// Its new attempt.
        attempt: Attempt,
        /// The Region that runs it.
        region: String,
    },
    /// To [`Task::Report`].
    Report(Box<FailoverReport>),
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// Nobody says which Region is active.
    #[error(transparent)]
    ActiveRegion(#[from] ActiveRegionError),
    /// It was refused, or a service failed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no report of this run.
    #[error(
        "there is no report of run {0}: it has made no pass here. Run the runbook in the Region that takes over, once its \
         services answer and the TXT record names it"
    )]
    NoReport(RunId),
}

impl From<ServiceError> for ReconcileError {
    fn from(error: ServiceError) -> Self {
        Self::Refused(error.into())
    }
}

impl Classified for ReconcileError {
    fn error_type(&self) -> ErrorType {
        match self {
            Self::ActiveRegion(error) => error.error_type(),
            Self::Refused(error) => error.error_type(),
            Self::NoReport(_) => ErrorType::Internal,
        }
    }
}

impl<A, B, W, O, C> Function for Reconcile<A, B, W, O, C>
where
    A: AskActiveRegion,
    B: Batches,
    W: Workflow,
    O: InspectObjects + ReadObjects + WriteObjects,
    C: Clock,
{
    const NAME: &'static str = "reconcile";
    type Task = Task;
    type Answer = Answer;
    type Error = ReconcileError;

    fn describe(task: &Task, span: &Span, metrics: &mut Metrics) {
        if let Task::Rerun { batch_id } = task {
            span.record("batch_id", batch_id.as_str());
            metrics.property("batch_id", batch_id.as_str());
        }
    }

    async fn handle(&self, task: Task, metrics: &mut Metrics) -> Result<Answer, ReconcileError> {
        match task {
            Task::Ask {} => self.ask().await,
            Task::Reconcile { run } => {
                let answer = self.reconcile(run, metrics).await?;
                // Of these alone the alarm `no-passes` knows: every question ends well too, and is asked all the time.
                metrics.count("Passes", 1);
                Ok(answer)
            }
            Task::Rerun { batch_id } => self.rerun(&batch_id, metrics).await,
            Task::Report { run } => {
                let report = read_report(&self.objects, self.regions.bucket(), &run).await.map_err(Refusal::from)?;
                report.map(|report| Answer::Report(Box::new(report.shortened()))).ok_or(ReconcileError::NoReport(run))
            }
        }
    }
}

impl<A, B, W, O, C> Reconcile<A, B, W, O, C>
where
    A: AskActiveRegion,
    B: Batches,
    W: Workflow,
    O: InspectObjects + ReadObjects + WriteObjects,
    C: Clock,
{
    fn reconciler(&self) -> Reconciler<'_, B, W, O, C> {
        let protocol = Protocol {
            batches: &self.batches,
            workflow: &self.workflow,
            clock: &self.clock,
            regions: &self.regions,
            limits: self.limits,
        };
        Reconciler { protocol, objects: &self.objects, patience: PATIENCE }
    }

    async fn ask(&self) -> Result<Answer, ReconcileError> {
        let region = self.regions.here().to_owned();
        Ok(match self.active_region.ask().await? {
            ActiveRegion::Active => Answer::Standing { record: region.clone(), region, active: true },
            ActiveRegion::Standby { active } => Answer::Standing { region, active: false, record: active },
        })
    }

    async fn reconcile(&self, run: Option<RunId>, metrics: &mut Metrics) -> Result<Answer, ReconcileError> {
        if let ActiveRegion::Standby { active } = self.active_region.ask().await? {
            info!(active, "standing by");
            // A run of the runbook waits for the answer, and its passes are too few to measure by.
            if run.is_none() {
                self.watch(&active, metrics).await;
            }
            let pass = standing_by(self.regions.here(), &active, self.clock.now());
            return Ok(Answer::Pass(Box::new(pass)));
        }
        let mut pass = self.reconciler().run().await?;
        self.tell(&pass, metrics);
        let bucket = self.regions.bucket();
        if pass.is_worth_a_report() {
            // The report names; what it names is done or open all the same.
            match write_pass(&self.objects, bucket, &pass).await {
                Ok(key) => pass.report = Some(key),
                Err(failed) => {
                    error!("the report could not be written: {failed}");
                    metrics.count("ReportsNotWritten", 1);
                }
            }
        }
        if let Some(run) = run {
            let before = read_report(&self.objects, bucket, &run).await.map_err(Refusal::from)?;
            write_report(&self.objects, bucket, &merged(before, &run, &pass)).await.map_err(Refusal::from)?;
        }
        Ok(Answer::Pass(Box::new(pass.shortened())))
    }

    /// Measures for how long the active Region has changed nothing about an open batch: if it is lost, it cannot say so itself.
    /// This reads, and where it cannot it leaves the figure out: standing by never fails for it.
    async fn watch(&self, active: &str, metrics: &mut Metrics) {
        match self.batches.unfinished(active, None).await {
            Ok(page) => {
                let longest = page.records.first().map(|record| seconds_since(&record.updated, self.clock.now()));
                metrics.seconds("ActiveUnchangedSeconds", longest.unwrap_or_default());
            }
            Err(error) => warn!("the active Region's open batches could not be listed: {error}"),
        }
    }

    async fn rerun(&self, batch_id: &BatchId, metrics: &mut Metrics) -> Result<Answer, ReconcileError> {
        if let ActiveRegion::Standby { active } = self.active_region.ask().await? {
            let region = self.regions.here().to_owned();
            return Err(Refusal::NotActive { region, active }.into());
        }
        let record = self.reconciler().rerun(batch_id).await?;
        metrics.count("BatchesRerun", 1);
        Ok(Answer::Rerun { batch_id: record.batch_id, attempt: record.attempt, region: record.owner_region })
    }

    /// Logs what needs a person, and counts everything. Names of files are logged, never their content.
    fn tell(&self, pass: &Pass, metrics: &mut Metrics) {
        for item in &pass.missing {
            warn!(batch_id = %item.batch_id, key = item.key, created = item.created, "the input is not in this Region");
        }
        for item in &pass.changed {
            warn!(batch_id = %item.batch_id, key = item.key, "another content stands under the input's key");
        }
        for item in &pass.stuck {
            error!(batch_id = %item.batch_id, key = item.key, "not even its owner could be told: see `tandem rerun`");
        }
        for item in &pass.failed {
            error!(batch_id = %item.batch_id, key = item.key, "{}", item.error.as_deref().unwrap_or_default());
        }
        let counts = &pass.counts;
        for (name, count) in [
            ("BatchesReconciled", counts.taken_over + counts.started + counts.given_up),
            ("BatchesTakenOver", counts.taken_over),
            ("BatchesStartedLate", counts.started),
            ("BatchesGivenUp", counts.given_up),
            ("BatchesStuck", counts.stuck),
            ("BatchesNotReconciled", counts.failed),
            ("InputsMissing", counts.missing),
            ("InputsChanged", counts.changed),
            ("BatchesOpen", counts.seen),
        ] {
            metrics.count(name, count);
        }
        let missing = pass.missing.iter().map(|item| seconds_since(&item.created, self.clock.now()));
        metrics.seconds("OldestMissingSeconds", missing.fold(0.0, f64::max));
        let oldest = pass.oldest.as_deref().map(|since| seconds_since(since, self.clock.now()));
        metrics.seconds("OldestOpenSeconds", oldest.unwrap_or_default());
        info!(
            seen = counts.seen,
            taken_over = counts.taken_over,
            started = counts.started,
            missing = counts.missing,
            settled = pass.settled,
            "reconciled"
        );
    }
}
