//! `enrich`: joins one chunk's valid rows with reference records and writes the chunk's share of the result.
//!
//! Distinct keys only are looked up, 100 a call, several calls at once. The rejects of `validate` and those found here are
//! interleaved in row order. Chunk 0 begins both files with their header lines, so that `merge` copies whole parts. The summary
//! is written last: where it is, the chunk is complete.
//!
//! Memory is bounded by the chunk: its work files, its parts, and for each different key the key, its record's values and some
//! 80 bytes. With the default settings and the shipped sales orders that is about 25 MiB.

mod join;
mod keys;
mod lookups;
mod references;

use std::time::Duration;

use bytes::Bytes;

use crate::csv::Writer;
use crate::dataset::Dataset;
use crate::payload::ChunkTask;
use crate::ports::{InspectObjects, LookupRecords, Pause, ReadObjects, WriteObjects};
use crate::validate::{ChunkOutcome, ChunkReport, rejects_writer};
use crate::work::{self, ChunkFile, Part, Summary, WorkError, resume};
use join::{Join, Joined};
pub use lookups::{Asked, Lookups};
use references::References;

/// What a chunk's pauses may come to where the reference table throttles: less than the function's own limit of a minute, so
/// that the error has its name and Step Functions tries again.
const PATIENCE: Duration = Duration::from_secs(40);

/// Enriches one chunk. May be repeated: the same files and reference records give the same files under the same keys.
///
/// # Errors
/// [`WorkError`] when a service fails, or the work files do not hold what the manifest says.
pub async fn run<R: ReadObjects + InspectObjects, W: WriteObjects, L: LookupRecords, P: Pause>(
    reader: &R,
    writer: &W,
    lookup: &L,
    pause: &P,
    dataset: &Dataset,
    task: &ChunkTask,
) -> Result<ChunkOutcome, WorkError> {
    work::same_definition(dataset, &task.split.definition)?;
    if resume::is_complete(reader, task).await? {
        return Ok(ChunkOutcome::Reused);
    }
    let (valid, invalid) = futures::try_join!(
        read(reader, task, ChunkFile::Valid, task.chunk.numbered_bytes()),
        read(reader, task, ChunkFile::Invalid, 0),
    )?;
    let bytes_in = (valid.len() + invalid.len()) as u64;
    let join = Join { dataset, layout: &task.split.layout, valid };
    let inconsistent = |problem| WorkError::inconsistent(&ChunkFile::Valid.of(task), problem);
    let keys = join.keys(task.chunk.rows).map_err(inconsistent)?;
    let lookups = Lookups { records: lookup, pause, patience: PATIENCE };
    let (references, asked) = References::look_up(&lookups, &dataset.lookup, &keys).await?;
    let joined = join.with(&keys, &references, &invalid, task.chunk.chunk == 0).map_err(inconsistent)?;
    drop((join, keys, references, invalid));
    check_rows(task, &joined)?;
    let report = store(writer, task, joined, bytes_in).await?;
    Ok(ChunkOutcome::Worked(ChunkReport { asked, ..report }))
}

async fn read<R: ReadObjects>(reader: &R, task: &ChunkTask, file: ChunkFile, about: usize) -> Result<Bytes, WorkError> {
    work::read(reader, &work::object(&task.batch.bucket, file.of(task)), about).await
}

fn check_rows(task: &ChunkTask, joined: &Joined) -> Result<(), WorkError> {
    let (rows, expected) = (joined.rows_out + joined.rows_rejected, task.chunk.rows);
    if rows == expected {
        return Ok(());
    }
    let problem = format!("valid and invalid rows are {rows} together, the chunk has {expected}");
    Err(WorkError::inconsistent(&ChunkFile::Valid.of(task), problem))
}

async fn store<W: WriteObjects>(
    writer: &W,
    task: &ChunkTask,
    joined: Joined,
    bytes_in: u64,
) -> Result<ChunkReport, WorkError> {
    let Joined { output, rejects, rows_out, rows_rejected, reasons } = joined;
    let (output, rejects) = futures::try_join!(
        store_part(writer, task, ChunkFile::Output, output), //
        store_part(writer, task, ChunkFile::Rejects, rejects),
    )?;
    let bytes_out = output.bytes + rejects.bytes;
    let rows_in = rows_out + rows_rejected;
    let summary = Summary { rows_in, rows_out, rows_rejected, reasons, output, rejects };
    let key = ChunkFile::Summary.of(task);
    writer.write(&task.batch.bucket, &key, work::JSON, work::to_json(&key, &summary)?).await?;
    Ok(ChunkReport { rows_in, rows_out, rows_rejected, bytes_in, bytes_out, asked: Asked::default() })
}

async fn store_part<W: WriteObjects>(
    writer: &W,
    task: &ChunkTask,
    file: ChunkFile,
    content: Vec<u8>,
) -> Result<Part, WorkError> {
    let (key, bytes) = (file.of(task), content.len() as u64);
    let stored = writer.write(&task.batch.bucket, &key, work::CSV, content.into()).await?;
    Ok(Part::new(key, stored, bytes))
}

/// A writer for the dataset's output that holds its header line, if wanted.
pub(crate) fn output_writer(dataset: &Dataset, header: bool) -> Writer {
    let mut writer = Writer::new(dataset.delimiter, dataset.output.quoting);
    if header {
        for column in &dataset.output.columns {
            writer.cell(dataset.output.formulas, column.header.as_bytes());
        }
        writer.end();
    }
    writer
}

/// A writer for the rejects file that holds its header line.
pub(crate) fn rejects_header() -> Writer {
    let mut writer = rejects_writer();
    for name in ["row", "field", "rule", "record"] {
        writer.field(name.as_bytes());
    }
    writer.end();
    writer
}
