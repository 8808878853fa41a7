//! Carries a plan out: each step as soon as those that it needs are done, several at once where nothing keeps them apart.
//!
//! What CloudFormation says is the state. A stack without changes is left alone, one that is being changed is waited for, one
//! whose creation failed is taken away and made again: so the remedy for a run that failed or was broken off is to run it again.

mod preview;
mod stack;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::aws::{Aws, Outputs, Stack};
use crate::failure::StepFailed;
use crate::plan::{Action, Plan, Settings, StackStep, Step, StepId, Value, Verification};
use crate::progress::{Progress, Stage, StageProgress};

pub use preview::{Preview, What};
use stack::is_new;

/// Outputs of all stacks, by Region and stack: `us-east-1/tandem-dev-batch`.
pub type AllOutputs = BTreeMap<String, Outputs>;

/// What a target wants done beside its stacks.
pub trait Hooks {
    /// After a stack was deployed, before what needs it.
    fn after(&self, stack: &StackStep, region: &str, outputs: &Outputs) -> impl Future<Output = anyhow::Result<()>>;

    /// After the TXT record of a zone was made, given the outputs of the zone's stack.
    fn after_record(&self, _zone: &Outputs) -> impl Future<Output = anyhow::Result<()>> {
        async { Ok(()) }
    }

    /// Tries what was deployed.
    fn verify(&self, verification: Verification, region: &str) -> impl Future<Output = anyhow::Result<()>>;
}

/// Where the project's files are.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The project: the folder of `sam/`.
    pub root: PathBuf,
    /// For packaged templates.
    pub work: PathBuf,
}

impl Folders {
    /// The file of a template.
    #[must_use]
    pub fn template(&self, kind: &str) -> PathBuf {
        self.root.join("sam").join(format!("{kind}.yaml"))
    }

    /// The file that a Region's packaged template is written to.
    #[must_use]
    pub fn packaged(&self, kind: &str, region: &str) -> PathBuf {
        self.work.join(format!("{kind}.{region}.yaml"))
    }
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Unchanged,
}

/// The runner.
pub struct Engine<'a, A, H> {
    aws: &'a A,
    hooks: &'a H,
    settings: &'a Settings,
    folders: &'a Folders,
    progress: &'a dyn Progress,
    allow_replacement: bool,
    /// The stacks that this run has made: nothing is in them yet that a further change could lose.
    made: RefCell<BTreeSet<String>>,
}

impl<'a, A: Aws, H: Hooks> Engine<'a, A, H> {
    /// A runner for these settings.
    pub fn new(
        aws: &'a A,
        hooks: &'a H,
        settings: &'a Settings,
        folders: &'a Folders,
        progress: &'a dyn Progress,
    ) -> Self {
        Self { aws, hooks, settings, folders, progress, allow_replacement: false, made: RefCell::default() }
    }

    /// Lets updates replace and remove buckets, tables and queues.
    #[must_use]
    pub fn allow_replacement(mut self, allow: bool) -> Self {
        self.allow_replacement = allow;
        self
    }

    /// Carries a plan out, given the stacks that are there, by Region. Gives the outputs of all its stacks.
    ///
    /// # Errors
    /// Of the first step that failed. Those that were under way then are waited for, so that nothing is left half done
    /// that could be done; no other is begun.
    pub async fn run(&self, plan: &Plan, there: &BTreeMap<String, Vec<Stack>>) -> Result<AllOutputs, StepFailed> {
        let mut run = Run { done: BTreeSet::new(), begun: BTreeSet::new(), outputs: outputs_of(there) };
        let mut under_way = FuturesUnordered::new();
        let mut failed = None;
        loop {
            if failed.is_none() {
                for step in run.ready(plan) {
                    let outputs = run.outputs.clone();
                    under_way.push(async move { (step, self.step(&plan.steps[step], there, &outputs).await) });
                }
            }
            match under_way.next().await {
                None => break,
                Some((step, Ok(outputs))) => {
                    run.done.insert(step);
                    run.outputs.extend(outputs);
                }
                Some((_, Err(error))) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(run.outputs), Err)
    }

    /// Carries one step out, and reports it.
    async fn step(
        &self,
        step: &Step,
        there: &BTreeMap<String, Vec<Stack>>,
        outputs: &AllOutputs,
    ) -> Result<AllOutputs, StepFailed> {
        let title = step.title();
        let report = |progress| self.progress.stage(Stage { name: title.clone(), progress });
        report(StageProgress::Started);
        let begun = std::time::Instant::now();
        let result = self.act(step, there, outputs).await;
        report(match &result {
            Ok((Outcome::Unchanged, _)) => StageProgress::Skipped,
            Ok((Outcome::Done, _)) => {
                StageProgress::Done { milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX) }
            }
            Err(_) => StageProgress::Failed,
        });
        result.map(|(_, outputs)| outputs)
    }

    async fn act(
        &self,
        step: &Step,
        there: &BTreeMap<String, Vec<Stack>>,
        outputs: &AllOutputs,
    ) -> Result<(Outcome, AllOutputs), StepFailed> {
        let failed = |why: anyhow::Error| StepFailed { step: step.title(), stack: None, resources: Vec::new(), why };
        let nothing = |()| (Outcome::Done, AllOutputs::new());
        match &step.action {
            Action::Package(template) => self.package(template, &step.region).await.map(nothing).map_err(failed),
            Action::Verify(verification) => {
                self.hooks.verify(*verification, &step.region).await.map(nothing).map_err(failed)
            }
            Action::Record { active } => self.record(&step.region, active, outputs).await.map(nothing).map_err(failed),
            Action::Endpoints => {
                self.endpoints(&step.region, outputs).await.map(|added| (Outcome::Done, added)).map_err(failed)
            }
            Action::Stack(stack) => {
                let key = key(&step.region, &stack.stack);
                let known = there.get(&step.region).into_iter().flatten().find(|known| known.name == stack.stack);
                let (outcome, own) = self.stack(step, stack, known, outputs).await?;
                self.hooks.after(stack, &step.region, &own).await.map_err(failed)?;
                Ok((outcome, AllOutputs::from([(key, own)])))
            }
        }
    }

    /// Uploads the artefacts: CloudFormation takes them from a bucket of the stack's own Region only.
    pub(crate) async fn package(&self, kind: &str, region: &str) -> anyhow::Result<()> {
        let bucket = self.settings.artefact_bucket(region);
        self.aws.ensure_bucket(region, &bucket).await?;
        std::fs::create_dir_all(&self.folders.work)?;
        let (template, packaged) = (self.folders.template(kind), self.folders.packaged(kind, region));
        let arguments = [
            "cloudformation",
            "package",
            "--template-file",
            text(&template)?,
            "--s3-bucket",
            &bucket,
            "--output-template-file",
            text(&packaged)?,
        ];
        self.aws.run(region, &arguments).await?;
        Ok(())
    }

    /// Creates the TXT record. Route 53 refuses that if there is one, whatever it says: so this never fails over.
    async fn record(&self, region: &str, active: &str, outputs: &AllOutputs) -> anyhow::Result<()> {
        let zone = outputs.get(&key(region, &self.settings.stack("routing-dns"))).cloned().unwrap_or_default();
        let output = |name: &str| zone.get(name).with_context(|| format!("the routing-dns stack has no output {name}"));
        let ttl: u32 = self.settings.record_ttl().parse()?;
        let record = serde_json::json!({ "Name": output("ActiveRecord")?, "Type": "TXT", "TTL": ttl,
            "ResourceRecords": [{ "Value": format!("\"{active}\"") }] });
        let batch = serde_json::json!({ "Changes": [{ "Action": "CREATE", "ResourceRecordSet": record }] }).to_string();
        let arguments = ["route53", "change-resource-record-sets", "--hosted-zone-id", output("HostedZoneId")?];
        let arguments = [&arguments[..], &["--change-batch", &batch]].concat();
        match self.aws.run(region, &arguments).await {
            Err(failed) if failed.said.contains("already exists") => {}
            made => drop(made?),
        }
        self.hooks.after_record(&zone).await
    }

    /// The ARC cluster's endpoints, as the batch stacks want them.
    async fn endpoints(&self, region: &str, outputs: &AllOutputs) -> anyhow::Result<AllOutputs> {
        let key = key(region, &self.settings.stack("routing"));
        let mut routing = outputs.get(&key).cloned().unwrap_or_default();
        let cluster = routing.get("ClusterArn").context("the routing stack has no output ClusterArn")?;
        let query = "join(',', Cluster.ClusterEndpoints[].join('=', [Region, Endpoint]))";
        let arguments =
            ["route53-recovery-control-config", "describe-cluster", "--cluster-arn", cluster, "--query", query];
        let endpoints: String = serde_json::from_str(&self.aws.run(region, &arguments).await?)
            .context("the cluster's endpoints can't be read")?;
        anyhow::ensure!(
            !endpoints.is_empty(),
            "the ARC cluster {cluster} has no endpoints yet: try again in some minutes"
        );
        routing.insert("ArcEndpoints".to_owned(), endpoints);
        Ok(AllOutputs::from([(key, routing)]))
    }
}

/// A path as an argument.
fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}

/// How a run stands.
struct Run {
    done: BTreeSet<StepId>,
    begun: BTreeSet<StepId>,
    outputs: AllOutputs,
}

impl Run {
    /// The steps that can begin now.
    fn ready(&mut self, plan: &Plan) -> Vec<StepId> {
        let can = |(id, step): (StepId, &Step)| {
            (!self.begun.contains(&id) && step.needs.iter().all(|need| self.done.contains(need))).then_some(id)
        };
        let ready: Vec<StepId> = plan.steps.iter().enumerate().filter_map(can).collect();
        self.begun.extend(&ready);
        ready
    }
}

/// The key of a stack's outputs.
#[must_use]
pub fn key(region: &str, stack: &str) -> String {
    format!("{region}/{stack}")
}

/// What the stacks that are there say.
#[must_use]
pub fn outputs_of(there: &BTreeMap<String, Vec<Stack>>) -> AllOutputs {
    let of_region = |(region, stacks): (&String, &Vec<Stack>)| {
        stacks.iter().map(|stack| (key(region, &stack.name), stack.outputs.clone())).collect::<Vec<_>>()
    };
    there.iter().flat_map(of_region).collect()
}

/// The parameters of a stack as `Name=value`, or the first one whose value isn't known.
///
/// # Errors
/// Names the stack and the output that is missing.
pub fn parameters(stack: &StackStep, outputs: &AllOutputs) -> Result<Vec<String>, String> {
    let of = |(name, value): (&String, &Value)| match value {
        Value::Text(text) => Ok(format!("{name}={text}")),
        Value::Output { region, stack, output } => {
            let known = outputs.get(&key(region, stack)).and_then(|known| known.get(*output));
            known.map(|value| format!("{name}={value}")).ok_or_else(|| format!("{output} of {stack} in {region}"))
        }
    };
    stack.parameters.iter().map(of).collect()
}

#[cfg(test)]
mod tests;
