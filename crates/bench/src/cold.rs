//! `tandem-bench cold`: how long each function takes from the start of its process to its first request for work, and how
//! large it is as it is deployed.
//!
//! The functions are started as Lambda starts them, with an environment of their own and an address that answers nothing:
//! it only notes when the first request arrives. Rounds go through all functions, so that what disturbs the machine for a
//! while disturbs all of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde::Serialize;

/// How long a function may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What sam/batch.yaml gives the functions, with values that lead nowhere; each function is given all of it.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOME", "/tmp"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "000000000000"),
    ("AWS_SECRET_ACCESS_KEY", "none"),
    ("AWS_SESSION_TOKEN", "none"),
    ("AWS_LAMBDA_FUNCTION_NAME", "cold"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/cold"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "cold"),
    ("TANDEM_BUCKET", "tandem-cold-000000000000-us-east-1"),
    ("TANDEM_PRIMARY_REGION", "us-east-1"),
    ("TANDEM_STANDBY_REGION", "us-west-2"),
    ("TANDEM_STATE_TABLE", "tandem-cold-batches"),
    ("TANDEM_REFERENCE_TABLE", "tandem-cold-reference"),
    ("TANDEM_REJECTS_TABLE", "tandem-cold-rejects"),
    ("TANDEM_STATE_MACHINE_ARN", "arn:aws:states:us-east-1:000000000000:stateMachine:tandem-cold-batch"),
    ("TANDEM_ACTIVE_RECORD", "active.tandem-cold.internal"),
    ("TANDEM_DNS_SERVER", "127.0.0.1:9"),
    ("TANDEM_MAX_ATTEMPTS", "5"),
    ("TANDEM_TAKEOVER_GRACE_SECONDS", "360"),
    ("TANDEM_ATTEMPT_PAUSE_SECONDS", "120"),
    ("TANDEM_MAIL_LEASE_SECONDS", "30"),
    ("TANDEM_LINK_EXPIRY_SECONDS", "21600"),
    ("TANDEM_CHUNK_ROWS", "50000"),
    ("TANDEM_CHUNK_BYTES", "16777216"),
    ("TANDEM_SENDER", "tandem@example.com"),
    ("TANDEM_RECIPIENT", "owner@example.com"),
    ("TANDEM_MRAP_ARN", "arn:aws:s3::000000000000:accesspoint/cold.mrap"),
    ("TANDEM_ROUTING_MODE", "arc"),
    (
        "TANDEM_ARC_ENDPOINTS",
        "us-east-1=https://1.example.com/v1,us-west-2=https://2.example.com/v1,eu-west-1=https://3.example.com/v1,\
         ap-southeast-2=https://4.example.com/v1,ap-northeast-1=https://5.example.com/v1",
    ),
    (
        "TANDEM_ARC_CONTROLS",
        "us-east-1=arn:aws:route53-recovery-control::000000000000:controlpanel/p/routingcontrol/1,\
         us-west-2=arn:aws:route53-recovery-control::000000000000:controlpanel/p/routingcontrol/2",
    ),
];

/// Makes the archive that is deployed and answers its size; Python's own zipfile, as `aws cloudformation package` uses it.
const ZIP: &str = "\
import io, os, sys, zipfile
folder, archive = sys.argv[1], io.BytesIO()
with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as zipped:
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            zipped.write(path, os.path.relpath(path, folder))
print(archive.tell())";

/// Arguments of `cold`.
#[derive(Debug, Clone, Args)]
pub struct ColdArgs {
    /// Folder of the functions as they are deployed: <function>/bootstrap
    #[arg(long, value_name = "DIR", default_value = "target/lambda")]
    pub functions: PathBuf,
    /// Starts of each function
    #[arg(long, default_value_t = 30)]
    pub runs: usize,
    /// Where the figures go
    #[arg(long, value_name = "FILE", default_value = "target/bench/cold.json")]
    pub out: PathBuf,
}

/// What was measured of one function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cold {
    function: String,
    p50_ms: f64,
    p95_ms: f64,
    min_ms: f64,
    max_ms: f64,
    bootstrap_bytes: u64,
    zipped_bytes: u64,
}

/// Measures every function, prints a table, writes the figures.
///
/// # Errors
/// When a function does not ask for work, or a file cannot be read or written.
pub fn run(args: &ColdArgs) -> anyhow::Result<()> {
    let folders = folders(&args.functions)?;
    ensure!(args.runs > 0, "--runs must be above 0");
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); folders.len()];
    for _ in 0..args.runs {
        for (folder, times) in folders.iter().zip(&mut times) {
            times.push(start(folder)?.as_secs_f64() * 1000.0);
        }
    }
    let measured: anyhow::Result<Vec<Cold>> =
        folders.iter().zip(times).map(|(folder, times)| summary(folder, times)).collect();
    let measured = measured?;
    print(&measured);
    if let Some(parent) = args.out.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&args.out, serde_json::to_vec_pretty(&measured)?)
        .with_context(|| format!("cannot write {}", args.out.display()))
}

/// The folders that hold a bootstrap, by name.
fn folders(parent: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(parent).with_context(|| format!("cannot read {}", parent.display()))?;
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join("bootstrap").is_file()).collect();
    ensure!(!folders.is_empty(), "there are no functions in {}: build them with scripts/build.sh", parent.display());
    folders.sort();
    Ok(folders)
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Starts a function once; the time to its first request for work.
fn start(folder: &Path) -> anyhow::Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let (asked, first) = mpsc::channel();
    // Left behind where no request comes; the process ends soon after.
    thread::spawn(move || {
        let Ok((connection, _)) = listener.accept() else { return };
        let mut line = String::new();
        if BufReader::new(&connection).read_line(&mut line).is_ok() && asked.send((Instant::now(), line)).is_ok() {
            // Keeps the connection open, so that the function waits and says nothing.
            thread::sleep(PATIENCE);
        }
    });
    let mut command = Command::new(folder.join("bootstrap"));
    command.env_clear().envs(ENVIRONMENT.iter().copied()).env("AWS_LAMBDA_RUNTIME_API", &address);
    command.env("LAMBDA_TASK_ROOT", folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {}", folder.display()))?;
    let request = first.recv_timeout(PATIENCE);
    child.kill()?;
    child.wait()?;
    match request {
        Ok((at, line)) if line.contains("/invocation/next") => Ok(at - begun),
        Ok((_, line)) => bail!("{} asked for {:?} instead of work", name(folder), line.trim_end()),
        Err(_) => bail!("{} asked for no work within {PATIENCE:?}", name(folder)),
    }
}

fn summary(folder: &Path, mut times: Vec<f64>) -> anyhow::Result<Cold> {
    times.sort_by(f64::total_cmp);
    Ok(Cold {
        function: name(folder),
        p50_ms: rank(&times, 50),
        p95_ms: rank(&times, 95),
        min_ms: rank(&times, 0),
        max_ms: rank(&times, 100),
        bootstrap_bytes: fs::metadata(folder.join("bootstrap"))?.len(),
        zipped_bytes: zipped(folder)?,
    })
}

/// The smallest value that so many percent of all are not above.
fn rank(sorted: &[f64], percent: usize) -> f64 {
    let position = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(position).copied().unwrap_or_default()
}

fn zipped(folder: &Path) -> anyhow::Result<u64> {
    let output = Command::new("python3").args(["-c", ZIP]).arg(folder).output().context("python3 is missing")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn print(measured: &[Cold]) {
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    println!(
        "{:10}  {:>7}  {:>7}  {:>7}  {:>7}  {:>9}  {:>10}",
        "FUNCTION", "P50 MS", "P95 MS", "MIN MS", "MAX MS", "MIB", "MIB ZIPPED"
    );
    for cold in measured {
        println!(
            "{:10}  {:7.1}  {:7.1}  {:7.1}  {:7.1}  {:9.2}  {:10.2}",
            cold.function,
            cold.p50_ms,
            cold.p95_ms,
            cold.min_ms,
            cold.max_ms,
            mib(cold.bootstrap_bytes),
            mib(cold.zipped_bytes)
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]

    use super::*;

    #[test]
    fn a_rank_is_a_value_that_was_measured() {
        let times: Vec<f64> = (1..=30).map(f64::from).collect();
        assert_eq!([0, 50, 95, 100].map(|percent| rank(&times, percent)), [1.0, 15.0, 29.0, 30.0]);
        assert_eq!(rank(&[7.0], 95), 7.0);
    }

    #[test]
    fn no_variable_is_given_twice() {
        let mut names: Vec<&str> = ENVIRONMENT.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
