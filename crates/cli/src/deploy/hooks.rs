//! What is done beside the stacks: trials of what was deployed, and locally what the emulator leaves out.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tandem_aws::clock::SystemClock;
use tandem_core::batch::BatchId;
use tandem_core::canary::Run;
use tandem_core::ports::Pause;
use tandem_deploy::aws::{Aws, Outputs};
use tandem_deploy::engine::{Hooks, outputs_of};
use tandem_deploy::plan::{StackStep, Verification};
use tandem_local::LocalState;
use tandem_local::deploy::Fill;
use tokio::process::Command;

use super::target::Prepared;
use super::{delegation, smoke, stacks};
use crate::canary;
use crate::deployment::Target;

/// How long S3 may take to copy a result to the other Region: what its replication time control promises.
const REPLICATED_ON_AWS: Duration = Duration::from_secs(15 * 60);

/// The same locally, with room for a lag that was asked for.
const REPLICATED_HERE: Duration = Duration::from_secs(120);

/// On AWS.
pub struct OnAws<'a> {
    trials: Trials<'a>,
}

impl<'a> OnAws<'a> {
    pub fn new(prepared: &'a Prepared) -> anyhow::Result<Self> {
        let kept = prepared.config.settings.record_ttl().parse().context("the TTL of the TXT record is no number")?;
        Ok(Self { trials: Trials::new(prepared, Duration::from_secs(kept))? })
    }
}

impl Hooks for OnAws<'_> {
    async fn after(&self, _: &StackStep, _: &str, _: &Outputs) -> anyhow::Result<()> {
        Ok(())
    }

    async fn after_record(&self, zone: &Outputs) -> anyhow::Result<()> {
        delegation::is_there(zone, &self.trials.prepared.config.settings.regions, &SystemClock).await
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
        let kept = Duration::from_secs(state.options.txt_ttl_seconds.into());
        Ok(Self { fill, state, trials: Trials::new(prepared, kept)?, writes })
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

    async fn after_record(&self, zone: &Outputs) -> anyhow::Result<()> {
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
    /// For how long a function may go on believing what the TXT record said before.
    kept: Duration,
}

impl<'a> Trials<'a> {
    fn new(prepared: &'a Prepared, kept: Duration) -> anyhow::Result<Self> {
        Ok(Self { prepared, program: std::env::current_exe().context("this program can't find itself")?, kept })
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
                self.tandem(region, &["failover", "--to", region, "--yes", "--no-wait", "--json"]).await?;
                // Until then a file may still be claimed for the other Region, which is well, and no trial of this one.
                SystemClock.pause(self.kept + Duration::from_secs(1)).await;
                Ok(())
            }
            Verification::Delivers => self.deliver(region).await,
        }
    }

    /// Sends the canary's file through the access point, and looks at where and how it ended, whether both Regions hold its result,
    /// and at every byte of that. Nobody is e-mailed about files of its dataset. What its rows are enriched with is loaded first: a
    /// table that nobody has filled yet would reject them all.
    async fn deliver(&self, region: &str) -> anyhow::Result<()> {
        let loader = self.prepared.find(region).await?.reference_loader_in(region);
        canary::load_reference(&loader).await.context("the reference records of the smoke file can't be loaded")?;
        let mark = u64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_nanos()).unwrap_or_default();
        let run = Run::new(time::OffsetDateTime::now_utc(), mark);
        self.send(region, &run).await.with_context(|| format!("the smoke file {}", run.key()))
    }

    async fn send(&self, region: &str, run: &Run) -> anyhow::Result<()> {
        let folder = self.prepared.folders.work.join("smoke");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("input.csv");
        std::fs::write(&file, run.input())?;
        let (file, key) = (file.to_str().context("its path is no text")?, run.key());
        let printed = self.tandem(region, &["put", file, "--as", &key, "--wait", "--timeout", "300", "--json"]).await?;
        let result: Value = serde_json::from_str(&printed).with_context(|| format!("put said {printed:?}"))?;
        smoke::judged(&result, region)?;
        let batch_id = result["batch_id"].as_str().unwrap_or_default();
        self.replicated(region, &batch_id.parse()?).await?;
        self.fetched(region, batch_id, run, &folder).await
    }

    /// Whether the result is in both Regions: an active Region that is lost takes with it what is not.
    async fn replicated(&self, region: &str, batch_id: &BatchId) -> anyhow::Result<()> {
        let deployment = self.prepared.find(region).await?;
        let record = deployment.record(batch_id).await.context("its record can't be read")?;
        let Prepared { config, which, .. } = self.prepared;
        let bucket = |region: &str| {
            let (region, name) = (region.to_owned(), deployment.bucket(region));
            let key = config.settings.own_key(&region);
            smoke::Bucket { objects: deployment.objects(&region), region, name, key }
        };
        let other = deployment.regions().iter().find(|other| *other != region).context("there is no other Region")?;
        let replication = smoke::Replication {
            from: bucket(region),
            to: bucket(other),
            role: format!("tandem-{}-replication-{region}", deployment.suffix()),
            time: &SystemClock,
            patience: if which.target == Target::Local { REPLICATED_HERE } else { REPLICATED_ON_AWS },
        };
        for key in [record.output_key, record.rejects_key] {
            replication.arrives(&key.context("its record names no result")?).await?;
        }
        Ok(())
    }

    /// Whether the result, as its links give it, is what it must be.
    async fn fetched(&self, region: &str, batch_id: &str, run: &Run, folder: &Path) -> anyhow::Result<()> {
        let path = folder.to_str().context("the folder's path is no text")?;
        let fetched = self.tandem(region, &["fetch", batch_id, "--output-dir", path, "--force"]).await;
        fetched.with_context(|| format!("its result can't be fetched ({})", smoke::RIGHTS))?;
        smoke::compared(run, folder)
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
