//! What is taken away, held away and given back, at the edge and among the functions' processes.

use std::time::{Duration, Instant};

use tandem_local::admin::{Admin, Fault, FaultAction, RegionState, ReplicationSettings};
use tandem_local::{LocalState, functions};

use super::Experiment;

/// The functions that are killed.
const KILLED: [&str; 5] = ["split", "validate", "enrich", "merge", "deliver"];
/// Time between two rounds of killing.
const BETWEEN_KILLS: Duration = Duration::from_millis(700);
/// How late the calls of a delayed Region are.
const DELAY: RegionState = RegionState::Slow { milliseconds: 2_000 };

/// The Region that is struck.
pub struct Struck<'a> {
    pub admin: &'a Admin,
    pub state: &'a LocalState,
    pub region: &'a str,
}

impl Struck<'_> {
    /// Takes away what the experiment takes away.
    ///
    /// # Errors
    /// The edge does not answer; likewise for the others.
    pub async fn strike(&self, experiment: Experiment) -> anyhow::Result<()> {
        let admin = self.admin;
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
        Ok(())
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
    pub async fn hold(&self, experiment: Experiment, duration: Duration) -> anyhow::Result<String> {
        if experiment != Experiment::FunctionErrors {
            tokio::time::sleep(duration).await;
            return self.evidence(experiment).await;
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
    pub async fn evidence(&self, experiment: Experiment) -> anyhow::Result<String> {
        let status = self.admin.status().await?;
        let counted = |number: usize, what: &str| if number == 0 { String::new() } else { format!("{number} {what}") };
        Ok(match experiment {
            Experiment::BucketReplication => counted(status.replication.pending.len(), "changes were held back"),
            Experiment::RegionLoss => {
                let cut = status.regions.get(self.region).map_or(0, |region| region.calls_cut);
                counted(usize::try_from(cut).unwrap_or(usize::MAX), "calls were cut")
            }
            Experiment::FunctionDelay => String::from("each call took 2 s longer"),
            _ => counted(status.faults.iter().map(|fault| fault.met as usize).sum(), "calls failed"),
        })
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
