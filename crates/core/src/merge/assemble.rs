//! Makes one object out of parts.

use futures::{StreamExt, TryStreamExt, stream};

use super::MergeSettings;
use super::plan::{Piece, Slice, plan};
use crate::ports::{AssembleObjects, ObjectRef, ReadObjects, StoredObject, Upload, WriteObjects};
use crate::work::{self, Part, WorkError};

/// An object that was assembled.
pub(super) struct Assembled {
    pub(super) version_id: Option<String>,
    pub(super) bytes: u64,
}

/// Assembles the parts, or writes `otherwise` where there are none.
pub(super) async fn run<O>(
    objects: &O,
    settings: &MergeSettings,
    target: &ObjectRef,
    otherwise: &[u8],
    parts: &[&Part],
) -> Result<Assembled, WorkError>
where
    O: ReadObjects + WriteObjects + AssembleObjects,
{
    let total: u64 = parts.iter().map(|part| part.bytes).sum();
    if total > settings.min_part {
        let stored = upload(objects, settings, target, parts).await?;
        return Ok(Assembled { version_id: stored.version_id, bytes: total });
    }
    let mut content = Vec::new();
    if parts.is_empty() {
        content.extend_from_slice(otherwise);
    }
    for slice in plan(&sizes(parts), u64::MAX).iter().flat_map(slices) {
        read(objects, target, parts, slice, &mut content).await?;
    }
    let bytes = content.len() as u64;
    let stored = objects.write(&target.bucket, &target.key, work::CSV, content.into()).await?;
    Ok(Assembled { version_id: stored.version_id, bytes })
}

async fn upload<O: ReadObjects + AssembleObjects>(
    objects: &O,
    settings: &MergeSettings,
    target: &ObjectRef,
    parts: &[&Part],
) -> Result<StoredObject, WorkError> {
    let upload = objects.begin(&target.bucket, &target.key, work::CSV).await?;
    match fill(objects, settings, &upload, target, parts).await {
        Ok(stored) => Ok(stored),
        Err(error) => {
            // The first failure is what there is to report; an upload that cannot be aborted is left to the lifecycle rule.
            let _ = objects.abort(&upload).await;
            Err(error)
        }
    }
}

async fn fill<O: ReadObjects + AssembleObjects>(
    objects: &O,
    settings: &MergeSettings,
    upload: &Upload,
    target: &ObjectRef,
    parts: &[&Part],
) -> Result<StoredObject, WorkError> {
    let pieces = plan(&sizes(parts), settings.min_part);
    let mut etags: Vec<(u32, String)> = stream::iter((1_u32..).zip(pieces))
        .map(|(number, piece)| async move {
            let etag = place(objects, upload, target, parts, number, &piece).await?;
            Ok::<_, WorkError>((number, etag))
        })
        .buffer_unordered(settings.concurrent_parts.max(1))
        .try_collect()
        .await?;
    etags.sort_unstable();
    Ok(objects.complete(upload, &etags).await?)
}

async fn place<O: ReadObjects + AssembleObjects>(
    objects: &O,
    upload: &Upload,
    target: &ObjectRef,
    parts: &[&Part],
    number: u32,
    piece: &Piece,
) -> Result<String, WorkError> {
    match piece {
        Piece::Copy(slice) => {
            let part = part(parts, slice)?;
            let whole = slice.range.end() - slice.range.start() == part.bytes;
            let range = (!whole).then_some(slice.range);
            Ok(objects.copy_part(upload, number, &part.object(&target.bucket), range).await?)
        }
        Piece::Send(slices) => {
            let mut content = Vec::new();
            for slice in slices {
                read(objects, target, parts, slice, &mut content).await?;
            }
            Ok(objects.send_part(upload, number, content.into()).await?)
        }
    }
}

async fn read<O: ReadObjects>(
    objects: &O,
    target: &ObjectRef,
    parts: &[&Part],
    slice: &Slice,
    into: &mut Vec<u8>,
) -> Result<(), WorkError> {
    let part = part(parts, slice)?;
    work::append(objects, &part.object(&target.bucket), Some(slice.range), into).await?;
    Ok(())
}

fn part<'a>(parts: &[&'a Part], slice: &Slice) -> Result<&'a Part, WorkError> {
    parts.get(slice.part).copied().ok_or_else(|| WorkError::inconsistent("plan", "it names a part that there is not"))
}

fn sizes(parts: &[&Part]) -> Vec<u64> {
    parts.iter().map(|part| part.bytes).collect()
}

fn slices(piece: &Piece) -> &[Slice] {
    match piece {
        Piece::Copy(slice) => std::slice::from_ref(slice),
        Piece::Send(slices) => slices,
    }
}
