//! The edge: what every call of every function and user passes on its way to the emulator.
//!
//! A request goes through five steps, one module each:
//!
//! 1. [`request`]: what it is (Region of the caller, service, operation, object),
//! 2. [`faults`]: whether it is to fail, to be late or to lose its answer,
//! 3. [`route`]: where it leads, through the access point or not, or that it is refused,
//! 4. [`forward`]: to the emulator and back, streaming; one at a time to strongly consistent tables,
//! 5. [`effects`]: what follows from its success: replication, new routes.
//!
//! The write of an input first waits until fewer files are under way: [`admission`], which [`executions`] tells what runs.
//! All along a request travels on a [line](isolation) that is cut when a Region is that it concerns. Beside them: [`routing`] is the
//! routing controls' five endpoints, [`zone`] the record in routing mode `dns`, [`api`] is how the command sets and reads all this under `/_tandem/`. What the TXT
//! record says is decided here too: what the routing controls say, unless it is overridden.

pub mod admission;
pub mod answer;
pub mod api;
pub mod counts;
mod effects;
mod executions;
pub mod faults;
mod forward;
pub mod isolation;
pub mod mrap;
mod range;
pub mod replication;
pub mod request;
mod route;
pub mod routing;
pub mod serve;
mod strong;
pub mod upstream;
mod zone;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Response, StatusCode};
use tokio::net::TcpListener;

use crate::options::Options;
use admission::{Admission, Bounds};
use counts::{Call, Counts};
use faults::Faults;
use isolation::{Isolation, RegionState};
use mrap::Route;
use replication::{Copier, Replicator, Versions};
use request::Facts;
use routing::Routing;
use serve::Cut;
use strong::StrongTables;
use upstream::Upstream;
use zone::Zone;

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
    /// Which Regions can be reached.
    pub isolation: Arc<Isolation>,
    /// The routing controls.
    pub routing: Routing,
    /// The zone that holds the record, in routing mode `dns`; the routing controls then say nothing.
    zone: Option<Zone>,
    versions: Arc<Versions>,
    strong: StrongTables,
    admission: Admission,
    /// Bucket of each Region: those that are replicated.
    buckets: BTreeMap<String, String>,
    primary: String,
    access_point: RwLock<Option<AccessPoint>>,
    /// What the TXT record says whatever the routing controls say; the inner `None`: there is no record.
    text_override: RwLock<Option<Option<String>>>,
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
            isolation: Arc::default(),
            routing: Routing::new(options),
            zone: Zone::of(options),
            versions,
            strong: StrongTables::default(),
            admission: Admission::new(Bounds::usual(options.files_at_once)),
            buckets,
            primary: options.primary().to_owned(),
            access_point: RwLock::default(),
            text_override: RwLock::default(),
        }))
    }

    /// Serves until the task is dropped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> Infallible {
        let api = api::router(Arc::clone(&self));
        serve::serve(listener, move |request| handle(Arc::clone(&self), api.clone(), request)).await
    }

    /// Tells the edge what was deployed.
    ///
    /// # Errors
    /// There is no such access point.
    pub async fn take_in(&self, deployed: api::DeployedNames) -> anyhow::Result<()> {
        self.declare_strong(deployed.strong);
        if let Some(alias) = &deployed.alias {
            self.front_access_point(alias).await?;
        }
        match &deployed.zone {
            Some(zone) => self.front_zone(zone).await,
            None => Ok(()),
        }
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

    /// Tells the edge which hosted zone holds the record, and reads it.
    ///
    /// # Errors
    /// There is no such zone.
    pub async fn front_zone(&self, id: &str) -> anyhow::Result<()> {
        if let Some(zone) = &self.zone {
            zone.is(id);
        }
        self.read_zone().await
    }

    /// Reads the record anew from the zone, if a zone holds it.
    async fn read_zone(&self) -> anyhow::Result<()> {
        match &self.zone {
            Some(zone) => zone.read(&self.upstream).await,
            None => Ok(()),
        }
    }

    /// What the TXT record says; `None`: there is no record.
    #[must_use]
    pub fn active(&self) -> Option<String> {
        let said = || self.zone.as_ref().map_or_else(|| Some(self.routing.text()), Zone::text);
        self.text_override().unwrap_or_else(said)
    }

    /// What the TXT record says whatever the routing controls or the zone say, if it is overridden.
    #[must_use]
    pub fn text_override(&self) -> Option<Option<String>> {
        self.text_override.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what the TXT record says whatever the routing controls say; `None`: they decide.
    pub fn override_text(&self, text: Option<Option<String>>) {
        *self.text_override.write().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// The two Regions.
    pub fn regions(&self) -> impl Iterator<Item = &String> {
        self.buckets.keys()
    }

    /// Sets how a Region can be reached. Replicas are held for as long as one is isolated.
    pub fn set_region(&self, region: &str, state: RegionState) {
        self.isolation.set(region, state);
        tracing::info!(region, ?state, "set how a Region can be reached");
        self.replication.hold_for(self.isolation.isolated());
    }

    fn access_point(&self) -> Option<AccessPoint> {
        self.access_point.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One request, from its arrival to its answer, which may be none.
async fn handle(edge: Arc<Edge>, api: axum::Router, request: Request) -> Result<Response<Body>, Cut> {
    // A key may begin like the API's path; the access point's host tells them apart. No bucket's name begins so.
    if request.uri().path().starts_with("/_tandem/") && !request::is_for_mrap(request.headers()) {
        return Ok(api::answer(api, request).await);
    }
    let (parts, body) = request.into_parts();
    let facts = Facts::of(&parts);
    let mut line = edge.isolation.line(route::regions(&edge, &facts, &parts));
    let response = line.carry(answer_call(&edge, facts, parts, body)).await??;
    Ok(serve::breakable(response, line))
}

/// One call that reaches AWS.
async fn answer_call(edge: &Arc<Edge>, facts: Facts, parts: Parts, body: Body) -> Result<Response<Body>, Cut> {
    let call = edge.counts.note(&facts);
    if admission::is_input(&facts)
        && let Err(admission::SlowDown) = edge.admission.enter(&**edge).await
    {
        let message = "Reduce your request rate: as many files as may be are under way in the local Regions.";
        return Ok(answer::error("s3", StatusCode::SERVICE_UNAVAILABLE, "SlowDown", message));
    }
    let (suffered, body) = match edge.faults.take(&facts, parts.uri.path(), body).await {
        Ok(taken) => taken,
        Err(refusal) => return Ok(*refusal),
    };
    let Some(suffered) = suffered else { return timed(edge, call, carry_out(edge, facts, parts, body)).await };
    if let Some(answer) = suffered.before(&facts.service).await {
        return Ok(answer);
    }
    let response = timed(edge, call, carry_out(edge, facts, parts, body)).await?;
    suffered.after(response).await
}

/// Carries a call out and notes how long that took.
async fn timed<T>(edge: &Edge, call: Call, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = work.await;
    edge.counts.spent(call, begun.elapsed());
    done
}

/// Does what a call asks for.
async fn carry_out(edge: &Arc<Edge>, facts: Facts, parts: Parts, body: Body) -> Result<Response<Body>, Cut> {
    if let Some(region) = route::routing_endpoint(&facts, &parts) {
        if !edge.routing.has_endpoint(region) {
            return Err(Cut);
        }
        return Ok(edge.routing.answer(&facts, body).await);
    }
    if facts.service == zone::SERVICE && facts.operation == "GetChange" {
        return Ok(zone::get_change(&edge.upstream, parts.uri.path()).await);
    }
    let place = match route::decide(edge, &facts, &parts) {
        Ok(place) => place,
        Err(refusal) => return Ok(*refusal),
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let (deletes, body) = match effects::read_deletes(&facts, body).await {
        Ok(read) => read,
        Err(refusal) => return Ok(*refusal),
    };
    let (service, has_effects) = (facts.service.clone(), effects::may_follow(&facts.operation));
    let edge = Arc::clone(edge);
    let work = async move {
        let response = forward::forward(&edge, &facts, place.as_ref(), parts, body).await;
        effects::after(&edge, &facts, place, &query, deletes, (response.status(), response.headers())).await;
        response
    };
    if !has_effects {
        return Ok(work.await);
    }
    // A task of its own: what a caller that gives up has changed must be replicated all the same.
    Ok(tokio::spawn(work).await.unwrap_or_else(|error| {
        answer::error(&service, StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &error.to_string())
    }))
}
