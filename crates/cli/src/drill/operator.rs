//! An operator's commands, given as an operator gives them: each by a process of its own.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, bail};
use console::Style;
use serde_json::Value;
use tokio::process::Command;

/// Whoever gives the commands.
#[derive(Clone)]
pub struct Operator {
    program: PathBuf,
    root: PathBuf,
    /// Where nobody wants to read along, only the report is printed.
    silent: bool,
}

impl Operator {
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

    async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        command.args(["--target", "local", "--project-dir"]).arg(&self.root).args(arguments);
        // An environment's name in the shell may be another one's: the Regions of the project are meant.
        command.env_remove("TANDEM_SUFFIX").stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.context("the command cannot be run")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`tandem {}` ended with {}: {}", arguments.join(" "), output.status, said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
