//! Which Region acts, and where uploads go: read and set, never toggled.
//!
//! Both are sets of [`Switches`], one for each Region, kept by a service with several endpoints of which any one suffices:
//! the routing controls of an ARC cluster, and the routes of the Multi-Region Access Point. Without a cluster the TXT record
//! itself is the switch ([`Mode::Dns`]). A set names the state it wants. So it may be repeated, through another endpoint or as
//! a whole, and ends in the same place.

mod endpoints;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::error::{Classified, ErrorType};
use crate::ports::{Clock, ServiceError};
use crate::protocol::time_text;
use endpoints::Endpoints;

pub use record::{KeepRecord, Record};

/// What says which Region is active.
#[derive(Debug, Clone, Copy)]
pub enum Mode<A, R> {
    /// ARC's routing controls, which the TXT record follows.
    Arc(A),
    /// The TXT record itself.
    Dns(R),
}

/// On or off, for each Region.
pub type Switches = BTreeMap<String, bool>;

/// Switches behind several endpoints. Each call is tried once by the adapter, with a short time-out: the next endpoint is
/// the better second try.
pub trait SwitchRegions: Send + Sync {
    /// Names of the endpoints, in the order in which they are to be tried.
    fn endpoints(&self) -> Vec<String>;

    /// The state, as this endpoint tells it. May be repeated.
    ///
    /// # Errors
    /// [`ServiceError`] when the endpoint does not answer, or refuses.
    fn read(&self, endpoint: &str) -> impl Future<Output = Result<Switches, ServiceError>> + Send;

    /// Sets all switches in one call: there is no moment in which some are set. May be repeated.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`] when it may or may not have been set; any other when it was not.
    fn set(&self, endpoint: &str, state: &Switches) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// What `failover` is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum FailoverTask {
    /// Say how things stand.
    Read,
    /// Make a Region the active one.
    Set {
        /// The Region.
        region: String,
    },
    /// Send what goes through the Multi-Region Access Point to a Region.
    Route {
        /// The Region.
        region: String,
    },
}

/// An endpoint that gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedEndpoint {
    /// Its name.
    pub endpoint: String,
    /// What it answered, or how the connection ended.
    pub error: String,
}

impl fmt::Display for FailedEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.endpoint, self.error)
    }
}

/// What `failover` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FailoverAnswer {
    /// To [`FailoverTask::Read`].
    State(RoutingState),
    /// To [`FailoverTask::Set`].
    Set(ActiveSet),
    /// To [`FailoverTask::Route`].
    Routed(RoutesSet),
}

/// How things stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingState {
    /// The active Region; `None` where not exactly one is.
    pub active: Option<String>,
    /// The Regions that uploads are routed to. Empty when no endpoint told: S3 always routes somewhere.
    pub routed: Vec<String>,
    /// The ARC endpoint that answered, or the service that keeps the record.
    pub endpoint: String,
    /// Those that did not: of ARC by their Region, of the routes as `routes <Region>`. A record that names no Region of the two
    /// is told here too.
    pub failed_endpoints: Vec<FailedEndpoint>,
    /// When it was read, RFC 3339.
    pub at: String,
}

/// The active Region was set, and read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveSet {
    /// The active Region.
    pub active: Option<String>,
    /// The one before; `None` where not exactly one was.
    pub before: Option<String>,
    /// Whether it was another before.
    pub changed: bool,
    /// The endpoint that answered.
    pub endpoint: String,
    /// Those that did not.
    pub failed_endpoints: Vec<FailedEndpoint>,
}

/// The routes were set, and read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutesSet {
    /// The Regions that uploads are routed to.
    pub routed: Vec<String>,
    /// Those before.
    pub before: Vec<String>,
    /// Whether they were others before.
    pub changed: bool,
    /// The endpoint that answered.
    pub endpoint: String,
    /// Those that did not.
    pub failed_endpoints: Vec<FailedEndpoint>,
}

/// Why nothing was read or set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FailoverError {
    /// The Region is not one of the two.
    #[error("{region:?} is not one of this deployment's Regions: name {}; nothing was changed", .regions.join(" or "))]
    UnknownRegion {
        /// The Region that was named.
        region: String,
        /// Those that there are.
        regions: Vec<String>,
    },
    /// The TXT record is another than this one has left behind: another failover was first, or came after.
    #[error(
        "another failover changed TXT {record} at the same time: it {says} now; agree who is to act, and give the command again \
         only if it is still to be another Region"
    )]
    Contested {
        /// Name of the record.
        record: String,
        /// What it says now.
        says: String,
    },
    /// The TXT record says what this deployment would never write.
    #[error(
        "TXT {record} {says}, and this deployment knows {} only: nothing was changed; if the record is this deployment's, delete it \
         by hand and do the same again, otherwise mend ActiveRecord and HostedZoneId of the batch stack", .regions.join(" and ")
    )]
    ForeignRecord {
        /// Name of the record.
        record: String,
        /// What it says.
        says: String,
        /// The Regions that there are.
        regions: Vec<String>,
    },
    /// No endpoint gave a usable answer.
    #[error("no endpoint for {what} gave a usable answer ({}); {}", listed(.failed), advice(*.unconfirmed))]
    NoEndpoint {
        /// What they keep, for a person.
        what: &'static str,
        /// Every endpoint, with its error.
        failed: Vec<FailedEndpoint>,
        /// Whether a change was sent that no endpoint has confirmed.
        unconfirmed: bool,
    },
}

fn listed(failed: &[FailedEndpoint]) -> String {
    failed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn advice(unconfirmed: bool) -> &'static str {
    if unconfirmed {
        "a change was sent and not confirmed, so it may or may not have been made: do the same again, it sets and never toggles"
    } else {
        "nothing was changed: look into the errors, and do the same again, from the other Region too"
    }
}

impl Classified for FailoverError {
    fn error_type(&self) -> ErrorType {
        match self {
            Self::UnknownRegion { .. } | Self::ForeignRecord { .. } => ErrorType::UnknownRegion,
            Self::Contested { .. } => ErrorType::Contested,
            Self::NoEndpoint { .. } => ErrorType::NoEndpoint,
        }
    }
}

/// Reads and sets, through whichever endpoint answers.
#[derive(Debug)]
pub struct Failover<'a, A, R, M, C> {
    /// Which Region should act.
    pub active: Mode<&'a A, &'a R>,
    /// On where uploads are routed.
    pub routes: &'a M,
    /// Dates what is read.
    pub clock: &'a C,
    /// The two Regions.
    pub regions: [&'a str; 2],
}

impl<A: SwitchRegions, R: KeepRecord, M: SwitchRegions, C: Clock> Failover<'_, A, R, M, C> {
    /// How things stand. Without the routes it is still an answer: they don't decide who acts.
    ///
    /// # Errors
    /// [`FailoverError::NoEndpoint`] when no endpoint tells the active Region.
    pub async fn read(&self) -> Result<RoutingState, FailoverError> {
        let (endpoint, active, mut failed_endpoints) = self.read_active().await?;
        let mut routes = Endpoints::of(self.routes, ROUTES);
        let routed = routes.read().await.map(|(_, state)| switched_on(&state)).unwrap_or_default();
        failed_endpoints.extend(
            routes
                .failed
                .into_iter()
                .map(|failed| FailedEndpoint { endpoint: format!("routes {}", failed.endpoint), ..failed }),
        );
        let at = time_text(self.clock.now());
        Ok(RoutingState { active, routed, endpoint, failed_endpoints, at })
    }

    async fn read_active(&self) -> Result<(String, Option<String>, Vec<FailedEndpoint>), FailoverError> {
        match self.active {
            Mode::Arc(controls) => {
                let mut endpoints = Endpoints::of(controls, CONTROLS);
                let (endpoint, state) = endpoints.read().await?;
                Ok((endpoint, only_one(&state), endpoints.failed))
            }
            Mode::Dns(keeper) => {
                let (active, wrong) = record::read(keeper, self.regions).await?;
                Ok((R::SERVICE.to_owned(), active, wrong))
            }
        }
    }

    /// Makes a Region the active one: its control on and the other's off, in one call; or the record its name.
    ///
    /// # Errors
    /// [`FailoverError`]
    pub async fn set(&self, region: &str) -> Result<ActiveSet, FailoverError> {
        let wanted = self.only(region)?;
        let controls = match self.active {
            Mode::Arc(controls) => controls,
            Mode::Dns(keeper) => return record::set(keeper, region, self.regions).await,
        };
        let mut endpoints = Endpoints::of(controls, CONTROLS);
        let done = endpoints.set(&wanted).await?;
        Ok(ActiveSet {
            active: only_one(&wanted),
            before: only_one(&done.before),
            changed: done.before != wanted,
            endpoint: done.endpoint,
            failed_endpoints: endpoints.failed,
        })
    }

    /// Sends what goes through the Multi-Region Access Point to a Region, and to no other.
    ///
    /// # Errors
    /// [`FailoverError`]
    pub async fn route(&self, region: &str) -> Result<RoutesSet, FailoverError> {
        let wanted = self.only(region)?;
        let mut endpoints = Endpoints::of(self.routes, ROUTES);
        let done = endpoints.set(&wanted).await?;
        Ok(RoutesSet {
            routed: switched_on(&wanted),
            before: switched_on(&done.before),
            changed: done.before != wanted,
            endpoint: done.endpoint,
            failed_endpoints: endpoints.failed,
        })
    }

    /// The state in which this Region is on and the other off.
    fn only(&self, region: &str) -> Result<Switches, FailoverError> {
        if !self.regions.contains(&region) {
            let regions = self.regions.map(str::to_owned).to_vec();
            return Err(FailoverError::UnknownRegion { region: region.to_owned(), regions });
        }
        Ok(self.regions.iter().map(|known| ((*known).to_owned(), *known == region)).collect())
    }
}

const CONTROLS: &str = "the active Region";
const ROUTES: &str = "the routes of the Multi-Region Access Point";

/// The Regions whose switch is on.
fn switched_on(state: &Switches) -> Vec<String> {
    state.iter().filter(|(_, on)| **on).map(|(region, _)| region.clone()).collect()
}

/// The Region whose switch is on, if it is the only one.
fn only_one(state: &Switches) -> Option<String> {
    let mut regions = switched_on(state);
    if regions.len() == 1 { regions.pop() } else { None }
}
