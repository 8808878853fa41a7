//! An upload in parts, which ends completed or aborted whatever happens.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, TryStreamExt, stream};

use super::MergeSettings;
use super::ending::{guarded, unless};
use super::plan::{Piece, Slice, plan};
use crate::error::Classified;
use crate::ports::{AssembleObjects, ObjectRef, ReadObjects, ServiceError, StoredObject, Upload};
use crate::work::{self, Part, WorkError};

/// How often aborting is tried.
const ABORTS: usize = 3;
/// Slices read at once for one piece.
const CONCURRENT_SLICES: usize = 8;

/// Makes one object out of parts. An upload that was begun is aborted if anything fails, panics or is stopped.
pub(super) async fn run<O: ReadObjects + AssembleObjects>(
    objects: &O,
    settings: &MergeSettings,
    stop: impl Future<Output = ()>,
    target: &ObjectRef,
    parts: &[&Part],
) -> Result<StoredObject, WorkError> {
    // Not to be stopped: nobody could abort an upload whose name was never heard.
    let upload = objects.begin(&target.bucket, &target.key, work::CSV).await?;
    let failure = match unless(stop, guarded(fill(objects, settings, &upload, target, parts))).await {
        Ok(stored) => return Ok(stored),
        Err(failure) => failure,
    };
    match guarded(abort(objects, &upload)).await {
        Ok(()) => Err(failure),
        Err(abort) => Err(WorkError::LeftOpen {
            key: upload.key,
            upload_id: upload.upload_id,
            failure: Box::new(failure),
            abort: Box::new(abort),
        }),
    }
}

/// Aborts, and tries again where that may help. An upload that is not there is not open.
async fn abort<O: AssembleObjects>(objects: &O, upload: &Upload) -> Result<(), WorkError> {
    let mut left = ABORTS;
    loop {
        left -= 1;
        match objects.abort(upload).await {
            Ok(()) | Err(ServiceError::NotFound { .. }) => return Ok(()),
            Err(error) if left == 0 || !error.is_retryable() => return Err(error.into()),
            Err(_) => {}
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
    let sizes: Vec<u64> = parts.iter().map(|part| part.bytes).collect();
    let pieces = (1_u32..).zip(plan(&sizes, settings.min_part));
    let (copied, sent): (Vec<_>, Vec<_>) = pieces.partition(|(_, piece)| matches!(piece, Piece::Copy(_)));
    let failed = &AtomicBool::new(false);
    // After a failure nothing new is begun, but what is under way is waited for: a part that the service is still taking when
    // the upload is aborted may stay behind.
    let place = |(number, piece): (u32, Piece)| async move {
        if failed.load(Ordering::Relaxed) {
            return None;
        }
        let placed = place(objects, upload, target, parts, number, &piece).await;
        failed.fetch_or(placed.is_err(), Ordering::Relaxed);
        Some(placed.map(|etag| (number, etag)))
    };
    let copies = stream::iter(copied).map(place).buffer_unordered(settings.concurrent_copies.max(1));
    let sends = stream::iter(sent).map(place).buffer_unordered(settings.concurrent_sends.max(1));
    let placed: Vec<Option<Result<(u32, String), WorkError>>> = stream::select(copies, sends).collect().await;
    let mut etags: Vec<(u32, String)> = placed.into_iter().flatten().collect::<Result<_, _>>()?;
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
            let content = read(objects, target, parts, slices).await?;
            Ok(objects.send_part(upload, number, content.into()).await?)
        }
    }
}

/// Reads slices of parts, several at once, one behind the other.
pub(super) async fn read<O: ReadObjects>(
    objects: &O,
    target: &ObjectRef,
    parts: &[&Part],
    slices: &[Slice],
) -> Result<Vec<u8>, WorkError> {
    stream::iter(slices.to_vec())
        .map(|slice| async move {
            let part = part(parts, &slice)?;
            let mut content = Vec::new();
            work::append(objects, &part.object(&target.bucket), Some(slice.range), &mut content).await?;
            Ok::<_, WorkError>(content)
        })
        .buffered(CONCURRENT_SLICES)
        .try_concat()
        .await
}

fn part<'a>(parts: &[&'a Part], slice: &Slice) -> Result<&'a Part, WorkError> {
    parts.get(slice.part).copied().ok_or_else(|| WorkError::inconsistent("plan", "it names a part that there is not"))
}
