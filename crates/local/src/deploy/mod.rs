//! Deploys what a user deploys, with the tools that a user takes: `aws cloudformation package` and `deploy`, in both Regions.
//!
//! Order: storage in both Regions, state in the primary one, batch in both, storage again with the links to its neighbours.
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
use crate::options::Options;
use crate::progress::{Progress, step};
use crate::state::Mrap;
use command::Aws;

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

impl Deployment<'_> {
    async fn run(&self) -> anyhow::Result<Deployed> {
        let [primary, standby] = &self.options.regions;
        let before_batch = async {
            tokio::try_join!(self.storage(primary, &[]), self.storage(standby, &[]))?;
            self.state().await
        };
        let (package, package_standby) = (self.package(primary), self.package(standby));
        let (packaged, packaged_standby, state, ()) =
            tokio::try_join!(package, package_standby, before_batch, self.identities())?;
        let mrap_arn = output(&state, "MrapArn")?;
        let (first, second) = tokio::try_join!(
            self.batch(primary, &packaged, mrap_arn),
            self.batch(standby, &packaged_standby, mrap_arn),
        )?;
        let links = |batch: &Outputs, peer: &str| -> anyhow::Result<[(&str, String); 2]> {
            let bucket = self.options.bucket(peer);
            let intake = output(batch, "IntakeFunctionArn")?.to_owned();
            Ok([("PeerBucketArn", format!("arn:aws:s3:::{bucket}")), ("IntakeFunctionArn", intake)])
        };
        let (links_of_first, links_of_second) = (links(&first, standby)?, links(&second, primary)?);
        let (storage_of_first, storage_of_second) =
            tokio::try_join!(self.storage(primary, &links_of_first), self.storage(standby, &links_of_second))?;
        let mrap = Mrap { arn: mrap_arn.to_owned(), alias: output(&state, "MrapAlias")?.to_owned() };
        let key = |region: &str, stack: &str| format!("{region}/{}", self.stack(stack));
        let outputs = BTreeMap::from([
            (key(primary, "storage"), storage_of_first),
            (key(standby, "storage"), storage_of_second),
            (key(primary, "state"), state),
            (key(primary, "batch"), first),
            (key(standby, "batch"), second),
        ]);
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

    async fn batch(&self, region: &str, packaged: &std::path::Path, mrap_arn: &str) -> anyhow::Result<Outputs> {
        let [primary, standby] = &self.options.regions;
        let parameters = [
            ("Suffix", self.options.suffix.clone()),
            ("Architecture", if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }.to_owned()),
            ("PrimaryRegion", primary.clone()),
            ("StandbyRegion", standby.clone()),
            ("MrapArn", mrap_arn.to_owned()),
            ("Sender", self.options.sender.clone()),
            ("Recipient", self.options.recipient.clone()),
            ("MailLeaseSeconds", self.options.mail_lease_seconds.to_string()),
            ("TakeoverGraceSeconds", self.options.takeover_grace_seconds.to_string()),
            // A drill wants to see the attempts, not the pauses between them.
            ("AttemptPauseSeconds", String::from("0")),
            ("ArcEndpoints", arc::parameter(&arc::endpoints(self.options))),
            ("ArcControls", arc::parameter(&arc::controls(self.options))),
        ];
        self.stack_step("batch", region, "batch", packaged.to_owned(), &parameters).await
    }

    /// Uploads the artefacts: CloudFormation takes them from a bucket of the stack's own Region only.
    async fn package(&self, region: &str) -> anyhow::Result<PathBuf> {
        let bucket = self.artefact_bucket(region);
        fill::create_bucket(&self.edge.upstream, region, &bucket).await?;
        let packaged = self.options.paths().run().join(format!("batch.{region}.yaml"));
        let template = self.options.paths().template("batch");
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
