//! What is taken away, held away and given back, at the edge and among the functions' processes.

use std::time::{Duration, Instant};

use tandem_local::admin::{Admin, EdgeStatus, Fault, FaultAction, RegionState, ReplicationSettings};
use tandem_local::{LocalState, functions};

use super::Experiment;

/// The functions that are killed.
const KILLED: [&str; 5] = ["split", "validate", "enrich", "merge", "deliver"];
/// Time between two rounds of killing.
const BETWEEN_KILLS: Duration = Duration::from_millis(700);
/// How late the calls of a delayed Region are.
const DELAY: RegionState = RegionState::Slow { milliseconds: 2_000 };

/// How many calls of the Region were cut, and came late, before it was struck: the edge counts since its start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Earlier {
    cut: u64,
    late: u64,
}

/// The Region that is struck.
pub struct Struck<'a> {
    pub admin: &'a Admin,
    pub state: &'a LocalState,
    pub region: &'a str,
}

impl Struck<'_> {
    /// Takes away what the experiment takes away; gives what [`Self::evidence`] compares with.
    ///
    /// # Errors
    /// The edge does not answer; likewise for the others.
    pub async fn strike(&self, experiment: Experiment) -> anyhow::Result<Earlier> {
        let admin = self.admin;
        let earlier = self.so_far(&admin.status().await?);
        match experiment {
            Experiment::RegionLoss => drop(admin.set_region(self.region, RegionState::Isolated).await?),
            Experiment::FunctionDelay => drop(admin.set_region(self.region, DELAY).await?),
            Experiment::BucketReplication => {
                drop(admin.set_replication(ReplicationSettings { paused: Some(true), lag_seconds: None }).await?);
            }
            _ => {}
        }
        for (service, body) in experiment.fails() {
            admin.add_fault(&self.fault(service, *body)).await?;
        }
        if experiment == Experiment::StateTable {
            // Slow until now, to be found half way; what is left is that the table does not answer.
            admin.set_region(self.region, RegionState::Reachable).await?;
        }
        Ok(earlier)
    }

    fn so_far(&self, status: &EdgeStatus) -> Earlier {
        let region = status.regions.get(self.region).copied().unwrap_or_default();
        Earlier { cut: region.calls_cut, late: region.calls_late }
    }

    fn fault(&self, service: &str, body: Option<&str>) -> Fault {
        let unavailable = FaultAction::Fail {
            status: 503,
            error: String::from("ServiceUnavailable"),
            message: String::from("taken away by a drill"),
        };
        Fault {
            service: Some(service.to_owned()),
            region: Some(self.region.to_owned()),
            body_contains: body.map(str::to_owned),
            ..Fault::new(unavailable)
        }
    }

    /// Lets it last for so long, and says what was seen of it.
    ///
    /// # Errors
    /// The edge does not answer.
    pub async fn hold(&self, experiment: Experiment, earlier: Earlier, duration: Duration) -> anyhow::Result<String> {
        if experiment != Experiment::FunctionErrors {
            tokio::time::sleep(duration).await;
            return self.evidence(experiment, earlier).await;
        }
        let (begun, mut killed) = (Instant::now(), 0);
        while begun.elapsed() < duration {
            // A function that has no process at this moment cannot be killed, and that is no error.
            let round = KILLED.iter().filter_map(|function| functions::kill(self.state, function, self.region).ok());
            killed += round.map(|processes| processes.len()).sum::<usize>();
            tokio::time::sleep(BETWEEN_KILLS).await;
        }
        Ok(if killed == 0 { String::new() } else { format!("{killed} processes were killed") })
    }

    /// What shows that the strike has struck; empty if nothing does.
    ///
    /// # Errors
    /// The edge does not answer.
    pub async fn evidence(&self, experiment: Experiment, earlier: Earlier) -> anyhow::Result<String> {
        let status = self.admin.status().await?;
        let now = self.so_far(&status);
        let (number, what) = match experiment {
            Experiment::BucketReplication => (status.replication.pending.len() as u64, "changes were held back"),
            Experiment::RegionLoss => (now.cut.saturating_sub(earlier.cut), "calls were cut"),
            Experiment::FunctionDelay => (now.late.saturating_sub(earlier.late), "calls came 2 s late"),
            _ => (status.faults.iter().map(|fault| u64::from(fault.met)).sum(), "calls failed"),
        };
        Ok(if number == 0 { String::new() } else { format!("{number} {what}") })
    }

    /// Gives everything back; what was never taken away stays as it is.
    ///
    /// # Errors
    /// The edge does not answer.
    pub async fn mend(&self) -> anyhow::Result<()> {
        self.admin.clear_faults().await?;
        self.admin.set_region(self.region, RegionState::Reachable).await?;
        self.admin.set_replication(ReplicationSettings { paused: Some(false), lag_seconds: None }).await?;
        Ok(())
    }
}
