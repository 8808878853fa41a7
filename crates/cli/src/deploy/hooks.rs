//! What is done beside the stacks: trials of what was deployed, and locally what the emulator leaves out.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, ensure};
use serde_json::Value;
use tandem_deploy::aws::{Aws, Outputs};
use tandem_deploy::engine::{Hooks, outputs_of};
use tandem_deploy::plan::{StackStep, Verification};
use tandem_local::LocalState;
use tandem_local::deploy::Fill;
use tokio::process::Command;

use super::stacks;
use super::target::Prepared;
use crate::deployment::Target;

/// Rows of the smoke file. Nobody is e-mailed about files of this dataset.
const SMOKE: &str = "Id,Run,Day,Note\nC-0001,smoke,2026-01-01,sent by a deployment\nC-0002,smoke,2026-01-02,\n";

/// How many rows that is.
const SMOKE_ROWS: u64 = 2;

/// On AWS.
pub struct OnAws<'a> {
    trials: Trials<'a>,
}

impl<'a> OnAws<'a> {
    pub fn new(prepared: &'a Prepared) -> anyhow::Result<Self> {
        Ok(Self { trials: Trials::new(prepared)? })
    }
}

impl Hooks for OnAws<'_> {
    async fn after(&self, _: &StackStep, _: &str, _: &Outputs) -> anyhow::Result<()> {
        Ok(())
    }

    async fn verify(&self, verification: Verification, region: &str) -> anyhow::Result<()> {
        self.trials.verify(verification, region).await
    }
}

/// In the local Regions.
pub struct Local<'a> {
    fill: Fill<'a>,
    state: &'a LocalState,
    trials: Trials<'a>,
    writes: bool,
}

impl<'a> Local<'a> {
    pub fn new(state: &'a LocalState, prepared: &'a Prepared, writes: bool) -> anyhow::Result<Self> {
        let fill = Fill::of_running(state, &crate::local::show)?;
        Ok(Self { fill, state, trials: Trials::new(prepared)?, writes })
    }

    /// What can be done before any stack is there.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        self.fill.prepare().await
    }

    /// Writes down what is deployed now.
    pub async fn finish(&self, aws: &impl Aws, prepared: &Prepared) -> anyhow::Result<()> {
        if self.writes {
            let there = stacks(aws, prepared).await?;
            tandem_local::deploy::write_down(self.state, outputs_of(&there))?;
        }
        Ok(())
    }
}

impl Hooks for Local<'_> {
    async fn after(&self, stack: &StackStep, region: &str, outputs: &Outputs) -> anyhow::Result<()> {
        self.fill.after(stack, region, outputs).await?;
        if stack.kind == "state" {
            // The trials are commands of their own, which look there.
            tandem_local::deploy::write_down_state(self.state, region, &stack.stack, outputs)?;
        }
        Ok(())
    }

    async fn after_record(&self, zone: &str) -> anyhow::Result<()> {
        self.fill.after_record(zone).await
    }

    async fn verify(&self, verification: Verification, region: &str) -> anyhow::Result<()> {
        self.trials.verify(verification, region).await
    }
}

/// Tries what was deployed, as an operator and a user would: with this very command.
struct Trials<'a> {
    prepared: &'a Prepared,
    program: PathBuf,
}

impl<'a> Trials<'a> {
    fn new(prepared: &'a Prepared) -> anyhow::Result<Self> {
        Ok(Self { prepared, program: std::env::current_exe().context("this program can't find itself")? })
    }

    async fn verify(&self, verification: Verification, region: &str) -> anyhow::Result<()> {
        match verification {
            Verification::Answers => {
                let answer = self.prepared.ask(region).await?;
                let told = answer["active"].is_boolean();
                ensure!(told, "the reconciler of {region} does not say which Region is active: {answer}");
                Ok(())
            }
            Verification::Activate => {
                self.tandem(region, &["failover", "--to", region, "--yes", "--no-wait", "--json"]).await.map(drop)
            }
            Verification::Delivers => self.deliver(region).await,
        }
    }

    /// Sends a file through the access point, and looks at where and how it ended.
    async fn deliver(&self, region: &str) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.prepared.folders.work)?;
        let file = self.prepared.folders.work.join("smoke.csv");
        std::fs::write(&file, SMOKE)?;
        let mark = std::time::UNIX_EPOCH.elapsed()?.as_millis();
        let key = format!("input/canary/smoke-{mark}.csv");
        let file = file.to_str().context("the smoke file's path is no text")?;
        let printed = self.tandem(region, &["put", file, "--as", &key, "--wait", "--timeout", "300", "--json"]).await?;
        let result: Value = serde_json::from_str(&printed).with_context(|| format!("put said {printed:?}"))?;
        let as_sent = result["status"] == "DELIVERED" && result["rows_in"] == SMOKE_ROWS;
        ensure!(as_sent, "the smoke file {key} was not delivered as it was sent: {result}");
        let by = result["region"].as_str().unwrap_or_default();
        ensure!(
            by == region,
            "the smoke file {key} was delivered by {by}, although {region} is to be the active Region"
        );
        Ok(())
    }

    async fn tandem(&self, region: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let which = &self.prepared.which;
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command.args(["--target", if which.target == Target::Local { "local" } else { "aws" }]);
        command.arg("--project-dir").arg(which.root()).env_remove("TANDEM_SUFFIX");
        if which.target == Target::Aws {
            command.args(["--region", region, "--suffix", &self.prepared.config.settings.suffix]);
        }
        let output = command.output().await?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tandem {}: {}{}", arguments.join(" "), printed, said.trim());
        Ok(printed)
    }
}
