//! Failing over from the page: the command's own run, its steps told as they happen, and the batches followed that it took over.
//!
//! A run's future cannot move between threads, so requests are handed to [`Failovers::carry_out`], which the command itself
//! awaits. One run at a time: the second is told, here by what is shown, in another process by the lock file.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::Console;
use super::board::now;
use super::refusal::{Refusal, Said};
use super::snapshot::NoteKind;
use super::trouble::{plain, sentence, without_links};
use crate::failover::{Begun, Followed, Follower, Outcome, Passes, Takeover, note, pace, until_ended};
use crate::runbook::{Answer, Observe, StepRecord, StepStatus};

/// How long the batches that were taken over are followed; they go on.
const PATIENCE: Duration = Duration::from_secs(900);

/// A run as the page is told it.
#[derive(Debug, Clone, Serialize)]
pub struct FailoverView {
    run_id: String,
    to: String,
    steps: Vec<StepView>,
    ended: bool,
    ok: Option<bool>,
    message: Option<String>,
    followed: Option<FollowedView>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct StepView {
    name: String,
    description: String,
    status: &'static str,
    seconds: Option<f64>,
    detail: Option<String>,
}

/// The batches that were taken over.
#[derive(Debug, Clone, Copy, Serialize)]
struct FollowedView {
    ended: usize,
    open: usize,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    to: String,
    #[serde(default)]
    confirm: String,
}

/// The runs of this console: the one under way, or the last.
pub struct Failovers {
    shown: watch::Sender<Option<FailoverView>>,
    asked: mpsc::Sender<Request>,
    requests: Mutex<Option<mpsc::Receiver<Request>>>,
    /// To which Region and since when one is under way here.
    under_way: Mutex<Option<(String, String)>>,
}

struct Request {
    to: String,
    begun: oneshot::Sender<Result<String, Refusal>>,
}

impl Default for Failovers {
    fn default() -> Self {
        let (asked, requests) = mpsc::channel(1);
        let requests = Mutex::new(Some(requests));
        Self { shown: watch::Sender::new(None), asked, requests, under_way: Mutex::default() }
    }
}

/// `POST /api/failover`.
pub async fn post(
    State(console): State<Arc<Console>>,
    Said(asked): Said<Asked>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let Asked { to, confirm } = asked;
    checked(console.deployment.regions(), &to, &confirm)?;
    console.failovers.begin(&to)?;
    let (begun, answer) = oneshot::channel();
    let sent = console.failovers.asked.send(Request { to, begun }).await;
    let answer = match sent {
        // Whoever carries it out says when it has ended, or another could begin twice.
        Ok(()) => answer.await.unwrap_or_else(|_| Err(ending())),
        Err(_) => {
            console.failovers.end();
            Err(ending())
        }
    };
    let run_id = answer?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "run_id": run_id }))))
}

fn ending() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the console is just ending: start it again with `tandem console`")
}

fn checked(regions: &[String; 2], to: &str, confirm: &str) -> Result<(), Refusal> {
    if !regions.iter().any(|region| region == to) {
        return Err(Refusal::bad(format!("there is no such Region: name {}", regions.join(" or "))));
    }
    if confirm != to {
        return Err(Refusal::bad(format!("nothing was changed: type {to} to confirm that it takes over")));
    }
    Ok(())
}

impl Failovers {
    /// Is told of every step.
    pub fn changes(&self) -> watch::Receiver<Option<FailoverView>> {
        self.shown.subscribe()
    }

    /// The Region that is just taking over by this console.
    pub fn under_way(&self) -> Option<String> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(to, _)| to.clone())
    }

    fn begin(&self, to: &str) -> Result<(), Refusal> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((to, since)) = &*under_way {
            let sentence =
                format!("a failover to {to} is under way since {since}: wait for its end, then look who is active");
            return Err(Refusal::new(StatusCode::CONFLICT, sentence));
        }
        *under_way = Some((to.to_owned(), now()));
        Ok(())
    }

    fn end(&self) {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn change(&self, change: impl FnOnce(&mut FailoverView)) {
        self.shown.send_modify(|view| {
            if let Some(view) = view {
                change(view);
            }
        });
    }

    /// Carries out what is asked for, one after the other, for as long as it is awaited.
    pub async fn carry_out(console: &Arc<Console>) {
        let requests = console.failovers.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut requests) = requests else { return };
        let mut following: Option<JoinHandle<()>> = None;
        while let Some(Request { to, begun }) = requests.recv().await {
            if let Some(following) = following.take() {
                following.abort();
            }
            following = run(console, &to, begun).await;
            console.failovers.end();
        }
    }
}

/// One run. What it took over is followed by a task of its own, so that another run may begin.
async fn run(
    console: &Arc<Console>,
    to: &str,
    begun: oneshot::Sender<Result<String, Refusal>>,
) -> Option<JoinHandle<()>> {
    let (takeover, pace) = match prepare(console, to).await {
        Ok(prepared) => prepared,
        Err(error) => {
            // Who asked is told why.
            let _gone = begun.send(Err(error.into()));
            return None;
        }
    };
    let failovers = &console.failovers;
    failovers.shown.send_replace(Some(waiting(&takeover, to)));
    console.board.note(NoteKind::Info, format!("{to} takes over, run {}", takeover.run_id()));
    let _gone = begun.send(Ok(takeover.run_id().to_string()));
    let began = Begun::now(pace);
    let told = Told { console, running: Mutex::default() };
    match takeover.run(began, &told).await {
        Ok(outcome) => ended(console, outcome, began),
        Err(error) => {
            finish(console, false, sentence(&error));
            None
        }
    }
}

async fn prepare(console: &Console, to: &str) -> anyhow::Result<(Takeover, f64)> {
    // Found anew, and in the Region that takes over: the one that the console began with may be the one that is lost.
    let deployment = console.which.find_in(Some(to)).await?;
    let pace = pace(None, console.local.is_some())?;
    Ok((Takeover::prepare(&console.which, &deployment, to, pace).await?, pace))
}

fn waiting(takeover: &Takeover, to: &str) -> FailoverView {
    let step = |(name, description): (&str, &str)| StepView {
        name: name.to_owned(),
        description: description.split_whitespace().collect::<Vec<_>>().join(" "),
        status: "waiting",
        seconds: None,
        detail: None,
    };
    FailoverView {
        run_id: takeover.run_id().to_string(),
        to: to.to_owned(),
        steps: takeover.steps().map(step).collect(),
        ended: false,
        ok: None,
        message: None,
        followed: None,
    }
}

fn finish(console: &Console, ok: bool, message: String) {
    let kind = if ok { NoteKind::Info } else { NoteKind::Error };
    console.board.note(kind, message.clone());
    console.failovers.change(|view| {
        for step in view.steps.iter_mut().filter(|step| step.status == "waiting") {
            step.status = "skipped";
        }
        (view.ended, view.ok, view.message) = (true, Some(ok), Some(message));
    });
}

/// Tells the end, and follows what was taken over.
fn ended(console: &Arc<Console>, outcome: Outcome, began: Begun) -> Option<JoinHandle<()>> {
    let ok = outcome.failure().is_none();
    finish(console, ok, plain_or(&outcome.headline()));
    if outcome.followed.open.is_empty() {
        return None;
    }
    let console = Arc::clone(console);
    Some(tokio::spawn(async move {
        let mut followed = outcome.followed.clone();
        let passes = Passes::of(&console.deployment, outcome.region(), began);
        let table = console.deployment.records();
        let told = Following(&console);
        if let Err(error) = until_ended(&table, &mut followed, began, PATIENCE, (&passes, &told)).await {
            console.board.note(NoteKind::Error, sentence(&error));
        }
    }))
}

/// The whole of a headline that is long is worth more than its beginning: which step failed, and how to go on. What is known to be
/// behind that comes after it.
fn plain_or(headline: &str) -> String {
    let words = without_links(&crate::terminal::one_line(headline));
    crate::exit::known_trouble(headline).map_or_else(|| words.clone(), |remedy| format!("{words}. {remedy}"))
}

/// Tells how the following goes.
struct Following<'a>(&'a Console);

impl Follower for Following<'_> {
    fn sees(&self, followed: &Followed) {
        let seen = FollowedView { ended: followed.ended.len(), open: followed.open.len() };
        self.0.failovers.change(|view| view.followed = Some(seen));
    }

    fn warns(&self, text: &str) {
        self.0.board.note(NoteKind::Error, plain(text));
    }
}

/// Tells each step as it happens.
struct Told<'a> {
    console: &'a Console,
    /// The top step that runs, and since when.
    running: Mutex<Option<(String, Instant)>>,
}

impl Told<'_> {
    fn step(&self, change: impl FnOnce(&mut StepView)) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((name, since)) = running else { return };
        self.console.failovers.change(|view| {
            if let Some(step) = view.steps.iter_mut().find(|step| step.name == name) {
                step.seconds = Some((since.elapsed().as_secs_f64() * 100.0).round() / 100.0);
                change(step);
            }
        });
    }
}

impl Observe for Told<'_> {
    fn begins(&self, step: &str, depth: usize) {
        if depth == 0 {
            let begun = Some((step.to_owned(), Instant::now()));
            *self.running.lock().unwrap_or_else(PoisonError::into_inner) = begun;
            self.step(|step| step.status = "running");
        }
    }

    fn answers(&self, answer: &Answer) {
        if let Some(note) = note(&answer.payload) {
            self.step(|step| step.detail = Some(plain(&note)));
        }
    }

    fn tries_again(&self, _: &str, error: &str) {
        self.step(|step| step.detail = Some(format!("tried again: {}", plain(error))));
    }

    fn ends(&self, record: &StepRecord, depth: usize) {
        let error = record.error.as_deref().map(plain);
        self.step(|step| {
            if depth == 0 {
                step.status = status(record.status);
                step.seconds = Some(record.seconds);
            }
            if let Some(error) = error {
                step.detail = Some(error);
            }
        });
    }
}

fn status(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Succeeded => "done",
        StepStatus::Failed | StepStatus::TimedOut => "failed",
        StepStatus::NotRun => "skipped",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_region_that_is_none_or_is_not_confirmed_changes_nothing() {
        let regions = ["us-east-1", "us-west-2"].map(str::to_owned);
        assert!(checked(&regions, "us-west-2", "us-west-2").is_ok());
        for (to, confirm) in
            [("mars", "mars"), ("", ""), ("us-west-2", ""), ("us-west-2", "us-east-1"), ("us-west-2", "US-WEST-2")]
        {
            assert_eq!(checked(&regions, to, confirm).unwrap_err().status, StatusCode::BAD_REQUEST, "{to} {confirm}");
        }
    }

    #[test]
    fn a_headline_keeps_its_own_words_on_one_line_before_a_known_trouble_and_holds_no_link() {
        let words = "SetActive failed: ExpiredToken: over; mend that and give the same command again: nothing toggles";
        let told = plain_or(&words.replace("; ", ";\n"));
        assert!(told.starts_with(words), "{told}");
        assert!(told.contains("renew") && !told.contains('\n'), "{told}");
        assert_eq!(plain_or("no answer from https://x/o.csv?X-Amz-Signature=abc here"), "no answer from (a link) here");
    }

    #[test]
    fn of_two_failovers_the_second_is_told_where_to_and_since_when_until_the_first_has_ended() {
        let failovers = Failovers::default();
        failovers.begin("us-west-2").unwrap();
        let told = failovers.begin("us-east-1").unwrap_err();
        assert_eq!(told.status, StatusCode::CONFLICT);
        assert!(told.sentence.contains("to us-west-2 is under way since 2"), "{}", told.sentence);
        failovers.end();
        assert!(failovers.begin("us-east-1").is_ok());
    }
}
