//! The `aws` command of the Python environment, with the edge as its endpoint and none of the user's own settings.

use std::time::Duration;

use anyhow::{Context, bail};
use tandem_deploy::aws::{Aws, AwsCommand, Stack};
use tandem_deploy::failure::CommandFailed;
use tokio::process::Command;

use super::{fill, outputs};
use crate::edge::upstream::Upstream;
use crate::emulator::{foreign_settings, local_settings};
use crate::options::Options;

/// The `aws` command, only that it compresses little: `package` would otherwise spend most of a start's time on making
/// smaller what is never sent further than to this machine.
const AWS: &str = "import functools, sys, zipfile; from awscli.clidriver import main; \
    zipfile.ZipFile = functools.partial(zipfile.ZipFile, compresslevel=1); sys.exit(main())";

/// The command for the local Regions. What is only read is asked of the emulator itself: the command needs half a second to
/// start, and somebody waits.
pub struct LocalAws {
    command: AwsCommand,
    upstream: Upstream,
}

impl LocalAws {
    /// The command for these Regions.
    pub fn new(options: &Options, upstream: Upstream) -> Self {
        let python = options.paths().venv_program("python");
        // As an argument too: SQS goes elsewhere if it is only in the environment.
        let command = AwsCommand::new(python)
            .first(&["-c", AWS, "--endpoint-url", &options.endpoint()])
            .without(foreign_settings());
        let command =
            local_settings(options).into_iter().fold(command, |command, (name, value)| command.with(name, value));
        let command = command.with("AWS_ENDPOINT_URL", options.endpoint()).with("AWS_MAX_ATTEMPTS", "3");
        Self { command, upstream }
    }
}

impl Aws for LocalAws {
    async fn run(&self, region: &str, arguments: &[&str]) -> Result<String, CommandFailed> {
        self.command.run(region, arguments).await
    }

    async fn stack(&self, region: &str, name: &str) -> Result<Option<Stack>, CommandFailed> {
        match outputs::read(&self.upstream, region, Some(name)).await {
            Ok(stacks) => Ok(stacks.into_iter().next()),
            Err(failed) if failed.to_string().contains("does not exist") => Ok(None),
            Err(failed) => Err(CommandFailed::unreadable("cloudformation describe-stacks", &failed)),
        }
    }

    async fn stacks(&self, region: &str) -> Result<Vec<Stack>, CommandFailed> {
        let stacks = outputs::read(&self.upstream, region, None).await;
        stacks.map_err(|failed| CommandFailed::unreadable("cloudformation describe-stacks", &failed))
    }

    async fn ensure_bucket(&self, region: &str, bucket: &str) -> Result<(), CommandFailed> {
        let made = fill::create_bucket(&self.upstream, region, bucket).await;
        made.map_err(|failed| CommandFailed::unreadable("s3api create-bucket", &failed))
    }

    fn between_looks(&self) -> Duration {
        Duration::from_millis(100)
    }
}

/// Runs a command to its end and gives what it printed.
pub async fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().await.context("Python can't be run")?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{}{}", printed, String::from_utf8_lossy(&output.stderr));
    }
    Ok(printed)
}
