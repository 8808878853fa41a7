//! `split.json`: what a split came to, for the next attempt.
//!
//! Written last, so that where it is the manifest was written. Replication keeps no order, so the manifest's ETag is in it.

use serde::{Deserialize, Serialize};

use super::{SplitError, SplitSettings, manifest_key, only};
use crate::dataset::Dataset;
use crate::payload::{BatchInput, ChunkRange, Layout, SplitOutput};
use crate::ports::{InspectObjects, ReadObjects, WriteObjects};
use crate::work::{self, WorkError, resume};

/// What is noted: of a split's output all but the version of the input, which is another in the other Region.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    work_prefix: String,
    manifest_etag: String,
    chunks: u32,
    rows: u64,
    layout: Layout,
}

impl Note {
    pub(super) fn of(output: &SplitOutput, manifest_etag: String) -> Self {
        let (work_prefix, layout) = (output.work_prefix.clone(), output.layout.clone());
        Self { work_prefix, manifest_etag, chunks: output.chunks, rows: output.rows, layout }
    }

    pub(super) async fn write<W: WriteObjects>(&self, writer: &W, batch: &BatchInput) -> Result<(), SplitError> {
        let key = key(&self.work_prefix);
        let json = work::to_json(&key, self)?;
        writer.write(&batch.bucket, &key, work::JSON, json).await?;
        Ok(())
    }

    /// Whether it can be of this split: of this place, for this dataset, within these limits.
    fn is_of(&self, settings: &SplitSettings, dataset: &Dataset, work_prefix: &str) -> bool {
        let Layout { columns, positions } = &self.layout;
        self.work_prefix == work_prefix
            && self.chunks <= settings.max_chunks
            && u64::from(self.chunks) <= self.rows
            && (self.chunks == 0) == (self.rows == 0)
            && positions.len() == dataset.columns.len()
            && positions.iter().all(|position| position < columns)
    }
}

/// The output of an earlier attempt's split, if that is here and fits, with its manifest.
pub(super) async fn find<R: ReadObjects + InspectObjects>(
    objects: &R,
    settings: &SplitSettings,
    dataset: &Dataset,
    batch: &BatchInput,
    work_prefix: &str,
) -> Result<Option<SplitOutput>, WorkError> {
    if !resume::resumes(batch) {
        return Ok(None);
    }
    let found: Option<Note> = resume::find(objects, &work::object(&batch.bucket, key(work_prefix))).await?;
    let Some(note) = found.filter(|note| note.is_of(settings, dataset, work_prefix)) else { return Ok(None) };
    let manifest_key = manifest_key(work_prefix);
    let manifest = resume::head(objects, &batch.bucket, &manifest_key).await?;
    if manifest.is_none_or(|manifest| manifest.etag != note.manifest_etag) {
        return Ok(None);
    }
    let only_chunk = if note.chunks == 1 { only_chunk(objects, batch, &manifest_key, note.rows).await? } else { None };
    let Note { work_prefix, chunks, rows, layout, .. } = note;
    let version_id = batch.version_id.clone();
    // The work prefix is named by it.
    let definition = dataset.digest();
    Ok(Some(SplitOutput { work_prefix, manifest_key, chunks, rows, layout, definition, version_id, only_chunk }))
}

/// The one chunk of a manifest. It is not in the note, whose form would be another then; without it the map does the chunk.
async fn only_chunk<R: ReadObjects>(
    objects: &R,
    batch: &BatchInput,
    manifest_key: &str,
    rows: u64,
) -> Result<Option<ChunkRange>, WorkError> {
    let manifest = work::object(&batch.bucket, manifest_key.to_owned());
    let chunks: Option<Vec<ChunkRange>> = resume::find(objects, &manifest).await?;
    Ok(chunks.and_then(|chunks| only(&chunks)).filter(|only| only.rows == rows))
}

fn key(work_prefix: &str) -> String {
    format!("{work_prefix}split.json")
}
