//! `tandem load-test`: many files at once or one after the other, each followed to its end.

mod data;
mod drive;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tandem_core::dataset::DEFAULT_DATASET;

use crate::deployment::Which;
use crate::exit::{Interrupted, TimedOut};
use data::Data;
use drive::Plan;
use report::{Ending, Report};

/// Also says what is measured, and what a file that is not delivered means.
pub const HELP: &str = "\
The files differ, and draw their keys from one small set, whose reference records are loaded first unless they are there. \
They go through the multi-Region endpoint, as those of `tandem put` do. Seconds are counted from the moment at which a file's \
upload begins to its last change in the state table, as far as the looks at the table bear it out.

Examples:
  tandem load-test --files 100 --wait 1
  tandem load-test --files 200 --wait 0 --rows 5000 --report load.json

Exit status:
  0  every file was delivered
  1  one was not
  2  called wrongly
  3  interrupted, or one had not ended in time; what was uploaded goes on
  4  the deployment cannot be reached";

/// Arguments of `load-test`.
#[derive(Debug, Clone, Args)]
pub struct LoadTestArgs {
    /// Files to upload
    #[arg(long, short = 'n', value_name = "FILES", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub files: u32,
    /// Seconds between the beginnings of two uploads; 0: all at once, a few in flight
    #[arg(long, short = 'w', value_name = "SECONDS", value_parser = seconds)]
    pub wait: f64,
    /// Rows in a file
    #[arg(long, short = 'r', default_value_t = 1_000)]
    pub rows: u64,
    /// Dataset to make files of
    #[arg(long, default_value = DEFAULT_DATASET)]
    pub dataset: String,
    /// Give up a file that has not ended so many seconds after its upload began
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub timeout: u64,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Write the report as JSON to this file, too
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    parsed.ok_or_else(|| String::from("expected 0 to 86400 seconds"))
}

/// Makes the files, uploads them, follows them, reports.
///
/// # Errors
/// When one file was not delivered, or the test could not begin; see [`crate::exit`].
pub async fn run(args: &LoadTestArgs, which: &Which) -> anyhow::Result<()> {
    let deployment = which.find().await?;
    let data = Data::make(args).await?;
    data.load_reference(&deployment, which).await?;
    let plan = Plan {
        files: data.files(),
        pause: Duration::from_secs_f64(args.wait),
        patience: Duration::from_secs(args.timeout),
    };
    let (files, interrupted) = drive::drive(&deployment, &plan).await;
    let report = Report::of(files, args);
    if let Some(path) = &args.report {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    out!("{}", if args.json { format!("{}\n", serde_json::to_string(&report)?) } else { report.text() });
    conclude(&report, interrupted, args.timeout)
}

/// The error that decides the exit status.
fn conclude(report: &Report, interrupted: bool, timeout: u64) -> anyhow::Result<()> {
    if interrupted {
        return Err(Interrupted.into());
    }
    let lost = report.number(Ending::Failed) + report.number(Ending::NotUploaded);
    if lost > 0 {
        bail!("{lost} of {} files were not delivered", report.files.len());
    }
    match report.number(Ending::NotEnded) {
        0 => Ok(()),
        open => Err(TimedOut(format!(
            "{open} of {} files had not ended {timeout} s after their uploads began: they go on; see `tandem status`",
            report.files.len()
        ))
        .into()),
    }
}
