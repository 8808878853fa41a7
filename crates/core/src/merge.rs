//! `merge`: joins the chunks' parts into one output and one rejects file, in input order.
//!
//! The manifest names every chunk, each chunk's summary its parts. Rows are counted again: if they are not those that `split`
//! saw, nothing is delivered. Memory is bounded by a few buffers, however large the result is.

mod assemble;
mod ending;
mod plan;
mod rejected;
mod upload;

use std::collections::BTreeMap;
use std::future::{self, Future};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::dataset::Dataset;
use crate::enrich::{output_writer, rejects_header};
use crate::payload::{ChunkRange, MergeOutput, MergeTask, ReasonCount};
use crate::ports::{AssembleObjects, ObjectRef, ReadObjects, StoreRejects, WriteObjects};
use crate::work::{self, ChunkFile, Part, Summary, WorkError};
use ending::{guarded, unless};

/// Summaries read at once.
const CONCURRENT_READS: usize = 32;
/// Reasons that are reported.
const TOP_REASONS: usize = 3;

/// How results are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeSettings {
    /// The least that the service takes as a part that is not the last, in bytes. A part from this size on is copied inside
    /// the service; a result up to this size is written at once.
    pub min_part: u64,
    /// Parts that are copied at once, in each of the two files: these take no memory.
    pub concurrent_copies: usize,
    /// Parts that are read and sent at once, in each of the two files: each takes less than twice `min_part` of memory.
    pub concurrent_sends: usize,
}

impl Default for MergeSettings {
    fn default() -> Self {
        Self { min_part: 5 * 1024 * 1024, concurrent_copies: 32, concurrent_sends: 2 }
    }
}

/// Merges one batch. May be repeated: the same parts give the same files, under the same keys, as new versions.
///
/// # Errors
/// [`WorkError`] when a service fails, or the chunks are not those that were split. No upload is left open; where aborting one
/// fails too, that is [`WorkError::LeftOpen`].
pub async fn run<O, S>(
    objects: &O,
    rejects: &S,
    settings: &MergeSettings,
    dataset: &Dataset,
    task: &MergeTask,
) -> Result<MergeOutput, WorkError>
where
    O: ReadObjects + WriteObjects + AssembleObjects,
    S: StoreRejects,
{
    run_until(objects, rejects, settings, dataset, task, future::pending()).await
}

/// The same, given up when `stop` is ready: uploads are then aborted.
///
/// # Errors
/// As [`run`], and [`WorkError::Stopped`].
pub async fn run_until<O, S>(
    objects: &O,
    rejects: &S,
    settings: &MergeSettings,
    dataset: &Dataset,
    task: &MergeTask,
    stop: impl Future<Output = ()> + Send,
) -> Result<MergeOutput, WorkError>
where
    O: ReadObjects + WriteObjects + AssembleObjects,
    S: StoreRejects,
{
    let batch = &task.batch;
    work::same_definition(dataset, &task.split.definition)?;
    let stop = stop.shared();
    let summaries = unless(stop.clone(), summaries(objects, task)).await?;
    let totals = Totals::of(&summaries);
    totals.check(task)?;
    let folder = dataset.result_folder(&batch.batch_id);
    let target = |name| work::object(&batch.bucket, format!("{folder}/{name}"));
    let (output_target, rejects_target) = (target("output.csv"), target("rejects.csv"));
    let output_parts: Vec<&Part> = summaries.iter().map(|summary| &summary.output).collect();
    let rejects_parts: Vec<&Part> = summaries.iter().map(|summary| &summary.rejects).collect();
    let (output_header, rejects_header) = (output_writer(dataset, true), rejects_header());
    // All three run to their end even if one fails or panics: an upload that is dropped half way would stay open.
    let (output, rejected, stored) = futures::join!(
        guarded(assemble::run(objects, settings, stop.clone(), &output_target, output_header.bytes(), &output_parts)),
        guarded(assemble::run(
            objects,
            settings,
            stop.clone(),
            &rejects_target,
            rejects_header.bytes(),
            &rejects_parts
        )),
        guarded(unless(stop.clone(), rejected::store(objects, rejects, batch, &summaries))),
    );
    let (output, rejected) = (output?, rejected?);
    stored?;
    Ok(MergeOutput {
        output_key: output_target.key,
        output_version: output.version_id,
        rejects_key: rejects_target.key,
        rejects_version: rejected.version_id,
        rows_in: totals.rows_in,
        rows_out: totals.rows_out,
        rows_rejected: totals.rows_rejected,
        bytes_out: output.bytes,
        reasons: totals.top_reasons(),
    })
}

/// The summaries of all chunks, in manifest order, each held to its line of the manifest.
async fn summaries<O: ReadObjects>(objects: &O, task: &MergeTask) -> Result<Vec<Summary>, WorkError> {
    let (batch, split) = (&task.batch, &task.split);
    let manifest: ObjectRef = work::object(&batch.bucket, split.manifest_key.clone());
    let chunks: Vec<ChunkRange> = work::read_json(objects, &manifest).await?;
    if chunks.len() as u64 != u64::from(split.chunks) {
        let problem = format!("{} chunks are listed, {} were split", chunks.len(), split.chunks);
        return Err(WorkError::inconsistent(&split.manifest_key, problem));
    }
    stream::iter(chunks)
        .map(|chunk| async move {
            let key = ChunkFile::Summary.key(&split.work_prefix, chunk.chunk);
            let object = work::object(&batch.bucket, key);
            let summary: Summary = work::read_json(objects, &object).await?;
            if summary.rows_in == chunk.rows && summary.rows_in == summary.rows_out + summary.rows_rejected {
                return Ok(summary);
            }
            Err(WorkError::inconsistent(&object.key, format!("its rows do not add up to the chunk's {}", chunk.rows)))
        })
        .buffered(CONCURRENT_READS)
        .try_collect()
        .await
}

/// Sums over all chunks.
#[derive(Debug, Default)]
struct Totals {
    rows_in: u64,
    rows_out: u64,
    rows_rejected: u64,
    reasons: BTreeMap<(String, String), u64>,
}

impl Totals {
    fn of(summaries: &[Summary]) -> Self {
        let mut totals = Self::default();
        for summary in summaries {
            totals.rows_in += summary.rows_in;
            totals.rows_out += summary.rows_out;
            totals.rows_rejected += summary.rows_rejected;
            for reason in &summary.reasons {
                *totals.reasons.entry((reason.field.clone(), reason.rule.clone())).or_default() += reason.count;
            }
        }
        totals
    }

    fn check(&self, task: &MergeTask) -> Result<(), WorkError> {
        if self.rows_in == task.split.rows {
            return Ok(());
        }
        let problem = format!("the chunks hold {} rows, the input {}", self.rows_in, task.split.rows);
        Err(WorkError::inconsistent(&task.split.manifest_key, problem))
    }

    /// The most frequent first; among equals in the order of field and rule.
    fn top_reasons(self) -> Vec<ReasonCount> {
        let reason = |((field, rule), count)| ReasonCount { field, rule, count };
        let mut reasons: Vec<ReasonCount> = self.reasons.into_iter().map(reason).collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        reasons.truncate(TOP_REASONS);
        reasons
    }
}
