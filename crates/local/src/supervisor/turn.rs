//! Whose turn it is: a project's Regions are run by one process, which holds a lock for as long as it lives.

use std::fs::{File, TryLockError};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::options::{Options, Paths};
use crate::state::{LocalState, Processes};

/// How long another command's start is waited for: as long as that waits itself, with time to install packages.
const OTHER_PATIENCE: Duration = Duration::from_secs(6 * 60);

/// Takes the project's lock; `None` if another process holds it.
pub(super) fn lock(paths: &Paths) -> anyhow::Result<Option<File>> {
    std::fs::create_dir_all(paths.logs()).with_context(|| format!("can't write to {}", paths.home().display()))?;
    let file = File::options().create(true).append(true).open(paths.lock())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).context("the local Regions' lock can't be taken"),
    }
}

/// What is said of Regions whose `local.json` this build can't read.
pub(super) const OTHER_BUILD: &str =
    "the local Regions were started by another build of this program: end them with `tandem local down` first";

/// Whose turn it is to run the Regions.
pub(super) enum Turn {
    /// Ours, with the lock.
    Ours(File),
    /// They run.
    Running(Box<LocalState>),
}

/// Takes the project's lock, unless the Regions run; waits for another command that is just starting or ending them.
pub(super) async fn lock_unless_running(options: &Options) -> anyhow::Result<Turn> {
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
