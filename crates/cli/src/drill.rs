//! `tandem drill`: what docs/CHAOS.md takes away on AWS is taken away on this machine, and judged by the same pass or fail.
//!
//! What an operator would do it does by an operator's commands, each a process of its own and shown; what FIS would do it does
//! at the edge. Every way out of it mends what it has struck.

mod emails;
mod experiment;
mod files;
mod operator;
mod report;
mod strike;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;
use tandem_local::LocalState;
use tandem_local::admin::{Admin, RegionState};

pub use self::experiment::Experiment;
use self::files::{Files, Put};
use self::operator::Operator;
use self::report::{Check, Report};
use self::strike::Struck;
use crate::deployment::{Deployment, Target, Which, not_running};
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
  3  interrupted, or the files had not all been delivered in time
  4  the local Regions do not run";

/// Files uploaded before the strike.
const BEFORE: usize = 3;
/// Files uploaded during it; after the failover where uploads are cut off until then.
const DURING: usize = 2;
/// How slow the Region is made before it is struck, so that its files are half way when it is.
const SUFFERING: RegionState = RegionState::Slow { milliseconds: 1_000 };
/// Time between two looks at the files.
const PAUSE: Duration = Duration::from_millis(500);
/// Time between two passes while files are waited for; the schedule makes one every few minutes.
const BETWEEN_PASSES: Duration = Duration::from_secs(4);

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
    let report = told?;
    mended?;
    swept?;
    out!("{}", if args.json { report.json() } else { report.text() });
    if report.passed() { Ok(()) } else { bail!("{} failed: see the checks above", args.experiment) }
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
        let state = which.local().ok_or_else(not_running)?;
        let (admin, deployment) = (Admin::new(&state), which.find().await?);
        let lost = undisturbed(&admin).await?;
        let left = state.regions.iter().find(|region| **region != lost).context("there is only one Region")?.clone();
        let operator = Operator::new(which.root(), args.json)?;
        let folder: PathBuf = which.root().join(".tandem").join(format!("drill-{}", std::process::id()));
        let files = Files::new(&operator, folder, args.rows);
        Ok(Self { args: args.clone(), state, deployment, admin, operator, files, lost, left })
    }

    fn struck(&self) -> Struck<'_> {
        Struck { admin: &self.admin, state: &self.state, region: &self.lost }
    }

    /// The whole story.
    async fn tell(&self) -> anyhow::Result<Report> {
        let (experiment, begun) = (self.args.experiment, Instant::now());
        self.operator.say(&format!("{experiment}: {}", experiment.does()));
        let undisturbed = self.files.prepare().await?;
        let mut puts = self.before().await?;
        self.operator.say(&format!("{} is struck", self.lost));
        self.struck().strike(experiment).await?;
        if experiment.takes_uploads() {
            puts.extend(self.files.put(DURING, "during").await?);
        }
        let (failover, evidence) = self.act().await?;
        if failover.is_some() {
            puts.extend(self.files.put(1, "after").await?);
        }
        self.operator.say(&format!("{} is mended", self.lost));
        self.struck().mend().await?;
        self.settle(&puts).await?;
        let mut checks = vec![Check::of_strike(experiment, &evidence)];
        checks.extend(failover.iter().map(|answer| Check::of_failover(answer, &self.left)));
        checks.extend(self.judge(&puts, &undisturbed).await?);
        if failover.is_some() {
            self.operator.say("back to where it was");
            self.operator.json(&["failover", "--to", &self.lost, "--json"]).await?;
        }
        Ok(Report::new(experiment, (&self.lost, &self.left), begun.elapsed(), failover, checks))
    }

    /// Files that the strike finds half way, where there is something to take over.
    async fn before(&self) -> anyhow::Result<Vec<Put>> {
        let slowly = self.args.experiment.fails_over();
        if slowly {
            self.operator.say(&format!("{} begins to suffer, so that the strike finds files half way", self.lost));
            self.admin.set_region(&self.lost, SUFFERING).await?;
        }
        let puts = self.files.put(BEFORE, "before").await?;
        if slowly {
            self.files.await_claims(&puts).await?;
        }
        Ok(puts)
    }

    /// What the runbook says, or nothing for a while; with what was seen of the strike before it was mended.
    async fn act(&self) -> anyhow::Result<(Option<Value>, String)> {
        if !self.args.experiment.fails_over() {
            self.operator.say(&format!("nobody does anything for {} s", self.args.hold));
            let evidence = self.struck().hold(self.args.experiment, Duration::from_secs(self.args.hold)).await?;
            return Ok((None, evidence));
        }
        let timeout = self.args.timeout.to_string();
        let failover = self.operator.json(&["failover", "--to", &self.left, "--json", "--timeout", &timeout]).await?;
        Ok((Some(failover), self.struck().evidence(self.args.experiment).await?))
    }

    /// Until every file has been delivered, as an operator sees to it: events given again, passes made.
    async fn settle(&self, puts: &[Put]) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(self.args.timeout);
        self.operator.say("afterwards");
        self.operator.quietly(&["replay"]).await?;
        let mut pass = Instant::now();
        while self.files.open(puts).await? > 0 {
            if Instant::now() >= deadline {
                let message = format!("not all files were delivered within {} s", self.args.timeout);
                return Err(TimedOut(format!("{message}: see `tandem status`")).into());
            }
            if pass.elapsed() >= BETWEEN_PASSES {
                self.operator.quietly(&["reconcile"]).await?;
                pass = Instant::now();
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// What is promised, of each file and of what is left.
    async fn judge(&self, puts: &[Put], undisturbed: &[u8]) -> anyhow::Result<Vec<Check>> {
        let mut checks = self.files.judge(puts, undisturbed).await?;
        checks.push(Check::of_emails(&emails::told(puts, &self.state, &self.deployment).await?));
        let replayed = self.operator.json(&["replay", "--json"]).await?;
        checks.push(Check::of_replay(&replayed));
        let reconciled = self.operator.json(&["reconcile", "--json"]).await?;
        checks.push(Check::of_reconcile(&reconciled));
        Ok(checks)
    }
}

/// The active Region, if all is as it should be; otherwise a drill would blame the strike for what was there before.
async fn undisturbed(admin: &Admin) -> anyhow::Result<String> {
    let status = admin.status().await?;
    let cut = status.regions.iter().find(|(_, region)| region.state != RegionState::Reachable);
    if let Some((name, _)) = cut {
        return Err(usage(format!("{name} is isolated or slow already: `tandem region heal {name}` first")));
    }
    if !status.faults.is_empty() {
        return Err(usage("there are faults in force at the edge already: take them away first (DELETE faults)"));
    }
    if status.replication.paused {
        return Err(usage("replication is paused already: `tandem replication resume` first"));
    }
    status.active.ok_or_else(|| usage("no Region is active: `tandem failover --to REGION` first"))
}
