//! Starts and ends the local Regions: one process that is the edge and the DNS answers, and the emulator under it.
//!
//! That process holds a lock for as long as it lives, so there is never a second one for a project; `local.json` says
//! which it is. It runs in the foreground, or [`detached`] as the hidden command `local serve`.

mod detached;
mod signals;
mod turn;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::admin::{Admin, EdgeStatus};
use crate::deploy;
use crate::dns::{Dns, TxtRecord};
use crate::edge::Edge;
use crate::emulator::{self, Emulator};
use crate::json_http;
use crate::options::{Options, Paths};
use crate::process::ProcessId;
use crate::progress::{Progress, step};
use crate::python;
use crate::state::{LocalState, Processes};
use signals::Signals;
use turn::{OTHER_BUILD, Turn, lock, lock_unless_running};

pub use detached::{serve, serve_arguments, up_detached};
pub use signals::Interrupted;

/// How long the supervising process may take to end, its emulator and all.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// How long the deployment may take; it usually takes some seconds.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// What a start came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Started {
    /// It runs now.
    Now(Box<LocalState>),
    /// It ran already, or was just being started by another command, which was waited for.
    Already(Box<LocalState>),
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalStatus {
    /// Whether the Regions run: the supervising process lives.
    pub running: bool,
    /// Whether all of it answers and the deployment is complete.
    pub healthy: bool,
    /// Whether the edge answers, and how it stands.
    pub edge: Option<EdgeStatus>,
    /// Whether the emulator answers.
    pub emulator_healthy: bool,
    /// What was written down; absent if nothing runs.
    pub state: Option<LocalState>,
}

/// Runs the Regions until Ctrl-C or SIGTERM, and takes them down. `on_ready` is called once they can be used.
///
/// # Errors
/// They can't be started, or the emulator ended; the message says what to do or where to look.
pub async fn up_foreground(
    options: &Options,
    progress: &dyn Progress,
    on_ready: impl FnOnce(&LocalState),
) -> anyhow::Result<Option<Started>> {
    match lock_unless_running(options).await? {
        Turn::Ours(lock) => run(options, progress, on_ready, lock).await.map(|()| None),
        Turn::Running(state) => Ok(Some(Started::Already(state))),
    }
}

/// Installs the Python environment of the project at `root`, and starts nothing. Answers whether it had to.
///
/// # Errors
/// There is no fit Python, or the packages can't be installed; the message says what to do. [`Interrupted`] after Ctrl-C
/// or SIGTERM.
pub async fn prepare(root: &Path) -> anyhow::Result<bool> {
    let mut signals = Signals::new()?;
    let paths = Paths::of(root);
    tokio::select! {
        // First: pip ends by the same Ctrl-C, and what it says of that is no news.
        biased;
        () = signals.any() => Err(Interrupted.into()),
        installed = python::ensure(&paths) => installed,
    }
}

/// Ends the Regions of the project at `root`, exactly the processes that were started for it, also those that another build
/// of this program has started or is starting. Gives whether there were any.
///
/// # Errors
/// `local.json` can't be removed, or there is a process that holds the lock and isn't named there.
pub async fn down(root: &Path) -> anyhow::Result<bool> {
    let ended = match Processes::load(root) {
        Some(named) => end(root, &named).await?,
        None => false,
    };
    let paths = Paths::of(root);
    if !ended && paths.lock().exists() && lock(&paths)?.is_none() {
        bail!(
            "the local Regions are just being started or ended by a process that {} does not name: try again",
            paths.state().display()
        );
    }
    Ok(ended)
}

/// Ends these processes, and forgets them. Gives whether there were any.
async fn end(root: &Path, named: &Processes) -> anyhow::Result<bool> {
    let was_running = named.any_alive();
    named.edge.end(END_PATIENCE).await;
    // Usually gone with its supervisor; not if that was killed.
    if let Some(emulator) = &named.emulator {
        emulator.end_group(emulator::END_PATIENCE).await;
    }
    named.forget(root)?;
    Ok(was_running)
}

/// What runs for the project at `root`. Cleans up after processes that are all gone.
///
/// # Errors
/// A stale `local.json` can't be removed, or another build of this program runs the Regions.
pub async fn status(root: &Path) -> anyhow::Result<LocalStatus> {
    let nothing = LocalStatus { running: false, healthy: false, edge: None, emulator_healthy: false, state: None };
    let Some(named) = Processes::load(root) else { return Ok(nothing) };
    if !named.any_alive() {
        named.forget(root)?;
        return Ok(nothing);
    }
    let Some(state) = LocalState::load(root) else { bail!(OTHER_BUILD) };
    let emulator_alive = state.emulator.as_ref().is_some_and(ProcessId::is_alive);
    let health = format!("http://127.0.0.1:{}/_ministack/health", state.options.emulator_port);
    let soon = |work| tokio::time::timeout(Duration::from_secs(5), work);
    let emulator_healthy =
        emulator_alive && matches!(soon(json_http::get::<serde_json::Value>(&health)).await, Ok(Ok(_)));
    let edge =
        tokio::time::timeout(Duration::from_secs(5), Admin::new(&state).status()).await.ok().and_then(Result::ok);
    Ok(LocalStatus {
        running: state.is_alive(),
        healthy: state.is_alive() && state.ready && emulator_healthy && edge.is_some(),
        edge,
        emulator_healthy,
        state: Some(state),
    })
}

/// From the lock to the last process's end.
async fn run(
    options: &Options,
    progress: &dyn Progress,
    on_ready: impl FnOnce(&LocalState),
    lock: File,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    // What a killed predecessor left behind; we hold the lock, so it is nobody else's.
    if let Some(left) = Processes::load(&options.root) {
        end(&options.root, &left).await?;
    }
    let me = ProcessId::of(std::process::id()).context("this process can't find itself")?;
    // At once, so that `down` finds a start in progress, however long it takes.
    let state = LocalState::starting(options, me.clone());
    state.save()?;
    let mut emulator = None;
    let result = tokio::select! {
        result = bring_up(options, progress, on_ready, state, &mut emulator) => result,
        () = signals.any() => Ok(()),
    };
    if let Some(emulator) = emulator {
        emulator.end().await;
    }
    Processes { edge: me, emulator: None }.forget(&options.root)?;
    drop(lock);
    result
}

/// Starts everything, and then watches until something ends that should not. The emulator is handed out so that it can be
/// ended whatever happens here.
async fn bring_up(
    options: &Options,
    progress: &dyn Progress,
    on_ready: impl FnOnce(&LocalState),
    mut state: LocalState,
    emulator: &mut Option<Emulator>,
) -> anyhow::Result<()> {
    let paths = options.paths();
    deploy::check_artefacts(options)?;
    let port = options.edge_port;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("port {port} (edge) is taken: choose another with --edge-port"))?;
    step(progress, "Python environment", python::ensure(&paths)).await?;
    empty(&paths.run())?;

    let edge = Edge::new(options)?;
    let text = {
        let edge = Arc::clone(&edge);
        Arc::new(move || edge.active())
    };
    let record = TxtRecord::new(&options.active_record(), options.txt_ttl_seconds, text)?;
    let dns = Dns::bind(options.dns_port, record).await?;
    let running = emulator.insert(Emulator::spawn(options)?);
    state.emulator = Some(running.process.clone());
    state.save()?;
    step(progress, "emulator", running.answers(options)).await?;
    let deployed = async {
        let deployed = tokio::time::timeout(DEPLOY_PATIENCE, deploy::deploy(options, &edge, progress)).await;
        let deployed = deployed.with_context(|| {
            format!("not deployed after {DEPLOY_PATIENCE:?}: see {}", paths.emulator_log().display())
        })??;
        state.mrap = Some(deployed.mrap);
        state.outputs = deployed.outputs;
        state.ready = true;
        state.save()?;
        on_ready(&state);
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        never = Arc::clone(&edge).serve(listener) => match never {},
        () = dns.serve() => bail!("the DNS answers ended"),
        error = running.ended() => Err(error.context(format!("see {}", paths.emulator_log().display()))),
        result = deployed => result,
    }
}

/// Scratch space starts empty: whatever a killed predecessor left there is of no use.
fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(std::fs::create_dir_all(folder)?)
}
