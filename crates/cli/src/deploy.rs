//! `tandem deploy` and `tandem destroy`: the stacks of a configuration, on AWS or in the local Regions.

mod destroy;
mod hooks;
#[cfg(test)]
mod recorded;
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
use tandem_deploy::plan::{Action, MARK, Plan, Rollout, Settings, Step, Verification};
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
    /// Send no file through in the end; a first deployment still makes the primary active
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
) -> anyhow::Result<()> {
    let findings = checks::all(aws, &prepared.config, &prepared.folders.root, prepared.build()).await;
    show::findings(&findings);
    let problems = findings.iter().filter(|finding| !finding.ok).count();
    if problems > 0 && !args.plan {
        anyhow::bail!("nothing was done: {problems} of {} checks found a problem, see above", findings.len());
    }
    if findings.iter().any(|finding| !finding.ok && finding.check == "credentials") {
        anyhow::bail!("without credentials there is nothing to compare with");
    }
    let there = stacks(aws, prepared).await?;
    let marked = marked(aws, &prepared.config.settings).await?;
    let rollout = rollout(prepared, &there, marked).await;
    let plan = without_trials(Plan::new(&prepared.config.settings, &rollout), args.no_smoke);
    let engine = Engine::new(aws, hooks, &prepared.config.settings, &prepared.folders, watch);
    if args.plan {
        let previews = engine.preview(&plan, &there).await?;
        return concluded(args, &findings, &previews, problems);
    }
    let failed = engine.allow_replacement(args.allow_replacement).run(&plan, &there).await;
    failed.map_err(|failed| anyhow::anyhow!("{failed}\nMend that, then go on with: {}", command_again()))?;
    if !marked {
        mark(aws, prepared).await?;
    }
    let [primary, standby] = &prepared.config.settings.regions;
    if args.common.json {
        outln!("{}", json!({ "deployed": true, "suffix": prepared.config.settings.suffix, "checks": findings }));
    } else {
        outln!("Tandem {:?} is deployed in {primary} and {standby}.", prepared.config.settings.suffix);
    }
    Ok(())
}

/// Shows a plan.
fn concluded(args: &DeployArgs, findings: &[Finding], previews: &[Preview], problems: usize) -> anyhow::Result<()> {
    if args.common.json {
        outln!("{}", json!({ "checks": findings, "plan": previews }));
    } else {
        out!("{}", show::plan(previews));
        errln!("{}", show::EXPLAINED);
    }
    let losses = previews.iter().flat_map(Preview::losses).count();
    if losses > 0 && !args.allow_replacement {
        errln!("{losses} of these changes would lose data: a deployment stops before them without --allow-replacement");
    }
    if problems > 0 {
        errln!("{problems} checks found a problem: a deployment would not begin");
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
async fn rollout(prepared: &Prepared, there: &BTreeMap<String, Vec<Stack>>, marked: bool) -> Rollout {
    let settings = &prepared.config.settings;
    // The mark can be lost, with its bucket for example; who is active then is not a deployment's to change.
    let active = if marked || complete(settings, there) { prepared.active().await } else { None };
    decided(marked, active, &settings.regions[0])
}

/// Whether a deployment has come to its end. Only a plain no is one: a Region that can't be asked may be in use.
async fn marked(aws: &impl Aws, settings: &Settings) -> anyhow::Result<bool> {
    let primary = &settings.regions[0];
    let bucket = settings.artefact_bucket(primary);
    match aws.run(primary, &["s3api", "head-object", "--bucket", &bucket, "--key", MARK]).await {
        Ok(_) => Ok(true),
        Err(failed) if ["(404)", "NoSuchKey", "NoSuchBucket"].iter().any(|absent| failed.said.contains(absent)) => {
            Ok(false)
        }
        Err(failed) => {
            let what =
                format!("nothing was done: it can't be told whether {bucket} has the mark of an earlier deployment");
            Err(anyhow::Error::new(failed).context(what))
        }
    }
}

/// Whether both Regions can be in use: their batch stacks were made.
fn complete(settings: &Settings, there: &BTreeMap<String, Vec<Stack>>) -> bool {
    let is_made = |status: &str| status == "CREATE_COMPLETE" || status.starts_with("UPDATE_");
    let made = |stack: &Stack| stack.name == settings.stack("batch") && is_made(&stack.status);
    settings.regions.iter().all(|region| there.get(region).is_some_and(|stacks| stacks.iter().any(made)))
}

/// What to do, given whether there is a mark and which Region is active, as far as anybody says.
fn decided(marked: bool, active: Option<String>, primary: &str) -> Rollout {
    match (marked, active) {
        (true, Some(active)) => Rollout::Update { active },
        (true, None) => {
            errln!("no Region says which one is active: {primary} is dealt with last, as if it were");
            Rollout::Update { active: primary.to_owned() }
        }
        (false, Some(active)) => {
            errln!(
                "both Regions are there and {active} is active: it is left so, although no deployment has come to its end \
                 (tandem failover changes it)"
            );
            Rollout::Update { active }
        }
        (false, None) => Rollout::First,
    }
}

async fn mark(aws: &impl Aws, prepared: &Prepared) -> anyhow::Result<()> {
    let settings = &prepared.config.settings;
    let primary = &settings.regions[0];
    let bucket = settings.artefact_bucket(primary);
    aws.run(primary, &["s3api", "put-object", "--bucket", &bucket, "--key", MARK]).await?;
    Ok(())
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

/// The command as it was given.
fn command_again() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn only_a_plain_no_makes_it_the_first_deployment() {
        let prepared = recorded::prepared();
        for (answer, expected) in [
            (Ok("{}"), Some(true)),
            (Err("An error occurred (404) when calling the HeadObject operation: Not Found"), Some(false)),
            (Err("An error occurred (NoSuchBucket)"), Some(false)),
            (Err("An error occurred (403) when calling the HeadObject operation: Forbidden"), None),
            (Err("Could not connect to the endpoint URL"), None),
        ] {
            let aws = recorded::Recorded::new(&[("s3api head-object", answer)]);
            assert_eq!(marked(&aws, &prepared.config.settings).await.ok(), expected, "{answer:?}");
            if expected == Some(false) {
                let rollout = rollout(&prepared, &BTreeMap::new(), false).await;
                assert_eq!(rollout, Rollout::First);
            }
        }
    }

    #[test]
    fn without_a_mark_but_with_an_active_region_it_is_an_update_of_it() {
        let settings = recorded::prepared().config.settings;
        let update = |region: &str| Rollout::Update { active: region.to_owned() };
        assert_eq!(decided(false, Some("us-west-2".to_owned()), "us-east-1"), update("us-west-2"));
        assert_eq!(decided(false, None, "us-east-1"), Rollout::First);
        assert_eq!(decided(true, None, "us-east-1"), update("us-east-1"));
        let with = |status: &str| {
            let stack = Stack { name: settings.stack("batch"), status: status.to_owned(), ..Stack::default() };
            settings.regions.iter().map(|region| (region.clone(), vec![stack.clone()])).collect::<BTreeMap<_, _>>()
        };
        assert!(complete(&settings, &with("CREATE_COMPLETE")) && complete(&settings, &with("UPDATE_COMPLETE")));
        assert!(!complete(&settings, &with("ROLLBACK_COMPLETE")) && !complete(&settings, &BTreeMap::new()));
        let mut one = with("CREATE_COMPLETE");
        one.remove(&settings.regions[1]);
        assert!(!complete(&settings, &one));
    }

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
