//! `validate`: holds every row of one chunk against the dataset's rules.
//!
//! Writes two work files: the rows that passed, as they came, behind their row numbers; and the rejects. A bad row is an
//! outcome, never an error. Memory is bounded by the chunk: what it holds, a number for each row, and in a rejected row a second
//! quote for each quote and an apostrophe for each formula; beside it one buffer of the download.

use futures::StreamExt;

use crate::csv::{Fields, Record, Records, Writer};
use crate::dataset::{Dataset, Failed, Quoting};
use crate::enrich::Asked;
use crate::payload::{ChunkTask, Layout};
use crate::ports::{ByteRange, InspectObjects, ObjectRef, ReadObjects, WriteObjects};
use crate::work::{self, ChunkFile, WorkError, resume};

/// What became of a chunk's rows, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ChunkReport {
    /// Rows read.
    pub rows_in: u64,
    /// Rows that go on.
    pub rows_out: u64,
    /// Rows rejected so far.
    pub rows_rejected: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// What was asked of the reference table.
    pub asked: Asked,
}

/// What came of one invocation for a chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ChunkOutcome {
    /// It was worked on.
    Worked(ChunkReport),
    /// An earlier attempt had completed it: nothing was computed or written.
    Reused,
}

/// Validates one chunk. May be repeated: the same chunk gives the same files under the same keys.
///
/// # Errors
/// [`WorkError`] when a service fails, or the range does not hold what the manifest says.
pub async fn run<R: ReadObjects + InspectObjects, W: WriteObjects>(
    reader: &R,
    writer: &W,
    dataset: &Dataset,
    task: &ChunkTask,
) -> Result<ChunkOutcome, WorkError> {
    work::same_definition(dataset, &task.split.definition)?;
    if resume::is_complete(reader, task).await? {
        return Ok(ChunkOutcome::Reused);
    }
    let mut validator = Validator::new(dataset, task);
    let bytes_in = read(reader, task, &mut validator).await?;
    let rows_in = validator.row - task.chunk.first_row;
    if rows_in != task.chunk.rows {
        let problem = format!("chunk {} should hold {} rows, but holds {rows_in}", task.chunk.chunk, task.chunk.rows);
        return Err(WorkError::inconsistent(&task.batch.key, problem));
    }
    let rows_out = rows_in - validator.rejected;
    let (valid, invalid) = (validator.valid.into_bytes(), validator.invalid.into_bytes());
    let bytes_out = (valid.len() + invalid.len()) as u64;
    let bucket = &task.batch.bucket;
    let (valid_key, invalid_key) = (ChunkFile::Valid.of(task), ChunkFile::Invalid.of(task));
    futures::try_join!(
        writer.write(bucket, &valid_key, work::CSV, valid.into()),
        writer.write(bucket, &invalid_key, work::CSV, invalid.into()),
    )?;
    let report = ChunkReport {
        rows_in,
        rows_out,
        rows_rejected: validator.rejected,
        bytes_in,
        bytes_out,
        asked: Asked::default(),
    };
    Ok(ChunkOutcome::Worked(report))
}

/// Streams the chunk's range through the validator; answers its bytes.
async fn read<R: ReadObjects>(reader: &R, task: &ChunkTask, validator: &mut Validator<'_>) -> Result<u64, WorkError> {
    let (batch, chunk) = (&task.batch, &task.chunk);
    let input = ObjectRef {
        bucket: batch.bucket.clone(),
        key: batch.key.clone(),
        etag: Some(batch.etag.clone()),
        version_id: task.split.version_id.clone(),
    };
    let range = ByteRange::new(chunk.start, chunk.end)
        .ok_or_else(|| WorkError::inconsistent(&batch.key, format!("chunk {} holds no byte", chunk.chunk)))?;
    let mut body = reader.read(&input, Some(range)).await?;
    let mut records = Records::new(validator.dataset.delimiter);
    let mut arrived = 0;
    while let Some(bytes) = body.stream.next().await {
        let bytes = bytes?;
        arrived += bytes.len() as u64;
        records.push(bytes);
        while let Some(record) = records.next() {
            validator.take(record);
        }
    }
    if let Some(record) = records.finish() {
        validator.take(record);
    }
    let expected = chunk.end - chunk.start;
    if arrived == expected {
        return Ok(arrived);
    }
    Err(WorkError::Truncated { key: batch.key.clone(), expected, arrived })
}

/// Sorts records into valid and invalid ones.
struct Validator<'a> {
    dataset: &'a Dataset,
    layout: &'a Layout,
    fields: Fields,
    valid: Writer,
    invalid: Writer,
    /// Number of the next row.
    row: u64,
    rejected: u64,
}

impl<'a> Validator<'a> {
    fn new(dataset: &'a Dataset, task: &'a ChunkTask) -> Self {
        Self {
            dataset,
            layout: &task.split.layout,
            fields: Fields::new(dataset.delimiter),
            valid: Writer::new(dataset.delimiter, Quoting::Necessary).with_room(task.chunk.numbered_bytes()),
            invalid: rejects_writer(),
            row: task.chunk.first_row,
            rejected: 0,
        }
    }

    fn take(&mut self, record: &[u8]) {
        let failed = first_failed(self.dataset, self.layout, record, &self.fields.parse(record));
        let mut digits = RowNumber::default();
        let row = digits.write(self.row);
        match failed {
            None => self.valid.numbered(row, record),
            Some(failed) => {
                self.rejected += 1;
                write_reject(&mut self.invalid, self.dataset, row, [&failed.field, &failed.rule], record);
            }
        }
        self.row += 1;
    }
}

fn first_failed(dataset: &Dataset, layout: &Layout, raw: &[u8], record: &Record<'_>) -> Option<Failed> {
    if record.len() != layout.columns {
        return Some(Failed::new("", "field_count"));
    }
    // A quote between the halves of a character is gone from the field, which then is text: the row, as it goes on, is not.
    let is_text = record.is_without_quotes() || std::str::from_utf8(raw).is_ok();
    let Some(text) = record.text().filter(|_| is_text) else {
        return Some(not_utf8(dataset, layout, record));
    };
    dataset.rules.first_failed(&text, &layout.positions)
}

/// Names the first column that is not UTF-8, or none if that is one the dataset does not use, or all are once quotes are gone.
fn not_utf8(dataset: &Dataset, layout: &Layout, record: &Record<'_>) -> Failed {
    let broken = |position: &usize| record.get(*position).is_some_and(|field| std::str::from_utf8(field).is_err());
    let column = layout.positions.iter().position(broken).and_then(|index| dataset.columns.get(index));
    Failed::new(column.map_or("", |column| &column.field), "utf8")
}

/// A writer in the form of the rejects file.
pub(crate) fn rejects_writer() -> Writer {
    Writer::new(b',', Quoting::Necessary)
}

/// Writes one rejected row. Field and rule are the definition's, which keeps formulas out of them; the record is anybody's.
pub(crate) fn write_reject(
    writer: &mut Writer,
    dataset: &Dataset,
    row: &[u8],
    [field, rule]: [&str; 2],
    record: &[u8],
) {
    writer.field(row).field(field.as_bytes()).field(rule.as_bytes());
    writer.row(dataset.output.formulas, dataset.delimiter, record).end();
}

/// The decimal digits of a row number, without an allocation.
#[derive(Default)]
pub(crate) struct RowNumber([u8; 20]);

impl RowNumber {
    /// The digits of this number.
    pub(crate) fn write(&mut self, mut row: u64) -> &[u8] {
        let mut at = self.0.len();
        loop {
            at -= 1;
            self.0[at] = b'0' + (row % 10) as u8;
            row /= 10;
            if row == 0 {
                return &self.0[at..];
            }
        }
    }
}
