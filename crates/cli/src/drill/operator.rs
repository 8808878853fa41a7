//! An operator's commands, given as an operator gives them: each by a process of its own.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use anyhow::{Context, bail};
use console::Style;
use serde_json::Value;
use tokio::process::Command;

/// What a command told of its work, whether or not it succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The JSON object that it printed; null if it printed none.
    pub told: Value,
    /// How it failed, if it did.
    pub failed: Option<String>,
}

impl Answer {
    /// Whether it told that what was asked for was done.
    pub fn tells_success(&self) -> bool {
        self.told["status"] == "succeeded"
    }
}

/// Whoever gives the commands.
#[derive(Clone)]
pub struct Operator {
    program: PathBuf,
    root: PathBuf,
    /// Where nobody wants to read along, only the report is printed.
    silent: bool,
}

impl Operator {
    /// One whose every command is this program.
    #[cfg(test)]
    pub fn of(program: &str) -> Self {
        Self { program: program.into(), root: PathBuf::new(), silent: true }
    }

    /// For the project in this folder.
    pub fn new(root: PathBuf, silent: bool) -> anyhow::Result<Self> {
        Ok(Self { program: std::env::current_exe().context("the command cannot find itself")?, root, silent })
    }

    /// Says what happens next.
    pub fn say(&self, text: &str) {
        if !self.silent {
            outln!("\n{}", Style::new().bold().apply_to(text));
        }
    }

    /// Gives a command that prints one JSON object, and reads it.
    ///
    /// # Errors
    /// With what the command printed, when it fails.
    pub async fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        self.show(arguments);
        let printed = self.run(arguments).await?;
        serde_json::from_str(&printed).with_context(|| format!("tandem {} printed no JSON", arguments.join(" ")))
    }

    /// Gives a command whose failing is part of what is judged.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub async fn answer(&self, arguments: &[&str]) -> anyhow::Result<Answer> {
        self.show(arguments);
        let output = self.output(arguments).await?;
        let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok(Answer { told, failed: failure(arguments, &output) })
    }

    /// Gives a command that is given again anyway: that it failed is said, and ends nothing.
    pub async fn tried(&self, arguments: &[&str]) {
        self.show(arguments);
        if let Err(error) = self.run(arguments).await {
            self.remark(&format!("{error:#}"));
        }
    }

    /// Gives a command whose text nobody reads.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub async fn quietly(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.show(arguments);
        self.run(arguments).await.map(drop)
    }

    /// Gives a command that looks at something, without showing it; nothing if it has no answer (yet).
    pub async fn peek(&self, arguments: &[&str]) -> Option<Value> {
        let printed = self.run(arguments).await.ok()?;
        serde_json::from_str(&printed).ok()
    }

    fn show(&self, arguments: &[&str]) {
        if !self.silent {
            outln!("$ tandem {}", arguments.join(" "));
        }
    }

    fn remark(&self, text: &str) {
        if !self.silent {
            outln!("{text}");
        }
    }

    async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.output(arguments).await?;
        match failure(arguments, &output) {
            Some(failure) => bail!("{failure}"),
            None => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        }
    }

    async fn output(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(["--target", "local", "--project-dir"]).arg(&self.root).args(arguments);
        // An environment's name in the shell may be another one's: the Regions of the project are meant.
        command.env_remove("TANDEM_SUFFIX").stdin(Stdio::null()).kill_on_drop(true);
        command.output().await.context("the command cannot be run")
    }
}

/// How a command failed, with what it said; nothing if it succeeded.
fn failure(arguments: &[&str], output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let failed = || format!("`tandem {}` ended with {}: {}", arguments.join(" "), output.status, said.trim());
    (!output.status.success()).then(failed)
}
