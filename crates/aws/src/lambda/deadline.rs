//! When an invocation ends.

use std::future;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The moment at which Lambda ends an invocation, whatever it is doing then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No end is known.
    pub const NONE: Self = Self(None);

    /// The end as the runtime tells it. One that is over already cannot be meant: whoever could ask has not been ended.
    #[must_use]
    pub fn at(end: SystemTime) -> Self {
        Self(end.duration_since(SystemTime::now()).ok().map(|left| Instant::now() + left))
    }

    /// Waits until no more than `margin` is left.
    pub async fn nears(self, margin: Duration) {
        match self.0 {
            Some(end) => tokio::time::sleep_until(end.checked_sub(margin).unwrap_or_else(Instant::now)).await,
            None => future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn nears(deadline: Deadline, margin: Duration) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.is_ok_and(|runtime| runtime.block_on(async { deadline.nears(margin).now_or_never().is_some() }))
    }

    #[test]
    fn a_deadline_nears_when_its_margin_has_begun_and_an_unknown_one_never() {
        let hour = Duration::from_secs(3600);
        let in_an_hour = Deadline::at(SystemTime::now() + hour);
        assert!(nears(in_an_hour, 2 * hour));
        assert!(!nears(in_an_hour, hour / 2));
        assert!(!nears(Deadline::NONE, hour));
        assert_eq!(Deadline::at(SystemTime::UNIX_EPOCH), Deadline::NONE);
    }
}
