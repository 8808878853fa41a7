//! The tasks that look: each at one thing, each with its own time-out, so that what does not answer hides nothing else.

mod batches;
mod cost;
mod listing;
mod marker;
mod mirror;
mod rejects;
mod round;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

pub use self::batches::Going;
use super::Console;

/// Starts them all. They end when what is returned is dropped.
pub fn start(console: &Arc<Console>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(batches::records(Arc::clone(console)));
    tasks.spawn(batches::progress(Arc::clone(console)));
    tasks.spawn(rejects::reasons(Arc::clone(console)));
    tasks.spawn(cost::last_hour(Arc::clone(console)));
    marker::start(console, &mut tasks);
    match &console.local {
        Some(state) => {
            tasks.spawn(mirror::edge(Arc::clone(console), state.clone()));
            tasks.spawn(mirror::mailbox(Arc::clone(console), state.clone()));
        }
        None => {
            tasks.spawn(standing::active(Arc::clone(console)));
            tasks.spawn(standing::routed(Arc::clone(console)));
        }
    }
    tasks
}

impl Console {
    /// How long to wait before looking again: here a look costs nothing, on AWS next to nothing.
    fn pause(&self, local: Duration, on_aws: Duration) -> Duration {
        if self.local.is_some() { local } else { on_aws }
    }
}

/// What came of a look that may take so long and no longer.
async fn within<T, E: std::fmt::Display>(
    limit: Duration,
    look: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(limit, look).await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(error)) => Err(super::trouble::plain(&error.to_string())),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}
