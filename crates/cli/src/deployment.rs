//! Which Tandem the command talks to: the local Regions, or a deployment on AWS. Found once; the same afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_cloudformation::error::DisplayErrorContext;
use clap::{Args, ValueEnum};
use tandem_aws::executions::Executions;
use tandem_aws::invoke::Functions;
use tandem_aws::log_lines::LogLines;
use tandem_aws::mrap::{self, Edge, MrapArn, MrapLinks, MrapUploader};
use tandem_aws::objects::S3Objects;
use tandem_aws::queue::Queue;
use tandem_aws::reference::ReferenceTable;
use tandem_aws::reference_load::ReferenceLoader;
use tandem_aws::rejects::RejectsTable;
use tandem_core::batch::{BatchId, BatchRecord};
use tandem_core::dataset::Datasets;
use tandem_core::ports::ServiceError;
use tandem_deploy::trouble::of_the_caller;
use tandem_local::LocalState;

use crate::exit::Unreachable;
use crate::records::Records;
use crate::stack;

/// Environment that is meant on AWS if none is named, as in the templates.
const DEFAULT_SUFFIX: &str = "dev";

/// How long a Region may take to accept a connection before it counts as away.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a Region may take to answer a read before it counts as away.
const READ: Duration = Duration::from_secs(5);

/// How long an invocation may take: what a runbook's step may take, and some time to be told.
const INVOCATION: Duration = Duration::from_secs(310);

/// How long the links are valid that the command makes.
const LINK_EXPIRY: Duration = Duration::from_secs(3600);

/// What to do if there are no credentials.
const CREDENTIALS: &str = "set AWS_PROFILE, or export them with `aws configure export-credentials --format env`";

/// Where the deployment is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The local Regions if they run for this project, otherwise AWS
    Auto,
    /// The local Regions, started with `tandem local up`
    Local,
    /// AWS, with the credentials of your shell or profile
    Aws,
}

/// Flags of every subcommand that say which deployment is meant.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Deployment")]
pub struct Which {
    /// Which deployment is meant
    #[arg(long, global = true, value_enum, default_value = "auto", env = "TANDEM_TARGET")]
    pub target: Target,
    /// Name of the environment: `dev` on AWS, `local` for the local Regions, unless said otherwise
    #[arg(long, global = true, env = "TANDEM_SUFFIX")]
    pub suffix: Option<String>,
    /// Region to talk to first, on AWS either of the two [default: that of your shell or profile]
    #[arg(long, global = true)]
    pub region: Option<String>,
    /// Folder of the project [default: the nearest one upwards that has `sam/` and `statemachines/`]
    #[arg(long, global = true, value_name = "DIR", env = "TANDEM_PROJECT_DIR")]
    pub project_dir: Option<PathBuf>,
}

impl Which {
    /// The project's root.
    pub fn root(&self) -> PathBuf {
        self.project_dir.clone().unwrap_or_else(|| {
            let here = std::env::current_dir().unwrap_or_default();
            here.ancestors().find(|folder| is_project(folder)).unwrap_or(&here).to_owned()
        })
    }

    /// Why there can be no local Regions, and what to do: this is no project. `None`: it is one.
    pub fn no_project(&self) -> Option<String> {
        let root = self.root();
        (!is_project(&root)).then(|| {
            format!(
                "{} is in no checkout of Tandem, and local Regions belong to one: go there, or name it with --project-dir or \
                 TANDEM_PROJECT_DIR",
                root.display()
            )
        })
    }

    /// The local Regions are asked for and do not run, as far as can be seen from here.
    pub fn not_running(&self) -> Unreachable {
        self.no_project().map_or_else(not_running, Unreachable)
    }

    /// The dataset definitions of the project.
    pub fn datasets(&self) -> anyhow::Result<Datasets> {
        let folder = self.root().join("assets").join("datasets");
        if !folder.is_dir() {
            let message = format!(
                "there are no dataset definitions in {}: name the project with --project-dir",
                folder.display()
            );
            return Err(crate::exit::usage(message));
        }
        Ok(tandem_aws::datasets::from_directory(&folder)?)
    }

    /// The state of the local Regions, if they run and are meant.
    pub fn local(&self) -> Option<LocalState> {
        let state = self.running()?;
        let named = self.suffix.as_ref().is_none_or(|suffix| *suffix == state.suffix);
        (self.target != Target::Aws && named).then_some(state)
    }

    fn running(&self) -> Option<LocalState> {
        LocalState::load(&self.root()).filter(|state| state.ready && state.is_alive())
    }

    /// What else may have been meant where AWS is asked, to be said before what is wrong there.
    fn or_local(&self) -> String {
        if self.target != Target::Auto || self.running().is_some() {
            return String::new();
        }
        match self.no_project() {
            Some(why) => format!("{why}; and "),
            None => String::from("the local Regions do not run (start them with `tandem local up`), and "),
        }
    }

    /// Finds the deployment.
    ///
    /// # Errors
    /// [`Unreachable`] with what to do.
    pub async fn find(&self) -> anyhow::Result<Deployment> {
        self.find_in(self.region.as_deref()).await
    }

    /// Finds the deployment without needing any other Region than this one.
    ///
    /// # Errors
    /// [`Unreachable`] with what to do.
    pub async fn find_in(&self, region: Option<&str>) -> anyhow::Result<Deployment> {
        match self.local() {
            Some(state) => Deployment::local(state).await,
            None if self.target == Target::Local => Err(self.not_running().into()),
            None => Deployment::on_aws(self, region).await,
        }
    }
}

/// Whether a folder is a project's root.
fn is_project(folder: &Path) -> bool {
    folder.join("sam").is_dir() && folder.join("statemachines").is_dir()
}

/// The local Regions of a project are asked for and do not run.
fn not_running() -> Unreachable {
    Unreachable(String::from("the local Regions do not run for this project: start them with `tandem local up`"))
}

/// A deployment, and how to reach it.
pub struct Deployment {
    config: SdkConfig,
    suffix: String,
    regions: [String; 2],
    edge: Option<Edge>,
    mrap: MrapArn,
    state_table: String,
    reference_table: String,
}

impl Deployment {
    async fn local(state: LocalState) -> anyhow::Result<Self> {
        let mrap = state.mrap.as_ref().ok_or_else(not_running)?;
        let table = |name: &str| state.tables.get(name).cloned().ok_or_else(not_running);
        let credentials = Credentials::new(&state.account, "local", None, None, "local Regions");
        let config = base()
            .region(Region::new(state.regions[0].clone()))
            .endpoint_url(&state.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .load()
            .await;
        Ok(Self {
            config,
            edge: Some(state.endpoint.parse()?),
            mrap: mrap.arn.parse()?,
            state_table: table("batches")?,
            reference_table: table("reference")?,
            suffix: state.suffix,
            regions: state.regions,
        })
    }

    /// Asks the stacks of one Region. The batch stack is in both, and knows all that is needed; the state stack is in the
    /// primary, and there first.
    async fn on_aws(which: &Which, region: Option<&str>) -> anyhow::Result<Self> {
        let mut loader = base();
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = loader.load().await;
        let or_local = which.or_local();
        check_credentials(&config, &or_local).await?;
        let suffix = which.suffix.as_deref().unwrap_or(DEFAULT_SUFFIX).to_owned();
        let (batch, state) = (format!("tandem-{suffix}-batch"), format!("tandem-{suffix}-state"));
        let found = match stack::find(&config, &batch).await? {
            Some(stack) => Some(stack),
            None => stack::find(&config, &state).await?,
        };
        let stack = found.ok_or_else(|| {
            let here = config.region().map_or("the default Region", |region| region.as_ref());
            let remedy = "name a Region of the deployment with --region and the environment with --suffix, or deploy";
            Unreachable(format!("{or_local}there is neither a stack {batch} nor {state} in {here}: {remedy}"))
        })?;
        Ok(Self {
            edge: config.endpoint_url().map(str::parse).transpose()?,
            mrap: stack.get("MrapArn")?.parse()?,
            regions: [stack.get("PrimaryRegion")?.to_owned(), stack.get("StandbyRegion")?.to_owned()],
            state_table: format!("tandem-{suffix}-batches"),
            reference_table: format!("tandem-{suffix}-reference"),
            suffix,
            config,
        })
    }

    /// Name of the environment.
    pub fn suffix(&self) -> &str {
        &self.suffix
    }

    /// The primary Region and the standby Region.
    pub fn regions(&self) -> &[String; 2] {
        &self.regions
    }

    /// The Region that is talked to first.
    pub fn region(&self) -> &str {
        self.config.region().map_or(self.regions[0].as_str(), |region| region.as_ref())
    }

    /// The state table, through whichever Region answers.
    pub fn records(&self) -> Records {
        self.records_asked(3)
    }

    /// The state table for whoever watches and asks again anyway: each Region is asked once, so that the other one has its turn
    /// before the watcher gives up on the first.
    pub fn watched_records(&self) -> Records {
        self.records_asked(1)
    }

    fn records_asked(&self, attempts: u32) -> Records {
        let mut regions: Vec<&String> = self.regions.iter().collect();
        regions.sort_by_key(|region| *region != self.region());
        let configs: Vec<SdkConfig> =
            regions.into_iter().map(|region| self.in_region(region, READ, attempts)).collect();
        Records::new(&configs, &self.state_table)
    }

    /// A batch's record, if the table can be asked.
    pub async fn record(&self, batch_id: &BatchId) -> Option<BatchRecord> {
        self.records().get(batch_id).await.ok().flatten()
    }

    /// The functions of a Region. A call is made once: whoever asks decides whether to ask again.
    pub fn functions(&self, region: &str) -> Functions {
        Functions::new(&self.in_region(region, INVOCATION, 1))
    }

    /// The full name of a function.
    pub fn function(&self, name: &str) -> String {
        format!("tandem-{}-{name}", self.suffix)
    }

    /// The queue of the events that intake gave up on, in a Region.
    ///
    /// # Errors
    /// [`ServiceError`] when SQS does not answer there.
    pub async fn intake_failed(&self, region: &str) -> Result<Queue, ServiceError> {
        Queue::named(&self.in_region(region, READ, 3), &self.function("intake-failed")).await
    }

    /// The bucket of a Region, as sam/storage.yaml names it.
    pub fn bucket(&self, region: &str) -> String {
        format!("tandem-{}-{}-{region}", self.suffix, self.mrap.account())
    }

    /// The table of the first rejected rows, in one Region.
    pub fn rejects(&self, region: &str) -> RejectsTable {
        RejectsTable::new(&self.in_region(region, READ, 2), format!("tandem-{}-rejects", self.suffix))
    }

    /// The objects of one Region, asked once: whoever watches asks again.
    pub fn objects(&self, region: &str) -> S3Objects {
        S3Objects::new(&self.in_region(region, READ, 1))
    }

    /// A configuration for one Region that gives up soon, so that the other can be asked.
    fn in_region(&self, region: &str, answer: Duration, attempts: u32) -> SdkConfig {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(answer).build();
        let retries = RetryConfig::standard().with_max_attempts(attempts);
        let builder = self.config.to_builder().region(Region::new(region.to_owned()));
        builder.timeout_config(timeouts).retry_config(retries).build()
    }

    /// The executions of a Region.
    pub fn executions(&self, region: &str) -> Executions {
        Executions::new(&self.in_region(region, READ, 3))
    }

    /// The log groups of a Region. Searching them takes longer than any other call.
    pub fn log_lines(&self, region: &str) -> LogLines {
        LogLines::new(&self.in_region(region, INVOCATION, 3))
    }

    /// Uploads through the Multi-Region Access Point.
    pub fn uploader(&self) -> MrapUploader<S3Objects> {
        MrapUploader::new(mrap::objects(&self.config, self.edge.clone()), self.mrap.clone())
    }

    /// Links through the Multi-Region Access Point, signed with the caller's credentials.
    pub fn links(&self) -> MrapLinks {
        MrapLinks::new(mrap::client(&self.config, None), self.mrap.clone(), LINK_EXPIRY)
    }

    /// Where links lead instead of to AWS.
    pub fn edge(&self) -> Option<&Edge> {
        self.edge.as_ref()
    }

    /// Reads reference records.
    pub fn reference(&self) -> ReferenceTable {
        ReferenceTable::new(&self.config, self.reference_table.clone())
    }

    /// Writes reference records in one Region, so that it has them before they are replicated.
    pub fn reference_loader_in(&self, region: &str) -> ReferenceLoader {
        ReferenceLoader::new(&self.in_region(region, READ, 3), self.reference_table.clone())
    }

    /// Writes reference records.
    pub fn reference_loader(&self) -> ReferenceLoader {
        ReferenceLoader::new(&self.config, self.reference_table.clone())
    }
}

/// What both targets share: patient, since a person waits rather than a function's time-out.
fn base() -> aws_config::ConfigLoader {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(60));
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(tandem_aws::config::http_client())
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .timeout_config(timeouts.build())
}

/// The credentials by which calls of the SDK are signed in a Region.
///
/// # Errors
/// [`Unreachable`] with what to do.
pub async fn credentials(region: &str) -> anyhow::Result<Credentials> {
    let config = base().region(Region::new(region.to_owned())).load().await;
    let none = || Unreachable(format!("no AWS credentials are configured: {CREDENTIALS}"));
    let provider = config.credentials_provider().ok_or_else(none)?;
    provider.provide_credentials().await.map_err(|error| Unreachable(unusable(error)).into())
}

/// Says early, and in one sentence, that nothing can be signed.
async fn check_credentials(config: &SdkConfig, or_local: &str) -> anyhow::Result<()> {
    if config.region().is_none() {
        let message = format!("{or_local}no AWS Region is set: give --region or set AWS_REGION");
        return Err(Unreachable(message).into());
    }
    let Some(provider) = config.credentials_provider() else {
        return Err(Unreachable(format!("{or_local}no AWS credentials are configured: {CREDENTIALS}")).into());
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(error) => Err(Unreachable(format!("{or_local}{}", unusable(error))).into()),
    }
}

/// That credentials can't be used, and why. The error by itself only says that there is one; its causes say which. Of what is
/// known, its sign is enough: the remedy comes with it.
fn unusable(error: CredentialsError) -> String {
    let what = "no AWS credentials can be used";
    match of_the_caller(&DisplayErrorContext(&error).to_string()) {
        Some(trouble) => format!("{what}: {}", trouble.sign),
        None => format!("{what} ({:#}): {CREDENTIALS}", anyhow::Error::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::told;

    /// As aws-config tells of a sign-in that is over: only the variant's name is a sign.
    #[derive(Debug, thiserror::Error)]
    enum SignIn {
        #[error("the SSO token has expired and cannot be refreshed")]
        ExpiredToken,
    }

    #[test]
    fn credentials_that_have_expired_are_told_as_such_by_what_is_behind_the_error() {
        let refused =
            anyhow::anyhow!("unhandled error (ExpiredToken): the role can't be assumed").context("service error");
        for error in [CredentialsError::provider_error(SignIn::ExpiredToken), CredentialsError::provider_error(refused)]
        {
            let text = told(&Unreachable(unusable(error)).into());
            let mut lines = text.lines();
            assert_eq!(lines.next(), Some("no AWS credentials can be used: ExpiredToken"));
            assert!(lines.next().is_some_and(|line| line.contains("renew")), "{text}");
            assert!(!text.contains("set AWS_PROFILE"), "{text}");
        }
    }

    #[test]
    fn credentials_that_cannot_be_loaded_are_told_with_every_cause_and_what_to_set() {
        let denied = anyhow::anyhow!("AccessDenied: not authorized to perform sts:AssumeRole").context("service error");
        let text = unusable(CredentialsError::provider_error(denied));
        assert!(text.contains("not authorized to perform sts:AssumeRole"), "{text}");
        assert!(text.ends_with(CREDENTIALS), "{text}");
    }
}
