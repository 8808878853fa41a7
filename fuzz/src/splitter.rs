//! The splitter against a reference that goes byte by byte: rows, chunks and errors, in buffers cut anywhere.
//!
//! Input: four bytes of settings (rows in a chunk and most chunks, bytes in a chunk, longest record, how buffers are cut),
//! then the file.

use std::sync::LazyLock;

use tandem_core::dataset::Dataset;
use tandem_core::payload::ChunkRange;
use tandem_core::split::{Found, Place, SplitError, SplitSettings, Splitter};

use crate::lines::{buffers, lines, without_end};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Two columns, so that a header is found by chance.
const DEFINITION: &str = r#"{
  "description": "Two columns", "delimiter": ",",
  "columns": [{ "header": "a", "field": "a" }, { "header": "b", "field": "b" }],
  "rules": {},
  "lookup": { "table": "t", "key": "a", "fields": [], "unmatched": "empty" },
  "output": { "columns": [{ "header": "a", "field": "a" }], "quoting": "all" }
}"#;

static DATASET: LazyLock<Dataset> =
    LazyLock::new(|| Dataset::parse("two", DEFINITION.as_bytes()).expect("the definition is right"));

/// What a file comes to; an error as its owner reads it.
type Outcome = Result<Found, String>;

/// Splits the file in three ways and holds each against the reference.
pub fn run(data: &[u8]) {
    let Some((&[rows, bytes, record, cuts], file)) = data.split_first_chunk::<4>() else { return };
    let max_chunks = match rows >> 4 {
        0 => 10_000,
        few => u32::from(few),
    };
    let settings = SplitSettings {
        chunk_rows: u64::from(rows & 15) + 1,
        chunk_bytes: u64::from(bytes) + 1,
        max_record: usize::from(record) + 8,
        max_chunks,
        ..SplitSettings::default()
    };
    let expected = reference(&settings, file);
    assert_eq!(split(&settings, buffers(file, 0)), expected, "in one buffer");
    assert_eq!(split(&settings, file.chunks(1)), expected, "byte by byte");
    // A seed of 1 would give empty buffers for ever.
    assert_eq!(split(&settings, buffers(file, cuts.max(2))), expected, "in buffers of up to {} bytes", cuts.max(2));
}

fn split<'a>(settings: &SplitSettings, buffers: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut splitter = Splitter::new(settings, &DATASET);
    let mut buffers = buffers;
    let pushed = buffers.try_for_each(|buffer| splitter.push(buffer));
    pushed.and_then(|()| splitter.finish()).map_err(|error| error.to_string())
}

fn reference(settings: &SplitSettings, file: &[u8]) -> Outcome {
    let start = if file.starts_with(BOM) { BOM.len() } else { 0 };
    let found = lines(file, start, DATASET.delimiter);
    let mut read: Option<Found> = None;
    for (index, range) in found.ranges.iter().enumerate() {
        let line = &file[range.clone()];
        if without_end(line).is_empty() {
            continue;
        }
        // A line that is too long fails as soon as it is, unless a quote is open from there to the end.
        let in_time = found.last_outside.is_none_or(|at| at < range.start + settings.max_record);
        let open = found.open && in_time && index + 1 == found.ranges.len();
        let Some(read) = &mut read else {
            read = Some(header(settings, line, open)?);
            continue;
        };
        let place = || Place::Row(read.rows + 1);
        if open {
            return Err(SplitError::UnclosedQuote { place: place() }.to_string());
        }
        if line.len() > settings.max_record {
            return Err(SplitError::RecordTooLong { place: place(), limit: settings.max_record }.to_string());
        }
        add(settings, read, range.start as u64, range.end as u64)?;
    }
    read.ok_or_else(|| SplitError::EmptyFile.to_string())
}

/// What a header line alone comes to: what headers may hold is not this target's matter, only where they end.
fn header(settings: &SplitSettings, line: &[u8], open: bool) -> Outcome {
    let seen = &line[..line.len().min(settings.max_record)];
    let roomy = SplitSettings { max_record: usize::MAX, ..settings.clone() };
    // The byte order mark keeps one that the line itself may begin with from being taken for the file's.
    let alone = split(&roomy, [BOM, seen].into_iter());
    let place = Place::Header;
    match alone {
        Err(error) if error.contains("not a CSV file") => Err(error),
        _ if open => Err(SplitError::UnclosedQuote { place }.to_string()),
        _ if seen.len() < line.len() => {
            Err(SplitError::RecordTooLong { place, limit: settings.max_record }.to_string())
        }
        alone => alone,
    }
}

fn add(settings: &SplitSettings, read: &mut Found, start: u64, end: u64) -> Result<(), String> {
    read.rows += 1;
    if let Some(chunk) = read.chunks.last_mut()
        && chunk.rows < settings.chunk_rows
        && end - chunk.start <= settings.chunk_bytes
    {
        chunk.end = end;
        chunk.rows += 1;
        return Ok(());
    }
    if read.chunks.len() == settings.max_chunks as usize {
        return Err(SplitError::TooManyChunks { limit: settings.max_chunks, rows: read.rows - 1 }.to_string());
    }
    let chunk = u32::try_from(read.chunks.len()).expect("there are few chunks");
    read.chunks.push(ChunkRange { chunk, start, end, first_row: read.rows, rows: 1 });
    Ok(())
}
