//! `/_tandem/`: how the edge is set and read. JSON both ways; [`crate::admin`] is its client.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tower_service::Service;

use super::Edge;
use super::admission::Uploads;
use super::counts::Count;
use super::faults::{Fault, FaultInForce};
use super::isolation::{RegionState, RegionStatus, SLOWEST};
use super::mrap;
use super::replication::{ReplicationSettings, ReplicationStatus};
use super::routing::ArcStatus;
use crate::arc;

/// How the edge stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeStatus {
    /// What the TXT record says; absent: there is no record.
    pub active: Option<String>,
    /// Whether that is what somebody has set, whatever the routing controls say.
    pub active_overridden: bool,
    /// The Region that the access point routes to; absent until it exists.
    pub routed: Option<String>,
    /// How each Region can be reached.
    pub regions: BTreeMap<String, RegionStatus>,
    /// How the routing controls stand.
    pub arc: ArcStatus,
    /// The faults in force.
    pub faults: Vec<FaultInForce>,
    /// How replication stands.
    pub replication: ReplicationStatus,
    /// How the writes of inputs stand.
    pub uploads: Uploads,
}

/// What the TXT record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveText {
    /// Its text, a Region's name when all is well; null: there is no record.
    pub region: Option<String>,
}

/// What the edge must know of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeployedNames {
    /// Alias of the access point.
    pub alias: Option<String>,
    /// Tables that are strongly consistent.
    pub strong: Vec<String>,
    /// The zone that holds the TXT record.
    pub zone: Option<String>,
}

type Shared = State<Arc<Edge>>;

/// An answer, or why the request can't be met.
type Answered<T> = Result<Json<T>, (StatusCode, String)>;

/// The API of an edge.
pub fn router(edge: Arc<Edge>) -> Router {
    Router::new()
        .route("/_tandem/status", get(status))
        .route("/_tandem/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/_tandem/faults/{id}", delete(remove_fault))
        .route("/_tandem/regions", get(regions).post(set_regions))
        .route("/_tandem/arc", get(arc_status).post(set_arc_endpoints))
        .route("/_tandem/replication", get(replication).post(set_replication))
        .route("/_tandem/counts", get(counts))
        .route("/_tandem/deployed", post(deployed))
        .route("/_tandem/active", get(active).post(override_active).delete(clear_active))
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
        active_overridden: edge.text_override().is_some(),
        routed,
        regions: region_status(&edge),
        arc: edge.routing.status(),
        faults: edge.faults.all(),
        replication: edge.replication.status(&edge.buckets),
        uploads: edge.admission.uploads(&edge.isolation.isolated()),
    })
}

async fn deployed(State(edge): Shared, Json(names): Json<DeployedNames>) -> Result<StatusCode, (StatusCode, String)> {
    let refused = |error: anyhow::Error| (StatusCode::BAD_REQUEST, error.to_string());
    edge.take_in(names).await.map(|()| StatusCode::NO_CONTENT).map_err(refused)
}

async fn faults(State(edge): Shared) -> Json<Vec<FaultInForce>> {
    Json(edge.faults.all())
}

async fn add_fault(State(edge): Shared, Json(fault): Json<Fault>) -> Json<FaultInForce> {
    Json(edge.faults.add(fault))
}

async fn clear_faults(State(edge): Shared) -> StatusCode {
    edge.faults.clear();
    StatusCode::NO_CONTENT
}

/// Also for a fault that is gone already, used up or taken away.
async fn remove_fault(State(edge): Shared, Path(id): Path<u64>) -> StatusCode {
    edge.faults.remove(id);
    StatusCode::NO_CONTENT
}

fn region_status(edge: &Edge) -> BTreeMap<String, RegionStatus> {
    edge.regions().map(|region| (region.clone(), edge.isolation.status(region))).collect()
}

async fn regions(State(edge): Shared) -> Json<BTreeMap<String, RegionStatus>> {
    Json(region_status(&edge))
}

/// All of them or none.
async fn set_regions(
    State(edge): Shared,
    Json(states): Json<BTreeMap<String, RegionState>>,
) -> Answered<BTreeMap<String, RegionStatus>> {
    for (region, state) in &states {
        known(region, edge.regions())?;
        if matches!(state, RegionState::Slow { milliseconds } if *milliseconds > SLOWEST) {
            let message = format!("a Region can be slow by {SLOWEST} ms at most: isolate it instead");
            return Err((StatusCode::BAD_REQUEST, message));
        }
    }
    for (region, state) in &states {
        edge.set_region(region, *state);
    }
    Ok(Json(region_status(&edge)))
}

async fn arc_status(State(edge): Shared) -> Json<ArcStatus> {
    Json(edge.routing.status())
}

/// All of them or none.
async fn set_arc_endpoints(State(edge): Shared, Json(endpoints): Json<BTreeMap<String, bool>>) -> Answered<ArcStatus> {
    for region in endpoints.keys() {
        known(region, arc::ENDPOINT_REGIONS)?;
    }
    for (region, available) in &endpoints {
        edge.routing.set_endpoint(region, *available);
    }
    Ok(Json(edge.routing.status()))
}

fn known<T: AsRef<str>>(region: &str, all: impl IntoIterator<Item = T>) -> Result<(), (StatusCode, String)> {
    let all: Vec<T> = all.into_iter().collect();
    if all.iter().any(|one| one.as_ref() == region) {
        return Ok(());
    }
    let all = all.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    Err((StatusCode::BAD_REQUEST, format!("{region:?} is none of {all}")))
}

async fn replication(State(edge): Shared) -> Json<ReplicationStatus> {
    Json(edge.replication.status(&edge.buckets))
}

async fn set_replication(State(edge): Shared, Json(settings): Json<ReplicationSettings>) -> Json<ReplicationStatus> {
    edge.replication.set(settings);
    Json(edge.replication.status(&edge.buckets))
}

async fn counts(State(edge): Shared) -> Json<Vec<Count>> {
    Json(edge.counts.all())
}

async fn active(State(edge): Shared) -> Json<ActiveText> {
    Json(ActiveText { region: edge.active() })
}

async fn override_active(State(edge): Shared, Json(text): Json<ActiveText>) -> Json<ActiveText> {
    edge.override_text(Some(text.region));
    Json(ActiveText { region: edge.active() })
}

async fn clear_active(State(edge): Shared) -> Json<ActiveText> {
    edge.override_text(None);
    Json(ActiveText { region: edge.active() })
}
