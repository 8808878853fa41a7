//! The Python environment in `.tandem/venv`: the emulator and the AWS command line, every version pinned.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::options::Paths;

/// What is installed.
const REQUIREMENTS: &str = include_str!("../python/requirements.txt");

/// Prints the version, and fails where the modules that make environments are missing (Debian packs them apart).
const PROBE: &str = "import sys, venv, ensurepip; print(*sys.version_info[:2])";

/// Makes the environment, unless it is there with these very requirements. Gives whether it had to.
///
/// # Errors
/// There is no fit Python, or the packages can't be installed; the message says what to do.
pub async fn ensure(paths: &Paths) -> anyhow::Result<bool> {
    let stamp = paths.venv().join("requirements.sha256");
    let wanted = fingerprint(REQUIREMENTS);
    let is_there = || std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
    if is_there() {
        return Ok(false);
    }
    std::fs::create_dir_all(paths.home())?;
    let _until_the_end = lock(&paths.venv()).await?;
    // Another command may have made it meanwhile.
    if is_there() {
        return Ok(false);
    }
    let python = find().await?;
    let requirements = paths.home().join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS)?;
    let venv = paths.venv();
    run(command(&python).args(["-m", "venv", "--clear"]).arg(&venv)).await?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r"];
    run(command(venv.join("bin").join("python")).args(install).arg(&requirements))
        .await
        .context("the Python packages of the local Regions can't be installed: is a package index reachable?")?;
    std::fs::write(&stamp, wanted)?;
    Ok(true)
}

/// Waits until no other command is making this environment. The lock lies beside the real folder, which projects may share.
async fn lock(venv: &Path) -> anyhow::Result<File> {
    let mut path = venv.canonicalize().unwrap_or_else(|_| venv.to_owned()).into_os_string();
    path.push(".lock");
    let path = Path::new(&path);
    let file = File::options().create(true).append(true).open(path);
    let file = file.with_context(|| format!("can't write {}", path.display()))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Not the call that blocks: its thread would outlive a Ctrl-C.
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{} can't be locked", path.display()));
            }
        }
    }
}

/// A command that ends with its start, and that no setting leads away from Python's own packages.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME").kill_on_drop(true);
    command
}

/// A Python that is new enough and can make environments: `$TANDEM_PYTHON`, or else `python3`.
async fn find() -> anyhow::Result<PathBuf> {
    let python = std::env::var_os("TANDEM_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let output = command(&python).args(["-c", PROBE]).output().await.with_context(|| {
        format!("{} can't be run: install Python 3.10 or newer, or name one in TANDEM_PYTHON", python.display())
    })?;
    check(
        &python,
        output.status.success(),
        &String::from_utf8_lossy(&output.stdout),
        &String::from_utf8_lossy(&output.stderr),
    )?;
    Ok(python)
}

fn check(python: &Path, probed: bool, version: &str, complaint: &str) -> anyhow::Result<()> {
    let python = python.display();
    if !probed {
        if complaint.contains("ensurepip") || complaint.contains("venv") {
            bail!("{python} lacks venv or ensurepip: install them (on Debian and Ubuntu: apt install python3-venv)");
        }
        bail!("{python} does not work: {}", complaint.trim());
    }
    let numbers: Vec<u32> = version.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [major, minor] if (major, minor) >= (3, 10) => Ok(()),
        _ => bail!(
            "{python} is Python {}, and 3.10 is needed: name a newer one in TANDEM_PYTHON",
            version.trim().replace(' ', ".")
        ),
    }
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().await?;
    if !output.status.success() {
        bail!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn fingerprint(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_unfit_python_is_refused_with_the_remedy() {
        let python = Path::new("python3");
        assert!(check(python, true, "3 10\n", "").is_ok());
        let old = check(python, true, "3 9\n", "").unwrap_err().to_string();
        assert!(old.contains("Python 3.9") && old.contains("TANDEM_PYTHON"), "{old}");
        let bare =
            check(python, false, "", "ModuleNotFoundError: No module named 'ensurepip'").unwrap_err().to_string();
        assert!(bare.contains("apt install python3-venv"), "{bare}");
    }

    #[tokio::test]
    async fn projects_that_share_an_environment_share_its_lock() {
        let base = std::env::temp_dir().join(format!("tandem-venv-lock-{}", std::process::id()));
        std::fs::create_dir_all(base.join("real")).unwrap();
        std::os::unix::fs::symlink(base.join("real"), base.join("link")).unwrap();
        let held = lock(&base.join("link")).await.unwrap();
        assert!(matches!(File::open(base.join("real.lock")).unwrap().try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        lock(&base.join("real")).await.unwrap();
        std::fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn every_requirement_is_pinned() {
        let lines = REQUIREMENTS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        assert!(lines.clone().count() > 10);
        assert_eq!(lines.filter(|line| !line.contains("==")).collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
