//! `/_tandem/`: how the edge is set and read. JSON both ways; [`crate::admin`] is its client.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tower_service::Service;

use super::Edge;
use super::counts::Count;
use super::faults::Fault;
use super::mrap;
use super::replication::{ReplicationSettings, ReplicationStatus};

/// How the edge stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeStatus {
    /// What the TXT record says; absent: there is no record.
    pub active: Option<String>,
    /// The Region that the access point routes to; absent until it exists.
    pub routed: Option<String>,
    /// The faults in force.
    pub faults: Vec<Fault>,
    /// How replication stands.
    pub replication: ReplicationStatus,
}

/// What the TXT record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveText {
    /// Its text, a Region's name when all is well; null: there is no record.
    pub region: Option<String>,
}

type Shared = State<Arc<Edge>>;

/// The API of an edge.
pub fn router(edge: Arc<Edge>) -> Router {
    Router::new()
        .route("/_tandem/status", get(status))
        .route("/_tandem/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/_tandem/replication", get(replication).post(set_replication))
        .route("/_tandem/counts", get(counts))
        .route("/_tandem/active", get(active).post(set_active))
        .with_state(edge)
}

/// Answers one request to the API.
pub async fn answer(mut router: Router, request: Request) -> Response<Body> {
    match Service::call(&mut router, request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn status(State(edge): Shared) -> Json<EdgeStatus> {
    let access_point = edge.access_point();
    let routed =
        access_point.and_then(|known| mrap::routed(&known.routes, &edge.primary).map(|route| route.region.clone()));
    Json(EdgeStatus {
        active: edge.active(),
        routed,
        faults: edge.faults.all(),
        replication: edge.replication.status(),
    })
}

async fn faults(State(edge): Shared) -> Json<Vec<Fault>> {
    Json(edge.faults.all())
}

async fn add_fault(State(edge): Shared, Json(fault): Json<Fault>) -> Json<Vec<Fault>> {
    edge.faults.add(fault);
    Json(edge.faults.all())
}

async fn clear_faults(State(edge): Shared) -> StatusCode {
    edge.faults.clear();
    StatusCode::NO_CONTENT
}

async fn replication(State(edge): Shared) -> Json<ReplicationStatus> {
    Json(edge.replication.status())
}

async fn set_replication(State(edge): Shared, Json(settings): Json<ReplicationSettings>) -> Json<ReplicationStatus> {
    edge.replication.set(settings);
    Json(edge.replication.status())
}

async fn counts(State(edge): Shared) -> Json<Vec<Count>> {
    Json(edge.counts.all())
}

async fn active(State(edge): Shared) -> Json<ActiveText> {
    Json(ActiveText { region: edge.active() })
}

async fn set_active(State(edge): Shared, Json(text): Json<ActiveText>) -> Json<ActiveText> {
    edge.set_active(text.region);
    Json(ActiveText { region: edge.active() })
}
