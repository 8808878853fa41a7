//! Makes one object out of parts.

use std::future::Future;

use super::ending::unless;
use super::plan::everything;
use super::{MergeSettings, upload};
use crate::ports::{AssembleObjects, ObjectRef, ReadObjects, StoredObject, WriteObjects};
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
    stop: impl Future<Output = ()>,
    target: &ObjectRef,
    otherwise: &[u8],
    parts: &[&Part],
) -> Result<Assembled, WorkError>
where
    O: ReadObjects + WriteObjects + AssembleObjects,
{
    let total: u64 = parts.iter().map(|part| part.bytes).sum();
    if total > settings.min_part {
        let stored = upload::run(objects, settings, stop, target, parts).await?;
        return Ok(Assembled { version_id: stored.version_id, bytes: total });
    }
    let bytes = if parts.is_empty() { otherwise.len() as u64 } else { total };
    let stored = unless(stop, write(objects, target, otherwise, parts)).await?;
    Ok(Assembled { version_id: stored.version_id, bytes })
}

/// Writes a small object at once.
async fn write<O: ReadObjects + WriteObjects>(
    objects: &O,
    target: &ObjectRef,
    otherwise: &[u8],
    parts: &[&Part],
) -> Result<StoredObject, WorkError> {
    let sizes: Vec<u64> = parts.iter().map(|part| part.bytes).collect();
    let content = match parts {
        [] => otherwise.to_vec(),
        parts => upload::read(objects, target, parts, &everything(&sizes)).await?,
    };
    Ok(objects.write(&target.bucket, &target.key, work::CSV, content.into()).await?)
}
