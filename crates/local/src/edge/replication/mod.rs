//! Replication of objects between the two buckets, both ways, as S3 does it: later, in the order of each key's changes.
//!
//! A change that the edge saw succeed is queued here and made in the other bucket after the lag. What the edge itself writes
//! there goes to the emulator directly, so no change is ever sent back. The emulator then fires that bucket's own event.
//! The queue lives in memory: a few hundred bytes a change, never the object.

mod copy;
mod queue;
mod versions;

use serde::{Deserialize, Serialize};

pub use copy::Copier;
pub use queue::{Apply, Outcome, Replicator};
pub use versions::Versions;

/// One change of an object, seen to succeed in one bucket and to be made in the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The bucket in which it happened.
    pub bucket: String,
    /// The key, percent-encoded in the edge's own spelling.
    pub key: String,
    /// What happened.
    pub kind: ChangeKind,
}

/// What happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// A new version was written.
    Written {
        /// Its version id.
        version: Option<String>,
        /// Its `ETag`, where the answer to the write had it.
        etag: Option<String>,
    },
    /// The tags of a version, or of the newest one, were changed.
    Tagged {
        /// The version id, if the request named one.
        version: Option<String>,
    },
    /// It was deleted by a delete marker. The deletion of a single version is not replicated, in S3 neither.
    Deleted,
}

impl ChangeKind {
    fn name(&self) -> &'static str {
        match self {
            Self::Written { .. } => "written",
            Self::Tagged { .. } => "tagged",
            Self::Deleted => "deleted",
        }
    }
}

/// What replication is to do. Set as a whole or in part, never toggled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicationSettings {
    /// Seconds between a change and its replica; absent: as it is.
    #[serde(default)]
    pub lag_seconds: Option<f64>,
    /// Whether changes are held; absent: as it is.
    #[serde(default)]
    pub paused: Option<bool>,
}

/// How replication stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicationStatus {
    /// Seconds between a change and its replica.
    pub lag_seconds: f64,
    /// Whether changes are held.
    pub paused: bool,
    /// The isolated Regions for which changes are held besides.
    pub held_for: Vec<String>,
    /// What is not made yet, in the order of each key's changes.
    pub pending: Vec<PendingChange>,
    /// How many changes were made.
    pub replicated: u64,
    /// What was given up, the newest last, with the reason; only the last hundred.
    pub failed: Vec<FailedChange>,
}

/// A change that waits for its replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingChange {
    /// The bucket in which it happened.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// `written`, `tagged` or `deleted`.
    pub change: String,
    /// The Region in which it happened.
    pub region: String,
    /// The Region that does not have it yet.
    pub missing_in: String,
    /// Seconds since it happened.
    pub age_seconds: f64,
}

/// A change whose replica could not be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedChange {
    /// The bucket in which it happened.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// A key as a person reads it.
fn readable(key: &str) -> String {
    percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned()
}
