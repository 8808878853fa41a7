//! How often each operation was called from each Region.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::request::Facts;

/// Calls of one operation from one Region since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Service, as in a signature's scope.
    pub service: String,
    /// The API operation.
    pub operation: String,
    /// The Region that the caller signed for; absent where a signature names none.
    pub region: Option<String>,
    /// How many.
    pub calls: u64,
}

type Call = (String, String, Option<String>);

/// The counters.
#[derive(Default)]
pub struct Counts(Mutex<BTreeMap<Call, u64>>);

impl Counts {
    /// Counts one call.
    pub fn note(&self, facts: &Facts) {
        let call = (facts.service.clone(), facts.operation.clone(), facts.region.clone());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(call).or_default() += 1;
    }

    /// All counts, by service, operation and Region.
    #[must_use]
    pub fn all(&self) -> Vec<Count> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|((service, operation, region), calls)| Count {
                service: service.clone(),
                operation: operation.clone(),
                region: region.clone(),
                calls: *calls,
            })
            .collect()
    }
}
