//! What a fault says: which calls it concerns, how many, and what happens to them.

use serde::{Deserialize, Serialize};

use crate::edge::request::Facts;

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
    /// A part of the path, as the caller wrote it (`chunk-00002`); absent: any.
    #[serde(default)]
    pub path_contains: Option<String>,
    /// A part of the request's body (`DELIVERING`); absent: any. Bodies of S3 stream by unread: none of its calls fits.
    #[serde(default)]
    pub body_contains: Option<String>,
    /// How many calls; absent: all, until the fault is taken away.
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
    /// It goes on once the fault is taken away, or after a minute.
    Hold,
    /// It is carried out, and its answer given once the fault is taken away, or after a minute.
    HoldAnswer,
    /// It is carried out, and its connection closed without an answer.
    LoseAnswer,
}

/// A fault that still concerns calls, or still holds some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultInForce {
    /// What it is taken away by.
    pub id: u64,
    /// How many calls it has concerned.
    pub met: u32,
    /// How many calls it holds now: before they are carried out, or with their answers there.
    pub held: u32,
    /// What it says, with the number of calls that are left.
    #[serde(flatten)]
    pub fault: Fault,
}

impl Fault {
    /// A fault that concerns every call.
    #[must_use]
    pub fn new(action: FaultAction) -> Self {
        Self {
            service: None,
            operation: None,
            region: None,
            path_contains: None,
            body_contains: None,
            times: None,
            action,
        }
    }

    /// Whether it concerns a call, as far as that can be told without its body.
    pub(super) fn concerns(&self, facts: &Facts, path: &str) -> bool {
        let fits =
            |wanted: &Option<String>, is: Option<&str>| wanted.as_deref().is_none_or(|wanted| Some(wanted) == is);
        self.times != Some(0)
            && fits(&self.service, Some(&facts.service))
            && fits(&self.operation, Some(&facts.operation))
            && fits(&self.region, facts.region.as_deref())
            && self.path_contains.as_deref().is_none_or(|part| path.contains(part))
    }

    /// Whether a call's body fits; `None`: it was not read.
    pub(super) fn fits_body(&self, body: Option<&[u8]>) -> bool {
        let Some(wanted) = self.body_contains.as_deref().map(str::as_bytes) else { return true };
        let found = |body: &[u8]| wanted.is_empty() || body.windows(wanted.len()).any(|part| part == wanted);
        body.is_some_and(found)
    }
}
