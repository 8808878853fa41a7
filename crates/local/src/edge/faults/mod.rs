//! Calls that fail, are late or lose their answer on purpose.
//!
//! A rule says which calls it concerns, how many of them, and what happens to each. Rules are tried in the order in which
//! they were made, and the first that fits decides. A rule is known by a number; taking it away lets go of what it holds.

mod rule;

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::sync::watch;

pub use rule::{Fault, FaultAction, FaultInForce};

use super::request::Facts;
use super::serve::Cut;
use super::{answer, strong};

/// How long a held call waits at most; longer than any test needs, so that a forgotten one ends too.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// The rules in force.
#[derive(Default)]
pub struct Faults(watch::Sender<Rules>);

#[derive(Default)]
struct Rules {
    last_id: u64,
    rules: Vec<Rule>,
}

struct Rule {
    in_force: FaultInForce,
    /// How many calls have taken it and are not over yet.
    under_way: u32,
}

impl Faults {
    /// Adds a rule.
    pub fn add(&self, fault: Fault) -> FaultInForce {
        let mut added = FaultInForce { id: 0, met: 0, held: 0, fault };
        self.0.send_modify(|rules| {
            rules.last_id += 1;
            added.id = rules.last_id;
            rules.rules.push(Rule { in_force: added.clone(), under_way: 0 });
        });
        added
    }

    /// Takes one rule away, and lets go of the calls that it holds. `false`: there is none of that number.
    pub fn remove(&self, id: u64) -> bool {
        self.0.send_if_modified(|rules| {
            let before = rules.rules.len();
            rules.rules.retain(|rule| rule.in_force.id != id);
            rules.rules.len() != before
        })
    }

    /// Takes all rules away, and lets go of the calls that are held.
    pub fn clear(&self) {
        self.0.send_modify(|rules| rules.rules.clear());
    }

    /// The rules that still concern or hold a call.
    #[must_use]
    pub fn all(&self) -> Vec<FaultInForce> {
        self.0.borrow().rules.iter().map(|rule| rule.in_force.clone()).collect()
    }

    /// Uses up one call of the first rule that concerns this one. Reads the body only if a rule asks for it, and never one of
    /// S3; gives it back.
    ///
    /// # Errors
    /// The refusal of a body that is longer than any service takes.
    pub async fn take(
        &self,
        facts: &Facts,
        path: &str,
        body: Body,
    ) -> Result<(Option<Suffered<'_>>, Body), Box<Response<Body>>> {
        if !self.asks_for_body(facts, path) {
            return Ok((self.first(facts, path, None), body));
        }
        let Ok(read) = Limited::new(body, strong::LARGEST_WRITE).collect().await else {
            let too_long = "the request is too long, or broke off";
            let refusal = answer::error(&facts.service, StatusCode::BAD_REQUEST, "SerializationException", too_long);
            return Err(Box::new(refusal));
        };
        let read: Bytes = read.to_bytes();
        Ok((self.first(facts, path, Some(&read)), Body::from(read)))
    }

    fn asks_for_body(&self, facts: &Facts, path: &str) -> bool {
        let asks = |rule: &Rule| {
            let fault = &rule.in_force.fault;
            fault.body_contains.is_some() && fault.concerns(facts, path)
        };
        facts.object.is_none() && self.0.borrow().rules.iter().any(asks)
    }

    fn first(&self, facts: &Facts, path: &str, body: Option<&[u8]>) -> Option<Suffered<'_>> {
        let mut taken = None;
        self.0.send_if_modified(|rules| {
            let fits = |rule: &&mut Rule| {
                let fault = &rule.in_force.fault;
                fault.concerns(facts, path) && fault.fits_body(body)
            };
            let Some(rule) = rules.rules.iter_mut().find(fits) else { return false };
            let in_force = &mut rule.in_force;
            in_force.met += 1;
            in_force.fault.times = in_force.fault.times.map(|times| times - 1);
            rule.under_way += 1;
            taken = Some((in_force.id, in_force.fault.action.clone()));
            true
        });
        taken.map(|(id, action)| Suffered { faults: self, id, action })
    }

    fn change(&self, id: u64, change: impl FnOnce(&mut Rule)) {
        self.0.send_if_modified(|rules| {
            let rule = rules.rules.iter_mut().find(|rule| rule.in_force.id == id);
            rule.map(change).is_some()
        });
    }
}

/// What one call is to suffer. Over when it is dropped.
pub struct Suffered<'a> {
    faults: &'a Faults,
    id: u64,
    action: FaultAction,
}

impl Suffered<'_> {
    /// What happens before the call goes on; an answer ends it here.
    pub async fn before(&self, service: &str) -> Option<Response<Body>> {
        match &self.action {
            FaultAction::Hold => self.hold().await,
            FaultAction::Delay { milliseconds } => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
            FaultAction::Fail { status, error, message } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Some(answer::error(service, status, error, message));
            }
            FaultAction::HoldAnswer | FaultAction::LoseAnswer => {}
        }
        None
    }

    /// What happens to the answer.
    ///
    /// # Errors
    /// It is lost.
    pub async fn after(self, response: Response<Body>) -> Result<Response<Body>, Cut> {
        match self.action {
            FaultAction::HoldAnswer => self.hold().await,
            FaultAction::LoseAnswer => return Err(Cut),
            FaultAction::Hold | FaultAction::Delay { .. } | FaultAction::Fail { .. } => {}
        }
        Ok(response)
    }

    /// Until the rule is taken away, or long enough.
    async fn hold(&self) {
        let _counted = Held::new(self.faults, self.id);
        let mut rules = self.faults.0.subscribe();
        let gone = rules.wait_for(|rules| rules.rules.iter().all(|rule| rule.in_force.id != self.id));
        let _gone_or_long_enough = tokio::time::timeout(LONGEST_HOLD, gone).await.is_ok();
    }
}

impl Drop for Suffered<'_> {
    fn drop(&mut self) {
        self.faults.change(self.id, |rule| rule.under_way -= 1);
        // A rule that is used up stays only for the calls that it holds.
        self.faults.0.send_if_modified(|rules| {
            let before = rules.rules.len();
            rules.rules.retain(|rule| rule.in_force.fault.times != Some(0) || rule.under_way > 0);
            rules.rules.len() != before
        });
    }
}

/// Counts a held call, also one whose caller gives up.
struct Held<'a> {
    faults: &'a Faults,
    id: u64,
}

impl<'a> Held<'a> {
    fn new(faults: &'a Faults, id: u64) -> Self {
        faults.change(id, |rule| rule.in_force.held += 1);
        Self { faults, id }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.faults.change(self.id, |rule| rule.in_force.held -= 1);
    }
}

#[cfg(test)]
mod tests;
