//! `tandem-bench measure`: one child's wall clock, processor time and peak memory.
//!
//! The system adds up the time of all children and keeps the largest memory of any: so this process has one child, ever.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Arguments of `measure`.
#[derive(Debug, Clone, Args)]
pub struct MeasureArgs {
    /// The command, behind `--`
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// What a process used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// From its start to its end.
    pub wall_seconds: f64,
    /// Processor time, user and system, of it and of all that it waited for.
    pub cpu_seconds: f64,
    /// The most memory that it had at once.
    pub peak_memory_bytes: u64,
    /// Its exit status; none where a signal ended it.
    pub exit_code: Option<i32>,
    /// What it printed, where that is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Value>,
}

/// Runs the command and prints what it used.
///
/// # Errors
/// When it cannot be started.
pub fn run(args: &MeasureArgs) -> anyhow::Result<ExitCode> {
    let used = only_child(&args.command)?;
    println!("{}", serde_json::to_string(&used)?);
    let status = used.exit_code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
    Ok(ExitCode::from(status))
}

fn only_child(command: &[String]) -> anyhow::Result<Used> {
    let (program, arguments) = command.split_first().context("no command is given")?;
    let begun = Instant::now();
    let child = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let child = child.with_context(|| format!("cannot run {program}"))?;
    let wall_seconds = begun.elapsed().as_secs_f64();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).context("the system does not say what a child used")?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(Used {
        wall_seconds,
        cpu_seconds: seconds(used.user_time()) + seconds(used.system_time()),
        peak_memory_bytes: u64::try_from(used.max_rss()).unwrap_or_default() * 1024,
        exit_code: child.status.code(),
        said: serde_json::from_slice(&child.stdout).ok(),
    })
}

/// Measures a command in a process of its own.
///
/// # Errors
/// When it cannot be started or does not end well.
pub fn measured(program: &Path, arguments: &[&str]) -> anyhow::Result<Used> {
    let measurer = std::env::current_exe().context("cannot find myself")?;
    let output = Command::new(measurer)
        .args(["measure", "--"])
        .arg(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()?;
    let used: Used = serde_json::from_slice(&output.stdout).context("nothing was measured")?;
    ensure!(used.exit_code == Some(0), "{} {} failed", program.display(), arguments.join(" "));
    Ok(used)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_child_is_known_by_its_time_its_memory_its_words_and_its_end() {
        let script = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo '{\"length\": '${#x}'}'; exit 3";
        let used = only_child(&["sh", "-c", script].map(str::to_owned)).unwrap();
        assert_eq!(used.exit_code, Some(3));
        assert_eq!(used.said.unwrap()["length"], 30_000_000);
        assert!(used.cpu_seconds > 0.0 && used.wall_seconds > 0.0);
        assert!(used.peak_memory_bytes > 30_000_000, "{}", used.peak_memory_bytes);
    }

    #[test]
    fn what_cannot_be_started_is_named() {
        let error = only_child(&["no-such-program".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "cannot run no-such-program");
    }
}
