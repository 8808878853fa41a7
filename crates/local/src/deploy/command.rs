//! The `aws` command of the Python environment, with the edge as its endpoint and none of the user's own settings.

use std::path::Path;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::emulator;
use crate::options::Options;

/// A template longer than this goes to CloudFormation by way of a bucket.
const LARGEST_INLINE_TEMPLATE: u64 = 51_200;

/// What the templates may do: make roles, with names, and use the SAM transform.
const CAPABILITIES: [&str; 3] = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];

/// The `aws` command, only that it compresses little: `package` would otherwise spend most of a start's time on making
/// smaller what is never sent further than to this machine.
const AWS: &str = "import functools, sys, zipfile; from awscli.clidriver import main; \
    zipfile.ZipFile = functools.partial(zipfile.ZipFile, compresslevel=1); sys.exit(main())";

/// The reasons why a stack failed.
const FAILURES: &str = "StackEvents[?contains(ResourceStatus, 'FAILED')].[LogicalResourceId, ResourceStatusReason]";

/// The command.
pub struct Aws<'a> {
    options: &'a Options,
}

impl<'a> Aws<'a> {
    /// The command for these Regions.
    pub fn new(options: &'a Options) -> Self {
        Self { options }
    }

    /// `aws cloudformation package`.
    pub async fn package(&self, region: &str, template: &Path, bucket: &str, packaged: &Path) -> anyhow::Result<()> {
        let mut command = self.cloudformation(region, "package");
        command
            .arg("--template-file")
            .arg(template)
            .args(["--s3-bucket", bucket, "--output-template-file"])
            .arg(packaged);
        run(&mut command).await.with_context(|| format!("{} can't be packaged", template.display()))?;
        Ok(())
    }

    /// `aws cloudformation deploy`. A template leaves out the parameters that it doesn't have; a stack without changes is fine.
    pub async fn deploy(
        &self,
        region: &str,
        stack: &str,
        template: &Path,
        bucket: &str,
        parameters: &[(&str, String)],
    ) -> anyhow::Result<()> {
        let mut command = self.cloudformation(region, "deploy");
        command.args(["--stack-name", stack, "--no-fail-on-empty-changeset", "--template-file"]).arg(template);
        if std::fs::metadata(template)?.len() > LARGEST_INLINE_TEMPLATE {
            command.args(["--s3-bucket", bucket]);
        }
        command.arg("--capabilities").args(CAPABILITIES);
        command.arg("--parameter-overrides").args(parameters.iter().map(|(name, value)| format!("{name}={value}")));
        if let Err(error) = run(&mut command).await {
            let reasons = self.failures(region, stack).await.unwrap_or_default();
            return Err(error.context(format!("stack {stack} in {region} can't be deployed\n{reasons}")));
        }
        Ok(())
    }

    async fn failures(&self, region: &str, stack: &str) -> anyhow::Result<String> {
        let mut command = self.cloudformation(region, "describe-stack-events");
        command.args(["--stack-name", stack, "--output", "text", "--query", FAILURES]);
        run(&mut command).await
    }

    fn cloudformation(&self, region: &str, verb: &str) -> Command {
        let mut command = Command::new(self.options.paths().venv_program("python"));
        emulator::clean(&mut command, self.options);
        command
            .args(["-c", AWS, "cloudformation", verb, "--region", region])
            .env("AWS_ENDPOINT_URL", self.options.endpoint())
            .env("AWS_PAGER", "")
            .env("AWS_MAX_ATTEMPTS", "3")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .process_group(0);
        command
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
