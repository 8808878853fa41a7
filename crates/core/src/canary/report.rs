//! What a run of the canary found.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::batch::BatchId;

/// Everything that a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The run.
    pub run: String,
    /// When it began.
    pub began: String,
    /// What became of its file.
    pub global: Global,
    /// How each Region answered.
    pub regions: Vec<RegionReport>,
}

impl Report {
    /// Whether the file came through and both Regions answered well.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.global.ok && self.regions.iter().all(|region| region.reachable)
    }
}

/// What became of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Global {
    /// Whether what was delivered is what had to be.
    pub ok: bool,
    /// From the beginning of the upload to the checked result, or to the failure.
    pub seconds: f64,
    /// The file's batch, once it was uploaded.
    pub batch_id: Option<BatchId>,
    /// The Region that owns the batch, once one does.
    pub region: Option<String>,
    /// Where it failed.
    pub stage: Option<Stage>,
    /// Why.
    pub reason: Option<String>,
}

/// How far the file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Through the global endpoint into a bucket.
    Upload,
    /// Until a Region has claimed it.
    Claim,
    /// Until it is DELIVERED.
    Delivery,
    /// The results, through the global endpoint.
    Fetch,
    /// What is in the results.
    Content,
}

impl Stage {
    /// The name, as it stands in reports and as a metric's outcome.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Claim => "claim",
            Self::Delivery => "delivery",
            Self::Fetch => "fetch",
            Self::Content => "content",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How a Region answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionReport {
    /// The Region.
    pub region: String,
    /// Whether every probe was answered well.
    pub reachable: bool,
    /// Until the last probe was answered.
    pub seconds: f64,
    /// What its reconciler says.
    pub standing: Option<Standing>,
    /// Probes that were not answered well.
    pub problems: Vec<Problem>,
}

/// Which Region is to act, as one of them sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The Region that says so.
    pub region: String,
    /// Whether it is itself.
    pub active: bool,
    /// What the TXT record says.
    pub record: String,
}

/// A probe that was not answered well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which.
    pub probe: Probe,
    /// Why.
    pub reason: String,
}

/// What is asked of each Region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A function starts, and finds the TXT record.
    Function,
    /// The state table answers a consistent read.
    StateTable,
    /// The reference table holds the canary's records.
    ReferenceTable,
    /// The bucket takes an object and gives it back.
    Bucket,
}

impl fmt::Display for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Function => "function",
            Self::StateTable => "state table",
            Self::ReferenceTable => "reference table",
            Self::Bucket => "bucket",
        })
    }
}
