//! What is done beside the stacks: trials of what was deployed, and locally what the emulator leaves out.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, ensure};
use serde_json::Value;
use tandem_core::canary::{ROWS, Run};
use tandem_deploy::aws::{Aws, Outputs};
use tandem_deploy::engine::{Hooks, outputs_of};
use tandem_deploy::plan::{StackStep, Verification};
use tandem_local::LocalState;
use tandem_local::deploy::Fill;
use tokio::process::Command;

use super::stacks;
use super::target::Prepared;
use crate::canary;
use crate::deployment::Target;

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

    /// Sends the canary's file through the access point, and looks at where and how it ended. Nobody is e-mailed about files of its
    /// dataset. What its rows are enriched with is loaded first: a table that nobody has filled yet would reject them all.
    async fn deliver(&self, region: &str) -> anyhow::Result<()> {
        let loader = self.prepared.find(region).await?.reference_loader_in(region);
        canary::load_reference(&loader).await.context("the reference records of the smoke file can't be loaded")?;
        let mark = u64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_nanos()).unwrap_or_default();
        let run = Run::new(time::OffsetDateTime::now_utc(), mark);
        std::fs::create_dir_all(&self.prepared.folders.work)?;
        let file = self.prepared.folders.work.join("smoke.csv");
        std::fs::write(&file, run.input())?;
        let key = run.key();
        let file = file.to_str().context("the smoke file's path is no text")?;
        let printed = self.tandem(region, &["put", file, "--as", &key, "--wait", "--timeout", "300", "--json"]).await?;
        let result: Value = serde_json::from_str(&printed).with_context(|| format!("put said {printed:?}"))?;
        judged(&result, region).with_context(|| format!("the smoke file {key}"))
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

/// Whether the smoke file came to what its rows must come to, in the Region that is to be the active one.
fn judged(result: &Value, region: &str) -> anyhow::Result<()> {
    let (delivered, rejected) = ROWS;
    let rows = [("rows_in", delivered + rejected), ("rows_out", delivered), ("rows_rejected", rejected)];
    ensure!(result["status"] == "DELIVERED", "was not delivered: {result}");
    for (name, wanted) in rows {
        let found = &result[name];
        ensure!(*found == wanted, "came to {name} {found}, where its rows must come to {wanted}: {result}");
    }
    let by = result["region"].as_str().unwrap_or_default();
    ensure!(by == region, "was delivered by {by}, although {region} is to be the active Region");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_smoke_file_is_well_only_if_each_of_its_rows_came_to_what_it_must_in_the_active_region() {
        let well =
            json!({ "status": "DELIVERED", "region": "us-east-1", "rows_in": 12, "rows_out": 7, "rows_rejected": 5 });
        judged(&well, "us-east-1").unwrap();
        for (field, value, says) in [
            ("status", json!("FAILED"), "was not delivered"),
            ("rows_in", json!(11), "rows_in 11"),
            // As where enrichment finds nothing: every row is unmatched.
            ("rows_out", json!(0), "rows_out 0, where its rows must come to 7"),
            ("rows_rejected", json!(12), "rows_rejected 12"),
            ("rows_rejected", json!(null), "rows_rejected null"),
            ("region", json!("us-west-2"), "delivered by us-west-2"),
        ] {
            let mut result = well.clone();
            result[field] = value;
            let problem = judged(&result, "us-east-1").unwrap_err().to_string();
            assert!(problem.contains(says), "{problem}");
        }
    }
}
