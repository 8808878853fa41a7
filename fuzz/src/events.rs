//! Keys of upload events: decoded as a form field is, refused if they are none, and never guessed.
//!
//! Input: the key as an event has it.

use std::sync::LazyLock;

use tandem_core::dataset::Datasets;
use tandem_core::event::{EventError, Upload, decode_key};

static DATASETS: LazyLock<Datasets> = LazyLock::new(|| {
    let definition = include_bytes!("../../assets/datasets/sales-orders.json");
    Datasets::load([("sales-orders", definition)]).expect("the shipped definition is right")
});

/// Decodes the key, and makes of it what intake makes.
pub fn run(data: &[u8]) {
    let Ok(encoded) = std::str::from_utf8(data) else { return };
    let decoded = decode_key(encoded);
    assert_eq!(decoded.as_deref().ok(), reference(encoded).as_deref());
    let key = match decoded {
        Ok(key) => key,
        Err(error) => return assert_eq!(error, EventError::Key(encoded.to_owned())),
    };
    assert_eq!(decode_key(&encode(&key)).as_deref(), Ok(key.as_str()), "encoded and decoded again");
    let upload = Upload { bucket: "b".into(), key, etag: "e".into(), version_id: None, size: 1 };
    let dataset = DATASETS.for_key(&upload.key);
    let claim = upload.first_claim(dataset, "us-east-1", "2026-01-01T00:00:00.000Z");
    assert_eq!(claim.key, upload.key);
    assert_eq!(claim.batch_id.as_str().len(), 32);
    assert!(!upload.is_input() || upload.key.len() >= "input/.csv".len() && claim.dataset == "sales-orders");
}

/// What a form field means, by taking it apart at its percent signs.
fn reference(encoded: &str) -> Option<String> {
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
