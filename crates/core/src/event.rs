//! What an upload event says.
//!
//! The event arrives at least once, in no order, with its key form-urlencoded (`+` is a space). Decoding it wrongly would
//! process another object than the one that was uploaded, so a key that does not decode is an error, never a guess.

mod notification;

use crate::batch::{Attempt, BatchId, BatchRecord, BatchStatus};

pub use notification::Notification;

/// An object that was uploaded, as the event names it, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Bucket of the Region in which the event arose.
    pub bucket: String,
    /// Object key.
    pub key: String,
    /// ETag without quotes.
    pub etag: String,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
    /// Size in bytes.
    pub size: u64,
}

/// An event that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The event lacks something.
    #[error("the upload event has no {0}")]
    Missing(&'static str),
    /// Something in the event is not of its kind.
    #[error("the upload event's {0} is of no use")]
    Unusable(&'static str),
    /// The key is not form-urlencoded UTF-8.
    #[error("the upload event's key {0:?} is not form-urlencoded UTF-8")]
    Key(String),
}

/// Decodes a form-urlencoded key.
///
/// # Errors
/// [`EventError::Key`] for a broken escape or bytes that are no UTF-8.
pub fn decode_key(encoded: &str) -> Result<String, EventError> {
    let broken = || EventError::Key(encoded.to_owned());
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().and_then(hex_value).ok_or_else(broken)?;
                let low = rest.next().and_then(hex_value).ok_or_else(broken)?;
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

/// The value of one hex digit.
fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Prefix under which uploads are inputs.
pub const INPUT_PREFIX: &str = "input/";

impl Upload {
    /// Whether the key is one of an input: the notification's own filter, applied again, because a filter is configuration
    /// and an event may come from elsewhere.
    #[must_use]
    pub fn is_input(&self) -> bool {
        self.key.starts_with(INPUT_PREFIX) && self.key.ends_with(".csv")
    }

    /// Identity of the batch that this upload is.
    #[must_use]
    pub fn batch_id(&self) -> BatchId {
        BatchId::of(&self.key, &self.etag)
    }

    /// The record of a first claim by `region` at `now`.
    #[must_use]
    pub fn first_claim(&self, dataset: &str, region: &str, now: &str) -> BatchRecord {
        BatchRecord {
            batch_id: self.batch_id(),
            key: self.key.clone(),
            etag: self.etag.clone(),
            version_id: self.version_id.clone(),
            size: self.size,
            dataset: dataset.to_owned(),
            status: BatchStatus::Claimed,
            attempt: Attempt::FIRST,
            first_attempt: Attempt::FIRST,
            gives_up: false,
            owner_region: region.to_owned(),
            bucket: self.bucket.clone(),
            execution_arn: None,
            created: now.to_owned(),
            updated: now.to_owned(),
            rows_in: None,
            rows_out: None,
            rows_rejected: None,
            output_key: None,
            output_version: None,
            rejects_key: None,
            rejects_version: None,
            reason: None,
            failed_state: None,
            region_history: vec![format!("{region}/{}", Attempt::FIRST)],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_is_decoded_as_a_form_field() {
        for (encoded, key) in [
            ("input/plain.csv", "input/plain.csv"),
            ("input/a+b.csv", "input/a b.csv"),
            ("input/a%2Bb.csv", "input/a+b.csv"),
            ("input/100%25.csv", "input/100%.csv"),
            ("input/%2525.csv", "input/%25.csv"),
            ("input/%E2%82%AC.csv", "input/€.csv"),
            ("input/../secret.csv", "input/../secret.csv"),
        ] {
            assert_eq!(decode_key(encoded).unwrap(), key);
        }
    }

    #[test]
    fn a_key_that_does_not_decode_is_an_error_and_no_guess() {
        for broken in ["input/%.csv", "input/%4", "input/%zz.csv", "input/%ff.csv", "input/%+1.csv"] {
            assert_eq!(decode_key(broken), Err(EventError::Key(broken.to_owned())));
        }
    }

    #[test]
    fn only_csv_files_below_input_are_inputs() {
        let upload =
            |key: &str| Upload { bucket: "b".into(), key: key.into(), etag: "e".into(), version_id: None, size: 1 };
        assert!(upload("input/a.csv").is_input());
        assert!(upload("input/sales-orders/a.csv").is_input());
        assert!(!upload("input/a.txt").is_input());
        assert!(!upload("output/a.csv").is_input());
        assert!(!upload("a.csv").is_input());
    }
}
