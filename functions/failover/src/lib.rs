//! Reads and sets the active Region, and the routes of the Multi-Region Access Point.
//!
//! Called by the runbook, and by an operator. It may read and set two routing controls, or one TXT record, and the routes of
//! one access point, and nothing else. It stands outside any VPC: neither ARC's endpoints, nor Route 53, nor S3 control in other
//! Regions can be reached through one.

use tandem_aws::lambda::Function;
use tandem_aws::telemetry::Metrics;
use tandem_core::failover::{
    FailedEndpoint, FailoverAnswer, FailoverError, FailoverTask, KeepRecord, Mode, SwitchRegions,
};
use tandem_core::ports::Clock;
use tracing::{Span, info, warn};

/// The function, with its ports.
pub struct Failover<A, R, M, C> {
    /// Which Region should act.
    pub active: Mode<A, R>,
    /// Where uploads are routed.
    pub routes: M,
    /// Dates what is read.
    pub clock: C,
    /// The two Regions.
    pub regions: [String; 2],
}

impl<A: SwitchRegions, R: KeepRecord, M: SwitchRegions, C: Clock> Function for Failover<A, R, M, C> {
    const NAME: &'static str = "failover";
    type Task = FailoverTask;
    type Answer = FailoverAnswer;
    type Error = FailoverError;

    fn describe(task: &FailoverTask, _span: &Span, metrics: &mut Metrics) {
        let (action, region) = match task {
            FailoverTask::Read => ("read", None),
            FailoverTask::Set { region } => ("set", Some(region)),
            FailoverTask::Route { region } => ("route", Some(region)),
        };
        metrics.property("action", action);
        if let Some(region) = region {
            metrics.property("to", region.as_str());
        }
    }

    async fn handle(&self, task: FailoverTask, metrics: &mut Metrics) -> Result<FailoverAnswer, FailoverError> {
        let answered = self.answer(&task).await;
        let failed = match &answered {
            Ok(FailoverAnswer::State(state)) => &state.failed_endpoints,
            Ok(FailoverAnswer::Set(set)) => {
                info!(active = set.active, before = set.before, changed = set.changed, endpoint = set.endpoint, "set");
                metrics.count("ActiveRegionSet", set.changed.into());
                &set.failed_endpoints
            }
            Ok(FailoverAnswer::Routed(set)) => {
                info!(routed = ?set.routed, before = ?set.before, changed = set.changed, endpoint = set.endpoint, "routed");
                metrics.count("RoutesSet", set.changed.into());
                &set.failed_endpoints
            }
            Err(FailoverError::NoEndpoint { failed, .. }) => failed,
            Err(_) => &Vec::new(),
        };
        report(failed, metrics);
        answered
    }
}

impl<A: SwitchRegions, R: KeepRecord, M: SwitchRegions, C: Clock> Failover<A, R, M, C> {
    async fn answer(&self, task: &FailoverTask) -> Result<FailoverAnswer, FailoverError> {
        let [primary, standby] = &self.regions;
        let active = match &self.active {
            Mode::Arc(controls) => Mode::Arc(controls),
            Mode::Dns(record) => Mode::Dns(record),
        };
        let failover = tandem_core::failover::Failover {
            active,
            routes: &self.routes,
            clock: &self.clock,
            regions: [primary, standby],
        };
        match task {
            FailoverTask::Read => failover.read().await.map(FailoverAnswer::State),
            FailoverTask::Set { region } => failover.set(region).await.map(FailoverAnswer::Set),
            FailoverTask::Route { region } => failover.route(region).await.map(FailoverAnswer::Routed),
        }
    }
}

/// Names every endpoint that failed: the next failover may need it.
fn report(failed: &[FailedEndpoint], metrics: &mut Metrics) {
    for FailedEndpoint { endpoint, error } in failed {
        warn!(endpoint, "this endpoint gave no usable answer: {error}");
    }
    metrics.count("EndpointsFailed", failed.len() as u64);
}
