//! `local.json`: what runs, for every later command to find.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::options::{Options, Paths};
use crate::process::ProcessId;

/// What runs on this machine, as written by the process that runs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalState {
    /// How it was started.
    pub options: Options,
    /// Whether the deployment is complete. Until then the names below are not to be relied on.
    pub ready: bool,
    /// The process that is the edge and the DNS answers, and that supervises the emulator.
    pub edge: ProcessId,
    /// The emulator; its functions run in its process group.
    pub emulator: Option<ProcessId>,
    /// The URL of the edge, the endpoint of every call.
    pub endpoint: String,
    /// Host and port of the DNS answers.
    pub dns: String,
    /// The account, and the access key of its root.
    pub account: String,
    /// Name of the environment.
    pub suffix: String,
    /// The primary Region and the standby Region.
    pub regions: [String; 2],
    /// Bucket of each Region.
    pub buckets: BTreeMap<String, String>,
    /// Full name of each table, by its short one: `batches`, `reference`, `rejects`.
    pub tables: BTreeMap<String, String>,
    /// The Multi-Region Access Point; absent until the state stack is deployed.
    pub mrap: Option<Mrap>,
    /// Outputs of each stack, by Region and stack (`us-east-1/tandem-local-batch`).
    pub outputs: BTreeMap<String, BTreeMap<String, String>>,
}

/// The processes that a `local.json` names, even one that another build of this program has written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Processes {
    /// As in [`LocalState`].
    pub edge: ProcessId,
    /// As in [`LocalState`].
    #[serde(default)]
    pub emulator: Option<ProcessId>,
}

impl Processes {
    /// Those of the project at `root`, whether or not they still run; `None` if none are written down.
    pub fn load(root: &Path) -> Option<Self> {
        let text = std::fs::read(Paths::of(root).state()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Whether any of them still runs.
    pub fn any_alive(&self) -> bool {
        self.edge.is_alive() || self.emulator.as_ref().is_some_and(ProcessId::is_alive)
    }

    /// Removes the file, if it still names the same supervising process: it may be a successor's by now.
    pub fn forget(&self, root: &Path) -> anyhow::Result<()> {
        if Self::load(root).is_none_or(|named| named.edge != self.edge) {
            return Ok(());
        }
        match std::fs::remove_file(Paths::of(root).state()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("local.json can't be removed")
            }
            _ => Ok(()),
        }
    }
}

/// The Multi-Region Access Point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mrap {
    /// Its ARN, which an upload names as its bucket.
    pub arn: String,
    /// Its alias, `<letters and digits>.mrap`.
    pub alias: String,
}

impl Mrap {
    /// The host that its requests are signed for.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.accesspoint.s3-global.amazonaws.com", self.alias)
    }
}

impl LocalState {
    /// The state of a start that has just begun.
    #[must_use]
    pub fn starting(options: &Options, edge: ProcessId) -> Self {
        let by_region = |region: &String| (region.clone(), options.bucket(region));
        let by_table = |name: &str| (name.to_owned(), options.table(name));
        Self {
            options: options.clone(),
            ready: false,
            edge,
            emulator: None,
            endpoint: options.endpoint(),
            dns: format!("127.0.0.1:{}", options.dns_port),
            account: options.account.clone(),
            suffix: options.suffix.clone(),
            regions: options.regions.clone(),
            buckets: options.regions.iter().map(by_region).collect(),
            tables: ["batches", "reference", "rejects"].map(by_table).into(),
            mrap: None,
            outputs: BTreeMap::new(),
        }
    }

    /// What is written down for the project at `root`, whether or not it still runs; `None` if there is nothing.
    ///
    /// A file that can't be read as a state counts as nothing: another build wrote it.
    #[must_use]
    pub fn load(root: &Path) -> Option<Self> {
        let text = std::fs::read(Paths::of(root).state()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The URL of the edge, the endpoint of every call.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Host and port of the DNS answers.
    #[must_use]
    pub fn dns(&self) -> &str {
        &self.dns
    }

    /// Whether the process that runs the Regions is alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.edge.is_alive()
    }

    /// Writes the state so that a reader sees the old one or the new one, never half of it.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let file = self.options.paths().state();
        let draft = file.with_extension("json.new");
        let text = serde_json::to_vec_pretty(self)?;
        std::fs::write(&draft, text)
            .and_then(|()| std::fs::rename(&draft, &file))
            .with_context(|| format!("can't write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_saved_state_reads_back_equal() {
        let root = std::env::temp_dir().join(format!("tandem-state-{}", std::process::id()));
        std::fs::create_dir_all(root.join(".tandem")).unwrap();
        let state = LocalState::starting(&Options::new(&root), ProcessId::of(std::process::id()).unwrap());
        state.save().unwrap();
        assert_eq!(LocalState::load(&root), Some(state));
        std::fs::write(root.join(".tandem/local.json"), "{}").unwrap();
        assert_eq!(LocalState::load(&root), None);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_processes_are_found_in_another_builds_state_and_forgotten_only_by_name() {
        let root = std::env::temp_dir().join(format!("tandem-processes-{}", std::process::id()));
        std::fs::create_dir_all(root.join(".tandem")).unwrap();
        let edge = ProcessId::of(std::process::id()).unwrap();
        let text = serde_json::json!({ "edge": edge, "of_another_build": true }).to_string();
        std::fs::write(root.join(".tandem/local.json"), text).unwrap();
        assert_eq!(LocalState::load(&root), None);
        let found = Processes::load(&root).unwrap();
        assert!(found.any_alive());
        let predecessor = ProcessId { started: "before".to_owned(), ..edge };
        Processes { edge: predecessor, emulator: None }.forget(&root).unwrap();
        assert_eq!(Processes::load(&root).as_ref(), Some(&found));
        found.forget(&root).unwrap();
        assert_eq!(Processes::load(&root), None);
        std::fs::remove_dir_all(root).unwrap();
    }
}
