//! What a drill asks of the Regions before it begins: otherwise it would blame the strike for what was there before.

use tandem_local::admin::{Admin, EdgeStatus, RegionState};
use tandem_local::{LocalState, functions};

use crate::deployment::Deployment;
use crate::exit::usage;

/// Open batches that are looked for: one is enough.
const ANY: usize = 1;

/// The active Region, if all is as it should be.
///
/// # Errors
/// Everything that is not, and how to mend it.
pub async fn undisturbed(admin: &Admin, state: &LocalState, deployment: &Deployment) -> anyhow::Result<String> {
    let status = admin.status().await?;
    let mut troubles = struck(&status);
    for (region, names) in functions::frozen(state)? {
        let thaw =
            |name: &String| format!("{name} is frozen in {region}: `tandem function thaw {name} --region {region}`");
        troubles.extend(names.iter().map(thaw));
    }
    match deployment.records().unfinished(ANY).await {
        Ok(open) if open.batches.is_empty() => {}
        Ok(_) => troubles.push(String::from(
            "batches are open: `tandem status` shows them, `tandem reconcile` sees to them; wait until they have ended",
        )),
        Err(error) if troubles.is_empty() => return Err(error.into()),
        // What is struck may well be why.
        Err(_) => {}
    }
    match status.active {
        Some(active) if troubles.is_empty() => return Ok(active),
        Some(_) => {}
        None => troubles.push(String::from("no Region is active: `tandem failover --to REGION`")),
    }
    Err(usage(format!("a drill begins where nothing is struck or open. First: {}", troubles.join("; "))))
}

/// What is taken away at the edge already.
fn struck(status: &EdgeStatus) -> Vec<String> {
    let cut = status.regions.iter().filter(|(_, region)| region.state != RegionState::Reachable);
    let mut troubles: Vec<String> =
        cut.map(|(name, _)| format!("{name} is isolated or slow: `tandem region heal {name}`")).collect();
    if !status.faults.is_empty() {
        troubles.push(String::from("there are faults in force at the edge: take them away (DELETE faults)"));
    }
    if status.replication.paused {
        troubles.push(String::from("replication is paused: `tandem replication resume`"));
    }
    troubles
}
