//! Measures Tandem beside what its users would pick instead, and draws what it measured.
//!
//! `scripts/bench.sh` calls it. Results are JSON files in one folder; tables and charts are made of those alone.

mod chart;
mod cold;
mod compare;
mod criterion;
mod files;
mod growth;
mod measure;
mod report;
mod statistics;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures Tandem, and draws what was measured.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one command and print what it used, as JSON; ends with that command's exit status
    #[command(after_help = "\
Standard output of the command is kept: where it is JSON, it is in the field `said`.

Example:
  tandem-bench measure -- tandem process orders.csv --reference reference.csv --output-dir results --json")]
    Measure(measure::MeasureArgs),
    /// Run the same job on local files with DuckDB, Polars and Tandem in turn, and compare what they wrote
    #[command(after_help = "\
Fails if one byte differs. `scripts/bench.sh` builds what this needs.

Example:
  tandem-bench files --rows 100000 --rounds 1")]
    Files(files::FilesArgs),
    /// How long each function takes to its first request for work, and how large it is
    #[command(after_help = "\
Example:
  scripts/build.sh --release && target/release/tandem-bench cold")]
    Cold(cold::ColdArgs),
    /// The same job at sizes ten times apart on local Regions that run: seconds, cost, memory, and the emulator's share
    #[command(after_help = "\
Fails if a file is not delivered, or cost per row or memory are not flat. The largest size takes a while: see --most.

Example:
  tandem local up --detach && tandem-bench growth --quick")]
    Growth(growth::GrowthArgs),
    /// Draw SVG charts of results
    #[command(subcommand)]
    Chart(chart::ChartCommand),
    /// Put all results in a folder into tables: report.md
    #[command(after_help = "\
Example:
  tandem-bench report --dir target/bench")]
    Report(report::ReportArgs),
}

/// Where results are, unless said otherwise.
fn results() -> PathBuf {
    PathBuf::from("target/bench")
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Measure(args) => measure::run(&args),
        Command::Files(args) => files::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Cold(args) => cold::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Growth(args) => growth::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Chart(command) => chart::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Report(args) => report::run(&args).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
