//! What is deployed to: AWS as a configuration says, or the local Regions as they run.

use std::path::Path;

use serde_json::{Value, json};
use tandem_deploy::aws::AwsCommand;
use tandem_deploy::checks::artefacts;
use tandem_deploy::config::{self, Config};
use tandem_deploy::engine::Folders;
use tandem_local::LocalState;
use tandem_local::deploy::LocalAws;

use super::Common;
use crate::deployment::{Deployment, Target as Asked, Which};
use crate::exit::{told, usage};

/// Parameters that are about a configuration's own Regions and account, and mean nothing to others.
const OF_THE_REGIONS: [&str; 4] = ["CanaryRegion", "Consistency", "KmsKeyArn", "WitnessRegion"];

/// What was asked for, whole.
pub struct Prepared {
    /// The configuration.
    pub config: Config,
    /// Where files are.
    pub folders: Folders,
    /// How this command finds what is deployed.
    pub which: Which,
}

/// Where to.
pub enum Target {
    /// The local Regions.
    Local(Box<Prepared>, Box<LocalAws>, Box<LocalState>),
    /// AWS.
    Aws(Box<Prepared>, AwsCommand),
}

impl Target {
    /// Finds out.
    pub async fn find(common: &Common, which: &Which) -> anyhow::Result<Self> {
        let root = which.root().canonicalize().unwrap_or_else(|_| which.root());
        let given = common.config.as_ref().map(|file| config::load(file, &root)).transpose()?;
        if common.local || which.target == Asked::Local {
            return Self::local(given, common.config.as_deref(), which, &root);
        }
        let Some(config) = given else {
            return Err(usage(
                "name the configuration with --config FILE (sam/deployment.example.toml), or give --local",
            ));
        };
        let venv = root.join(".tandem").join("venv").join("bin").join("aws");
        if common.aws_command.is_none() && !venv.exists() {
            tandem_local::prepare(&root).await?;
        }
        let aws = AwsCommand::new(common.aws_command.clone().unwrap_or(venv));
        let (target, suffix) = (Asked::Aws, Some(config.settings.suffix.clone()));
        let folders = Folders { work: root.join("target").join("deploy").join(&config.settings.suffix), root };
        let which = Which { target, suffix, region: None, project_dir: Some(folders.root.clone()) };
        Ok(Self::Aws(Box::new(Prepared { config, folders, which }), aws))
    }

    fn local(given: Option<Config>, file: Option<&Path>, which: &Which, root: &Path) -> anyhow::Result<Self> {
        let state = LocalState::load(root)
            .filter(|state| state.ready && state.is_alive())
            .ok_or_else(|| which.not_running())?;
        let settings = tandem_local::deploy::settings(&state.options);
        let (sender, recipient) = (state.options.sender.clone(), state.options.recipient.clone());
        let architecture = settings.parameters["batch"]["Architecture"].clone();
        let mut config = Config { settings, witness: None, sender, recipient, architecture, max_concurrency: 0 };
        if let (Some(given), Some(file)) = (given, file) {
            errln!(
                "{} is well. Here its chunk sizes, times and other parameters are meant, and not its Regions, account, suffix, \
                 addresses, routing and key.",
                file.display()
            );
            config.max_concurrency = given.max_concurrency;
            config.witness = given.witness;
            for (template, values) in given.settings.parameters {
                let told = config.settings.parameters.entry(template).or_default();
                for (name, value) in values.into_iter().filter(|(name, _)| !OF_THE_REGIONS.contains(&name.as_str())) {
                    // What the local Regions are is stronger.
                    told.entry(name).or_insert(value);
                }
            }
        }
        let folders = tandem_local::deploy::folders(&state.options);
        let which = Which { target: Asked::Local, project_dir: Some(root.to_owned()), suffix: None, ..which.clone() };
        let aws = tandem_local::deploy::command(&state)?;
        Ok(Self::Local(Box::new(Prepared { config, folders, which }), Box::new(aws), Box::new(state)))
    }
}

impl Prepared {
    /// The command that builds the functions for where they go.
    pub fn build(&self) -> &'static str {
        match self.which.target {
            Asked::Local => artefacts::BUILD_HERE,
            Asked::Aws | Asked::Auto => artefacts::build_for_aws(&self.config.architecture),
        }
    }

    /// Which Region is active, by the one that answers first; or why neither says so.
    pub async fn active(&self) -> Result<String, String> {
        let regions = &self.config.settings.regions;
        let mut silence = vec![String::from("no Region says which one is active")];
        for region in regions {
            match self.ask(region).await {
                Ok(answer) => match answer["active"].as_bool() {
                    Some(true) => return Ok(region.clone()),
                    Some(false) => return Ok(regions.iter().find(|other| *other != region).unwrap_or(region).clone()),
                    None => silence.push(format!("{region}: {answer}")),
                },
                Err(error) => silence.push(format!("{region}: {}", told(&error))),
            }
        }
        Err(silence.join("\n  "))
    }

    /// What is deployed, as seen from a Region.
    pub async fn find(&self, region: &str) -> anyhow::Result<Deployment> {
        Which { region: Some(region.to_owned()), ..self.which.clone() }.find().await
    }

    /// Asks a Region's reconciler whether that Region is active. Changes nothing.
    pub async fn ask(&self, region: &str) -> anyhow::Result<Value> {
        let deployment = self.find(region).await?;
        let function = deployment.function("reconcile");
        Ok(deployment.functions(region).invoke(&function, &json!({ "action": "ask" })).await?)
    }
}
