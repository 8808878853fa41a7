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

/// How long to wait before a try: none before the first, then doubling, spread so that callers do not come back together.
#[cfg(any(feature = "dynamodb", feature = "lookup-api"))]
pub(crate) fn backoff(tries: u32) -> Duration {
    if tries == 0 {
        return Duration::ZERO;
    }
    let ceiling = 25_u64 << tries.min(6);
    // The clock's nanoseconds differ enough between callers to spread them; nothing here needs better randomness.
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::from(since.subsec_nanos()));
    Duration::from_millis(ceiling / 2 + nanos % (ceiling / 2))
}
