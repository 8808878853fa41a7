//! Tries endpoint after endpoint, and remembers what each of them said.

use super::{FailedEndpoint, FailoverError, SwitchRegions, Switches};
use crate::ports::ServiceError;

/// The endpoints of one set of switches, and those among them that failed.
pub(super) struct Endpoints<'a, S> {
    switches: &'a S,
    what: &'static str,
    pub(super) failed: Vec<FailedEndpoint>,
    /// The state before the first change: the first that any endpoint told.
    before: Option<Switches>,
    /// Whether a change was sent that no endpoint has confirmed.
    unconfirmed: bool,
}

/// A state that was set and read back.
pub(super) struct Done {
    pub(super) endpoint: String,
    pub(super) before: Switches,
}

impl<'a, S: SwitchRegions> Endpoints<'a, S> {
    pub(super) fn of(switches: &'a S, what: &'static str) -> Self {
        Self { switches, what, failed: Vec::new(), before: None, unconfirmed: false }
    }

    /// The first answer, and whose it is.
    pub(super) async fn read(&mut self) -> Result<(String, Switches), FailoverError> {
        for endpoint in self.switches.endpoints() {
            match self.switches.read(&endpoint).await {
                Ok(state) => return Ok((endpoint, state)),
                Err(error) => self.note(endpoint, error.to_string()),
            }
        }
        Err(self.none_left())
    }

    /// Sets a state through the first endpoint that confirms it.
    pub(super) async fn set(&mut self, wanted: &Switches) -> Result<Done, FailoverError> {
        for endpoint in self.switches.endpoints() {
            match self.set_through(&endpoint, wanted).await {
                Ok(()) => return Ok(Done { endpoint, before: self.before.take().unwrap_or_default() }),
                Err(error) => self.note(endpoint, error),
            }
        }
        Err(self.none_left())
    }

    /// Reads, sets where needed, and reads back, all at one endpoint.
    async fn set_through(&mut self, endpoint: &str, wanted: &Switches) -> Result<(), String> {
        let state = self.switches.read(endpoint).await.map_err(|error| error.to_string())?;
        let as_wanted = state == *wanted;
        self.before.get_or_insert(state);
        // A change whose answer was lost is sent again even where it seems to have arrived: only then has an endpoint
        // said that it took it.
        if as_wanted && !self.unconfirmed {
            return Ok(());
        }
        if let Err(error) = self.switches.set(endpoint, wanted).await {
            self.unconfirmed |= matches!(error, ServiceError::Unavailable { .. });
            return Err(error.to_string());
        }
        self.unconfirmed = true;
        let state = self.switches.read(endpoint).await.map_err(|error| format!("set, and then: {error}"))?;
        if state == *wanted { Ok(()) } else { Err(format!("set, but it still says {}", described(&state))) }
    }

    fn note(&mut self, endpoint: String, error: String) {
        self.failed.push(FailedEndpoint { endpoint, error });
    }

    fn none_left(&self) -> FailoverError {
        FailoverError::NoEndpoint { what: self.what, failed: self.failed.clone(), unconfirmed: self.unconfirmed }
    }
}

fn described(state: &Switches) -> String {
    let text = |(region, on): (&String, &bool)| format!("{region} {}", if *on { "on" } else { "off" });
    state.iter().map(text).collect::<Vec<_>>().join(", ")
}
