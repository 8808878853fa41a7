//! Deploys to the local Regions what a user deploys, with the very runner that deploys to AWS.
//!
//! Only what the emulator's CloudFormation leaves out is added here, after the stack that says so, from the template's own
//! properties ([`fill`]).

mod command;
mod fill;
mod outputs;
mod template;

use std::collections::BTreeMap;

use anyhow::Context;
use tandem_deploy::aws::Outputs;
use tandem_deploy::checks::{artefacts, datasets};
use tandem_deploy::engine::{Engine, Folders, Hooks, key};
use tandem_deploy::plan::{Plan, Rollout, Routing, Settings, StackStep, Value, Verification};
use tokio::sync::OnceCell;

use crate::admin::{Admin, DeployedNames};
use crate::arc;
use crate::edge::Edge;
use crate::edge::upstream::Upstream;
use crate::options::{CANARY_REGION, Options, RoutingMode};
use crate::progress::{Progress, step};
use crate::state::{LocalState, Mrap};
pub use command::LocalAws;
use template::Template;

/// What was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The Multi-Region Access Point.
    pub mrap: Mrap,
    /// Outputs by Region and stack: `us-east-1/tandem-local-batch`.
    pub outputs: BTreeMap<String, Outputs>,
}

/// Checks that every function is built, and for this machine: they run here as they lie in `target/lambda`, where a build for AWS
/// leaves its own too. And that each dataset's definition is one, and built in.
///
/// # Errors
/// Names the functions or definitions that are not, and what builds them.
pub fn check_artefacts(options: &Options) -> anyhow::Result<()> {
    artefacts::built(&options.root, ARCHITECTURE, false, artefacts::BUILD_HERE).map_err(anyhow::Error::msg)?;
    let sound = datasets::sound(&options.root, artefacts::BUILD_HERE)
        .map_err(|problem| format!("dataset definitions: {problem}"));
    sound.map(drop).map_err(anyhow::Error::msg)
}

/// Deploys everything through the edge, and tells the edge what it needs to know of it.
///
/// # Errors
/// A stack failed; the message has the tool's output and the resources that failed.
pub async fn deploy(options: &Options, edge: &Edge, progress: &dyn Progress) -> anyhow::Result<Deployed> {
    let (settings, folders) = (settings(options), folders(options));
    let aws = LocalAws::new(options, edge.upstream.clone());
    let fill = Fill::new(options, edge.upstream.clone(), Told::Here(edge), progress);
    let engine = Engine::new(&aws, &fill, &settings, &folders, progress);
    let plan = Plan::new(&settings, &Rollout::AtOnce);
    let nothing = BTreeMap::new();
    let (outputs, prepared) = tokio::join!(engine.run(&plan, &nothing), fill.prepare());
    prepared?;
    let outputs = outputs?;
    let primary = options.primary();
    fill::put_mark(&edge.upstream, primary, &settings.artefact_bucket(primary)).await?;
    Ok(Deployed { mrap: mrap(&settings, &outputs)?, outputs })
}

/// What is deployed locally.
#[must_use]
pub fn settings(options: &Options) -> Settings {
    let mut batch = vec![
        ("Architecture", ARCHITECTURE.to_owned()),
        ("Sender", options.sender.clone()),
        ("Recipient", options.recipient.clone()),
        ("MailLeaseSeconds", options.mail_lease_seconds.to_string()),
        ("TakeoverGraceSeconds", options.takeover_grace_seconds.to_string()),
        // A drill wants to see the attempts, not the pauses between them.
        ("AttemptPauseSeconds", String::from("0")),
    ];
    if options.routing == RoutingMode::Arc {
        batch.push(("ArcEndpoints", arc::parameter(&arc::endpoints(options))));
        batch.push(("ArcControls", arc::parameter(&arc::controls(options))));
    }
    let zone = vec![("ZoneName", options.zone()), ("TxtTtlSeconds", options.txt_ttl_seconds.to_string())];
    // The canary checks only when it is asked to: a drill or a test is not to meet its files.
    // Nobody is told of alarms, of which the emulator knows only some.
    let canary = vec![
        ("Architecture", ARCHITECTURE.to_owned()),
        ("ScheduleState", String::from("DISABLED")),
        ("Operator", String::new()),
    ];
    let told = |(template, values): (&str, Vec<(&str, String)>)| {
        (template.to_owned(), values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    Settings {
        suffix: options.suffix.clone(),
        account: options.account.clone(),
        regions: options.regions.clone(),
        routing: match options.routing {
            RoutingMode::Arc => Routing::Given,
            RoutingMode::Dns => Routing::Dns,
        },
        // There is no Systems Manager here: `tandem failover` executes the document itself.
        runbook: false,
        observability: false,
        canary: Some(CANARY_REGION.to_owned()),
        parameters: [("batch", batch), ("routing-dns", zone), ("canary", canary)].map(told).into(),
    }
}

/// What the functions are built for.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// The command for Regions that another process runs.
///
/// # Errors
/// As of [`Upstream::new`].
pub fn command(state: &LocalState) -> anyhow::Result<LocalAws> {
    let options = &state.options;
    Ok(LocalAws::new(options, Upstream::new(options.emulator_port, &options.account)?))
}

/// Writes down what is deployed now to Regions that another process runs.
///
/// # Errors
/// The state stack isn't among it, or `local.json` can't be written.
pub fn write_down(state: &LocalState, outputs: BTreeMap<String, Outputs>) -> anyhow::Result<()> {
    let mrap = Some(mrap(&settings(&state.options), &outputs)?);
    LocalState { mrap, outputs, ..state.clone() }.save()
}

/// Writes down the access point, for commands that are run before all is deployed.
///
/// # Errors
/// As of [`write_down`].
pub fn write_down_state(state: &LocalState, region: &str, stack: &str, outputs: &Outputs) -> anyhow::Result<()> {
    let mut all = state.outputs.clone();
    all.insert(key(region, stack), outputs.clone());
    write_down(state, all)
}

/// Writes down that nothing is deployed any more, and takes away the replica that [`Fill`] made of the state stack's own
/// table: the emulator's CloudFormation knows nothing of it.
///
/// # Errors
/// The emulator refuses, or `local.json` can't be written.
pub async fn forget(state: &LocalState) -> anyhow::Result<()> {
    let options = &state.options;
    let upstream = Upstream::new(options.emulator_port, &options.account)?;
    fill::delete_replica(&upstream, &options.regions[1], &options.table("rejects")).await?;
    LocalState { mrap: None, outputs: BTreeMap::new(), ..state.clone() }.save()
}

/// Where the project's files are.
#[must_use]
pub fn folders(options: &Options) -> Folders {
    Folders { root: options.root.clone(), work: options.paths().run() }
}

fn mrap(settings: &Settings, outputs: &BTreeMap<String, Outputs>) -> anyhow::Result<Mrap> {
    let state = outputs.get(&key(&settings.regions[0], &settings.stack("state")));
    let output = |name: &str| state.and_then(|state| state.get(name)).cloned();
    let output = |name: &str| output(name).with_context(|| format!("the state stack has no output {name}"));
    Ok(Mrap { arn: output("MrapArn")?, alias: output("MrapAlias")? })
}

/// Who is told what the edge needs to know.
enum Told<'a> {
    /// The edge of this process.
    Here(&'a Edge),
    /// The edge of the process that runs the Regions.
    There(Admin),
}

/// Adds what the emulator's CloudFormation leaves out.
pub struct Fill<'a> {
    options: &'a Options,
    upstream: Upstream,
    told: Told<'a>,
    progress: &'a dyn Progress,
    /// Read while the first stacks are made: it takes the time of a Python program's start.
    template: OnceCell<Template>,
}

impl<'a> Fill<'a> {
    fn new(options: &'a Options, upstream: Upstream, told: Told<'a>, progress: &'a dyn Progress) -> Self {
        Self { options, upstream, told, progress, template: OnceCell::new() }
    }

    /// For Regions that another process runs.
    ///
    /// # Errors
    /// As of [`Upstream::new`].
    pub fn of_running(state: &'a LocalState, progress: &'a dyn Progress) -> anyhow::Result<Self> {
        let options = &state.options;
        let upstream = Upstream::new(options.emulator_port, &options.account)?;
        Ok(Self::new(options, upstream, Told::There(Admin::new(state)), progress))
    }

    /// What can be done before any stack is there. The sender is a verified identity in both Regions: what the operator of
    /// the real ones sees to once.
    ///
    /// # Errors
    /// The emulator refuses, or the template can't be read.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        for region in &self.options.regions {
            fill::create_identity(&self.upstream, region, &self.options.sender).await?;
        }
        self.template().await.map(drop)
    }

    async fn template(&self) -> anyhow::Result<&Template> {
        let file = self.options.paths().template("state");
        self.template.get_or_try_init(|| template::read(self.options, &file)).await
    }

    /// Adds to a stack that was just deployed.
    ///
    /// # Errors
    /// The emulator or the edge refuses.
    pub async fn after(&self, stack: &StackStep, region: &str, outputs: &Outputs) -> anyhow::Result<()> {
        if stack.kind != "state" {
            return Ok(());
        }
        let given = stack.parameters.iter().filter_map(|(name, value)| match value {
            Value::Text(text) => Some((name.clone(), text.clone())),
            Value::Output { .. } => None,
        });
        let tables = self.template().await?.global_tables(&given.collect(), region, &self.options.account)?;
        step(self.progress, "replicas of the tables", fill::replicate_tables(&self.upstream, region, &tables)).await?;
        let alias = outputs.get("MrapAlias").context("the state stack has no output MrapAlias")?;
        let strong = tables.into_iter().filter(|table| table.strong).map(|table| table.name).collect();
        self.tell(DeployedNames { alias: Some(alias.clone()), strong, zone: None }).await
    }

    /// Tells the edge of the zone whose record was made.
    ///
    /// # Errors
    /// The edge can't read it.
    pub async fn after_record(&self, zone: &Outputs) -> anyhow::Result<()> {
        self.tell(DeployedNames { zone: zone.get("HostedZoneId").cloned(), ..DeployedNames::default() }).await
    }

    async fn tell(&self, deployed: DeployedNames) -> anyhow::Result<()> {
        match &self.told {
            Told::Here(edge) => edge.take_in(deployed).await,
            Told::There(admin) => admin.tell_deployed(&deployed).await,
        }
    }
}

impl Hooks for Fill<'_> {
    async fn after(&self, stack: &StackStep, region: &str, outputs: &Outputs) -> anyhow::Result<()> {
        Fill::after(self, stack, region, outputs).await
    }

    async fn after_record(&self, zone: &Outputs) -> anyhow::Result<()> {
        Fill::after_record(self, zone).await
    }

    async fn verify(&self, _: Verification, _: &str) -> anyhow::Result<()> {
        anyhow::bail!("whoever starts the Regions tries nothing")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn functions_that_were_built_for_another_machine_are_refused_with_what_builds_them() {
        let root = std::env::temp_dir().join(format!("tandem-local-artefacts-{}", std::process::id()));
        let (source, laid_out) = (root.join("functions/intake"), root.join("target/lambda/intake"));
        std::fs::create_dir_all(&source).unwrap();
        std::fs::create_dir_all(&laid_out).unwrap();
        std::fs::create_dir_all(root.join("assets/datasets")).unwrap();
        std::fs::write(source.join("Cargo.toml"), "").unwrap();
        let lay_out = |machine: u8| {
            let mut head = b"\x7fELF".to_vec();
            head.resize(20, 0);
            head[18] = machine;
            std::fs::write(laid_out.join("bootstrap"), head).unwrap();
        };
        let (own, other) = if ARCHITECTURE == "arm64" { (0xB7, 0x3E) } else { (0x3E, 0xB7) };
        let options = Options::new(&root);
        lay_out(other);
        let problem = check_artefacts(&options).unwrap_err().to_string();
        assert_eq!(problem, format!("not built for {ARCHITECTURE}: intake. Build them: scripts/build.sh"));
        lay_out(own);
        check_artefacts(&options).unwrap();
        std::fs::write(root.join("assets/datasets/members.json"), "{}").unwrap();
        assert!(check_artefacts(&options).unwrap_err().to_string().starts_with("dataset definitions: "));
        std::fs::remove_dir_all(root).unwrap();
    }
}
