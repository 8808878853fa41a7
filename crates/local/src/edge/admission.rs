//! How many files are under way at once.
//!
//! AWS keeps a queue in front of Lambda: however many files come at once, no more functions run than may. The emulator has
//! none. Each event starts a process at once, in both Regions, and a hundred of them keep each other so busy that every call's
//! time is over before its answer. So the edge keeps that queue, at the one place that it can: a write of an input waits until
//! fewer files are under way, in the order of arrival. It waits for a bounded time among a bounded number; what is beyond is told
//! to slow down, as S3 tells it, and tries again.
//!
//! A file is under way from its write until its execution has ended. That is asked only when somebody waits, so a file that
//! comes alone costs nothing. A write that starts no execution, because the file is known or no Region takes it, counts for some
//! seconds. An execution in a Region that is isolated can do nothing, and does not count.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::request::{Facts, same_key};

/// Where inputs lie.
const INPUTS: &str = "input/";

/// The pause between two looks at the executions.
const LOOK: Duration = Duration::from_millis(100);

/// What bounds the writes of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many files may be under way at once.
    pub at_once: usize,
    /// How many writes may wait.
    pub waiting: usize,
    /// How long one may wait.
    pub wait: Duration,
    /// How long a write is counted that has started no execution.
    pub until_started: Duration,
}

impl Bounds {
    /// The usual ones, for so many files at once.
    #[must_use]
    pub fn usual(at_once: usize) -> Self {
        Self {
            at_once: at_once.max(1),
            waiting: 256,
            // Shorter than the minute after which usual clients give up.
            wait: Duration::from_secs(45),
            // Longer than intake takes on a busy machine; to count one too few would make it busier.
            until_started: Duration::from_secs(10),
        }
    }
}

/// How the writes of inputs stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploads {
    /// How many wait.
    pub waiting: usize,
    /// How many files are under way, as far as that was looked at.
    pub under_way: usize,
    /// How many may be.
    pub at_once: usize,
    /// How many have had to wait since the start.
    pub waited: u64,
    /// How many were told to slow down since the start.
    pub turned_away: u64,
}

/// A state machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Machine {
    /// Its Region.
    pub region: String,
    /// Its ARN.
    pub arn: String,
}

/// An execution of a state machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Execution {
    /// What it executes.
    pub machine: Machine,
    /// Its ARN.
    pub arn: String,
}

impl Execution {
    /// The execution that a call of `StartExecution` asks for; `None` if it doesn't name one.
    pub fn asked_for(region: Option<&str>, body: &[u8]) -> Option<Self> {
        let request: Value = serde_json::from_slice(body).ok()?;
        let machine = request["stateMachineArn"].as_str()?;
        let arn = format!("{}:{}", machine.replacen(":stateMachine:", ":execution:", 1), request["name"].as_str()?);
        Some(Self { machine: Machine { region: region?.to_owned(), arn: machine.to_owned() }, arn })
    }
}

/// Whether a request is the write of an input, whole.
pub fn is_input(facts: &Facts) -> bool {
    matches!(facts.operation.as_str(), "PutObject" | "CopyObject" | "CompleteMultipartUpload")
        && facts.object.as_ref().is_some_and(|object| same_key(&object.key).starts_with(INPUTS))
}

/// Knows what runs where.
pub trait Watch: Sync {
    /// The Regions that are isolated.
    fn isolated(&self) -> Vec<String>;

    /// The ARNs of a state machine's executions that have not ended.
    fn running(&self, machine: &Machine) -> impl Future<Output = anyhow::Result<BTreeSet<String>>> + Send;
}

/// Too many wait already, or this one has waited for long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowDown;

/// What is under way, and who waits.
pub struct Admission {
    bounds: Bounds,
    files: Mutex<Files>,
    /// First come, first served.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Files {
    waiting: usize,
    waited: u64,
    turned_away: u64,
    /// Whether it was said that writes wait.
    crowded: bool,
    /// Writes whose executions have not begun.
    written: VecDeque<Instant>,
    running: BTreeSet<Execution>,
}

impl Files {
    /// How many files are: forgets the writes that will start no execution.
    fn under_way(&mut self, bounds: &Bounds, isolated: &[String]) -> usize {
        while self.written.front().is_some_and(|written| written.elapsed() > bounds.until_started) {
            self.written.pop_front();
        }
        let reachable = |execution: &&Execution| !isolated.contains(&execution.machine.region);
        self.written.len() + self.running.iter().filter(reachable).count()
    }
}

impl Admission {
    /// Nothing is under way.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, files: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Waits until one more file may be under way.
    ///
    /// # Errors
    /// [`SlowDown`].
    pub async fn enter(&self, watch: &impl Watch) -> Result<(), SlowDown> {
        let waits = self.wait()?;
        let entered = async {
            let turn = self.turn.try_lock();
            if turn.is_ok() && self.has_room(watch).await {
                return;
            }
            waits.say_so();
            let _turn = match turn {
                Ok(turn) => turn,
                Err(_) => self.turn.lock().await,
            };
            while !self.has_room(watch).await {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(self.bounds.wait, entered).await.map_err(|_| self.turn_away())
    }

    /// Notes that an execution has begun: taken to be that of the write that has waited longest for one, unless it is known.
    pub fn began(&self, execution: Execution) {
        let mut files = self.files();
        if files.running.insert(execution) {
            files.written.pop_front();
        }
    }

    /// How things stand.
    pub fn uploads(&self, isolated: &[String]) -> Uploads {
        let mut files = self.files();
        Uploads {
            waiting: files.waiting,
            under_way: files.under_way(&self.bounds, isolated),
            at_once: self.bounds.at_once,
            waited: files.waited,
            turned_away: files.turned_away,
        }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) -> Result<Waiting<'_>, SlowDown> {
        let mut files = self.files();
        if files.waiting >= self.bounds.waiting {
            drop(files);
            return Err(self.turn_away());
        }
        files.waiting += 1;
        Ok(Waiting(self))
    }

    fn turn_away(&self) -> SlowDown {
        let mut files = self.files();
        files.turned_away += 1;
        tracing::warn!(waiting = files.waiting, "an upload was told to slow down");
        SlowDown
    }

    /// Takes room if there is some, if need be by looking what has ended.
    async fn has_room(&self, watch: &impl Watch) -> bool {
        if self.take_room(&watch.isolated()) {
            return true;
        }
        self.look(watch).await;
        self.take_room(&watch.isolated())
    }

    fn take_room(&self, isolated: &[String]) -> bool {
        let mut files = self.files();
        let room = files.under_way(&self.bounds, isolated) < self.bounds.at_once;
        if room {
            files.written.push_back(Instant::now());
        }
        room
    }

    /// Forgets the executions that have ended.
    async fn look(&self, watch: &impl Watch) {
        // Those that begin meanwhile are not in question.
        let known = self.files().running.clone();
        let machines: BTreeSet<&Machine> = known.iter().map(|execution| &execution.machine).collect();
        for machine in machines {
            match watch.running(machine).await {
                Ok(open) => {
                    let ended =
                        |one: &Execution| one.machine == *machine && known.contains(one) && !open.contains(&one.arn);
                    self.files().running.retain(|execution| !ended(execution));
                }
                Err(error) => tracing::warn!(machine = machine.arn, "cannot tell what runs: {error:#}"),
            }
        }
    }
}

/// Counts one that waits, also one whose caller gives up.
struct Waiting<'a>(&'a Admission);

impl Waiting<'_> {
    /// In the log once for all that wait together.
    fn say_so(&self) {
        let mut files = self.0.files();
        files.waited += 1;
        if !std::mem::replace(&mut files.crowded, true) {
            tracing::info!(at_once = self.0.bounds.at_once, "as many files as may be are under way: uploads wait");
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut files = self.0.files();
        files.waiting -= 1;
        if files.waiting == 0 && std::mem::take(&mut files.crowded) {
            tracing::info!("no upload waits any more");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const START: &[u8] = br#"{"stateMachineArn":"arn:aws:states:east:1:stateMachine:m","name":"a-1","input":"{}"}"#;

    /// What runs, whatever is asked for; and what is isolated.
    struct Seen(Option<Vec<String>>, Vec<String>);

    impl Watch for Seen {
        fn isolated(&self) -> Vec<String> {
            self.1.clone()
        }

        async fn running(&self, _: &Machine) -> anyhow::Result<BTreeSet<String>> {
            self.0.clone().map(BTreeSet::from_iter).ok_or_else(|| anyhow::anyhow!("nobody knows"))
        }
    }

    /// One file at once, and times that no test lives to see the end of.
    const ONE: Bounds =
        Bounds { at_once: 1, waiting: 4, wait: Duration::from_secs(3_600), until_started: Duration::from_secs(3_600) };

    /// All are taken to run.
    static NOBODY_KNOWS: Seen = Seen(None, Vec::new());
    static ALL_HAVE_ENDED: Seen = Seen(Some(Vec::new()), Vec::new());

    fn execution() -> Execution {
        Execution::asked_for(Some("east"), START).unwrap()
    }

    #[test]
    fn an_execution_is_known_by_what_starts_it() {
        assert_eq!(execution().arn, "arn:aws:states:east:1:execution:m:a-1");
        assert_eq!(Execution::asked_for(Some("east"), b"{}"), None);
        assert_eq!(Execution::asked_for(None, START), None);
    }

    #[tokio::test]
    async fn a_file_waits_for_as_long_as_enough_run_and_the_next_for_its_turn() {
        let admission = Admission::new(ONE);
        admission.began(execution());
        let runs = Seen(Some(vec![execution().arn]), Vec::new());
        let mut first = std::pin::pin!(admission.enter(&runs));
        assert!(tokio::time::timeout(LOOK * 3, &mut first).await.is_err());
        let mut second = std::pin::pin!(admission.enter(&ALL_HAVE_ENDED));
        assert!(tokio::time::timeout(LOOK * 3, &mut second).await.is_err());
        let uploads = admission.uploads(&[]);
        assert_eq!((uploads.waiting, uploads.waited), (2, 2));
    }

    #[tokio::test]
    async fn what_has_ended_makes_room() {
        let admission = Admission::new(ONE);
        admission.enter(&NOBODY_KNOWS).await.unwrap();
        admission.began(execution());
        admission.enter(&ALL_HAVE_ENDED).await.unwrap();
        let expected = Uploads { waiting: 0, under_way: 1, at_once: 1, waited: 0, turned_away: 0 };
        assert_eq!(admission.uploads(&[]), expected);
    }

    #[tokio::test]
    async fn a_write_that_starts_nothing_counts_for_a_while_and_no_longer() {
        let admission = Admission::new(ONE);
        admission.enter(&ALL_HAVE_ENDED).await.unwrap();
        assert_eq!(admission.uploads(&[]).under_way, 1);
        let admission = Admission::new(Bounds { until_started: Duration::ZERO, ..ONE });
        admission.enter(&ALL_HAVE_ENDED).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(admission.uploads(&[]).under_way, 0);
    }

    #[tokio::test]
    async fn an_isolated_region_does_not_count() {
        let admission = Admission::new(ONE);
        admission.began(execution());
        admission.enter(&Seen(None, vec!["east".to_owned()])).await.unwrap();
        assert_eq!(admission.uploads(&[]).under_way, 2);
    }

    fn waiting(admission: &std::sync::Arc<Admission>, number: usize) -> tokio::task::JoinSet<Result<(), SlowDown>> {
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..number {
            let admission = std::sync::Arc::clone(admission);
            waiting.spawn(async move { admission.enter(&NOBODY_KNOWS).await });
        }
        waiting
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let admission = std::sync::Arc::new(Admission::new(Bounds { wait: LOOK, ..ONE }));
        admission.began(execution());
        let ended = waiting(&admission, ONE.waiting).join_all().await;
        assert!(ended.iter().all(|entered| *entered == Err(SlowDown)));
        let status = admission.uploads(&[]);
        assert_eq!((status.waiting, status.turned_away), (0, ONE.waiting as u64));
    }

    #[tokio::test]
    async fn one_too_many_does_not_wait_at_all() {
        let admission = std::sync::Arc::new(Admission::new(ONE));
        admission.began(execution());
        let _waiting = waiting(&admission, ONE.waiting);
        while admission.uploads(&[]).waiting < ONE.waiting {
            tokio::task::yield_now().await;
        }
        let one_more = tokio::time::timeout(LOOK, admission.enter(&NOBODY_KNOWS)).await;
        assert_eq!(one_more, Ok(Err(SlowDown)));
    }
}
