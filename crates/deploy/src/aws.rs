//! The `aws` command: the only way to AWS that a deployment has, so that it does what a person could do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use crate::failure::CommandFailed;

/// Outputs of a stack, by name.
pub type Outputs = BTreeMap<String, String>;

/// How long to wait before a stack that is being changed is looked at again.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// What a deployment asks of AWS.
pub trait Aws {
    /// Runs `aws ARGUMENTS` in a Region, and gives what it printed: JSON, where it prints data.
    fn run(&self, region: &str, arguments: &[&str]) -> impl Future<Output = Result<String, CommandFailed>>;

    /// A stack, if it is there.
    fn stack(&self, region: &str, name: &str) -> impl Future<Output = Result<Option<Stack>, CommandFailed>> {
        async move {
            match self.run(region, &["cloudformation", "describe-stacks", "--stack-name", name]).await {
                Ok(json) => Ok(Stacks::parse(&json)?.into_iter().next()),
                Err(failed) if failed.said.contains("does not exist") => Ok(None),
                Err(failed) => Err(failed),
            }
        }
    }

    /// All stacks of a Region.
    fn stacks(&self, region: &str) -> impl Future<Output = Result<Vec<Stack>, CommandFailed>> {
        async move { Stacks::parse(&self.run(region, &["cloudformation", "describe-stacks"]).await?) }
    }

    /// Makes a bucket, unless it is there.
    fn ensure_bucket(&self, region: &str, bucket: &str) -> impl Future<Output = Result<(), CommandFailed>> {
        async move {
            let place = format!("LocationConstraint={region}");
            let mut arguments = vec!["s3api", "create-bucket", "--bucket", bucket];
            // S3 wants to be told the Region, except for its first one.
            if region != "us-east-1" {
                arguments.extend(["--create-bucket-configuration", &place]);
            }
            match self.run(region, &arguments).await {
                Err(failed) if failed.said.contains("BucketAlreadyOwnedByYou") => Ok(()),
                made => made.map(drop),
            }
        }
    }

    /// How long to wait before a stack that is being changed is looked at again.
    fn between_looks(&self) -> Duration {
        BETWEEN_LOOKS
    }
}

/// A stack, as CloudFormation describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Stack {
    /// Its name.
    #[serde(rename = "StackName")]
    pub name: String,
    /// Its status, for example `UPDATE_COMPLETE`.
    #[serde(rename = "StackStatus")]
    pub status: String,
    /// Its outputs.
    #[serde(default, deserialize_with = "outputs")]
    pub outputs: Outputs,
    /// What it was told last.
    #[serde(default, deserialize_with = "parameters")]
    pub parameters: BTreeMap<String, String>,
}

/// One output, as CloudFormation describes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    output_key: String,
    output_value: String,
}

fn outputs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Outputs, D::Error> {
    let listed = Vec::<Output>::deserialize(deserializer)?;
    Ok(listed.into_iter().map(|output| (output.output_key, output.output_value)).collect())
}

/// One parameter, as CloudFormation describes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    parameter_key: String,
    #[serde(default)]
    parameter_value: String,
}

fn parameters<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let listed = Vec::<Told>::deserialize(deserializer)?;
    Ok(listed.into_iter().map(|told| (told.parameter_key, told.parameter_value)).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stacks {
    stacks: Vec<Stack>,
}

impl Stacks {
    fn parse(json: &str) -> Result<Vec<Stack>, CommandFailed> {
        let parsed: Result<Self, _> = serde_json::from_str(json);
        Ok(parsed.map_err(|error| CommandFailed::unreadable("cloudformation describe-stacks", &error))?.stacks)
    }
}

/// The command as a process.
#[derive(Debug, Clone)]
pub struct AwsCommand {
    program: PathBuf,
    first: Vec<OsString>,
    removed: Vec<OsString>,
    set: Vec<(OsString, OsString)>,
}

impl AwsCommand {
    /// A program that is the command.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        // Where Python looks for packages is no business of the shell's.
        let removed = ["PYTHONPATH", "PYTHONHOME"].map(OsString::from).to_vec();
        Self { program: program.into(), first: Vec::new(), removed, set: Vec::new() }
    }

    /// With arguments before all others: the program is an interpreter.
    #[must_use]
    pub fn first(mut self, arguments: &[&str]) -> Self {
        self.first = arguments.iter().map(OsString::from).collect();
        self
    }

    /// Without these variables of this process's environment.
    #[must_use]
    pub fn without(mut self, names: impl IntoIterator<Item = OsString>) -> Self {
        self.removed.extend(names);
        self
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.set.push((name.into(), value.into()));
        self
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &std::path::Path {
        &self.program
    }
}

impl Aws for AwsCommand {
    async fn run(&self, region: &str, arguments: &[&str]) -> Result<String, CommandFailed> {
        let mut command = Command::new(&self.program);
        for name in &self.removed {
            command.env_remove(name);
        }
        command
            .args(&self.first)
            .args(arguments)
            .args(["--region", region, "--output", "json"])
            .envs(self.set.iter().map(|(name, value)| (name, value)))
            .env("AWS_PAGER", "")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            // Ctrl-C is this program's to answer: it says then where the deployment stands.
            .process_group(0);
        let shown = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        let output = command.output().await.map_err(|error| CommandFailed::not_started(&self.program, &error))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        let said = format!("{}\n{}", printed.trim(), String::from_utf8_lossy(&output.stderr).trim());
        Err(CommandFailed { command: shown, said: said.trim().to_owned() })
    }
}
