//! How often each operation was called from each Region, and how long the emulator took to answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request::Facts;

/// Calls of one operation from one Region since the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Service, as in a signature's scope.
    pub service: String,
    /// The API operation.
    pub operation: String,
    /// The Region that the caller signed for; absent where a signature names none.
    pub region: Option<String>,
    /// How many.
    pub calls: u64,
    /// Seconds from a call's arrival to the beginning of its answer, added up over all of them: the emulator's time and the
    /// edge's own, without what a fault held them.
    #[serde(default)]
    pub seconds: f64,
}

/// What is counted apart.
pub type Call = (String, String, Option<String>);

/// The counters.
#[derive(Default)]
pub struct Counts(Mutex<BTreeMap<Call, (u64, Duration)>>);

impl Counts {
    /// Counts one call; answers what to call it in [`Self::spent`].
    pub fn note(&self, facts: &Facts) -> Call {
        let call = (facts.service.clone(), facts.operation.clone(), facts.region.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(call.clone()).or_default().0 += 1;
        call
    }

    /// Adds the time that a call took.
    pub fn spent(&self, call: Call, time: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default().1 += time;
    }

    /// All counts, by service, operation and Region.
    #[must_use]
    pub fn all(&self) -> Vec<Count> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|((service, operation, region), (calls, time))| Count {
                service: service.clone(),
                operation: operation.clone(),
                region: region.clone(),
                calls: *calls,
                seconds: time.as_secs_f64(),
            })
            .collect()
    }
}
