//! Ends work early without leaving anything behind: when it is told to stop, and when something in it panics.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures::FutureExt;
use futures::future::{Either, select};

use crate::work::WorkError;

/// The work's outcome, or [`WorkError::Stopped`] if the signal comes before it.
pub(super) async fn unless<T>(
    stop: impl Future<Output = ()>,
    work: impl Future<Output = Result<T, WorkError>>,
) -> Result<T, WorkError> {
    match select(pin!(stop), pin!(work)).await {
        Either::Left(((), _)) => Err(WorkError::Stopped),
        Either::Right((outcome, _)) => outcome,
    }
}

/// The work's outcome, or [`WorkError::Panicked`]: what runs beside it can then be brought to its own end. What the panic said is
/// printed where it happened; it may hold a row's content and goes no further.
pub(super) async fn guarded<T>(work: impl Future<Output = Result<T, WorkError>>) -> Result<T, WorkError> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or(Err(WorkError::Panicked))
}
