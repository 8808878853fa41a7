//! The waiting changes: in order per key, a set time late, held while paused.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::{Change, FailedChange, PendingChange, ReplicationSettings, ReplicationStatus, readable};

/// How many keys' changes are made at once.
const LANES: usize = 4;

/// The longest pause between two tries of a change.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How many given-up changes are remembered.
const REMEMBERED_FAILURES: usize = 100;

/// What came of making a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is made, or there is nothing left to make.
    Done,
    /// It may work later.
    Retry(String),
    /// It never will.
    Never(String),
}

/// Makes a change in the other bucket. Making one again must be harmless.
pub trait Apply: Send + Sync + 'static {
    /// Makes it.
    fn apply(&self, change: &Change) -> impl Future<Output = Outcome> + Send;
}

/// The queue and its workers.
pub struct Replicator {
    lanes: Vec<Lane>,
    settings: watch::Sender<Settings>,
    replicated: AtomicU64,
    failed: Mutex<VecDeque<FailedChange>>,
}

#[derive(Clone)]
struct Settings {
    lag: Duration,
    paused: bool,
    /// The Regions that are isolated. There are two, so none of them can be replicated from or to the other.
    held_for: Vec<String>,
}

/// The changes of the keys that fall into it, oldest first. One worker takes them one by one, so a key's stay in order.
#[derive(Default)]
struct Lane {
    waiting: Mutex<VecDeque<(Instant, Change)>>,
    arrived: Notify,
}

impl Lane {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<(Instant, Change)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replicator {
    /// Starts the workers, which end with the runtime.
    pub fn start<A: Apply>(lag: Duration, apply: A) -> Arc<Self> {
        let replicator = Arc::new(Self {
            lanes: (0..LANES).map(|_| Lane::default()).collect(),
            settings: watch::Sender::new(Settings { lag, paused: false, held_for: Vec::new() }),
            replicated: AtomicU64::new(0),
            failed: Mutex::default(),
        });
        let apply = Arc::new(apply);
        for lane in 0..LANES {
            tokio::spawn(work(Arc::clone(&replicator), lane, Arc::clone(&apply)));
        }
        replicator
    }

    /// Queues a change.
    pub fn accept(&self, change: Change) {
        let mut hasher = DefaultHasher::new();
        // By key alone: changes of one key in both buckets are made one after the other too.
        change.key.hash(&mut hasher);
        let lane = &self.lanes[usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default()];
        lane.waiting().push_back((Instant::now(), change));
        lane.arrived.notify_one();
    }

    /// Sets what is given; the rest stays. Changes that already wait follow the new settings.
    pub fn set(&self, settings: ReplicationSettings) {
        self.settings.send_modify(|current| {
            let lag = settings.lag_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            current.lag = lag.unwrap_or(current.lag);
            current.paused = settings.paused.unwrap_or(current.paused);
        });
    }

    /// Holds changes for as long as these Regions are isolated: until it is called with none.
    pub fn hold_for(&self, isolated: Vec<String>) {
        self.settings.send_modify(|current| current.held_for = isolated);
    }

    /// How replication stands; `regions` gives the bucket of each Region.
    #[must_use]
    pub fn status(&self, regions: &BTreeMap<String, String>) -> ReplicationStatus {
        let settings = self.settings.borrow().clone();
        let mut pending: Vec<(Instant, Change)> = self.lanes.iter().flat_map(|lane| lane.waiting().clone()).collect();
        pending.sort_by_key(|(accepted, _)| *accepted);
        ReplicationStatus {
            lag_seconds: settings.lag.as_secs_f64(),
            paused: settings.paused,
            held_for: settings.held_for,
            pending: pending.into_iter().map(|(accepted, change)| pending_change(accepted, change, regions)).collect(),
            replicated: self.replicated.load(Ordering::Relaxed),
            failed: self.failed.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect(),
        }
    }

    fn give_up(&self, change: &Change, reason: String) {
        tracing::error!(bucket = change.bucket, key = change.key, reason, "replication given up");
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() == REMEMBERED_FAILURES {
            failed.pop_front();
        }
        failed.push_back(FailedChange { bucket: change.bucket.clone(), key: readable(&change.key), reason });
    }
}

fn pending_change(accepted: Instant, change: Change, regions: &BTreeMap<String, String>) -> PendingChange {
    let (here, elsewhere): (Vec<_>, Vec<_>) = regions.iter().partition(|(_, bucket)| **bucket == change.bucket);
    let name = |found: Vec<(&String, &String)>| found.first().map(|(region, _)| (*region).clone()).unwrap_or_default();
    PendingChange {
        region: name(here),
        missing_in: name(elsewhere),
        change: change.kind.name().to_owned(),
        key: readable(&change.key),
        bucket: change.bucket,
        age_seconds: accepted.elapsed().as_secs_f64(),
    }
}

/// Makes a lane's changes, one after the other, for ever.
async fn work<A: Apply>(replicator: Arc<Replicator>, lane: usize, apply: Arc<A>) {
    let lane = &replicator.lanes[lane];
    loop {
        let first = lane.waiting().front().cloned();
        let Some((accepted, change)) = first else {
            lane.arrived.notified().await;
            continue;
        };
        make(&replicator, &*apply, accepted, &change).await;
        // Only now, so that a change which is being made still counts as pending.
        lane.waiting().pop_front();
    }
}

/// Waits until the lag has passed and replication is neither paused nor held, whatever the settings become meanwhile.
async fn wait_until_due(replicator: &Replicator, accepted: Instant) {
    let mut settings = replicator.settings.subscribe();
    loop {
        let Settings { lag, paused, held_for } = settings.borrow_and_update().clone();
        let due = accepted + lag;
        if paused || !held_for.is_empty() {
            let _sender_lives_as_long = settings.changed().await;
        } else if due > Instant::now() {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                _ = settings.changed() => {}
            }
        } else {
            return;
        }
    }
}

/// Makes one change once it is due, trying again for as long as that may help: S3 does not give up either.
async fn make<A: Apply>(replicator: &Replicator, apply: &A, accepted: Instant, change: &Change) {
    for attempt in 1.. {
        wait_until_due(replicator, accepted).await;
        match apply.apply(change).await {
            Outcome::Done => {
                replicator.replicated.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Outcome::Never(reason) => return replicator.give_up(change, reason),
            Outcome::Retry(reason) => {
                tracing::warn!(bucket = change.bucket, key = change.key, attempt, reason, "replication is tried again");
                tokio::time::sleep(pause_after(attempt)).await;
            }
        }
    }
}

/// How long to wait after a try that failed.
fn pause_after(attempt: u32) -> Duration {
    Duration::from_millis(50).saturating_mul(2_u32.saturating_pow(attempt)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::ChangeKind;
    use super::*;
    use tokio::sync::mpsc;

    /// Hands on what it is told to make; fails the first tries of each change as often as told.
    struct Recorder {
        made: mpsc::UnboundedSender<Change>,
        failures: Mutex<u32>,
        outcome: Outcome,
    }

    impl Apply for Recorder {
        async fn apply(&self, change: &Change) -> Outcome {
            {
                let mut failures = self.failures.lock().unwrap();
                if *failures > 0 {
                    *failures -= 1;
                    return self.outcome.clone();
                }
            }
            self.made.send(change.clone()).unwrap();
            Outcome::Done
        }
    }

    /// Long enough for a change that is not held to be made.
    const HELD: Duration = Duration::from_millis(100);

    fn replicator(failures: u32, outcome: Outcome) -> (Arc<Replicator>, mpsc::UnboundedReceiver<Change>) {
        let (made, receiver) = mpsc::unbounded_channel();
        let recorder = Recorder { made, failures: Mutex::new(failures), outcome };
        (Replicator::start(Duration::from_millis(1), recorder), receiver)
    }

    fn regions() -> BTreeMap<String, String> {
        [("east", "b"), ("west", "c")].map(|(region, bucket)| (region.to_owned(), bucket.to_owned())).into()
    }

    fn change(key: &str, version: usize) -> Change {
        let kind = ChangeKind::Written { version: Some(version.to_string()), etag: None };
        Change { bucket: "b".to_owned(), key: key.to_owned(), kind }
    }

    #[tokio::test]
    async fn the_changes_of_each_key_are_made_in_their_order() {
        let (replicator, mut made) = replicator(3, Outcome::Retry("busy".to_owned()));
        let keys = ["a", "b", "c", "d", "e", "f"];
        for version in 0..20 {
            for key in keys {
                replicator.accept(change(key, version));
            }
        }
        let mut seen = Vec::new();
        for _ in 0..keys.len() * 20 {
            seen.push(made.recv().await.unwrap());
        }
        for key in keys {
            let of_key: Vec<_> = seen.iter().filter(|change| change.key == key).cloned().collect();
            assert_eq!(of_key, (0..20).map(|version| change(key, version)).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn a_pause_holds_what_waits_and_drains_it_later() {
        let (replicator, mut made) = replicator(0, Outcome::Done);
        replicator.set(ReplicationSettings { paused: Some(true), lag_seconds: None });
        replicator.set(ReplicationSettings { paused: Some(true), lag_seconds: None });
        replicator.accept(change("a%20b", 1));
        tokio::time::sleep(HELD).await;
        assert!(made.try_recv().is_err());
        let status = replicator.status(&regions());
        assert_eq!((status.paused, status.pending.len()), (true, 1));
        let pending = &status.pending[0];
        assert_eq!(
            (pending.key.as_str(), pending.region.as_str(), pending.missing_in.as_str()),
            ("a b", "east", "west")
        );
        replicator.set(ReplicationSettings { paused: Some(false), lag_seconds: None });
        assert_eq!(made.recv().await.unwrap(), change("a%20b", 1));
    }

    #[tokio::test]
    async fn changes_are_held_while_a_region_is_isolated_and_drain_when_all_are_reached_again() {
        let (replicator, mut made) = replicator(0, Outcome::Done);
        replicator.hold_for(vec!["east".to_owned(), "west".to_owned()]);
        replicator.accept(change("a", 1));
        replicator.hold_for(vec!["west".to_owned()]);
        // To set replication going does not bring the Region back.
        replicator.set(ReplicationSettings { paused: Some(false), lag_seconds: Some(0.0) });
        tokio::time::sleep(HELD).await;
        assert!(made.try_recv().is_err());
        assert_eq!(replicator.status(&regions()).held_for, ["west"]);
        replicator.hold_for(Vec::new());
        assert_eq!(made.recv().await.unwrap(), change("a", 1));
    }

    #[tokio::test]
    async fn a_change_that_waits_follows_a_new_lag() {
        let (replicator, mut made) = replicator(0, Outcome::Done);
        replicator.set(ReplicationSettings { lag_seconds: Some(1e6), paused: None });
        replicator.accept(change("a", 1));
        tokio::time::sleep(HELD).await;
        assert!(made.try_recv().is_err());
        replicator.set(ReplicationSettings { lag_seconds: Some(0.0), paused: None });
        assert_eq!(made.recv().await.unwrap(), change("a", 1));
    }

    #[tokio::test]
    async fn what_can_never_be_made_is_given_up_and_named() {
        let (replicator, mut made) = replicator(1, Outcome::Never("refused".to_owned()));
        replicator.accept(change("a", 1));
        replicator.accept(change("a", 2));
        assert_eq!(made.recv().await.unwrap(), change("a", 2));
        let failed = replicator.status(&regions()).failed;
        assert_eq!((failed.len(), failed[0].reason.as_str()), (1, "refused"));
    }

    #[tokio::test]
    async fn what_may_work_later_stays_pending() {
        let (replicator, mut made) = replicator(u32::MAX, Outcome::Retry("away".to_owned()));
        replicator.accept(change("a", 1));
        tokio::time::sleep(HELD).await;
        assert!(made.try_recv().is_err());
        let status = replicator.status(&regions());
        assert_eq!((status.pending.len(), status.failed.len()), (1, 0));
    }

    #[test]
    fn the_pauses_between_tries_grow_up_to_the_longest() {
        assert_eq!(pause_after(1), Duration::from_millis(100));
        assert_eq!(pause_after(2), Duration::from_millis(200));
        assert_eq!(pause_after(7), LONGEST_PAUSE);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
