//! Measures Tandem beside what its users would pick instead, and draws what it measured.

mod cold;

use clap::{Parser, Subcommand};

/// Measures Tandem.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How long each function takes to its first request for work, and how large it is
    #[command(after_help = "\
Example:
  scripts/build.sh --release && target/release/tandem-bench cold")]
    Cold(cold::ColdArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Cold(args) => cold::run(&args),
    }
}
