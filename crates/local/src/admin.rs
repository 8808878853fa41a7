//! The client of the edge's own API under `/_tandem/`: faults, replication, active Region, counts.
//!
//! Everything that is set is set to a value; nothing toggles, so doing it twice is doing it once.

use axum::http::Method;

pub use crate::edge::api::{ActiveText, EdgeStatus};
pub use crate::edge::counts::Count;
pub use crate::edge::faults::{Fault, FaultAction};
pub use crate::edge::replication::{FailedChange, PendingChange, ReplicationSettings, ReplicationStatus};
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

    /// Adds a fault; gives all in force.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn add_fault(&self, fault: &Fault) -> anyhow::Result<Vec<Fault>> {
        json_http::request(Method::POST, &self.url("faults"), Some(fault)).await
    }

    /// Takes all faults away.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn clear_faults(&self) -> anyhow::Result<()> {
        json_http::request(Method::DELETE, &self.url("faults"), None::<&()>).await
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

    /// Sets what the TXT record says.
    ///
    /// # Errors
    /// The edge doesn't answer.
    pub async fn set_active(&self, region: Option<&str>) -> anyhow::Result<()> {
        let text = ActiveText { region: region.map(str::to_owned) };
        json_http::request(Method::POST, &self.url("active"), Some(&text)).await.map(|_: ActiveText| ())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }
}
