//! Deploys what a user deploys, with the tools that a user takes: `aws cloudformation package` and `deploy`, in both Regions.
//!
//! Order: storage in both Regions, state in the primary one, batch in both, storage again with the links to its neighbours,
//! and the canary in a third Region.
//! Where one doesn't need the other they run at the same time. What the emulator's CloudFormation ignores is then added
//! from the template's own properties ([`fill`]).

mod command;
mod fill;
mod outputs;
mod template;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;

use crate::arc;
use crate::edge::Edge;
use crate::options::{CANARY_REGION, Options, RoutingMode};
use crate::progress::{Progress, step};
use crate::state::Mrap;
use command::Aws;

/// What the functions are built for.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// Outputs of a stack, by name.
pub type Outputs = BTreeMap<String, String>;

/// What was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The Multi-Region Access Point.
    pub mrap: Mrap,
    /// Outputs by Region and stack: `us-east-1/tandem-local-batch`.
    pub outputs: BTreeMap<String, Outputs>,
}

/// Checks that every function is built; they are deployed as they lie in `target/lambda`.
///
/// # Errors
/// Names the functions that are not.
pub fn check_artefacts(options: &Options) -> anyhow::Result<()> {
    let paths = options.paths();
    let functions = options.root.join("functions");
    let listing = std::fs::read_dir(&functions).with_context(|| format!("no functions in {}", functions.display()))?;
    let mut missing: Vec<String> = listing
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|function| !paths.artefact(function).join("bootstrap").exists())
        .collect();
    missing.sort();
    anyhow::ensure!(
        missing.is_empty(),
        "not built: {} (in {}). Build the functions with scripts/build.sh",
        missing.join(", "),
        options.root.join("target/lambda").display()
    );
    Ok(())
}

/// Deploys everything through the edge, and tells the edge what it needs to know of it.
///
/// # Errors
/// A stack failed; the message has the tool's output and the resources that failed.
pub async fn deploy(options: &Options, edge: &Edge, progress: &dyn Progress) -> anyhow::Result<Deployed> {
    let deployment = Deployment { options, edge, progress, aws: Aws::new(options) };
    deployment.run().await
}

struct Deployment<'a> {
    options: &'a Options,
    edge: &'a Edge,
    progress: &'a dyn Progress,
    aws: Aws<'a>,
}

/// What says which Region acts.
struct Routing {
    /// Parameters of the batch stack.
    parameters: Vec<(&'static str, String)>,
    /// Outputs of the routing-dns stack, if there is one.
    stack: Option<Outputs>,
}

impl Deployment<'_> {
    async fn run(&self) -> anyhow::Result<Deployed> {
        let [primary, standby] = &self.options.regions;
        let before_batch = async {
            tokio::try_join!(self.storage(primary, &[]), self.storage(standby, &[]))?;
            tokio::try_join!(self.state(), self.routing())
        };
        let (package, package_standby) = (self.package(primary, "batch"), self.package(standby, "batch"));
        let package_canary = self.package(CANARY_REGION, "canary");
        let (packaged, packaged_standby, packaged_canary, (state, routing), ()) =
            tokio::try_join!(package, package_standby, package_canary, before_batch, self.identities())?;
        let mrap_arn = output(&state, "MrapArn")?;
        let (first, second) = tokio::try_join!(
            self.batch(primary, &packaged, mrap_arn, &routing.parameters),
            self.batch(standby, &packaged_standby, mrap_arn, &routing.parameters),
        )?;
        let links = |batch: &Outputs, peer: &str| -> anyhow::Result<[(&str, String); 2]> {
            let bucket = self.options.bucket(peer);
            let intake = output(batch, "IntakeFunctionArn")?.to_owned();
            Ok([("PeerBucketArn", format!("arn:aws:s3:::{bucket}")), ("IntakeFunctionArn", intake)])
        };
        let (links_of_first, links_of_second) = (links(&first, standby)?, links(&second, primary)?);
        let (storage_of_first, storage_of_second, canary) = tokio::try_join!(
            self.storage(primary, &links_of_first),
            self.storage(standby, &links_of_second),
            self.canary(&packaged_canary, mrap_arn),
        )?;
        let mrap = Mrap { arn: mrap_arn.to_owned(), alias: output(&state, "MrapAlias")?.to_owned() };
        let key = |region: &str, stack: &str| format!("{region}/{}", self.stack(stack));
        let mut outputs = BTreeMap::from([
            (key(primary, "storage"), storage_of_first),
            (key(standby, "storage"), storage_of_second),
            (key(primary, "state"), state),
            (key(primary, "batch"), first),
            (key(standby, "batch"), second),
            (key(CANARY_REGION, "canary"), canary),
        ]);
        outputs.extend(routing.stack.map(|stack| (key(primary, "routing-dns"), stack)));
        Ok(Deployed { mrap, outputs })
    }

    async fn storage(&self, region: &str, links: &[(&str, String)]) -> anyhow::Result<Outputs> {
        let mut parameters = vec![("Suffix", self.options.suffix.clone())];
        parameters.extend(links.iter().cloned());
        let name = if links.is_empty() { "storage" } else { "storage, linked" };
        self.stack_step(name, region, "storage", self.options.paths().template("storage"), &parameters).await
    }

    /// The state stack, and what its template says beyond what the emulator made of it.
    async fn state(&self) -> anyhow::Result<Outputs> {
        let [primary, standby] = &self.options.regions;
        let parameters = [
            ("Suffix", self.options.suffix.clone()),
            ("PrimaryRegion", primary.clone()),
            ("StandbyRegion", standby.clone()),
        ];
        let template = self.options.paths().template("state");
        let read = template::read(self.options, &template);
        let deployed = self.stack_step("state", primary, "state", template.clone(), &parameters);
        let (template, outputs) = tokio::try_join!(read, deployed)?;
        let tables = template.global_tables(&parameters, primary, &self.options.account)?;
        step(self.progress, "replicas of the tables", fill::replicate_tables(&self.edge.upstream, primary, &tables))
            .await?;
        self.edge.declare_strong(tables.into_iter().filter(|table| table.strong).map(|table| table.name));
        self.edge.front_access_point(output(&outputs, "MrapAlias")?).await?;
        Ok(outputs)
    }

    /// What says which Region acts. In mode `dns` that is a zone with its first record, made before anybody asks for it.
    async fn routing(&self) -> anyhow::Result<Routing> {
        let mode = ("RoutingMode", self.options.routing.as_str().to_owned());
        if self.options.routing == RoutingMode::Arc {
            let endpoints = ("ArcEndpoints", arc::parameter(&arc::endpoints(self.options)));
            let controls = ("ArcControls", arc::parameter(&arc::controls(self.options)));
            return Ok(Routing { parameters: vec![mode, endpoints, controls], stack: None });
        }
        let (primary, template) = (self.options.primary(), self.options.paths().template("routing-dns"));
        let parameters = [("ZoneName", self.options.zone()), ("PrimaryRegion", primary.to_owned())];
        let outputs = self.stack_step("routing-dns", primary, "routing-dns", template, &parameters).await?;
        let zone = output(&outputs, "HostedZoneId")?.to_owned();
        let record = output(&outputs, "ActiveRecord")?.to_owned();
        let ttl = self.options.txt_ttl_seconds;
        let created = fill::create_record(&self.edge.upstream, &zone, (&record, ttl), primary);
        step(self.progress, "the first record", created).await?;
        self.edge.front_zone(&zone).await?;
        let ttl = ("TxtTtlSeconds", ttl.to_string());
        Ok(Routing {
            parameters: vec![mode, ("HostedZoneId", zone), ("ActiveRecord", record), ttl],
            stack: Some(outputs),
        })
    }

    async fn batch(
        &self,
        region: &str,
        packaged: &std::path::Path,
        mrap_arn: &str,
        routing: &[(&'static str, String)],
    ) -> anyhow::Result<Outputs> {
        let [primary, standby] = &self.options.regions;
        let mut parameters = vec![
            ("Suffix", self.options.suffix.clone()),
            ("Architecture", ARCHITECTURE.to_owned()),
            ("PrimaryRegion", primary.clone()),
            ("StandbyRegion", standby.clone()),
            ("MrapArn", mrap_arn.to_owned()),
            ("Sender", self.options.sender.clone()),
            ("Recipient", self.options.recipient.clone()),
            ("MailLeaseSeconds", self.options.mail_lease_seconds.to_string()),
            ("TakeoverGraceSeconds", self.options.takeover_grace_seconds.to_string()),
            // A drill wants to see the attempts, not the pauses between them.
            ("AttemptPauseSeconds", String::from("0")),
        ];
        parameters.extend(routing.iter().cloned());
        self.stack_step("batch", region, "batch", packaged.to_owned(), &parameters).await
    }

    /// The canary checks only when it is asked to: a drill or a test is not to meet its files.
    async fn canary(&self, packaged: &std::path::Path, mrap_arn: &str) -> anyhow::Result<Outputs> {
        let [primary, standby] = &self.options.regions;
        let parameters = [
            ("Suffix", self.options.suffix.clone()),
            ("Architecture", ARCHITECTURE.to_owned()),
            ("PrimaryRegion", primary.clone()),
            ("StandbyRegion", standby.clone()),
            ("MrapArn", mrap_arn.to_owned()),
            ("ScheduleState", String::from("DISABLED")),
        ];
        self.stack_step("canary", CANARY_REGION, "canary", packaged.to_owned(), &parameters).await
    }

    /// Uploads the artefacts: CloudFormation takes them from a bucket of the stack's own Region only.
    async fn package(&self, region: &str, stack: &str) -> anyhow::Result<PathBuf> {
        let bucket = self.artefact_bucket(region);
        fill::create_bucket(&self.edge.upstream, region, &bucket).await?;
        let packaged = self.options.paths().run().join(format!("{stack}.{region}.yaml"));
        let template = self.options.paths().template(stack);
        let package = self.aws.package(region, &template, &bucket, &packaged);
        step(self.progress, &format!("package {region}"), package).await?;
        Ok(packaged)
    }

    /// The sender is a verified identity in both Regions: what the operator of the real ones sees to once.
    async fn identities(&self) -> anyhow::Result<()> {
        for region in &self.options.regions {
            fill::create_identity(&self.edge.upstream, region, &self.options.sender).await?;
        }
        Ok(())
    }

    async fn stack_step(
        &self,
        name: &str,
        region: &str,
        stack: &str,
        template: PathBuf,
        parameters: &[(&str, String)],
    ) -> anyhow::Result<Outputs> {
        let stack = self.stack(stack);
        let bucket = self.artefact_bucket(region);
        let work = async {
            self.aws.deploy(region, &stack, &template, &bucket, parameters).await?;
            outputs::read(&self.edge.upstream, region, &stack).await
        };
        step(self.progress, &format!("{name} {region}"), work).await
    }

    fn stack(&self, name: &str) -> String {
        format!("tandem-{}-{name}", self.options.suffix)
    }

    fn artefact_bucket(&self, region: &str) -> String {
        format!("{}-artefacts", self.options.bucket(region))
    }
}

fn output<'a>(outputs: &'a Outputs, name: &str) -> anyhow::Result<&'a str> {
    outputs.get(name).map(String::as_str).with_context(|| format!("the stack has no output {name}"))
}
