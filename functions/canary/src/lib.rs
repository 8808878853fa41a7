//! Sends a small file through the global endpoint every few minutes, as any user would, and says whether it came through;
//! and how each Region answers by itself. Nobody is e-mailed.
//!
//! It runs in a third Region, which is none of the two. It may write `input/canary/`, read `output/canary/`, both through the
//! access point, write and read `canary/` in each bucket, read one record at a time of the state table and the canary's own
//! of the reference table, and invoke the reconcilers. A check that fails is an answer, and a metric of 0: never an error.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tandem_aws::lambda::{Deadline, Function};
use tandem_aws::telemetry::Metrics;
use tandem_core::canary::{self, AskStanding, Global, Observed, RegionReport, Report, Run};
use tandem_core::ports::{Batches, Clock, LookupRecords, Pause, ReadObjects, ServiceError, WriteObjects};
use tracing::{Span, info, warn};

/// How long a file may take from its upload to its checked result. With one call that was begun before, below four minutes.
const PATIENCE: Duration = Duration::from_secs(200);

/// How long before Lambda would end it the check is given up, so that there is a report.
const MARGIN: Duration = Duration::from_secs(10);

/// The function, with its ports.
pub struct Canary<E, O, B, L, A, T> {
    /// Objects behind the global endpoint.
    pub endpoint: E,
    /// ARN of the access point.
    pub access_point: String,
    /// The two Regions.
    pub regions: [Observed<O, B, L, A>; 2],
    /// Tells the time, and waits.
    pub time: T,
    /// The Region this runs in.
    pub here: String,
}

/// What is asked of the function.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Task {
    /// One run.
    Check {},
}

impl<E, O, B, L, A, T> Function for Canary<E, O, B, L, A, T>
where
    E: ReadObjects + WriteObjects,
    O: ReadObjects + WriteObjects,
    B: Batches,
    L: LookupRecords,
    A: AskStanding,
    T: Clock + Pause,
{
    const NAME: &'static str = "canary";
    type Task = Task;
    type Answer = Report;
    // Never given: what fails stands in the report.
    type Error = ServiceError;

    fn describe(_task: &Task, _span: &Span, _metrics: &mut Metrics) {}

    async fn handle(&self, task: Task, metrics: &mut Metrics) -> Result<Report, ServiceError> {
        self.handle_until(task, Deadline::NONE, metrics).await
    }

    async fn handle_until(
        &self,
        _task: Task,
        deadline: Deadline,
        metrics: &mut Metrics,
    ) -> Result<Report, ServiceError> {
        let run = Run::new(self.time.now(), mark());
        metrics.property("run", run.to_string());
        let check = canary::Canary {
            endpoint: &self.endpoint,
            access_point: &self.access_point,
            regions: &self.regions,
            time: &self.time,
            patience: PATIENCE,
        };
        let report = check.check(&run, deadline.nears(MARGIN)).await;
        tell(&report);
        for (metrics, outcome) in measured(&report, &self.here) {
            metrics.print(outcome);
        }
        Ok(report)
    }
}

/// A number that no other run of this moment has. Nothing secret: it only keeps keys apart.
fn mark() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Logs what is wrong. It names lines of the canary's own file and never what stands in a result.
fn tell(report: &Report) {
    let Global { ok, seconds, batch_id, region, stage, reason } = &report.global;
    let (batch_id, stage) = (batch_id.as_ref().map(ToString::to_string), stage.map(|stage| stage.as_str()));
    if *ok {
        info!(run = report.run, batch_id, region, seconds, "the file came through");
    } else {
        warn!(run = report.run, batch_id, region, stage, reason, "the file did not come through");
    }
    for region in report.regions.iter().filter(|region| !region.reachable) {
        for problem in &region.problems {
            warn!(run = report.run, of = region.region, probe = %problem.probe, "{}", problem.reason);
        }
    }
}

/// A document of metrics for the global endpoint, under the Region of the canary, and one for each Region under its own.
#[must_use]
pub fn measured(report: &Report, here: &str) -> Vec<(Metrics, &'static str)> {
    let regions = report.regions.iter().map(|region| of_region(report, region));
    std::iter::once(of_endpoint(report, here)).chain(regions).collect()
}

fn of_endpoint(report: &Report, here: &str) -> (Metrics, &'static str) {
    let global = &report.global;
    let mut metrics = begin(report, here);
    metrics.count("CanarySuccess", global.ok.into());
    if global.ok {
        metrics.seconds("CanarySeconds", global.seconds);
    }
    metrics.property("batch_id", json!(global.batch_id));
    metrics.property("reason", json!(global.reason));
    (metrics, global.stage.map_or("ok", |stage| stage.as_str()))
}

fn of_region(report: &Report, region: &RegionReport) -> (Metrics, &'static str) {
    let mut metrics = begin(report, &region.region);
    metrics.count("CanaryRegionReachable", region.reachable.into());
    if region.reachable {
        metrics.seconds("CanaryRegionSeconds", region.seconds);
    }
    metrics.property("standing", json!(region.standing));
    metrics.property("problems", json!(region.problems));
    (metrics, if region.reachable { "ok" } else { "unreachable" })
}

fn begin(report: &Report, region: &str) -> Metrics {
    let mut metrics = Metrics::begin("canary", region);
    metrics.property("run", report.run.as_str());
    metrics
}
