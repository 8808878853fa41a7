//! The files of a load test, and the reference records that they need.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tandem_core::ports::{LOOKUP_KEYS, LookupRecords, LookupRequest};

use super::LoadTestArgs;
use crate::deployment::{Deployment, Which};
use crate::exit::interruption;
use crate::generate::{self, GenerateArgs};
use crate::reference::{self, LoadArgs};

/// Keys that all files share: enough that a file's rows differ, few enough to be loaded in seconds.
const KEYS: u64 = 10_000;

/// A file, and the key to upload it under.
#[derive(Debug, Clone)]
pub struct Input {
    /// Where it lies.
    pub path: PathBuf,
    /// Where it goes.
    pub key: String,
}

/// A folder with the files; it is removed with this.
pub struct Data {
    folder: PathBuf,
    dataset: String,
    /// Tells this run's files and keys from those of all others.
    run: u64,
    count: u32,
}

impl Drop for Data {
    fn drop(&mut self) {
        // Only disk space is lost if this fails, in a folder that the system empties.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Data {
    /// Makes the files.
    pub async fn make(args: &LoadTestArgs) -> anyhow::Result<Self> {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let run = since.as_secs() * 1_000 + u64::from(since.subsec_millis());
        let folder = std::env::temp_dir().join(format!("tandem-load-{run}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let data = Self { folder, dataset: args.dataset.clone(), run, count: args.files };
        let mut wanted: Vec<GenerateArgs> = (0..args.files).map(|number| data.rows(number, args.rows)).collect();
        wanted.push(data.records());
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let mut work =
            tokio::task::spawn_blocking(move || wanted.iter().try_for_each(|args| generate::run(args, &seen)));
        tokio::select! {
            done = &mut work => done??,
            () = interruption() => {
                stop.store(true, Ordering::Relaxed);
                work.await??;
            }
        }
        Ok(data)
    }

    /// The files, in the order of their uploads.
    pub fn files(&self) -> Vec<Input> {
        let input = |number| Input {
            path: self.path(number),
            key: format!("input/{}/load-{}/{number:05}.csv", self.dataset, self.run),
        };
        (0..self.count).map(input).collect()
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:05}.csv"))
    }

    fn reference(&self) -> PathBuf {
        self.folder.join("reference.csv")
    }

    fn rows(&self, number: u32, rows: u64) -> GenerateArgs {
        GenerateArgs {
            rows,
            // Runs and files are told apart by it: no two files are the same.
            seed: self.run.wrapping_mul(1_000_003).wrapping_add(u64::from(number)),
            dataset: self.dataset.clone(),
            bad: 1.0,
            well_formed: false,
            keys: Some(KEYS),
            out: Some(self.path(number)),
            reference: None,
        }
    }

    fn records(&self) -> GenerateArgs {
        GenerateArgs {
            out: Some(self.folder.join("no-rows.csv")),
            reference: Some(self.reference()),
            ..self.rows(u32::MAX, 0)
        }
    }

    /// Loads the reference records, unless those that are looked for are all there.
    pub async fn load_reference(&self, deployment: &Deployment, which: &Which) -> anyhow::Result<()> {
        let keys = sample(&self.reference(), LOOKUP_KEYS)?;
        let datasets = which.datasets()?;
        let lookup = &datasets.named(&self.dataset)?.lookup;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (source, table, fields) = (&lookup.source, &*lookup.table, &*lookup.fields);
        let request = LookupRequest { source, table, fields, keys: &keys };
        let found = deployment.reference().lookup(&request).await?;
        if found.records.len() == keys.len() {
            errln!("the reference records are there from an earlier run");
            return Ok(());
        }
        errln!("loading {KEYS} reference records, which later runs find there");
        let load = LoadArgs { file: self.reference(), dataset: self.dataset.clone() };
        reference::load_quietly(&load, which).await
    }
}

/// Some keys of a file of reference records, from its beginning to its end; the last is among them.
fn sample(reference: &Path, most: usize) -> anyhow::Result<Vec<String>> {
    let mut reader = csv::Reader::from_path(reference)?;
    let keys = reader.records().map(|record| Ok(record?.get(0).unwrap_or_default().to_owned()));
    let keys: Vec<String> = keys.collect::<anyhow::Result<_>>()?;
    let stride = keys.len().div_ceil(most).max(1);
    Ok(keys.into_iter().rev().step_by(stride).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn files_differ_in_content_and_key_and_are_gone_afterwards() {
        let args = LoadTestArgs {
            files: 3,
            wait: 0.0,
            rows: 10,
            dataset: "price-list".into(),
            timeout: 1,
            json: false,
            report: None,
        };
        let data = Data::make(&args).await.unwrap();
        let files = data.files();
        let contents: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(&file.path).unwrap()).collect();
        assert!(contents[0] != contents[1] && contents[1] != contents[2] && contents[0] != contents[2]);
        assert!(files[0].key.starts_with("input/price-list/") && files[0].key != files[1].key);
        let keys = sample(&data.reference(), 100).unwrap();
        assert!(keys.len() <= 100 && keys.len() > 90);
        drop(data);
        assert!(!files[0].path.exists());
    }
}
