//! The edge: what every call of every function and user passes on its way to the emulator.
//!
//! A request goes through five steps, one module each:
//!
//! 1. [`request`]: what it is (Region of the caller, service, operation, object),
//! 2. [`faults`]: whether it is to fail or to be late; here a Region can be cut off,
//! 3. [`route`]: where it leads, through the access point or not, or that it is refused,
//! 4. [`forward`]: to the emulator and back, streaming; one at a time to strongly consistent tables,
//! 5. [`effects`]: what follows from its success: replication, new routes.
//!
//! Beside them: [`api`] is how the command sets and reads all this under `/_tandem/`. The active Region's name, which the DNS
//! answers with, is kept here too.

pub mod answer;
pub mod api;
pub mod counts;
mod effects;
pub mod faults;
mod forward;
pub mod mrap;
mod range;
pub mod replication;
pub mod request;
mod route;
mod strong;
pub mod upstream;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::options::Options;
use counts::Counts;
use faults::Faults;
use mrap::Route;
use replication::{Copier, Replicator, Versions};
use request::Facts;
use strong::StrongTables;
use upstream::Upstream;

/// The edge's state, shared by all requests.
pub struct Edge {
    /// The emulator.
    pub upstream: Upstream,
    /// Calls so far.
    pub counts: Counts,
    /// Faults in force.
    pub faults: Faults,
    /// The waiting replicas.
    pub replication: Arc<Replicator>,
    versions: Arc<Versions>,
    strong: StrongTables,
    /// Bucket of each Region: those that are replicated.
    buckets: BTreeMap<String, String>,
    primary: String,
    access_point: RwLock<Option<AccessPoint>>,
    active: RwLock<Option<String>>,
}

/// The Multi-Region Access Point as it is now.
#[derive(Clone)]
struct AccessPoint {
    alias: String,
    routes: Vec<Route>,
}

impl Edge {
    /// An edge in front of the emulator of these options. Must be called inside a runtime.
    ///
    /// # Errors
    /// The lag is no duration.
    pub fn new(options: &Options) -> anyhow::Result<Arc<Self>> {
        let upstream = Upstream::new(options.emulator_port, &options.account)?;
        let buckets: BTreeMap<_, _> =
            options.regions.iter().map(|region| (region.clone(), options.bucket(region))).collect();
        let versions = Arc::new(Versions::default());
        let copier = Copier::new(upstream.clone(), Arc::clone(&versions), &buckets);
        let lag = Duration::try_from_secs_f64(options.replication_lag_seconds)
            .context("the replication lag is no duration")?;
        Ok(Arc::new(Self {
            upstream,
            counts: Counts::default(),
            faults: Faults::default(),
            replication: Replicator::start(lag, copier),
            versions,
            strong: StrongTables::default(),
            buckets,
            primary: options.primary().to_owned(),
            access_point: RwLock::default(),
            active: RwLock::new(Some(options.primary().to_owned())),
        }))
    }

    /// Serves until the task is dropped.
    ///
    /// # Errors
    /// The listener fails for good.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> anyhow::Result<()> {
        // Small requests and answers in turn: waiting to fill a packet would cost 40 ms each.
        let listener = listener.tap_io(|stream| {
            let _slower_at_worst = stream.set_nodelay(true);
        });
        let api = api::router(Arc::clone(&self));
        let app = axum::Router::new().fallback(handle).with_state((self, api));
        Ok(axum::serve(listener, app).await?)
    }

    /// Tells the edge which tables are strongly consistent.
    pub fn declare_strong(&self, tables: impl IntoIterator<Item = String>) {
        self.strong.declare(tables);
    }

    /// Tells the edge of the access point, and reads its routes.
    ///
    /// # Errors
    /// There is no such access point.
    pub async fn front_access_point(&self, alias: &str) -> anyhow::Result<()> {
        let routes = mrap::read_routes(&self.upstream, alias).await?;
        let access_point = AccessPoint { alias: alias.to_owned(), routes };
        *self.access_point.write().unwrap_or_else(PoisonError::into_inner) = Some(access_point);
        Ok(())
    }

    /// What the TXT record says; `None`: there is no record.
    #[must_use]
    pub fn active(&self) -> Option<String> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what the TXT record says.
    pub fn set_active(&self, text: Option<String>) {
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = text;
    }

    fn access_point(&self) -> Option<AccessPoint> {
        self.access_point.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Shared = (Arc<Edge>, axum::Router);

/// One request, from its arrival to its answer.
async fn handle(State((edge, api)): State<Shared>, request: Request) -> Response<Body> {
    // A key may begin like the API's path; the access point's host tells them apart. No bucket's name begins so.
    if request.uri().path().starts_with("/_tandem/") && !request::is_for_mrap(request.headers()) {
        return api::answer(api, request).await;
    }
    let (parts, body) = request.into_parts();
    let facts = Facts::of(&parts);
    edge.counts.note(&facts);
    if let Some(answer) = edge.faults.apply(&facts).await {
        return answer;
    }
    let place = match route::decide(&edge, &facts, &parts) {
        Ok(place) => place,
        Err(refusal) => return *refusal,
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let (deletes, body) = match effects::read_deletes(&facts, body).await {
        Ok(read) => read,
        Err(refusal) => return *refusal,
    };
    let (service, has_effects) = (facts.service.clone(), effects::may_follow(&facts.operation));
    let work = async move {
        let response = forward::forward(&edge, &facts, place.as_ref(), parts, body).await;
        effects::after(&edge, &facts, place, &query, deletes, (response.status(), response.headers())).await;
        response
    };
    if !has_effects {
        return work.await;
    }
    // A task of its own: what a caller that gives up has changed must be replicated all the same.
    tokio::spawn(work).await.unwrap_or_else(|error| {
        answer::error(&service, StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &error.to_string())
    })
}
