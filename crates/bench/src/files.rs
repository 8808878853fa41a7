//! `tandem-bench files`: one job on local files, by DuckDB, Polars and `tandem process` in turn.
//!
//! Parse, apply the sales-orders rules, join one to one, reject what is unmatched, write the output with every field in quotes
//! and the rejects with row number, field, rule and record. Every round compares both files of all tools, byte by byte. The
//! bad rows are well-formed: a row with a wrong number of fields, or with bytes that are no UTF-8, ends a peer's whole run.

mod results;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use clap::Args;

use crate::compare::difference;
use crate::measure::{Used, measured};
pub use results::{Machine, Results, Size, ToolRuns};

/// Files that every tool writes.
const WRITTEN: [&str; 2] = ["output.csv", "rejects.csv"];

/// Arguments of `files`.
#[derive(Debug, Clone, Args)]
pub struct FilesArgs {
    /// Rows of each size, by commas
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 5_000_000])]
    pub rows: Vec<u64>,
    /// Runs of each tool at each size
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// The tandem command
    #[arg(long, value_name = "FILE", default_value = "target/release/tandem")]
    pub tandem: PathBuf,
    /// Python with the packages of requirements.txt
    #[arg(long, value_name = "FILE", default_value = "target/bench/venv/bin/python")]
    pub python: PathBuf,
    /// Folder of the peers' scripts
    #[arg(long, value_name = "DIR", default_value = "crates/bench/peers")]
    pub peers: PathBuf,
    /// Folder for results, and for the data while it runs
    #[arg(long, value_name = "DIR", default_value_os_t = crate::results())]
    pub dir: PathBuf,
    /// Keep the data
    #[arg(long)]
    pub keep: bool,
}

/// What does the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Tandem,
    DuckDb,
    Polars,
}

impl Tool {
    const ALL: [Self; 3] = [Self::Tandem, Self::DuckDb, Self::Polars];

    const fn name(self) -> &'static str {
        match self {
            Self::Tandem => "Tandem",
            Self::DuckDb => "DuckDB",
            Self::Polars => "Polars",
        }
    }

    fn run(self, args: &FilesArgs, data: &Data, folder: &Path) -> anyhow::Result<Used> {
        let [orders, reference, into] = [&data.orders, &data.reference, folder].map(|path| path.to_string_lossy());
        match self {
            Self::Tandem => {
                let arguments = ["process", &orders, "--reference", &reference, "--output-dir", &into, "--json"];
                measured(&args.tandem, &arguments)
            }
            Self::DuckDb => peer(args, "duckdb.py", [&orders, &reference, &into]),
            Self::Polars => peer(args, "polars.py", [&orders, &reference, &into]),
        }
    }
}

fn peer(args: &FilesArgs, script: &str, [orders, reference, into]: [&str; 3]) -> anyhow::Result<Used> {
    measured(&args.python, &[&args.peers.join(script).to_string_lossy(), orders, reference, into])
}

/// The files of one size.
struct Data {
    folder: PathBuf,
    orders: PathBuf,
    reference: PathBuf,
}

/// Runs everything, writes `files.json` and its charts.
///
/// # Errors
/// When a tool fails, or two tools' files differ.
pub fn run(args: &FilesArgs) -> anyhow::Result<()> {
    ensure!(args.rounds > 0, "--rounds must be above 0");
    ensure!(args.tandem.is_file(), "{} is missing: scripts/bench.sh builds it", args.tandem.display());
    let data = args.dir.join("data");
    let mut results =
        Results { machine: Machine::here(), versions: versions(args)?, rounds: args.rounds, sizes: Vec::new() };
    // Each size is kept as soon as it is measured: the next may take long, and be given up.
    let measured = args.rows.iter().try_for_each(|rows| {
        results.sizes.push(size(args, &data, *rows)?);
        save(args, &results)
    });
    if !args.keep {
        // What is to be said is whether the measurements are there.
        let _ = fs::remove_dir_all(&data);
    }
    measured?;
    print!("{}", results.tables());
    crate::chart::files_charts(&results, &args.dir)
}

fn save(args: &FilesArgs, results: &Results) -> anyhow::Result<()> {
    let path = args.dir.join("files.json");
    fs::write(&path, serde_json::to_vec_pretty(results)?).with_context(|| format!("cannot write {}", path.display()))
}

fn size(args: &FilesArgs, folder: &Path, rows: u64) -> anyhow::Result<Size> {
    let data = generate(args, folder, rows)?;
    let mut tools = Tool::ALL.map(|tool| ToolRuns { tool: tool.name().to_owned(), runs: Vec::new() });
    for round in 0..args.rounds {
        for turn in 0..Tool::ALL.len() {
            // Whoever comes first in one round comes last in another.
            let at = (turn + round) % Tool::ALL.len();
            let used = once(args, &data, Tool::ALL[at])?;
            eprintln!("{rows} rows, round {}: {} {:.2} s", round + 1, Tool::ALL[at].name(), used.wall_seconds);
            tools[at].runs.push(used);
        }
        agree(&data.folder)?;
    }
    let bytes = |path: &Path| fs::metadata(path).map(|about| about.len()).unwrap_or_default();
    let size = Size {
        rows,
        bytes: bytes(&data.orders),
        reference_bytes: bytes(&data.reference),
        output_bytes: bytes(&data.folder.join(Tool::Tandem.name()).join(WRITTEN[0])),
        rejects_bytes: bytes(&data.folder.join(Tool::Tandem.name()).join(WRITTEN[1])),
        tools: tools.to_vec(),
    };
    if !args.keep {
        fs::remove_dir_all(&data.folder).with_context(|| format!("cannot remove {}", data.folder.display()))?;
    }
    Ok(size)
}

fn generate(args: &FilesArgs, folder: &Path, rows: u64) -> anyhow::Result<Data> {
    let folder = folder.join(rows.to_string());
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (orders, reference) = (folder.join("orders.csv"), folder.join("reference.csv"));
    let mut command = Command::new(&args.tandem);
    command.args(["generate", "--well-formed", "--bad", "1", "--seed", "1", "--rows", &rows.to_string()]);
    let made = command.arg("--out").arg(&orders).arg("--reference").arg(&reference).status();
    ensure!(made.context("cannot generate the data")?.success(), "cannot generate the data");
    Ok(Data { folder, orders, reference })
}

/// Runs a tool once, with what it reads in the page cache and nothing of the run before left to be written.
fn once(args: &FilesArgs, data: &Data, tool: Tool) -> anyhow::Result<Used> {
    let folder = data.folder.join(tool.name());
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Command::new("sync").status().context("cannot run sync")?;
    for path in [&data.orders, &data.reference] {
        let mut file = fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        std::io::copy(&mut file, &mut std::io::sink())?;
    }
    tool.run(args, data, &folder)
}

/// Whether all tools wrote the same.
fn agree(folder: &Path) -> anyhow::Result<()> {
    let own = folder.join(Tool::Tandem.name());
    for tool in [Tool::DuckDb, Tool::Polars] {
        for name in WRITTEN {
            if let Some((byte, line)) = difference(&own.join(name), &folder.join(tool.name()).join(name))? {
                bail!("{name} of {} differs from Tandem's at byte {byte}, in line {line}", tool.name());
            }
        }
    }
    Ok(())
}

/// Which versions were measured, of Tandem the build's.
fn versions(args: &FilesArgs) -> anyhow::Result<Vec<(String, String)>> {
    let ask =
        "import duckdb, polars, platform; print(duckdb.__version__, polars.__version__, platform.python_version())";
    let said = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let peers = said(&args.python, &["-c", ask]).with_context(|| format!("cannot run {}", args.python.display()))?;
    let names = ["DuckDB", "Polars", "Python"].into_iter().zip(peers.split(' '));
    let tandem = said(&args.tandem, &["--version"])?.replace("tandem ", "");
    let peers = names.map(|(name, version)| (name.to_owned(), version.to_owned()));
    Ok(std::iter::once(("Tandem".to_owned(), tandem)).chain(peers).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tools_that_wrote_other_bytes_do_not_agree() {
        let folder = std::env::temp_dir().join(format!("tandem-bench-agree-{}", std::process::id()));
        for tool in Tool::ALL {
            fs::create_dir_all(folder.join(tool.name())).unwrap();
            WRITTEN.iter().for_each(|name| fs::write(folder.join(tool.name()).join(name), "a\nb\n").unwrap());
        }
        assert!(agree(&folder).is_ok());
        fs::write(folder.join("Polars/rejects.csv"), "a\nc\n").unwrap();
        let error = agree(&folder).unwrap_err().to_string();
        assert_eq!(error, "rejects.csv of Polars differs from Tandem's at byte 3, in line 2");
        fs::remove_dir_all(folder).unwrap();
    }
}
