//! Work files that one version of the code writes are read by another: their bytes are pinned.

use sha2::{Digest, Sha256};
use tandem_core::dataset::Dataset;
use tandem_core::testing::Faults;
use tandem_core::work::WORK_FORMAT;

use crate::support::{Journey, Sizes};

/// What the files below hold under each format, the last one in use. Lines are added, never changed.
const FORMATS: &[(u32, &str)] = &[
    (1, "39591be0a6608a6856bf2516bcddf54888f3a2b40e9788e0addce6b82bdce6ec"),
    (2, "dc6b6ad55a85df9f4fb62fc6a8192fb9ba412bd41d81b64ccd3a9053b4393af5"),
];

const REJECTING: &str = r#"{
  "description": "all fields in quotes, unknown keys rejected", "delimiter": ",",
  "columns": [{"header": "Number", "field": "number"}, {"header": "Text", "field": "text"}],
  "rules": {"type": "object", "required": ["number"], "properties": {
    "number": {"type": "string", "pattern": "^[0-9]{9}$"}, "text": {"type": "string", "maxLength": 12}}},
  "lookup": {"table": "orders", "key": "number", "fields": ["unitsSold", "unitPrice", "unitCost"], "unmatched": "reject"},
  "output": {"quoting": "all", "columns": [
    {"header": "Number", "field": "number"}, {"header": "Sold", "field": "unitsSold"}, {"header": "Price", "field": "unitPrice"},
    {"header": "Text", "field": "text"}, {"header": "Cost", "field": "unitCost"}]}
}"#;

const COMPLETING: &str = r#"{
  "description": "few fields in quotes, unknown keys delivered", "delimiter": ";",
  "columns": [{"header": "Text", "field": "text"}, {"header": "Article", "field": "article"}],
  "rules": {"type": "object", "required": ["article"], "properties": {"text": {"type": "string", "maxLength": 12}}},
  "lookup": {"table": "articles", "key": "article", "fields": ["stock"], "unmatched": "empty"},
  "output": {"quoting": "necessary", "columns": [
    {"header": "Stock", "field": "stock"}, {"header": "Article", "field": "article"}, {"header": "Text", "field": "text"}]}
}"#;

const ROWS: &[u8] = b"\n\"000000001\",plain\n000000002,\"a \"\"quoted\"\", text\"\r\n\n000000003,unmatched\n000000004,\"two\nlines\"\nx,wrong form\n\
    000000006,far too long a text\n000000005,too,many\n,\n000000008,\xFF\n000000009,ends in\r\r\n000000010,\n000000011,\xC3\xA9";

/// Name and content of all work files of one run, in order; where the files lie is not part of it.
fn written(name: &str, definition: &str, file: &[u8]) -> Vec<u8> {
    let dataset = Dataset::parse(name, definition.as_bytes()).unwrap();
    let sizes = Sizes { chunk_rows: 4, ..Sizes::large() };
    let journey = Journey::new(&dataset, file, &sizes, Faults::none());
    journey.run().unwrap();
    let prefix = journey.split.borrow().as_ref().unwrap().work_prefix.clone();
    let mut keys = journey.objects.written();
    keys.retain(|key| key.starts_with(&prefix));
    // Files of one step are written side by side.
    keys.sort_unstable();
    let text = |key: &String| {
        let content = journey.content(key).unwrap();
        format!("{key}\n{}\n\n", content.escape_ascii()).replace(&prefix, "")
    };
    keys.iter().map(text).collect::<String>().into_bytes()
}

#[test]
fn work_files_with_other_bytes_have_another_format() {
    let rejecting = written("rejecting", REJECTING, &[b"Number,Text", ROWS].concat());
    let rows: Vec<u8> = ROWS.iter().map(|&byte| if byte == b',' { b';' } else { byte }).collect();
    let rows = String::from_utf8_lossy(&rows).replace("000000", "ABC-0").replace('\u{FFFD}', "?");
    let completing = written("completing", COMPLETING, format!(" Article ;Text{rows}").as_bytes());
    let guarding = COMPLETING.replace("\"quoting\"", "\"formulas\": \"quote\", \"quoting\"");
    let guarding = written("guarding", &guarding, b"Text;Article\n-a;=1\n=1,;\n-1;=1;=2\nbad;\"x\n=1,-2\";");
    let all = [rejecting, completing, guarding].concat();
    let digest: String = Sha256::digest(&all).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        FORMATS.last(),
        Some(&(WORK_FORMAT, digest.as_str())),
        "work files changed: raise WORK_FORMAT and add a line to FORMATS, so that no attempt goes on with files of the other \
         form. They are now:\n{}",
        String::from_utf8_lossy(&all)
    );
    assert!(FORMATS.iter().map(|(format, _)| *format).eq(1..=WORK_FORMAT), "each format has one line");
}
