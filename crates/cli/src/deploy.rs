//! `tandem deploy` and `tandem destroy`: the stacks of a configuration, on AWS or in the local Regions.

mod destroy;
mod hooks;
mod show;
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
use tandem_deploy::plan::{MARK, Plan, Rollout};
use tandem_local::{Progress, Stage, StageProgress};

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
  0  deployed, or nothing to do
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
    /// Send no file through in the end
    #[arg(long)]
    pub no_smoke: bool,
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
            Target::Local(prepared, aws, state) => {
                let hooks = hooks::Local::new(state, prepared, !args.plan)?;
                hooks.prepare().await?;
                deploy(args, prepared, aws.as_ref(), &hooks, &watch).await?;
                hooks.finish(aws.as_ref(), prepared).await
            }
            Target::Aws(prepared, aws) => deploy(args, prepared, aws, &hooks::OnAws::new(prepared)?, &watch).await,
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
                    eprintln!("Under way: {}. What CloudFormation has begun, it goes on with.", under_way.join(", "));
                }
                eprintln!("Go on with: {}", command_again());
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
) -> anyhow::Result<()> {
    let findings = checks::all(aws, &prepared.config, &prepared.folders.root).await;
    show::findings(&findings);
    let problems = findings.iter().filter(|finding| !finding.ok).count();
    if problems > 0 && !args.plan {
        anyhow::bail!("nothing was done: {problems} of {} checks found a problem, see above", findings.len());
    }
    if findings.iter().any(|finding| !finding.ok && finding.check == "credentials") {
        anyhow::bail!("without credentials there is nothing to compare with");
    }
    let there = stacks(aws, prepared).await?;
    let rollout = rollout(aws, prepared).await?;
    let plan = without_trials(Plan::new(&prepared.config.settings, &rollout), args.no_smoke);
    let engine = Engine::new(aws, hooks, &prepared.config.settings, &prepared.folders, watch);
    if args.plan {
        let previews = engine.preview(&plan, &there).await?;
        return concluded(args, &findings, &previews, problems);
    }
    let failed = engine.allow_replacement(args.allow_replacement).run(&plan, &there).await;
    failed.map_err(|failed| anyhow::anyhow!("{failed}\nMend that, then go on with: {}", command_again()))?;
    mark(aws, prepared, &rollout).await?;
    let [primary, standby] = &prepared.config.settings.regions;
    if args.common.json {
        println!("{}", json!({ "deployed": true, "suffix": prepared.config.settings.suffix, "checks": findings }));
    } else {
        println!("Tandem {:?} is deployed in {primary} and {standby}.", prepared.config.settings.suffix);
    }
    Ok(())
}

/// Shows a plan.
fn concluded(args: &DeployArgs, findings: &[Finding], previews: &[Preview], problems: usize) -> anyhow::Result<()> {
    if args.common.json {
        println!("{}", json!({ "checks": findings, "plan": previews }));
    } else {
        print!("{}", show::plan(previews));
    }
    let losses = previews.iter().flat_map(Preview::losses).count();
    if losses > 0 && !args.allow_replacement {
        eprintln!(
            "{losses} of these changes would lose data: a deployment stops before them without --allow-replacement"
        );
    }
    if problems > 0 {
        eprintln!("{problems} checks found a problem: a deployment would not begin");
    }
    Ok(())
}

/// The stacks that are there, by Region.
async fn stacks(aws: &impl Aws, prepared: &Prepared) -> anyhow::Result<BTreeMap<String, Vec<Stack>>> {
    let regions = prepared.config.settings.all_regions();
    let asked = regions.iter().map(|region| aws.stacks(region));
    Ok(regions.iter().cloned().zip(futures::future::try_join_all(asked).await?).collect())
}

/// Whether this is the first deployment or one of what is in use: a deployment that came to its end has left a mark.
async fn rollout(aws: &impl Aws, prepared: &Prepared) -> anyhow::Result<Rollout> {
    let settings = &prepared.config.settings;
    let primary = &settings.regions[0];
    let bucket = settings.artefact_bucket(primary);
    let known = aws.run(primary, &["s3api", "head-object", "--bucket", &bucket, "--key", MARK]).await;
    if known.is_err() {
        return Ok(Rollout::First);
    }
    let active = prepared.active().await.unwrap_or_else(|| {
        eprintln!("no Region says which one is active: {primary} is dealt with last, as if it were");
        primary.clone()
    });
    Ok(Rollout::Update { active })
}

async fn mark(aws: &impl Aws, prepared: &Prepared, rollout: &Rollout) -> anyhow::Result<()> {
    let settings = &prepared.config.settings;
    let primary = &settings.regions[0];
    if *rollout == Rollout::First {
        let bucket = settings.artefact_bucket(primary);
        aws.run(primary, &["s3api", "put-object", "--bucket", &bucket, "--key", MARK]).await?;
    }
    Ok(())
}

/// The plan without what is tried at its end.
fn without_trials(mut plan: Plan, without: bool) -> Plan {
    if without {
        // They are the last ones, and nothing else needs them.
        while matches!(plan.steps.last(), Some(step) if step.is_trial()) {
            plan.steps.pop();
        }
    }
    plan
}

/// The command as it was given.
fn command_again() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

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
