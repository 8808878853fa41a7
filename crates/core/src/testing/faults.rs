//! Calls that fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ports::ServiceError;

/// Counts the calls to all twins that share it, and lets some of them fail.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    calls: Arc<AtomicUsize>,
    failing: Failing,
}

#[derive(Debug, Clone, Copy, Default)]
enum Failing {
    #[default]
    Never,
    At(usize),
    From(usize),
    PanicAt(usize),
}

impl Faults {
    /// No call fails.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The n-th call fails, counted from 0.
    #[must_use]
    pub fn at(call: usize) -> Self {
        Self { failing: Failing::At(call), ..Self::default() }
    }

    /// The n-th call fails and all that follow.
    #[must_use]
    pub fn from(call: usize) -> Self {
        Self { failing: Failing::From(call), ..Self::default() }
    }

    /// The n-th call panics.
    #[must_use]
    pub fn panic_at(call: usize) -> Self {
        Self { failing: Failing::PanicAt(call), ..Self::default() }
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    #[allow(clippy::panic, reason = "that is what was asked for")]
    pub(super) fn call(&self, operation: &'static str) -> Result<(), ServiceError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match self.failing {
            Failing::PanicAt(at) if call == at => panic!("made to panic"),
            Failing::At(at) if call == at => Err(failed(operation)),
            Failing::From(from) if call >= from => Err(failed(operation)),
            _ => Ok(()),
        }
    }
}

fn failed(operation: &'static str) -> ServiceError {
    let message = "made to fail".to_owned();
    ServiceError::Unavailable { operation, source: message.clone().into(), message }
}
