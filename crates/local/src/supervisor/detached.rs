//! The Regions in a process of their own: this very program, called with [`serve_arguments`].
//!
//! It tells of its progress through a file of stages, and of its being ready through `local.json`.

use std::ffi::OsString;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

use super::signals::{Interrupted, Signals};
use super::turn::{Turn, lock, lock_unless_running};
use super::{END_PATIENCE, Started, end, run};
use crate::emulator;
use crate::options::{Options, Paths};
use crate::process::ProcessId;
use crate::progress::{Progress, Stage};
use crate::state::{LocalState, Processes};

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
