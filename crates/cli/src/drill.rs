//! `tandem drill`: what docs/CHAOS.md takes away on AWS is taken away on this machine, and judged by the same pass or fail.
//!
//! What an operator would do it does by an operator's commands, each a process of its own and shown; what FIS would do it does
//! at the edge. Every way out of it mends what it has struck.

mod emails;
mod experiment;
mod files;
mod operator;
mod report;
mod story;
mod strike;
mod undisturbed;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tandem_local::LocalState;
use tandem_local::admin::Admin;

pub use self::experiment::Experiment;
use self::files::Files;
use self::operator::Operator;
use self::strike::Struck;
use self::undisturbed::undisturbed;
use crate::deployment::{Deployment, Target, Which};
use crate::exit::{Interrupted, TimedOut, interruption, usage};

/// How `--help` goes on.
pub const HELP: &str = "\
Uploads files, strikes the active Region, does what the runbook says, mends, and then holds every file against what is \
promised: delivered, with the bytes of an undisturbed run, by one e-mail (one more only after a delivery that broke off), \
and nothing left behind. docs/CHAOS.md says of each experiment what it shows; the same ones for AWS are in sam/chaos.yaml.

Examples:
  tandem drill                          a Region is lost, the other one takes over
  tandem drill state-table --json
  tandem drill function-errors --hold 20

Exit status:
  0  every check passed
  1  one did not, or the drill could not be carried out
  2  called wrongly, or the Regions are not as a drill must find them
  3  interrupted, or the files had not all ended in time; the report says what was seen until then
  4  the local Regions do not run";

/// Time between two looks at the files.
const PAUSE: Duration = Duration::from_millis(500);

/// Arguments of `drill`.
#[derive(Debug, Clone, Args)]
pub struct DrillArgs {
    /// What is taken away
    #[arg(value_enum, default_value = "region-loss")]
    pub experiment: Experiment,
    /// Seconds for which it is away, where nobody fails over
    #[arg(long, value_name = "SECONDS", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub hold: u64,
    /// Rows of each file
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rows: u64,
    /// Give up after so many seconds of waiting for the files
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u64,
    /// Print one JSON object: the report
    #[arg(long)]
    pub json: bool,
}

/// Carries the experiment out, and judges.
///
/// # Errors
/// When a check fails, or the drill cannot be carried out; see [`crate::exit`].
pub async fn run(args: &DrillArgs, which: &Which) -> anyhow::Result<()> {
    let drill = Drill::new(args, which).await?;
    let told = tokio::select! {
        told = drill.tell() => told,
        () = interruption() => Err(Interrupted.into()),
    };
    // Whatever happened: nothing stays struck.
    let mended = drill.struck().mend().await.context("what was struck is not mended: `tandem local down` ends it all");
    let swept = drill.files.sweep();
    if let Ok((report, _)) = &told {
        out!("{}", if args.json { report.json() } else { report.text() });
    }
    if let Ok(active) = drill.admin.active().await
        && let Some(left_behind) = left_behind(active.as_deref(), &drill.lost)
    {
        errln!("{left_behind}");
    }
    let (report, settled) = told?;
    mended?;
    swept?;
    if !settled {
        return Err(TimedOut(format!("not all files had ended within {} s: see `tandem status`", args.timeout)).into());
    }
    if report.passed() { Ok(()) } else { bail!("{} failed: see the checks above", args.experiment) }
}

/// What whoever goes on must know of a drill that did not lead back to where it began.
fn left_behind(active: Option<&str>, before: &str) -> Option<String> {
    let now = match active {
        Some(active) if active == before => return None,
        Some(active) => format!("{active} is the active Region now"),
        None => String::from("no Region is active now"),
    };
    Some(format!("{now}; before the drill it was {before}: go back with `tandem failover --to {before}`"))
}

/// What a drill works with.
struct Drill {
    args: DrillArgs,
    state: LocalState,
    deployment: Deployment,
    admin: Admin,
    operator: Operator,
    files: Files,
    /// The Region that is struck: the active one.
    lost: String,
    /// The other one.
    left: String,
}

impl Drill {
    async fn new(args: &DrillArgs, which: &Which) -> anyhow::Result<Self> {
        if which.target == Target::Aws {
            let remedy = "on AWS start the experiment of this name (docs/CHAOS.md) and give the runbook's commands";
            return Err(usage(format!("a drill strikes the local Regions only; {remedy}")));
        }
        let state = which.local().ok_or_else(|| which.not_running())?;
        let (admin, deployment) = (Admin::new(&state), which.find().await?);
        let lost = undisturbed(&admin, &state, &deployment).await?;
        let left = state.regions.iter().find(|region| **region != lost).context("there is only one Region")?.clone();
        let operator = Operator::new(which.root(), args.json)?;
        let folder: PathBuf = which.root().join(".tandem").join(format!("drill-{}", std::process::id()));
        let files = Files::new(&operator, folder, args.rows);
        Ok(Self { args: args.clone(), state, deployment, admin, operator, files, lost, left })
    }

    fn struck(&self) -> Struck<'_> {
        Struck { admin: &self.admin, state: &self.state, region: &self.lost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_that_does_not_lead_back_says_who_is_active_and_how_to_go_back() {
        assert_eq!(left_behind(Some("us-east-1"), "us-east-1"), None);
        for active in [Some("us-west-2"), None] {
            let said = left_behind(active, "us-east-1").unwrap_or_default();
            assert!(said.contains(active.unwrap_or("no Region")), "{said}");
            assert!(said.ends_with("`tandem failover --to us-east-1`"), "{said}");
        }
    }
}
