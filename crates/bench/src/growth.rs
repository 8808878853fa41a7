//! `tandem-bench growth`: the same job at sizes ten times apart, on local Regions that run: seconds, billed units, cost per row
//! and memory, and how much of the work was the emulator's own.
//!
//! Drives the `tandem` command as a user would. Files draw their keys from a small set, so that the emulator's table stays
//! small: a chunk of 50,000 rows then costs as many lookups at every size from 50,000 rows on.

mod machine;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use machine::{Machine, Used};
use verdict::Verdict;

/// Rows of each size.
const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// Sizes of a quick run.
const QUICK: usize = 2;

/// Arguments of `growth`.
#[derive(Debug, Clone, Args)]
pub struct GrowthArgs {
    /// The first two sizes only
    #[arg(long)]
    pub quick: bool,
    /// Largest size
    #[arg(long, value_name = "ROWS", default_value_t = SIZES[3])]
    pub most: u64,
    /// Different keys in the files, and records in the reference table
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub keys: u64,
    /// Percentage of bad rows: a batch keeps at most 1,000 rejected rows in its table, and what those cost belongs to no row
    #[arg(long, value_name = "PERCENT", default_value_t = 0.1)]
    pub bad: f64,
    /// Project folder of the local Regions that run
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub project_dir: PathBuf,
    /// The tandem command
    #[arg(long, value_name = "FILE", default_value = "target/local/tandem")]
    pub tandem: PathBuf,
    /// Where to write the results
    #[arg(long, value_name = "FILE", default_value = "target/bench/growth.json")]
    pub out: PathBuf,
}

/// What one size came to.
#[derive(Debug, Clone, Serialize)]
pub struct Size {
    /// Rows of the file.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Seconds from the beginning of the upload to the delivery.
    pub seconds: f64,
    /// US dollars.
    pub usd: f64,
    /// US dollars per 1,000,000 rows.
    pub usd_per_million_rows: f64,
    /// What is billed, as `tandem cost` says it.
    pub units: Value,
    /// Calls by service and operation, as `tandem cost` says them.
    pub calls: Value,
    /// Most memory that a process of each function has had, in bytes.
    pub peak_memory: BTreeMap<String, u64>,
    /// Billed milliseconds of each function.
    pub billed_ms: BTreeMap<String, u64>,
    /// What the machine did meanwhile.
    pub used: Used,
}

/// All sizes, and what they show.
#[derive(Debug, Serialize)]
struct Growth<'a> {
    keys: u64,
    bad_percent: f64,
    sizes: &'a [Size],
    verdict: &'a Verdict,
}

/// Runs every size, writes the results, and says whether cost and memory grew as they should.
///
/// # Errors
/// When a file is not delivered, or cost per row or memory are not flat.
pub fn run(args: &GrowthArgs) -> anyhow::Result<()> {
    let wanted = if args.quick { QUICK } else { SIZES.len() };
    let folder = args.out.parent().unwrap_or(Path::new(".")).join("growth");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    load_reference(args, &folder)?;
    let mut sizes = Vec::new();
    for rows in SIZES.into_iter().take(wanted).filter(|rows| *rows <= args.most) {
        let size = measure(args, &folder, rows)?;
        println!("{}", line(&size));
        sizes.push(size);
        // After each size: the largest takes long, and may be given up.
        write(args, &sizes)?;
    }
    let verdict = write(args, &sizes)?;
    println!("{verdict}");
    ensure!(verdict.holds(), "cost per row or memory are not flat");
    Ok(())
}

fn write(args: &GrowthArgs, sizes: &[Size]) -> anyhow::Result<Verdict> {
    let verdict = Verdict::of(sizes);
    let text =
        serde_json::to_string_pretty(&Growth { keys: args.keys, bad_percent: args.bad, sizes, verdict: &verdict })?;
    fs::write(&args.out, text).with_context(|| format!("cannot write {}", args.out.display()))?;
    Ok(verdict)
}

fn load_reference(args: &GrowthArgs, folder: &Path) -> anyhow::Result<()> {
    let (none, reference) = (folder.join("none.csv"), folder.join("reference.csv"));
    generate(args, 0, &["--out", text(&none)?, "--reference", text(&reference)?])?;
    tandem(args, &["reference", "load", text(&reference)?]).map(drop)
}

fn measure(args: &GrowthArgs, folder: &Path, rows: u64) -> anyhow::Result<Size> {
    let file = folder.join(format!("{rows}.csv"));
    generate(args, rows, &["--out", text(&file)?])?;
    let bytes = fs::metadata(&file)?.len();
    let machine = Machine::of(&args.project_dir)?;
    let before = machine.now()?;
    let put = tandem(args, &["put", text(&file)?, "--wait", "--timeout", "7200", "--json"])?;
    let used = machine.now()?.since(&before);
    fs::remove_file(&file)?;
    let put: Value = serde_json::from_str(&put)?;
    let batch = put["batch_id"].as_str().context("put names no batch")?;
    let cost: Value = serde_json::from_str(&tandem(args, &["cost", batch, "--json"])?)?;
    let number = |value: &Value, what| value.as_f64().with_context(|| format!("there is no {what} of {batch}"));
    Ok(Size {
        rows,
        bytes,
        seconds: number(&put["seconds"], "time")?,
        usd: number(&cost["usd"], "cost")?,
        usd_per_million_rows: number(&cost["usd_per_million_rows"], "cost per row")?,
        units: cost["units"].clone(),
        calls: cost["calls"].clone(),
        peak_memory: by_function(&cost, "peak_memory_bytes"),
        billed_ms: by_function(&cost, "billed_ms"),
        used,
    })
}

fn by_function(cost: &Value, field: &str) -> BTreeMap<String, u64> {
    let functions = cost["functions"].as_array().into_iter().flatten();
    functions.filter_map(|one| Some((one["function"].as_str()?.to_owned(), one[field].as_u64()?))).collect()
}

/// Makes a file that no earlier run has made, so that it is a batch of its own.
fn generate(args: &GrowthArgs, rows: u64, more: &[&str]) -> anyhow::Result<()> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string();
    let (rows, keys, bad) = (rows.to_string(), args.keys.to_string(), args.bad.to_string());
    let mut arguments = vec!["generate", "--rows", &rows, "--seed", &seed, "--keys", &keys, "--bad", &bad];
    arguments.extend_from_slice(more);
    tandem(args, &arguments).map(drop)
}

fn tandem(args: &GrowthArgs, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(&args.tandem);
    command.args(["--target", "local", "--project-dir", text(&args.project_dir)?]).args(arguments);
    let output = command.output().with_context(|| format!("cannot run {}", args.tandem.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "tandem {} failed: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8(output.stdout)?)
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}

fn line(size: &Size) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let peaks: Vec<String> = size.peak_memory.iter().map(|(name, peak)| format!("{name} {}", mib(*peak))).collect();
    format!(
        "{:>10} rows: {:.1} s, {:.6} USD, {:.4} USD per 1,000,000 rows; CPU seconds: emulator {:.1}, edge {:.1}, functions {:.1}; \
         peak MiB: {}",
        size.rows,
        size.seconds,
        size.usd,
        size.usd_per_million_rows,
        size.used.emulator,
        size.used.edge,
        size.used.functions.values().sum::<f64>(),
        peaks.join(", ")
    )
}
