//! The system's clock: its time, and waiting.

use std::time::Duration;

use tandem_core::ports::{Clock, Pause};
use time::OffsetDateTime;

/// Tells the system's time, and waits by it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

impl Pause for SystemClock {
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
