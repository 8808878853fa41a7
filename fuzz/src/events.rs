//! Upload events, decoded as intake decodes them: each record says what was uploaded or is refused, none is guessed, and
//! none keeps another from being read.
//!
//! Input: what S3 sends, as JSON; anything else is taken for the key of the one record of a notification.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tandem_core::dataset::Datasets;
use tandem_core::event::{EventError, Notification, Upload, decode_key};

static DATASETS: LazyLock<Datasets> = LazyLock::new(|| {
    let definition = include_bytes!("../../assets/datasets/sales-orders.json");
    Datasets::load([("sales-orders", definition)]).expect("the shipped definition is right")
});

/// Decodes the event, and makes of each upload what intake makes.
pub fn run(data: &[u8]) {
    // As the runtime's interface does: the bytes, then the function's own type.
    if let Ok(event) = serde_json::from_slice::<Value>(data) {
        read(&event);
    } else if let Ok(key) = std::str::from_utf8(data) {
        read_key(key);
    }
}

fn read(event: &Value) {
    let records = event.get("Records");
    let is_one = records.map_or(event.get("Event") == Some(&json!("s3:TestEvent")), Value::is_array);
    let notification = serde_json::from_value::<Notification>(event.clone());
    assert_eq!(notification.is_ok(), is_one, "{notification:?}");
    let Ok(notification) = notification else { return };
    let uploads: Vec<_> = notification.uploads().map(Result::ok).collect();
    let expected: Vec<_> = records.and_then(Value::as_array).into_iter().flatten().map(reference).collect();
    assert_eq!(uploads, expected);
    let mut claimed = HashMap::new();
    for upload in uploads.into_iter().flatten() {
        let id = claim(&upload);
        let identity = (upload.key, upload.etag);
        assert_eq!(claimed.entry(id).or_insert_with(|| identity.clone()), &identity, "two objects, one batch");
    }
}

/// What a record means, place by place.
fn reference(record: &Value) -> Option<Upload> {
    let object = record.get("s3")?.get("object")?;
    let text = |value: Option<&Value>| Some(value?.as_str()?.to_owned()).filter(|text| !text.is_empty());
    let version_id = match object.get("versionId") {
        None | Some(Value::Null) => None,
        some => Some(text(some)?),
    };
    Some(Upload {
        bucket: text(record.get("s3")?.get("bucket")?.get("name"))?,
        key: decoded(&text(object.get("key"))?)?,
        etag: Some(text(object.get("eTag"))?.trim_matches('"').to_owned()).filter(|etag| !etag.is_empty())?,
        version_id,
        size: object.get("size")?.as_u64()?,
    })
}

/// A notification with this key in its one record.
fn read_key(encoded: &str) {
    let object = json!({ "key": encoded, "eTag": "e", "size": 1 });
    read(&json!({ "Records": [{ "s3": { "bucket": { "name": "b" }, "object": object } }] }));
    match decode_key(encoded) {
        Ok(key) => assert_eq!(decode_key(&encode(&key)), Ok(key), "encoded and decoded again"),
        Err(error) => assert_eq!(error, EventError::Key(encoded.to_owned())),
    }
}

/// The batch that intake claims for the upload.
fn claim(upload: &Upload) -> String {
    let dataset = DATASETS.for_key(&upload.key);
    let claim = upload.first_claim(dataset, "us-east-1", "2026-01-01T00:00:00.000Z");
    assert_eq!((&claim.key, &claim.etag, claim.size), (&upload.key, &upload.etag, upload.size));
    assert!(!upload.is_input() || upload.key.len() >= "input/.csv".len() && claim.dataset == "sales-orders");
    assert_eq!(claim.batch_id.as_str().len(), 32);
    claim.batch_id.as_str().to_owned()
}

/// What a form field means, by taking it apart at its percent signs.
fn decoded(encoded: &str) -> Option<String> {
    let mut pieces = encoded.split('%');
    let plain = |piece: &str| piece.replace('+', " ").into_bytes();
    let mut bytes = pieces.next().map(plain)?;
    for piece in pieces {
        let digits = piece.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(plain(piece.get(2..)?));
    }
    String::from_utf8(bytes).ok()
}

fn encode(key: &str) -> String {
    let byte = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'*' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    key.bytes().map(byte).collect()
}
