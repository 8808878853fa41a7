//! Calls that fail or are late on purpose.
//!
//! A rule says which calls it concerns, how many of them, and what happens to each. Rules are tried in the order in which
//! they were made, and the first that fits decides.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::answer;
use super::request::Facts;

/// How long a held call waits at most; longer than any test needs, so that a forgotten one ends too.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// Which calls a fault concerns, how many, and what happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Service as in the signature's scope (`states`, `s3`, `dynamodb`); absent: any.
    #[serde(default)]
    pub service: Option<String>,
    /// API operation (`StartExecution`); absent: any.
    #[serde(default)]
    pub operation: Option<String>,
    /// Region that the caller signed for; absent: any.
    #[serde(default)]
    pub region: Option<String>,
    /// How many calls; absent: all, until the faults are cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub action: FaultAction,
}

/// What happens to a call that a [`Fault`] concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum FaultAction {
    /// It is answered with an error and goes no further.
    Fail {
        /// HTTP status.
        status: u16,
        /// The service's error code, for example `ServiceUnavailable`.
        error: String,
        /// What the error says.
        #[serde(default)]
        message: String,
    },
    /// It goes on after a while.
    Delay {
        /// For how long it is held.
        milliseconds: u64,
    },
    /// It goes on once the faults are cleared, or after a minute. It counts as a call from its arrival on, so whoever wants
    /// to know that it is held looks at the counts.
    Hold,
}

impl Fault {
    fn concerns(&self, facts: &Facts) -> bool {
        let fits =
            |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_none_or(|wanted| Some(wanted) == is);
        fits(&self.service, Some(&facts.service))
            && fits(&self.operation, Some(&facts.operation))
            && fits(&self.region, facts.region.as_deref())
    }
}

/// The rules in force.
#[derive(Default)]
pub struct Faults {
    rules: Mutex<Vec<Fault>>,
    /// Told at each clearing, with the rules locked.
    cleared: watch::Sender<()>,
}

impl Faults {
    /// Adds a rule.
    pub fn add(&self, fault: Fault) {
        self.rules().push(fault);
    }

    /// Takes all rules away, and lets go of the calls that are held.
    pub fn clear(&self) {
        let mut rules = self.rules();
        rules.clear();
        self.cleared.send_replace(());
    }

    /// The rules that still concern a call.
    #[must_use]
    pub fn all(&self) -> Vec<Fault> {
        self.rules().clone()
    }

    /// Uses up one call of the first rule that concerns this one, and says what it is to suffer, and who tells of the next
    /// clearing.
    fn take(&self, facts: &Facts) -> Option<(FaultAction, watch::Receiver<()>)> {
        let mut rules = self.rules();
        let index = rules.iter().position(|fault| fault.concerns(facts))?;
        let action = rules[index].action.clone();
        match &mut rules[index].times {
            Some(0 | 1) => {
                rules.remove(index);
            }
            Some(times) => *times -= 1,
            None => {}
        }
        Some((action, self.cleared.subscribe()))
    }

    /// Lets a call suffer what it should: holds it, or gives the answer that ends it.
    pub async fn apply(&self, facts: &Facts) -> Option<Response<Body>> {
        let (action, mut cleared) = self.take(facts)?;
        match action {
            FaultAction::Hold => {
                let _cleared_or_long_enough = tokio::time::timeout(LONGEST_HOLD, cleared.changed()).await;
                None
            }
            FaultAction::Delay { milliseconds } => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                None
            }
            FaultAction::Fail { status, error, message } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Some(answer::error(&facts.service, status, &error, &message))
            }
        }
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn call(service: &str, operation: &str, region: &str) -> Facts {
        Facts {
            service: service.to_owned(),
            operation: operation.to_owned(),
            region: Some(region.to_owned()),
            object: None,
        }
    }

    fn failing(json: &str) -> Fault {
        serde_json::from_str(json).unwrap()
    }

    const START_FAILS_TWICE: &str = r#"{"service":"states","operation":"StartExecution","region":"us-east-1","times":2,
        "action":{"fail":{"status":503,"error":"ServiceUnavailable"}}}"#;

    #[tokio::test]
    async fn the_next_calls_of_one_region_fail_and_the_one_after_them_does_not() {
        let faults = Faults::default();
        faults.add(failing(START_FAILS_TWICE));
        assert!(faults.apply(&call("states", "StartExecution", "us-west-2")).await.is_none());
        assert!(faults.apply(&call("states", "DescribeExecution", "us-east-1")).await.is_none());
        for _ in 0..2 {
            let answer = faults.apply(&call("states", "StartExecution", "us-east-1")).await.unwrap();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()["x-amzn-errortype"], "ServiceUnavailable");
        }
        assert!(faults.apply(&call("states", "StartExecution", "us-east-1")).await.is_none());
        assert!(faults.all().is_empty());
    }

    #[tokio::test]
    async fn a_rule_without_number_lasts_until_it_is_cleared() {
        let faults = Faults::default();
        faults.add(failing(r#"{"service":"s3","action":{"fail":{"status":503,"error":"SlowDown"}}}"#));
        for _ in 0..5 {
            assert!(faults.apply(&call("s3", "PutObject", "us-east-1")).await.is_some());
        }
        faults.clear();
        assert!(faults.apply(&call("s3", "PutObject", "us-east-1")).await.is_none());
    }

    #[tokio::test]
    async fn a_held_call_goes_on_when_the_faults_are_cleared_and_not_before() {
        let faults = Faults::default();
        faults.add(failing(r#"{"service":"states","times":1,"action":"hold"}"#));
        faults.clear();
        let concerned = call("states", "StartExecution", "us-east-1");
        assert!(faults.apply(&concerned).await.is_none());
        faults.add(failing(r#"{"service":"states","times":1,"action":"hold"}"#));
        let mut held = std::pin::pin!(faults.apply(&concerned));
        let waits =
            std::future::poll_fn(|context| std::task::Poll::Ready(held.as_mut().poll(context).is_pending())).await;
        assert!(waits && faults.all().is_empty());
        faults.clear();
        assert!(held.await.is_none());
    }

    #[test]
    fn a_misspelt_rule_is_refused() {
        let misspelt = r#"{"servise":"s3","action":{"delay":{"milliseconds":1}}}"#;
        assert!(serde_json::from_str::<Fault>(misspelt).is_err());
    }
}
