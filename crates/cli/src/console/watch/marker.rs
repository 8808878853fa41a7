//! Round trips and replication, measured together: a tiny object is written in one Region and looked for in the other.
//!
//! Each look is one HEAD, whose answer's time is the round trip. The marker lies below `markers/`, which is replicated like
//! everything and is no input; it is written again under the same key once it has arrived, and the bucket's lifecycle removes it
//! within days. Each console has a key of its own, so that two do not take each other's marker for theirs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tandem_aws::objects::S3Objects;
use tandem_core::ports::{InspectObjects, ObjectInfo, ObjectRef, WriteObjects};
use tokio::task::JoinSet;

use super::super::Console;
use super::super::board::now;
use super::within;

/// Where markers lie.
pub const PREFIX: &str = "markers/";
/// How long a Region may take to answer.
const ANSWER: Duration = Duration::from_secs(4);
/// After so long a marker is written again: its bucket may have been made anew. What it has waited is not forgotten.
const LOST: Duration = Duration::from_secs(20 * 60);
/// While a marker has just been written it is looked for more often.
const FRESH: Duration = Duration::from_secs(30);

/// Starts a writer and a looker for each direction.
pub fn start(console: &Arc<Console>, tasks: &mut JoinSet<()>) {
    let [primary, standby] = console.deployment.regions();
    for (from, to) in [(primary, standby), (standby, primary)] {
        let way = Arc::new(Way {
            console: Arc::clone(console),
            key: format!("{PREFIX}{}/{from}.txt", console.access.start()),
            from: Place::of(console, from),
            to: Place::of(console, to),
            sent: Mutex::default(),
        });
        tasks.spawn(write(Arc::clone(&way)));
        tasks.spawn(look(way));
    }
}

/// A Region's bucket.
struct Place {
    region: String,
    bucket: String,
    objects: S3Objects,
}

impl Place {
    fn of(console: &Console, region: &str) -> Self {
        let (bucket, objects) = (console.deployment.bucket(region), console.deployment.objects(region));
        Self { region: region.to_owned(), bucket, objects }
    }
}

/// One direction.
struct Way {
    console: Arc<Console>,
    key: String,
    from: Place,
    to: Place,
    sent: Mutex<Option<Sent>>,
}

/// A marker that is on its way.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    etag: String,
    since: Instant,
}

impl Way {
    fn sent(&self) -> Option<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_sent(&self, sent: Option<Sent>) {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = sent;
    }

    /// Writes a marker unless one is on its way.
    async fn send(&self) {
        let waiting = self.sent();
        if waiting.as_ref().is_some_and(|sent| sent.since.elapsed() < LOST) {
            return;
        }
        let (begun, content) = (Instant::now(), now().into_bytes().into());
        let written = self.from.objects.write(&self.from.bucket, &self.key, "text/plain", content);
        let error = match within(ANSWER, written).await {
            Ok(stored) => {
                self.set_sent(Some(Sent { etag: stored.etag, since: waiting.map_or(begun, |sent| sent.since) }));
                None
            }
            Err(error) => Some(format!("{} does not take the marker: {error}", self.from.region)),
        };
        self.console.board.write(|snapshot| {
            if let Some(region) = snapshot.region(&self.to.region) {
                region.replication.error = error;
            }
        });
    }

    /// One look, and what it tells.
    async fn look(&self) {
        let (bucket, key) = (self.to.bucket.clone(), self.key.clone());
        let object = ObjectRef { bucket, key, etag: None, version_id: None };
        // Known before the look, so that what it finds is compared with what was to be found.
        let (sent, begun) = (self.sent(), Instant::now());
        let found = within(ANSWER, self.to.objects.head(&object)).await;
        let round_trip = begun.elapsed().as_secs_f64() * 1000.0;
        let lag = found.as_ref().ok().and_then(|found| arrived(found.as_ref(), sent.as_ref()?));
        if lag.is_some() {
            self.set_sent(None);
        }
        let waiting = self.sent().map(|sent| sent.since.elapsed().as_secs_f64());
        self.console.board.write(|snapshot| {
            let Some(region) = snapshot.region(&self.to.region) else { return };
            region.reachable = found.is_ok();
            region.round_trip_ms = found.is_ok().then_some((round_trip * 10.0).round() / 10.0);
            region.error = found.err();
            region.replication.waiting_seconds = waiting.map(|seconds| (seconds * 10.0).round() / 10.0);
            if let Some(lag) = lag {
                region.replication.lag_seconds = Some((lag.as_secs_f64() * 100.0).round() / 100.0);
                region.replication.measured = Some(now());
            }
        });
    }

    fn until_the_next_look(&self) -> Duration {
        let fresh = self.sent().is_some_and(|sent| sent.since.elapsed() < FRESH);
        match fresh {
            true => self.console.pause(Duration::from_millis(250), Duration::from_secs(1)),
            false => self.console.pause(Duration::from_secs(1), Duration::from_secs(5)),
        }
    }
}

/// How long the marker took, if what was found is the one that was sent.
fn arrived(found: Option<&ObjectInfo>, sent: &Sent) -> Option<Duration> {
    (found?.etag == sent.etag).then(|| sent.since.elapsed())
}

async fn write(way: Arc<Way>) {
    let pause = way.console.pause(Duration::from_secs(10), Duration::from_secs(60));
    loop {
        way.send().await;
        tokio::time::sleep(pause).await;
    }
}

async fn look(way: Arc<Way>) {
    loop {
        way.look().await;
        tokio::time::sleep(way.until_the_next_look()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_has_arrived_once_the_very_one_that_was_sent_is_found() {
        let sent = Sent { etag: "new".into(), since: Instant::now() };
        let found = |etag: &str| ObjectInfo { etag: etag.into(), bytes: 24, version_id: None };
        assert_eq!(arrived(None, &sent), None);
        assert_eq!(arrived(Some(&found("old")), &sent), None);
        assert!(arrived(Some(&found("new")), &sent).is_some());
    }
}
