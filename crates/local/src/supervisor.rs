//! Starts and ends the local Regions: one process that is the edge and the DNS answers, and the emulator under it.
//!
//! That process holds a lock for as long as it lives, so there is never a second one for a project; `local.json` says
//! which it is. It runs in the foreground, or detached as the hidden command `local serve`.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admin::{Admin, EdgeStatus};
use crate::deploy;
use crate::dns::{Dns, TxtRecord};
use crate::edge::Edge;
use crate::emulator::{self, Emulator};
use crate::json_http;
use crate::options::{Options, Paths};
use crate::process::ProcessId;
use crate::progress::{Progress, Stage, step};
use crate::python;
use crate::state::{LocalState, Processes};

/// How long the supervising process may take to end, its emulator and all.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// How long the deployment may take; it usually takes some seconds.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// How long another command's start is waited for: as long as that waits itself, with time to install packages.
const OTHER_PATIENCE: Duration = Duration::from_secs(6 * 60);

/// What a start came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Started {
    /// It runs now.
    Now(Box<LocalState>),
    /// It ran already, or was just being started by another command, which was waited for.
    Already(Box<LocalState>),
}

/// The user broke it off; nothing of it runs any more.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

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

/// Starts the Regions in a process of their own and waits until they can be used.
///
/// That process is this very program, called with [`serve_arguments`], and must then call [`serve`].
///
/// # Errors
/// They can't be started; the message has the end of the log. [`Interrupted`] after Ctrl-C or SIGTERM.
pub async fn up_detached(options: &Options, progress: &dyn Progress) -> anyhow::Result<Started> {
    let paths = options.paths();
    match lock_unless_running(options).await? {
        Turn::Ours(free) => drop(free),
        Turn::Running(state) => return Ok(Started::Already(state)),
    }
    let mut signals = Signals::new()?;
    std::fs::write(paths.stages(), "")?;
    let log = File::create(paths.edge_log())?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(serve_arguments(options)?)
        // The log's last lines are shown if it fails: they should be the reason.
        .env("RUST_LIB_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let process = child.id().and_then(ProcessId::of);
    tokio::select! {
        // First: a Ctrl-C may reach the child too, and its end is then not worth an explanation.
        biased;
        () = signals.any() => {
            if let Some(process) = process {
                process.end(END_PATIENCE).await;
                let _reaped = child.wait().await?;
                // Only if it had to be killed is there anything left.
                if let Some(left) = Processes::load(&options.root).filter(|named| named.edge == process) {
                    end(&options.root, &left).await?;
                }
            }
            Err(Interrupted.into())
        }
        state = until_ready(options, &mut child, progress) => state.map(Started::Now),
    }
}

/// Waits until the detached process is ready, and reports its stages meanwhile.
async fn until_ready(options: &Options, child: &mut Child, progress: &dyn Progress) -> anyhow::Result<Box<LocalState>> {
    let (paths, pid) = (options.paths(), child.id());
    let mut reported = 0;
    loop {
        let ended = child.try_wait()?;
        reported += report_stages(&paths, reported, progress);
        if let Some(status) = ended {
            anyhow::ensure!(!status.success(), "the start was ended by somebody else, as `tandem local down` does");
            bail!("the local Regions could not be started ({status}){}", emulator::last_lines(&paths.edge_log()));
        }
        match LocalState::load(&options.root) {
            Some(state) if state.ready && Some(state.edge.pid) == pid => return Ok(Box::new(state)),
            _ => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
}

/// The arguments with which this program is called to run the Regions detached; the last one is for [`serve`].
///
/// # Errors
/// The project's root is no text.
pub fn serve_arguments(options: &Options) -> anyhow::Result<[OsString; 3]> {
    Ok(["local".into(), "serve".into(), serde_json::to_string(options)?.into()])
}

/// Runs the Regions detached: the body of the hidden command `local serve <options as JSON>`.
///
/// # Errors
/// As [`up_foreground`]; printed, they end up in the log.
pub async fn serve(options: &str) -> anyhow::Result<()> {
    // A session of its own: the terminal's end must not be the Regions' end.
    let _already_a_leader = rustix::process::setsid();
    let _set_by_the_caller = tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).try_init();
    let options: Options = serde_json::from_str(options).context("the options of `local serve` can't be read")?;
    let paths = options.paths();
    let lock = lock(&paths)?.context("the local Regions run already")?;
    let stages = File::options().append(true).create(true).open(paths.stages())?;
    run(&options, &move |stage: Stage| write_stage(&stages, &stage), |_| {}, lock).await
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

/// Takes the project's lock; `None` if another process holds it.
fn lock(paths: &Paths) -> anyhow::Result<Option<File>> {
    std::fs::create_dir_all(paths.logs()).with_context(|| format!("can't write to {}", paths.home().display()))?;
    let file = File::options().create(true).append(true).open(paths.lock())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("the local Regions' lock can't be taken"),
    }
}

/// What is said of Regions whose `local.json` this build can't read.
const OTHER_BUILD: &str =
    "the local Regions were started by another build of this program: end them with `tandem local down` first";

/// Whose turn it is to run the Regions.
enum Turn {
    /// Ours, with the lock.
    Ours(File),
    /// They run.
    Running(Box<LocalState>),
}

/// Takes the project's lock, unless the Regions run; waits for another command that is just starting or ending them.
async fn lock_unless_running(options: &Options) -> anyhow::Result<Turn> {
    let deadline = tokio::time::Instant::now() + OTHER_PATIENCE;
    loop {
        if let Some(lock) = lock(&options.paths())? {
            return Ok(Turn::Ours(lock));
        }
        match LocalState::load(&options.root) {
            Some(state) if state.ready && state.is_alive() => return Ok(Turn::Running(Box::new(state))),
            None if Processes::load(&options.root).is_some_and(|named| named.any_alive()) => bail!(OTHER_BUILD),
            _ if tokio::time::Instant::now() > deadline => {
                bail!("another command is still starting or ending the local Regions: see `tandem local status`")
            }
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The signals that ask this process to end.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Scratch space starts empty: whatever a killed predecessor left there is of no use.
fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(std::fs::create_dir_all(folder)?)
}

fn write_stage(mut stages: &File, stage: &Stage) {
    use std::io::Write;
    if let Ok(mut line) = serde_json::to_vec(stage) {
        line.push(b'\n');
        // Only a picture for whoever waits; the start doesn't depend on it.
        let _drawn_later = stages.write_all(&line);
    }
}

/// Reports the stages from a position in their file on; gives how far it came.
fn report_stages(paths: &Paths, from: usize, progress: &dyn Progress) -> usize {
    let text = std::fs::read(paths.stages()).unwrap_or_default();
    let new = text.get(from..).unwrap_or_default();
    let complete = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    for line in new[..complete].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if let Ok(stage) = serde_json::from_slice(line) {
            progress.stage(stage);
        }
    }
    complete
}
