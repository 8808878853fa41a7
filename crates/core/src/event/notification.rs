//! What S3 sends when objects were uploaded: JSON with one record for each of them.
//!
//! Records are decoded one by one, and only what is needed of each: one that is broken keeps no other from being processed,
//! and nothing that S3 may add, leave out or rename elsewhere matters.

use serde::Deserialize;
use serde_json::Value;

use super::{EventError, Upload, decode_key};

/// What S3 sends in place of records to try whether a notification arrives.
const TEST: &str = "s3:TestEvent";

/// An event notification of S3, its records not looked into yet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Notification {
    records: Vec<Value>,
}

impl TryFrom<Value> for Notification {
    type Error = EventError;

    fn try_from(mut event: Value) -> Result<Self, EventError> {
        match event.get_mut("Records").map(Value::take) {
            Some(Value::Array(records)) => Ok(Self { records }),
            Some(_) => Err(EventError::Unusable("list of records")),
            None if event.get("Event").is_some_and(|name| name == TEST) => Ok(Self { records: Vec::new() }),
            None => Err(EventError::Missing("list of records")),
        }
    }
}

impl Notification {
    /// What each record says was uploaded, in the order of the records; nothing if S3 only tries the notification.
    pub fn uploads(&self) -> impl Iterator<Item = Result<Upload, EventError>> {
        self.records.iter().map(upload)
    }
}

fn upload(record: &Value) -> Result<Upload, EventError> {
    let bucket = required(record, "/s3/bucket/name", "bucket name", text)?;
    let key = decode_key(required(record, "/s3/object/key", "object key", text)?)?;
    let etag = required(record, "/s3/object/eTag", "ETag", unquoted)?;
    let version_id = optional(record, "/s3/object/versionId", "version", text)?;
    // The download is cut by it: without it, no guess would read the whole file.
    let size = required(record, "/s3/object/size", "object size", Value::as_u64)?;
    Ok(Upload { bucket: bucket.into(), key, etag: etag.into(), version_id: version_id.map(str::to_owned), size })
}

/// Text that says something: S3 has no name that is empty.
fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn unquoted(value: &Value) -> Option<&str> {
    value.as_str().map(|text| text.trim_matches('"')).filter(|text| !text.is_empty())
}

fn required<'a, T>(
    record: &'a Value,
    pointer: &str,
    what: &'static str,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<T, EventError> {
    optional(record, pointer, what, read)?.ok_or(EventError::Missing(what))
}

fn optional<'a, T>(
    record: &'a Value,
    pointer: &str,
    what: &'static str,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<Option<T>, EventError> {
    let value = record.pointer(pointer).filter(|value| !value.is_null());
    value.map(|value| read(value).ok_or(EventError::Unusable(what))).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn record() -> Value {
        json!({
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": { "name": "b" },
                "object": { "key": "input/a+b.csv", "size": 7, "eTag": "\"e\"", "versionId": "v" },
            },
        })
    }

    fn uploads(records: &[Value]) -> Vec<Result<Upload, EventError>> {
        let notification: Notification = serde_json::from_value(json!({ "Records": records })).unwrap();
        notification.uploads().collect()
    }

    /// The record's outcome with another value, or with none, in one place.
    fn changed(pointer: &str, value: Option<Value>) -> Result<Upload, EventError> {
        let mut record = record();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(parent.insert(name.to_owned(), value)),
            None => drop(parent.remove(name)),
        }
        uploads(&[record]).remove(0)
    }

    fn whole() -> Upload {
        let (bucket, key, etag) = ("b".to_owned(), "input/a b.csv".to_owned(), "e".to_owned());
        Upload { bucket, key, etag, version_id: Some("v".to_owned()), size: 7 }
    }

    #[test]
    fn a_record_says_what_was_uploaded() {
        assert_eq!(uploads(&[record()]), [Ok(whole())]);
    }

    #[test]
    fn a_broken_record_is_an_error_of_its_own() {
        let (broken, mut other) = (json!({ "s3": [] }), record());
        other["s3"]["object"]["key"] = json!("input/%");
        let found = uploads(&[record(), broken, json!(1), other, record()]);
        let (missing, key) = (Err(EventError::Missing("bucket name")), Err(EventError::Key("input/%".into())));
        assert_eq!(found, [Ok(whole()), missing.clone(), missing, key, Ok(whole())]);
    }

    #[test]
    fn what_is_needed_and_is_not_there_is_named() {
        for (pointer, what) in [
            ("/s3/bucket/name", "bucket name"),
            ("/s3/object/key", "object key"),
            ("/s3/object/eTag", "ETag"),
            ("/s3/object/size", "object size"),
        ] {
            for gone in [None, Some(Value::Null)] {
                assert_eq!(changed(pointer, gone), Err(EventError::Missing(what)));
            }
            for wrong in [json!({}), json!(-1), json!(1.5), json!("")] {
                assert_eq!(changed(pointer, Some(wrong)), Err(EventError::Unusable(what)));
            }
        }
        assert_eq!(changed("/s3/object/versionId", Some(json!(7))), Err(EventError::Unusable("version")));
    }

    #[test]
    fn a_bucket_without_versions_gives_none() {
        for gone in [None, Some(Value::Null)] {
            assert_eq!(changed("/s3/object/versionId", gone), Ok(Upload { version_id: None, ..whole() }));
        }
    }

    #[test]
    fn a_test_event_uploads_nothing_and_anything_else_is_no_notification() {
        let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b" });
        let tried: Notification = serde_json::from_value(test).unwrap();
        assert_eq!(tried.uploads().count(), 0);
        for other in [json!({}), json!({ "Event": "other" }), json!({ "Records": 1 }), json!([]), json!("x")] {
            assert!(serde_json::from_value::<Notification>(other).is_err());
        }
    }
}
