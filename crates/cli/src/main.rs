//! The `tandem` command: one for the local Regions and for AWS alike.

#![deny(clippy::print_stdout, clippy::print_stderr)] // They panic where nobody reads any more: see `output`.

// First, for its macros.
#[macro_use]
mod output;

mod again;
mod canary;
mod console;
mod cost;
mod deploy;
mod deployment;
mod drill;
mod emails;
mod exit;
mod failover;
mod faults;
mod fetch;
mod generate;
mod links;
mod load_test;
mod local;
mod process;
mod put;
mod reconcile;
mod records;
mod reference;
mod runbook;
mod shell;
mod stack;
mod status;
mod terminal;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::deployment::Which;
use crate::exit::{Interrupted, interruption, status_of, told};

/// Tandem: CSV files in, validated and enriched results out, on two AWS Regions.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, after_help = exit::HELP)]
struct Cli {
    #[command(flatten)]
    which: Which,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the two Regions on this machine
    #[command(subcommand)]
    Local(local::LocalCommand),
    /// Upload a file through the multi-Region endpoint, and wait for its result if asked to
    #[command(after_help = PUT_HELP)]
    Put(put::PutArgs),
    /// Show how a batch stands, or the batches that are open or changed last
    #[command(after_help = "\
Examples:
  tandem status                 the latest batches
  tandem status 3f2a            the batch whose id begins like this
  tandem status 3f2a --json     all that is known of it")]
    Status(status::StatusArgs),
    /// Download a batch's output.csv and rejects.csv by following its links
    #[command(after_help = "\
Examples:
  tandem fetch 3f2a
  tandem fetch 3f2a --output-dir results --force")]
    Fetch(fetch::FetchArgs),
    /// Show what a batch used and what that costs, or what the local Regions' calls are billed by the call
    #[command(after_help = cost::HELP)]
    Cost(cost::CostArgs),
    /// Show the e-mails that the local Regions sent
    #[command(after_help = "\
Example:
  tandem emails --limit 1")]
    Emails(emails::EmailsArgs),
    /// Open one page that shows and operates both Regions, in your browser
    #[command(after_help = console::HELP)]
    Console(console::ConsoleArgs),
    /// Send a small file through both Regions and check what comes of it, by the function in a third Region
    #[command(after_help = canary::HELP)]
    Canary(canary::CanaryArgs),
    /// Load the records that rows are enriched with
    #[command(subcommand)]
    Reference(reference::ReferenceCommand),
    /// Let a Region take over: runs the failover runbook, and follows the batches that it takes over
    #[command(after_help = FAILOVER_HELP)]
    Failover(failover::FailoverArgs),
    /// Deal with every open batch now, in whichever Region is active
    #[command(after_help = "\
Examples:
  tandem reconcile
  tandem reconcile --json")]
    Reconcile(reconcile::ReconcileArgs),
    /// Send the e-mail of a batch that has ended again: with fresh links, or with why it failed
    #[command(after_help = "\
Example:
  tandem resend 3f2a")]
    Resend(again::BatchArgs),
    /// Run a batch that has ended once more, in the active Region
    #[command(after_help = "\
Example:
  tandem rerun 3f2a")]
    Rerun(again::BatchArgs),
    /// Give intake the events again that it gave up on, of both Regions
    #[command(after_help = "\
Examples:
  tandem replay
  tandem replay --limit 10 --json")]
    Replay(again::ReplayArgs),
    /// Take something away from the local Regions, do what the runbook says, and judge what became of every file
    #[command(after_help = drill::HELP)]
    Drill(drill::DrillArgs),
    /// Cut a local Region off, slow it down, heal it
    #[command(subcommand)]
    Region(faults::RegionCommand),
    /// Freeze, thaw or kill a local function
    #[command(subcommand)]
    Function(faults::FunctionCommand),
    /// Pause local replication, or let it lag
    #[command(subcommand)]
    Replication(faults::ReplicationCommand),
    /// Take local routing endpoints away, and give them back
    #[command(subcommand)]
    Arc(faults::ArcCommand),
    /// Upload many files, follow every one to its end, and say how long they took
    #[command(after_help = load_test::HELP)]
    LoadTest(load_test::LoadTestArgs),
    /// Make a file of any size, and the reference records that belong to it
    #[command(after_help = "\
Examples:
  tandem generate --rows 10000 --out orders.csv --reference reference.csv
  tandem generate --rows 1000000 --bad 0 --seed 7 > million.csv
  tandem generate --rows 10000000 --keys 10000 --out many.csv --reference few.csv
  tandem generate --dataset price-list --rows 500 --bad 5 --out prices.csv")]
    Generate(generate::GenerateArgs),
    /// Process a file on this machine, without any Region: the functions' own code on local files
    #[command(after_help = process::HELP)]
    Process(process::ProcessArgs),
    /// Bring Tandem's stacks to AWS as a configuration says, or again into the local Regions
    #[command(after_help = deploy::HELP)]
    Deploy(deploy::DeployArgs),
    /// Take a deployment away, and say what stays
    #[command(after_help = deploy::DESTROY_HELP)]
    Destroy(deploy::DestroyArgs),
    /// Print what a shell needs to complete this command's arguments
    #[command(after_help = shell::COMPLETIONS_HELP)]
    Completions(shell::CompletionsArgs),
    /// Print the manual page, or write one for each command into a folder
    #[command(after_help = shell::MAN_HELP)]
    Man(shell::ManArgs),
}

/// Also says what the exit status means, since scripts wait for it here.
const PUT_HELP: &str = "\
Examples:
  tandem put orders.csv --wait
  tandem put prices.csv --dataset price-list --wait --json
  tandem put orders.csv --as \"input/sales-orders/2026/orders 1.csv\"

Exit status:
  0  uploaded; with --wait: the batch was delivered
  1  the batch failed, or the file was not uploaded
  2  called wrongly
  3  interrupted, or not ended in time; an uploaded batch goes on
  4  the deployment cannot be reached";

/// Also says what the figures mean, since they are what a drill is for.
const FAILOVER_HELP: &str = "\
Runs the runbook of sam/failover.yaml by itself, through functions of the Region that takes over: it needs neither Systems \
Manager nor the other Region. It sets and never toggles: give it again at any time. If the Region is active already, it says \
so and reconciles.

RTO is counted from the start of the runbook: to the answer of the first pass that took a batch over, which is just after \
that batch was started, and to the last change of the last of those batches, by the state table's times.

RPO counts inputs that are not replicated to the Region: locally what replication holds back when the runbook begins, on AWS \
what the first pass misses, aged by the time since it was claimed.

Examples:
  tandem failover                                    the local Region that is not isolated
  tandem failover --to us-west-2 --json
  tandem --target aws --region us-west-2 failover    on AWS, if us-east-1 is lost

Exit status:
  0  the Region is active; the batches that it took over have ended
  1  a step failed: nothing toggles, so mend it and give the command again
  2  called wrongly
  3  interrupted, or the batches had not ended in time; they go on
  4  the deployment cannot be reached";

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(&cli.command);
    match run(&cli).await.and_then(|()| output::complete()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = told(&error);
            errln!("{} {told}", ::console::Style::new().for_stderr().red().bold().apply_to("error:"));
            status_of(&error).into()
        }
    }
}

/// Warnings go to standard error. The process that runs the Regions sets up its own log.
fn start_logging(command: &Command) {
    if matches!(command, Command::Local(local::LocalCommand::Serve { .. })) {
        return;
    }
    // The SDK warns of every place in which it finds no Region or credentials; what is missing in the end is an error.
    let quiet = || EnvFilter::new("warn,aws_config=off,aws_runtime=off");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| quiet());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time();
    // It would say by `eprintln!` that standard error cannot be written to, and so panic.
    log.log_internal_errors(false).init();
}

async fn run(cli: &Cli) -> anyhow::Result<()> {
    let which = &cli.which;
    match &cli.command {
        // These have something to clean up, and listen to Ctrl-C themselves.
        Command::Local(command) => local::run(command, which).await,
        Command::Put(args) => put::run(args, which).await,
        Command::Fetch(args) => fetch::run(args, which).await,
        Command::Reference(reference::ReferenceCommand::Load(args)) => reference::load(args, which).await,
        Command::Failover(args) => failover::run(args, which).await,
        Command::Console(args) => console::run(args, which).await,
        Command::LoadTest(args) => load_test::run(args, which).await,
        Command::Generate(args) => generate(args.clone()).await,
        Command::Process(args) => process::run(args, which).await,
        Command::Deploy(args) => deploy::run(args, which).await,
        Command::Destroy(args) => deploy::destroy(args, which).await,
        Command::Drill(args) => drill::run(args, which).await,
        Command::Completions(args) => shell::completions(args, Cli::command()),
        Command::Man(args) => shell::man(args, Cli::command()),
        Command::Status(args) => unless_interrupted(status::run(args, which)).await,
        Command::Canary(args) => unless_interrupted(canary::run(args, which)).await,
        Command::Cost(args) => unless_interrupted(cost::run(args, which)).await,
        Command::Emails(args) => unless_interrupted(emails::run(args, which)).await,
        Command::Reconcile(args) => unless_interrupted(reconcile::run(args, which)).await,
        Command::Resend(args) => unless_interrupted(again::resend(args, which)).await,
        Command::Rerun(args) => unless_interrupted(again::rerun(args, which)).await,
        Command::Replay(args) => unless_interrupted(again::replay(args, which)).await,
        Command::Region(command) => unless_interrupted(faults::region(command, which)).await,
        Command::Function(command) => unless_interrupted(faults::function(command, which)).await,
        Command::Replication(command) => unless_interrupted(faults::replication(command, which)).await,
        Command::Arc(command) => unless_interrupted(faults::arc(command, which)).await,
    }
}

async fn unless_interrupted(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::select! {
        result = work => result,
        () = interruption() => Err(Interrupted.into()),
    }
}

/// Generates in a thread of its own, since it only computes and writes.
async fn generate(args: generate::GenerateArgs) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    let mut work = tokio::task::spawn_blocking(move || generate::run(&args, &seen));
    tokio::select! {
        done = &mut work => done?,
        () = interruption() => {
            stop.store(true, Ordering::Relaxed);
            work.await?
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(command.has_subcommands() || help.contains("Example"), "{}", command.get_name());
                check(command);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn global_flags_may_stand_behind_the_subcommand() {
        let cli = Cli::try_parse_from(["tandem", "status", "--target", "local", "--suffix", "x"]).unwrap();
        assert_eq!(cli.which.target, deployment::Target::Local);
        assert_eq!(cli.which.suffix.as_deref(), Some("x"));
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        for command in ["status", "emails"] {
            assert!(Cli::try_parse_from(["tandem", command, "--limit", "0"]).is_err(), "{command}");
            assert!(Cli::try_parse_from(["tandem", command, "--limit", "1"]).is_ok(), "{command}");
        }
    }

    #[test]
    fn a_dataset_and_an_exact_key_exclude_each_other() {
        let both = ["tandem", "put", "f.csv", "--as", "input/x.csv", "--dataset", "price-list"];
        assert!(Cli::try_parse_from(both).is_err());
        assert!(Cli::try_parse_from(&both[..5]).is_ok());
    }
}
