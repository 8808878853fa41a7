//! Which Regions can be reached: each is reachable, slow, or cut off from everything, both ways.
//!
//! A call concerns the Region that it is signed for, the Region of its bucket, the Region that the access point routes it to,
//! and that of the routing endpoint it names. While any of these is isolated the call's connection is cut: no answer at all,
//! as from a Region that is gone. A call that is on its way when the isolation begins is cut too, and whoever made it can't
//! tell whether it was carried out.
//!
//! What lies inside a Region keeps working: its state machines run, its events start functions. Only their calls, which all
//! pass the edge, are lost. A function of an isolated Region is known by what it signs for, so one that signs for another
//! Region gets through, and names can still be looked up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::serve::Cut;

/// How late a slow Region's calls may be; whoever waits longer than that has given up, which is isolation.
pub const SLOWEST: u64 = 60_000;

/// How a Region can be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RegionState {
    /// As usual.
    #[default]
    Reachable,
    /// Not at all.
    Isolated,
    /// Each call is late.
    Slow {
        /// By how much; at most a minute.
        milliseconds: u64,
    },
}

/// How a Region stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionStatus {
    /// How it can be reached.
    pub state: RegionState,
    /// How many calls were cut because it could not, since the start.
    pub calls_cut: u64,
    /// How many calls came late because it was slow, since the start.
    #[serde(default)]
    pub calls_late: u64,
}

type States = BTreeMap<String, RegionState>;

/// What has befallen a Region's calls.
#[derive(Debug, Clone, Copy, Default)]
struct Befallen {
    cut: u64,
    late: u64,
}

/// The states of all Regions that were ever set; others are reachable.
#[derive(Default)]
pub struct Isolation {
    states: watch::Sender<States>,
    befallen: Mutex<BTreeMap<String, Befallen>>,
}

impl Isolation {
    /// Sets how a Region can be reached.
    pub fn set(&self, region: &str, state: RegionState) {
        self.states.send_modify(|states| {
            states.insert(region.to_owned(), state);
        });
    }

    /// How a Region stands.
    #[must_use]
    pub fn status(&self, region: &str) -> RegionStatus {
        let Befallen { cut, late } = self.befallen().get(region).copied().unwrap_or_default();
        RegionStatus { state: state_of(&self.states.borrow(), region), calls_cut: cut, calls_late: late }
    }

    /// The Regions that are isolated.
    #[must_use]
    pub fn isolated(&self) -> Vec<String> {
        let states = self.states.borrow();
        states.iter().filter(|(_, state)| **state == RegionState::Isolated).map(|(region, _)| region.clone()).collect()
    }

    /// The line of a call that concerns these Regions.
    #[must_use]
    pub fn line(self: &Arc<Self>, regions: Vec<String>) -> Line {
        Line { isolation: Arc::clone(self), states: self.states.subscribe(), regions }
    }

    fn note(&self, region: &str, change: impl FnOnce(&mut Befallen)) {
        change(self.befallen().entry(region.to_owned()).or_default());
    }

    fn befallen(&self) -> MutexGuard<'_, BTreeMap<String, Befallen>> {
        self.befallen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn state_of(states: &States, region: &str) -> RegionState {
    states.get(region).copied().unwrap_or_default()
}

/// What a call travels on: it holds for as long as all Regions that it concerns can be reached.
#[derive(Clone)]
pub struct Line {
    isolation: Arc<Isolation>,
    states: watch::Receiver<States>,
    regions: Vec<String>,
}

impl Line {
    /// Whether it is cut now.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.isolated().is_some()
    }

    /// Ends when it is cut, and counts the cut.
    pub async fn cut(&mut self) -> Cut {
        loop {
            self.states.mark_unchanged();
            if let Some(region) = self.isolated() {
                self.isolation.note(&region, |befallen| befallen.cut += 1);
                return Cut;
            }
            if self.states.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Does work unless the line is cut before or meanwhile; late, if a Region is slow.
    ///
    /// # Errors
    /// It was cut; the work is dropped where it stands.
    pub async fn carry<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Cut> {
        let (late, isolation) = (self.late_by(), Arc::clone(&self.isolation));
        let late_work = async move {
            if let Some((by, region)) = late {
                tokio::time::sleep(by).await;
                isolation.note(&region, |befallen| befallen.late += 1);
            }
            work.await
        };
        tokio::select! {
            // First: nothing may start on a line that is cut.
            biased;
            cut = self.cut() => Err(cut),
            done = late_work => Ok(done),
        }
    }

    fn isolated(&self) -> Option<String> {
        let states = self.states.borrow();
        self.regions.iter().find(|region| state_of(&states, region) == RegionState::Isolated).cloned()
    }

    /// By how much a call is late, and because of which Region: the slowest.
    fn late_by(&self) -> Option<(Duration, String)> {
        let states = self.states.borrow();
        let late = self.regions.iter().filter_map(|region| match state_of(&states, region) {
            RegionState::Slow { milliseconds } => Some((Duration::from_millis(milliseconds), region.clone())),
            RegionState::Reachable | RegionState::Isolated => None,
        });
        late.max()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn isolation() -> Arc<Isolation> {
        Arc::new(Isolation::default())
    }

    #[tokio::test]
    async fn a_call_of_an_isolated_region_never_starts_and_one_of_the_other_does() {
        let isolation = isolation();
        isolation.set("east", RegionState::Isolated);
        let started = Mutex::new(Vec::new());
        for regions in [["east", "west"].as_slice(), &["west", "east"], &["west"], &[]] {
            let mut line = isolation.line(regions.iter().map(|region| (*region).to_owned()).collect());
            let _cut_or_not = line.carry(async { started.lock().unwrap().push(regions.len()) }).await;
        }
        assert_eq!(*started.lock().unwrap(), [1, 0]);
        assert_eq!(
            isolation.status("east"),
            RegionStatus { state: RegionState::Isolated, calls_cut: 2, calls_late: 0 }
        );
        assert_eq!(isolation.isolated(), ["east"]);
    }

    #[tokio::test]
    async fn a_call_that_is_under_way_is_cut_when_its_region_is_isolated() {
        let isolation = isolation();
        let mut line = isolation.line(vec!["east".to_owned()]);
        let mut call = std::pin::pin!(line.carry(std::future::pending::<()>()));
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context).is_pending())).await);
        isolation.set("west", RegionState::Isolated);
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context).is_pending())).await);
        isolation.set("east", RegionState::Isolated);
        assert!(call.await.is_err());
    }

    #[tokio::test]
    async fn a_healed_region_is_reached_again() {
        let isolation = isolation();
        isolation.set("east", RegionState::Isolated);
        isolation.set("east", RegionState::Isolated);
        isolation.set("east", RegionState::Reachable);
        assert!(isolation.line(vec!["east".to_owned()]).carry(async {}).await.is_ok());
        assert!(isolation.isolated().is_empty());
    }

    #[tokio::test]
    async fn the_calls_of_a_slow_region_are_late() {
        let isolation = isolation();
        isolation.set("east", RegionState::Slow { milliseconds: SLOWEST });
        let (mut east, mut west) = (isolation.line(vec!["east".to_owned()]), isolation.line(vec!["west".to_owned()]));
        assert!(west.carry(async {}).await.is_ok());
        let mut call = std::pin::pin!(east.carry(async {}));
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context).is_pending())).await);
        isolation.set("east", RegionState::Slow { milliseconds: 1 });
        assert!(isolation.line(vec!["east".to_owned()]).carry(async {}).await.is_ok());
        // The first one still waits; the other Region's was on time.
        assert_eq!((isolation.status("east").calls_late, isolation.status("west").calls_late), (1, 0));
    }
}
