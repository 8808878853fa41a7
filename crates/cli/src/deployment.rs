//! Which Tandem the command talks to: the local Regions, or a deployment on AWS. Found once; the same afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use clap::{Args, ValueEnum};
use tandem_aws::batch_list::BatchList;
use tandem_aws::batches::StateTable;
use tandem_aws::executions::Executions;
use tandem_aws::mrap::{self, Edge, MrapArn, MrapLinks, MrapUploader};
use tandem_aws::objects::S3Objects;
use tandem_aws::reference_load::ReferenceLoader;
use tandem_core::batch::{BatchId, BatchRecord};
use tandem_core::dataset::Datasets;
use tandem_core::ports::Batches;
use tandem_local::LocalState;

use crate::exit::Unreachable;
use crate::stack;

/// Environment that is meant on AWS if none is named, as in the templates.
const DEFAULT_SUFFIX: &str = "dev";

/// How long the links are valid that the command makes.
const LINK_EXPIRY: Duration = Duration::from_secs(3600);

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
    /// Primary Region, where the stack `tandem-<suffix>-state` is [default: that of your shell or profile]
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
            let is_project = |folder: &&Path| folder.join("sam").is_dir() && folder.join("statemachines").is_dir();
            here.ancestors().find(is_project).unwrap_or(&here).to_owned()
        })
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
        let state = LocalState::load(&self.root()).filter(|state| state.ready && state.is_alive())?;
        let named = self.suffix.as_ref().is_none_or(|suffix| *suffix == state.suffix);
        (self.target != Target::Aws && named).then_some(state)
    }

    /// Finds the deployment.
    ///
    /// # Errors
    /// [`Unreachable`] with what to do.
    pub async fn find(&self) -> anyhow::Result<Deployment> {
        match self.local() {
            Some(state) => Deployment::local(state).await,
            None if self.target == Target::Local => Err(not_running().into()),
            None => Deployment::on_aws(self).await,
        }
    }
}

/// The local Regions are asked for and do not run.
pub fn not_running() -> Unreachable {
    Unreachable(String::from("the local Regions do not run for this project: start them with `tandem local up`"))
}

/// A deployment, and how to reach it.
pub struct Deployment {
    config: SdkConfig,
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
        })
    }

    async fn on_aws(which: &Which) -> anyhow::Result<Self> {
        let mut loader = base();
        if let Some(region) = &which.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = loader.load().await;
        check_credentials(&config, which.target).await?;
        let suffix = which.suffix.as_deref().unwrap_or(DEFAULT_SUFFIX);
        let outputs = stack::outputs(&config, &format!("tandem-{suffix}-state")).await?;
        Ok(Self {
            edge: config.endpoint_url().map(str::parse).transpose()?,
            mrap: outputs.get("MrapArn")?.parse()?,
            state_table: outputs.get("StateTableName")?.to_owned(),
            reference_table: outputs.get("ReferenceTableName")?.to_owned(),
            config,
        })
    }

    /// The state table.
    pub fn batches(&self) -> StateTable {
        StateTable::new(&self.config, self.state_table.clone())
    }

    /// A batch's record, if the table can be asked.
    pub async fn record(&self, batch_id: &BatchId) -> Option<BatchRecord> {
        self.batches().get(batch_id).await.ok().flatten()
    }

    /// The state table, as a list.
    pub fn batch_list(&self) -> BatchList {
        BatchList::new(&self.config, self.state_table.clone())
    }

    /// The executions of a Region.
    pub fn executions(&self, region: &str) -> Executions {
        Executions::new(&self.config.to_builder().region(Region::new(region.to_owned())).build())
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

/// Says early, and in one sentence, that nothing can be signed.
async fn check_credentials(config: &SdkConfig, target: Target) -> anyhow::Result<()> {
    let local = match target {
        Target::Auto => "the local Regions do not run (start them with `tandem local up`), and ",
        Target::Local | Target::Aws => "",
    };
    if config.region().is_none() {
        let message = format!("{local}no AWS Region is set: give --region or set AWS_REGION");
        return Err(Unreachable(message).into());
    }
    let credentials = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.map(drop).map_err(|error| error.to_string()),
        None => Err(String::from("none are configured")),
    };
    credentials.map_err(|reason| {
        let remedy = "set AWS_PROFILE, or export them with `aws configure export-credentials --format env`";
        Unreachable(format!("{local}no AWS credentials can be used ({reason}): {remedy}")).into()
    })
}
