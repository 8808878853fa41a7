//! What a batch is: its identity, its record in the state table, and the states it passes through.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ErrorType;
use crate::payload::{BatchInput, CaughtError, ExecutionInput, GiveUp, MergeOutput};

/// Number of hex digits in a [`BatchId`].
const ID_DIGITS: usize = 32;

/// Identity of a batch: the first 32 hex digits of SHA-256 over key, NUL, ETag.
///
/// A repeated event, a second upload of the same bytes and the replica in the other Region all give the same id; changed
/// content under the same key gives another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BatchId(String);

impl BatchId {
    /// The id of an object with this key (decoded) and ETag (without quotes).
    #[must_use]
    pub fn of(key: &str, etag: &str) -> Self {
        let digest = Sha256::new().chain_update(key).chain_update([0]).chain_update(etag).finalize();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(hex[..ID_DIGITS].to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is no value of the type it was read as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: {expected}")]
pub struct ParseError {
    text: String,
    what: &'static str,
    expected: &'static str,
}

impl FromStr for BatchId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if hex && text.len() == ID_DIGITS {
            return Ok(Self(text.to_owned()));
        }
        Err(ParseError { text: text.to_owned(), what: "batch id", expected: "expected 32 lower-case hex digits" })
    }
}

impl TryFrom<String> for BatchId {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<BatchId> for String {
    fn from(id: BatchId) -> Self {
        id.0
    }
}

/// Number of an attempt at a batch, from 1. Whoever acts on a batch names the attempt under which it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(u32);

impl Attempt {
    /// The attempt that a claim makes.
    pub const FIRST: Self = Self(1);

    /// The attempt with this number, read back from where it was stored.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl Default for Attempt {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum BatchStatus {
    /// A Region owns the batch; its execution may not have started.
    Claimed,
    /// The execution has started.
    Running,
    /// The fence is passed: this attempt alone may deliver.
    Delivering,
    /// The owner has the result.
    Delivered,
    /// The owner was told why there is none.
    Failed,
}

impl BatchStatus {
    /// Every status, in the order a batch passes through them.
    pub const ALL: [Self; 5] = [Self::Claimed, Self::Running, Self::Delivering, Self::Delivered, Self::Failed];

    /// The status as it stands in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "CLAIMED",
            Self::Running => "RUNNING",
            Self::Delivering => "DELIVERING",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether nothing more will happen to the batch.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Delivered | Self::Failed)
    }
}

impl fmt::Display for BatchStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for BatchStatus {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| ParseError {
            text: text.to_owned(),
            what: "batch status",
            expected: "expected CLAIMED, RUNNING, DELIVERING, DELIVERED or FAILED",
        })
    }
}

/// A batch as the state table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchRecord {
    /// Identity; the table's key.
    pub batch_id: BatchId,
    /// Object key of the input.
    pub key: String,
    /// ETag of the input.
    pub etag: String,
    /// Version of the input in the owner's bucket.
    pub version_id: Option<String>,
    /// Size of the input in bytes.
    pub size: u64,
    /// Name of the dataset.
    pub dataset: String,
    /// Where the batch stands.
    pub status: BatchStatus,
    /// The attempt that may act.
    pub attempt: Attempt,
    /// The attempt from which attempts are counted: that of the claim, or of the last rerun.
    #[serde(default)]
    pub first_attempt: Attempt,
    /// Whether this attempt only tells the owner that all others failed.
    #[serde(default)]
    pub gives_up: bool,
    /// The Region that may act.
    pub owner_region: String,
    /// The Region's bucket that holds the input.
    pub bucket: String,
    /// ARN of the attempt's execution, once it is known.
    pub execution_arn: Option<String>,
    /// When the batch was claimed: RFC 3339, UTC, milliseconds.
    pub created: String,
    /// When the record last changed.
    pub updated: String,
    /// Data rows in the input, once the batch has ended well.
    pub rows_in: Option<u64>,
    /// Rows delivered.
    pub rows_out: Option<u64>,
    /// Rows rejected.
    pub rows_rejected: Option<u64>,
    /// Key of the output.
    pub output_key: Option<String>,
    /// Version of the output.
    pub output_version: Option<String>,
    /// Key of the rejects file.
    pub rejects_key: Option<String>,
    /// Version of the rejects file.
    pub rejects_version: Option<String>,
    /// Why the batch failed, or why its last attempt was interrupted, in one sentence.
    pub reason: Option<String>,
    /// The state of the state machine that failed.
    pub failed_state: Option<String>,
    /// Which Region owned the batch under which attempt, oldest first: `us-east-1/1`.
    pub region_history: Vec<String>,
}

impl BatchRecord {
    /// What this record's attempt processes. A function of the record only.
    #[must_use]
    pub fn input(&self) -> BatchInput {
        BatchInput {
            batch_id: self.batch_id.clone(),
            attempt: self.attempt,
            first_attempt: self.first_attempt,
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            etag: self.etag.clone(),
            version_id: self.version_id.clone(),
            size: self.size,
            dataset: self.dataset.clone(),
        }
    }

    /// What this record's attempt is started with. A function of the record only, so that starting it again is the same start.
    #[must_use]
    pub fn execution_input(&self) -> ExecutionInput {
        let give_up = self.gives_up.then(|| GiveUp {
            failed_state: self.failed_state.clone().unwrap_or_else(|| String::from("none")),
            error: CaughtError {
                name: ErrorType::AttemptsUsedUp.as_str().to_owned(),
                cause: self.reason.clone().unwrap_or_else(|| String::from("the executions ended without a reason")),
            },
        });
        ExecutionInput { batch: self.input(), give_up }
    }
}

/// How a batch ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Its owner has the result.
    Delivered(MergeOutput),
    /// Its owner was told why there is none.
    Failed {
        /// The state that failed.
        failed_state: String,
        /// Why, in one sentence.
        reason: String,
    },
}

/// The name of an attempt's execution: unique per Region, and the same however often it is started.
#[must_use]
pub fn execution_name(batch_id: &BatchId, attempt: Attempt) -> String {
    format!("{batch_id}-{attempt}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_id_is_the_hash_of_key_nul_etag() {
        let id = BatchId::of("input/a b.csv", "d41d8cd98f00b204e9800998ecf8427e");
        let hash = Sha256::digest(b"input/a b.csv\0d41d8cd98f00b204e9800998ecf8427e");
        let hex: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(id.as_str(), hex);
    }

    #[test]
    fn key_and_etag_cannot_be_shifted_into_each_other() {
        assert_ne!(BatchId::of("ab", "c"), BatchId::of("a", "bc"));
    }

    #[test]
    fn only_32_lower_case_hex_digits_are_an_id() {
        assert!("0123456789abcdef0123456789abcdef".parse::<BatchId>().is_ok());
        for bad in ["", "0123", "0123456789ABCDEF0123456789ABCDEF", "../3456789abcdef0123456789abcdef"] {
            assert!(bad.parse::<BatchId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_status_reads_back_as_it_was_written() {
        for status in BatchStatus::ALL {
            assert_eq!(status.as_str().parse::<BatchStatus>().unwrap(), status);
        }
    }

    #[test]
    fn an_execution_name_fits_the_service_limit_of_80() {
        let name = execution_name(&BatchId::of("k", "e"), Attempt::new(u32::MAX));
        assert!(name.len() <= 80, "{name}");
    }
}
