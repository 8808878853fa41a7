//! What an open page is told, as server-sent events: whole objects, so that one that was missed does no harm.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event;
use futures::Stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Console;
use super::failover::FailoverView;

/// Between two snapshots, at least.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two snapshots, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// `GET /api/events`.
pub async fn events(State(console): State<Arc<Console>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut failover = console.failovers.changes();
    if failover.borrow().is_some() {
        failover.mark_changed();
    }
    let page = Page { changes: console.board.changes(), failover, told: None, console };
    Sse::new(futures::stream::unfold(page, |mut page| async {
        let event = page.next().await;
        Some((Ok(event), page))
    }))
}

/// One open page.
struct Page {
    console: Arc<Console>,
    changes: watch::Receiver<()>,
    failover: watch::Receiver<Option<FailoverView>>,
    /// When it was told of the state last.
    told: Option<Instant>,
}

impl Page {
    async fn next(&mut self) -> Event {
        let step = tokio::select! {
            biased;
            // The state first: what a failover means is seen on it.
            () = due(self.told, &mut self.changes) => None,
            _ = self.failover.changed() => self.failover.borrow_and_update().clone(),
        };
        if let Some(step) = step {
            return named("failover", &step);
        }
        self.told = Some(Instant::now());
        self.changes.mark_unchanged();
        named("state", &self.console.board.read())
    }
}

/// Until the next snapshot is due; at once if there was none.
async fn due(told: Option<Instant>, changes: &mut watch::Receiver<()>) {
    let Some(told) = told else { return };
    sleep_until(told + PAUSE).await;
    tokio::select! {
        _ = changes.changed() => {}
        () = sleep_until(told + LONGEST_PAUSE) => {}
    }
}

fn named(name: &str, value: &impl serde::Serialize) -> Event {
    // What cannot be written is a figure that is no number: the next one will be.
    Event::default().event(name).json_data(value).unwrap_or_else(|_| Event::default().comment("unreadable"))
}
