//! The files of a drill: made, uploaded, followed, and held against an undisturbed run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tandem_core::batch::BatchId;
use time::OffsetDateTime;

use super::operator::Operator;
use super::report::Check;

/// The dataset whose files are made.
const DATASET: &str = "sales-orders";
/// How long an upload may wait for its claim; the Region is slow by then.
const CLAIMED_WITHIN: Duration = Duration::from_secs(60);
/// Time between two passes while files are waited for; the schedule makes one every few minutes.
const BETWEEN_PASSES: Duration = Duration::from_secs(4);

/// A file that was accepted.
#[derive(Debug, Clone)]
pub struct Put {
    /// Its batch.
    pub batch_id: BatchId,
    key: String,
}

/// Where they are made.
pub struct Files {
    operator: Operator,
    folder: PathBuf,
    rows: u64,
    /// Makes the keys of this drill its own, so that nothing counts as uploaded already.
    mark: i64,
}

impl Files {
    /// Files of so many rows, in this folder.
    pub fn new(operator: &Operator, folder: PathBuf, rows: u64) -> Self {
        Self { operator: operator.clone(), folder, rows, mark: OffsetDateTime::now_utc().unix_timestamp() }
    }

    /// Makes the file, loads its reference records, and has it processed undisturbed; gives that output.
    ///
    /// # Errors
    /// A command failed, or its result cannot be read; likewise for the others.
    pub async fn prepare(&self) -> anyhow::Result<Vec<u8>> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("no folder can be made at {}", self.folder.display()))?;
        self.operator.say("an undisturbed run, for comparison");
        let (input, reference, rows) = (self.input(), self.folder.join("reference.csv"), self.rows.to_string());
        let (input, reference) = (text(&input)?, text(&reference)?);
        let made = ["--rows", &rows, "--bad", "1", "--dataset", DATASET, "--out", input, "--reference", reference];
        self.operator.quietly(&[&["generate"], &made[..]].concat()).await?;
        self.operator.quietly(&["reference", "load", reference, "--dataset", DATASET]).await?;
        let put = self.upload("undisturbed", &["--wait"]).await?;
        self.fetch(&put).await
    }

    /// Uploads so many under keys of their own.
    pub async fn put(&self, number: usize, name: &str) -> anyhow::Result<Vec<Put>> {
        let mut puts = Vec::with_capacity(number);
        for each in 1..=number {
            puts.push(self.upload(&format!("{name}-{each}"), &[]).await?);
        }
        Ok(puts)
    }

    async fn upload(&self, name: &str, flags: &[&str]) -> anyhow::Result<Put> {
        let key = format!("input/{DATASET}/drill-{}-{name}.csv", self.mark);
        let input = self.input();
        let put = ["put", text(&input)?, "--as", &key, "--json"];
        let answer = self.operator.json(&[&put[..], flags].concat()).await?;
        let batch_id = answer["batch_id"].as_str().context("`tandem put` named no batch")?.parse()?;
        Ok(Put { batch_id, key })
    }

    fn input(&self) -> PathBuf {
        self.folder.join("input.csv")
    }

    /// Waits until each has been claimed.
    pub async fn await_claims(&self, puts: &[Put]) -> anyhow::Result<()> {
        let deadline = Instant::now() + CLAIMED_WITHIN;
        for put in puts {
            while self.operator.peek(&["status", put.batch_id.as_str(), "--json"]).await.is_none() {
                ensure!(Instant::now() < deadline, "{} was not claimed within {CLAIMED_WITHIN:?}", put.key);
                tokio::time::sleep(super::PAUSE).await;
            }
        }
        Ok(())
    }

    /// Until every file has ended, as an operator sees to it: events given again, passes made. Says whether they have, or the time
    /// was over first.
    pub async fn settle(&self, puts: &[Put], patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.operator.say("afterwards");
        self.operator.tried(&["replay"]).await;
        let mut pass = Instant::now();
        while self.number(puts, &["DELIVERED", "FAILED"]).await < puts.len() {
            if Instant::now() >= deadline {
                return false;
            }
            if pass.elapsed() >= BETWEEN_PASSES {
                self.operator.tried(&["reconcile"]).await;
                pass = Instant::now();
            }
            tokio::time::sleep(super::PAUSE).await;
        }
        true
    }

    /// How many of them have one of these statuses.
    async fn number(&self, puts: &[Put], statuses: &[&str]) -> usize {
        let mut number = 0;
        for put in puts {
            let record = self.operator.peek(&["status", put.batch_id.as_str(), "--json"]).await.unwrap_or_default();
            number += usize::from(record["status"].as_str().is_some_and(|status| statuses.contains(&status)));
        }
        number
    }

    /// Holds each against what is promised. What cannot be fetched is not as promised.
    pub async fn judge(&self, puts: &[Put], undisturbed: &[u8]) -> Vec<Check> {
        let mut same = 0;
        for put in puts {
            same += usize::from(self.fetch(put).await.is_ok_and(|output| output == undisturbed));
        }
        vec![
            Check::of_all("delivered", self.number(puts, &["DELIVERED"]).await, puts.len()),
            Check::of_all("with the bytes of the undisturbed run", same, puts.len()),
        ]
    }

    async fn fetch(&self, put: &Put) -> anyhow::Result<Vec<u8>> {
        let folder = self.folder.join(put.batch_id.as_str());
        self.operator.quietly(&["fetch", put.batch_id.as_str(), "--force", "--output-dir", text(&folder)?]).await?;
        let output = folder.join("output.csv");
        std::fs::read(&output).with_context(|| format!("{} cannot be read", output.display()))
    }

    /// Takes what was made away again; uploads stay, as evidence.
    ///
    /// # Errors
    /// The folder cannot be removed.
    pub fn sweep(&self) -> anyhow::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.folder.display()))
            }
            _ => Ok(()),
        }
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no text, and cannot be passed on", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_that_do_not_end_in_time_are_judged_and_not_waited_for_any_longer() {
        // Every command fails, as where nothing answers.
        let files = Files::new(&Operator::of("false"), PathBuf::from("nowhere"), 1);
        let put = Put { batch_id: BatchId::of("input/a/b.csv", "etag"), key: String::from("input/a/b.csv") };
        assert!(files.settle(&[], Duration::ZERO).await);
        assert!(!files.settle(std::slice::from_ref(&put), Duration::ZERO).await);
        let checks = files.judge(&[put], b"").await;
        assert!(checks.iter().all(|check| !check.passed() && check.seen() == "0 of 1"), "{checks:?}");
    }
}
