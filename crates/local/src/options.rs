//! What the local Regions are asked to be, and where their files lie.
//!
//! Everything they write is under `.tandem/` in the project's root; everything they listen on is 127.0.0.1.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The third Region, from which the canary looks at the two.
pub const CANARY_REGION: &str = "us-east-2";

/// How the active Region is set, as the templates' parameter of this name says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoutingMode {
    /// By ARC's routing controls, which the TXT record follows.
    #[default]
    Arc,
    /// By changing the TXT record in its hosted zone.
    Dns,
}

impl RoutingMode {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arc => "arc",
            Self::Dns => "dns",
        }
    }
}

impl FromStr for RoutingMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Arc, Self::Dns].into_iter().find(|mode| mode.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is neither arc nor dns"))
    }
}

/// How to start the local Regions. [`Options::new`] gives the usual ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// The project's root: the folder that holds `sam/`, `statemachines/` and `target/`.
    pub root: PathBuf,
    /// TCP port of the edge, which is the endpoint of every call.
    pub edge_port: u16,
    /// TCP port of the emulator behind the edge.
    pub emulator_port: u16,
    /// UDP and TCP port of the DNS answers.
    pub dns_port: u16,
    /// Name of the environment, part of every resource's name.
    pub suffix: String,
    /// The account, 12 digits; it is also the access key of that account's root.
    pub account: String,
    /// The primary Region and the standby Region.
    pub regions: [String; 2],
    /// Seconds between a write to a bucket and its replica in the other Region.
    pub replication_lag_seconds: f64,
    /// How many files may be under way at once; more than these wait to be taken.
    pub files_at_once: usize,
    /// How the active Region is set.
    pub routing: RoutingMode,
    /// How long an answer about the active Region may be cached.
    pub txt_ttl_seconds: u32,
    /// How long after its fence a delivery may still send its e-mail.
    pub mail_lease_seconds: u32,
    /// How long after its last change a batch that is being delivered may not be taken over.
    pub takeover_grace_seconds: u32,
    /// Who the e-mails come from.
    pub sender: String,
    /// Who the e-mails go to.
    pub recipient: String,
}

impl Options {
    /// The usual options for a project.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            edge_port: 4610,
            emulator_port: 4611,
            dns_port: 4612,
            suffix: "local".to_owned(),
            account: "123456789012".to_owned(),
            regions: ["us-east-1".to_owned(), "us-west-2".to_owned()],
            replication_lag_seconds: 1.0,
            files_at_once: 6,
            routing: RoutingMode::Arc,
            txt_ttl_seconds: 10,
            mail_lease_seconds: 5,
            takeover_grace_seconds: 10,
            sender: "tandem@example.com".to_owned(),
            recipient: "owner@example.com".to_owned(),
        }
    }

    /// The Region that is active at first, and that owns the state stack.
    #[must_use]
    pub fn primary(&self) -> &str {
        &self.regions[0]
    }

    /// A Region's bucket.
    #[must_use]
    pub fn bucket(&self, region: &str) -> String {
        format!("tandem-{}-{}-{region}", self.suffix, self.account)
    }

    /// A table's name, for example of `batches`.
    #[must_use]
    pub fn table(&self, name: &str) -> String {
        format!("tandem-{}-{name}", self.suffix)
    }

    /// The TXT record that names the active Region.
    #[must_use]
    pub fn active_record(&self) -> String {
        match self.routing {
            RoutingMode::Arc => format!("active.tandem-{}.internal", self.suffix),
            RoutingMode::Dns => format!("active.{}", self.zone()),
        }
    }

    /// The public zone that holds the record in routing mode `dns`.
    #[must_use]
    pub fn zone(&self) -> String {
        format!("tandem-{}.example.com", self.suffix)
    }

    /// The edge's URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.edge_port)
    }

    /// The files of these Regions.
    #[must_use]
    pub fn paths(&self) -> Paths {
        Paths::of(&self.root)
    }
}

/// Where the local Regions keep their files.
#[derive(Debug, Clone)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The files of the project at `root`.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The project's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `.tandem/`, which holds all the others.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root.join(".tandem")
    }

    /// The Python environment.
    #[must_use]
    pub fn venv(&self) -> PathBuf {
        self.home().join("venv")
    }

    /// A program of the Python environment.
    #[must_use]
    pub fn venv_program(&self, name: &str) -> PathBuf {
        self.venv().join("bin").join(name)
    }

    /// The folder of the logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.home().join("logs")
    }

    /// What the emulator says.
    #[must_use]
    pub fn emulator_log(&self) -> PathBuf {
        self.logs().join("emulator.log")
    }

    /// What the edge says when it runs detached.
    #[must_use]
    pub fn edge_log(&self) -> PathBuf {
        self.logs().join("edge.log")
    }

    /// The stages of the last start, one JSON object a line: how a detached start reports its progress.
    #[must_use]
    pub fn stages(&self) -> PathBuf {
        self.logs().join("stages.jsonl")
    }

    /// What runs, see [`crate::LocalState`].
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.home().join("local.json")
    }

    /// Locked for as long as the local Regions run.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.home().join("local.lock")
    }

    /// Scratch space of one run: emptied at each start.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.home().join("run")
    }

    /// A SAM template.
    #[must_use]
    pub fn template(&self, name: &str) -> PathBuf {
        self.root.join("sam").join(format!("{name}.yaml"))
    }
}
