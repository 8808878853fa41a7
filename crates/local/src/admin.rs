//! The client of the edge's own API under `/_tandem/`: Regions, routing controls, faults, replication, active Region, counts.
//!
//! Everything that is set is set to a value; nothing toggles, so doing it twice is doing it once.

use std::collections::BTreeMap;

use axum::http::Method;

pub use crate::edge::admission::Uploads;
pub use crate::edge::api::{ActiveText, DeployedNames, EdgeStatus};
pub use crate::edge::counts::Count;
pub use crate::edge::faults::{Fault, FaultAction, FaultInForce};
pub use crate::edge::isolation::{RegionState, RegionStatus};
pub use crate::edge::replication::{FailedChange, PendingChange, ReplicationSettings, ReplicationStatus};
pub use crate::edge::routing::ArcStatus;
use crate::json_http;
use crate::state::LocalState;

/// A client of a running edge.
#[derive(Debug, Clone)]
pub struct Admin {
    base: String,
}

impl Admin {
    /// The client of the Regions that run.
    #[must_use]
    pub fn new(state: &LocalState) -> Self {
        Self::at(state.endpoint())
    }

    /// The client of the edge at a URL.
    #[must_use]
    pub fn at(endpoint: &str) -> Self {
        Self { base: format!("{}/_tandem", endpoint.trim_end_matches('/')) }
    }

    /// How the edge stands.
    ///
    /// # Errors
    /// The edge doesn't answer; likewise for all the others.
    pub async fn status(&self) -> anyhow::Result<EdgeStatus> {
        json_http::get(&self.url("status")).await
    }

    /// Adds a fault; gives it with the number that it is taken away by.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn add_fault(&self, fault: &Fault) -> anyhow::Result<FaultInForce> {
        json_http::request(Method::POST, &self.url("faults"), Some(fault)).await
    }

    /// The faults that still concern or hold a call.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn faults(&self) -> anyhow::Result<Vec<FaultInForce>> {
        json_http::get(&self.url("faults")).await
    }

    /// Takes one fault away and lets go of the calls that it holds; one that is gone already stays gone.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn remove_fault(&self, id: u64) -> anyhow::Result<()> {
        json_http::request(Method::DELETE, &self.url(&format!("faults/{id}")), None::<&()>).await
    }

    /// Takes all faults away and lets go of the calls that they hold.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn clear_faults(&self) -> anyhow::Result<()> {
        json_http::request(Method::DELETE, &self.url("faults"), None::<&()>).await
    }

    /// How each Region can be reached.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn regions(&self) -> anyhow::Result<BTreeMap<String, RegionStatus>> {
        json_http::get(&self.url("regions")).await
    }

    /// Sets how a Region can be reached; gives how all are.
    ///
    /// # Errors
    /// The edge doesn't answer, or there is no such Region, or it would be slower than a minute.
    pub async fn set_region(&self, region: &str, state: RegionState) -> anyhow::Result<BTreeMap<String, RegionStatus>> {
        json_http::request(Method::POST, &self.url("regions"), Some(&BTreeMap::from([(region, state)]))).await
    }

    /// How the routing controls and their endpoints stand.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn arc(&self) -> anyhow::Result<ArcStatus> {
        json_http::get(&self.url("arc")).await
    }

    /// Takes the routing controls' endpoint in a Region away, or gives it back.
    ///
    /// # Errors
    /// The edge doesn't answer, or there is no such endpoint.
    pub async fn set_arc_endpoint(&self, region: &str, available: bool) -> anyhow::Result<ArcStatus> {
        json_http::request(Method::POST, &self.url("arc"), Some(&BTreeMap::from([(region, available)]))).await
    }

    /// How replication stands.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn replication(&self) -> anyhow::Result<ReplicationStatus> {
        json_http::get(&self.url("replication")).await
    }

    /// Sets the lag, or whether replication is paused, or both.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn set_replication(&self, settings: ReplicationSettings) -> anyhow::Result<ReplicationStatus> {
        json_http::request(Method::POST, &self.url("replication"), Some(&settings)).await
    }

    /// Calls so far, by service, operation and Region.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn counts(&self) -> anyhow::Result<Vec<Count>> {
        json_http::get(&self.url("counts")).await
    }

    /// What the TXT record says; `None`: there is no record.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn active(&self) -> anyhow::Result<Option<String>> {
        json_http::get(&self.url("active")).await.map(|text: ActiveText| text.region)
    }

    /// Sets what the TXT record says, whatever the routing controls say, until [`Self::clear_active`]; `None`: there is no
    /// record.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn set_active(&self, region: Option<&str>) -> anyhow::Result<()> {
        let text = ActiveText { region: region.map(str::to_owned) };
        json_http::request(Method::POST, &self.url("active"), Some(&text)).await.map(|_: ActiveText| ())
    }

    /// Lets the routing controls decide again what the TXT record says.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn clear_active(&self) -> anyhow::Result<()> {
        json_http::request(Method::DELETE, &self.url("active"), None::<&()>).await.map(|_: ActiveText| ())
    }

    /// Tells what was deployed.
    ///
    /// # Errors
    /// The edge doesn't answer, or there is no such access point.
    pub async fn tell_deployed(&self, names: &DeployedNames) -> anyhow::Result<()> {
        json_http::request(Method::POST, &self.url("deployed"), Some(names)).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }
}
