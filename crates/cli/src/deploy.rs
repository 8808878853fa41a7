//! `tandem deploy` and `tandem destroy`: the stacks of a configuration, on AWS or in the local Regions.

mod again;
mod credentials;
mod delegation;
mod destroy;
mod hooks;
#[cfg(test)]
mod recorded;
mod rollout;
mod show;
mod smoke;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use serde_json::json;
use tandem_deploy::aws::{Aws, Stack};
use tandem_deploy::checks::{self, Finding};
use tandem_deploy::config::Invalid;
use tandem_deploy::engine::{Engine, Hooks, Preview};
use tandem_deploy::leftover::{self, Leftover};
use tandem_deploy::plan::{Action, Plan, Rollout, Step, Verification};
use tandem_local::{Progress, Stage, StageProgress};

use self::again::command_again;
use self::rollout::Past;
use self::target::{Prepared, Target};
use crate::deployment::Which;
use crate::exit::{Interrupted, interruption, usage};

pub use destroy::{DestroyArgs, HELP as DESTROY_HELP, destroy};

/// What `--help` adds about `deploy`.
pub const HELP: &str = "\
Looks at everything first (credentials, account, Regions, quotas, SES, the built functions) and creates nothing if anything is \
wrong. Then it brings the stacks in, the Region that stands by before the active one; what is unchanged is left alone, so after \
a failure or Ctrl-C the same command goes on. On the first deployment each Region is made active once and delivers a file; on \
any later one the active Region is left as it is. docs/DEPLOYMENT.md has the whole story.

Examples:
  tandem deploy --config my.toml --plan     what would change; nothing is done
  tandem deploy --config my.toml
  tandem deploy --local                     again into the running local Regions

Exit status:
  0  deployed, or nothing to do; with --plan: a deployment could begin
  1  a check found a problem, or a step failed: mend it, and give the same command again
  2  called wrongly, or the configuration is wrong: nothing was done
  3  interrupted: what is said to be under way goes on by itself; give the same command again
  4  the local Regions do not run";

/// Arguments of `deploy`.
#[derive(Debug, Clone, Args)]
pub struct DeployArgs {
    #[command(flatten)]
    pub common: Common,
    /// Show what would change, by change sets, and change nothing
    #[arg(long)]
    pub plan: bool,
    /// Let an update replace or remove buckets, tables and queues, with what is in them
    #[arg(long)]
    pub allow_replacement: bool,
    /// Send no file through in the end; a first deployment still makes the primary active
    #[arg(long)]
    pub no_smoke: bool,
    /// The Region to take for the active one if neither can say which is
    #[arg(long, value_name = "REGION")]
    pub active: Option<String>,
    /// Look at everything but the functions, then print the command that builds those; for scripts/deploy.sh
    #[arg(long, hide = true, conflicts_with = "plan")]
    pub before_build: bool,
}

/// What `deploy` and `destroy` share.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The configuration; sam/deployment.example.toml explains it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Mean the running local Regions; names, account and addresses are theirs, whatever the configuration says
    #[arg(long)]
    pub local: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// The `aws` command [default: that of .tandem/venv]
    #[arg(long, value_name = "PROGRAM")]
    pub aws_command: Option<PathBuf>,
}

/// Deploys.
///
/// # Errors
/// A check or a step failed; the message says which, and how to go on.
pub async fn run(args: &DeployArgs, which: &Which) -> anyhow::Result<()> {
    let target = Target::find(&args.common, which).await.map_err(wrong_configuration)?;
    let watch = Watch::default();
    let work = async {
        match &target {
            Target::Local(prepared, ..) if args.before_build => before_build(&[], prepared),
            Target::Local(prepared, aws, state) => {
                let hooks = hooks::Local::new(state, prepared, !args.plan)?;
                hooks.prepare().await?;
                let findings = checks::all(aws.as_ref(), &prepared.config, &prepared.folders.root, prepared.build());
                deploy(args, prepared, aws.as_ref(), &hooks, &watch, findings.await).await?;
                hooks.finish(aws.as_ref(), prepared).await
            }
            Target::Aws(prepared, aws) => {
                let Prepared { config, folders, .. } = prepared.as_ref();
                let mut findings = checks::of_the_account(aws, config).await;
                if !without_credentials(&findings) {
                    findings.push(credentials::of_the_sdk(aws, config).await);
                }
                if args.before_build {
                    return before_build(&findings, prepared);
                }
                findings.splice(..0, checks::of_the_build(config, &folders.root, prepared.build()));
                deploy(args, prepared, aws, &hooks::OnAws::new(prepared)?, &watch, findings).await
            }
        }
    };
    watch.unless_interrupted(work).await
}

/// Shows the stages, and knows which are under way.
#[derive(Default)]
struct Watch(Mutex<BTreeSet<String>>);

impl Progress for Watch {
    fn stage(&self, stage: Stage) {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &stage.progress {
            StageProgress::Started => under_way.insert(stage.name.clone()),
            _ => under_way.remove(&stage.name),
        };
        crate::local::show(stage);
    }
}

impl Watch {
    /// Does something, and says at Ctrl-C where it stands.
    async fn unless_interrupted(&self, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        tokio::select! {
            done = work => done,
            () = interruption() => {
                let under_way: Vec<String> =
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
                if !under_way.is_empty() {
                    errln!("Under way: {}. What CloudFormation has begun, it goes on with.", under_way.join(", "));
                }
                errln!("Go on with: {}", command_again());
                Err(Interrupted.into())
            }
        }
    }
}

/// A wrong configuration is a wrong call.
fn wrong_configuration(error: anyhow::Error) -> anyhow::Error {
    if error.is::<Invalid>() { usage(error) } else { error }
}

async fn deploy<A: Aws, H: Hooks>(
    args: &DeployArgs,
    prepared: &Prepared,
    aws: &A,
    hooks: &H,
    watch: &Watch,
    findings: Vec<Finding>,
) -> anyhow::Result<()> {
    show::findings(&findings);
    if !args.plan {
        without_a_problem(&findings)?;
    }
    if without_credentials(&findings) {
        anyhow::bail!("without credentials there is nothing to compare with");
    }
    let settings = &prepared.config.settings;
    let there = stacks(aws, prepared).await?;
    let past = rollout::past(aws, settings).await?;
    let rollout = rollout::rollout(prepared, &there, past, args.active(prepared)?).await?;
    let plan = without_trials(Plan::new(settings, &rollout), args.no_smoke);
    let left = leftover::of(aws, settings, &plan, &there).await;
    let engine = Engine::new(aws, hooks, settings, &prepared.folders, watch);
    if args.plan {
        let previews = engine.preview(&plan, &there).await?;
        return concluded(args, &findings, &previews, &left);
    }
    if rollout == Rollout::First {
        rollout::begin(aws, settings).await?;
    }
    let failed = engine.allow_replacement(args.allow_replacement).run(&plan, &there).await;
    failed.map_err(|failed| anyhow::anyhow!("{failed}\nMend that, then go on with: {}", command_again()))?;
    if past != Past::Deployed || rollout == Rollout::First {
        rollout::end(aws, settings).await?;
    }
    show::left(&left);
    let ([primary, standby], suffix) = (&settings.regions, &settings.suffix);
    if args.common.json {
        outln!("{}", json!({ "deployed": true, "suffix": suffix, "checks": findings, "left": left }));
    } else {
        outln!("Tandem {suffix:?} is deployed in {primary} and {standby}.");
    }
    Ok(())
}

impl DeployArgs {
    /// The Region that somebody says is active: one of the two.
    fn active(&self, prepared: &Prepared) -> anyhow::Result<Option<&str>> {
        let regions = &prepared.config.settings.regions;
        match &self.active {
            Some(region) if !regions.contains(region) => {
                Err(usage(format!("--active {region}: it is {} or {}", regions[0], regions[1])))
            }
            active => Ok(active.as_deref()),
        }
    }
}

/// Whether the `aws` command can ask nothing.
fn without_credentials(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| !finding.ok && finding.check == "credentials")
}

/// An error if a check found a problem.
fn without_a_problem(findings: &[Finding]) -> anyhow::Result<()> {
    let problems = findings.iter().filter(|finding| !finding.ok).count();
    anyhow::ensure!(
        problems == 0,
        "nothing was done: {problems} of {} checks found a problem, see above",
        findings.len()
    );
    Ok(())
}

/// Prints the command that builds the functions, if all else is well.
fn before_build(findings: &[Finding], prepared: &Prepared) -> anyhow::Result<()> {
    if findings.iter().any(|finding| !finding.ok) {
        show::findings(findings);
    }
    without_a_problem(findings)?;
    outln!("{}", prepared.build());
    Ok(())
}

/// Shows a plan.
fn concluded(args: &DeployArgs, findings: &[Finding], previews: &[Preview], left: &[Leftover]) -> anyhow::Result<()> {
    if args.common.json {
        outln!("{}", json!({ "checks": findings, "plan": previews, "left": left }));
    } else {
        out!("{}", show::plan(previews));
        errln!("{}", show::EXPLAINED);
    }
    show::left(left);
    let losses = previews.iter().flat_map(Preview::losses).count();
    if losses > 0 && !args.allow_replacement {
        errln!("{losses} of these changes would lose data: a deployment stops before them without --allow-replacement");
    }
    without_a_problem(findings).map_err(|problem| problem.context("a deployment would not begin"))
}

/// The stacks that are there, by Region.
async fn stacks(aws: &impl Aws, prepared: &Prepared) -> anyhow::Result<BTreeMap<String, Vec<Stack>>> {
    let regions = prepared.config.settings.all_regions();
    let asked = regions.iter().map(|region| aws.stacks(region));
    Ok(regions.iter().cloned().zip(futures::future::try_join_all(asked).await?).collect())
}

/// The plan without what is tried at its end. That a Region becomes active is no trial: a first deployment ends with it.
fn without_trials(mut plan: Plan, without: bool) -> Plan {
    let mut activate = None;
    // They are the last ones, and nothing else needs them.
    while without && plan.steps.last().is_some_and(|step| step.is_trial()) {
        let step = plan.steps.pop();
        let activates = |step: &Step| step.action == Action::Verify(Verification::Activate);
        activate = activate.or(step.filter(activates));
    }
    if let Some(last) = activate {
        let needs = (0..plan.steps.len()).collect();
        plan.steps.push(Step { needs, ..last });
    }
    plan
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn without_a_smoke_file_a_first_deployment_still_makes_the_primary_active() {
        let settings = recorded::prepared().config.settings;
        let plan = without_trials(Plan::new(&settings, &Rollout::First), true);
        let trials: Vec<&Step> = plan.steps.iter().filter(|step| step.is_trial()).collect();
        assert_eq!(trials.len(), 1, "{trials:?}");
        assert_eq!(
            (&trials[0].action, &trials[0].region),
            (&Action::Verify(Verification::Activate), &settings.regions[0])
        );
        assert_eq!(trials[0].needs, (0..plan.steps.len() - 1).collect::<Vec<_>>());
    }

    #[test]
    fn without_a_smoke_file_the_gate_between_the_regions_stays() {
        let options = tandem_local::Options::new("/nowhere");
        let settings = tandem_local::deploy::settings(&options);
        let active = settings.regions[0].clone();
        let plan = without_trials(Plan::new(&settings, &Rollout::Update { active }), true);
        assert_eq!(plan.steps.iter().filter(|step| step.is_trial()).count(), 1);
        assert_eq!(plan.steps.last().map(|step| step.is_trial()), Some(false));
    }
}
