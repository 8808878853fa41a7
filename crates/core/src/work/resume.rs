//! What an earlier attempt left behind, in this Region or replicated from the other, and whether it can be taken as it is.
//!
//! The first attempt looks for nothing. What is missing, cut off, foreign or unreadable is made again: it is never trusted and
//! never an error. So is what may not be read: a takeover must not fail for a permission that only saves it work. A service
//! that fails while it is asked is an error: then the invocation is repeated.

use serde::Deserialize;

use super::{ChunkFile, Part, Summary, WorkError, object, read_json};
use crate::payload::{BatchInput, ChunkTask};
use crate::ports::{InspectObjects, ObjectInfo, ObjectRef, ReadObjects, ServiceError};

/// Whether an attempt goes on with the work of another.
pub(crate) fn resumes(batch: &BatchInput) -> bool {
    batch.attempt > batch.first_attempt
}

/// Whether an earlier attempt has completed this chunk: its summary is here and says what the manifest says, and so are both
/// parts that it names, unchanged.
pub(crate) async fn is_complete<R: ReadObjects + InspectObjects>(
    objects: &R,
    task: &ChunkTask,
) -> Result<bool, WorkError> {
    if !resumes(&task.batch) {
        return Ok(false);
    }
    let bucket = &task.batch.bucket;
    let found: Option<Summary> = find(objects, &object(bucket, ChunkFile::Summary.of(task))).await?;
    let Some(summary) = found.filter(|summary| is_of(summary, task)) else { return Ok(false) };
    let (output, rejects) = futures::try_join!(
        is_here(objects, bucket, &summary.output), //
        is_here(objects, bucket, &summary.rejects),
    )?;
    Ok(output && rejects)
}

/// A JSON work file of an earlier attempt, or `None` where there is none that can be read.
pub(crate) async fn find<R: ReadObjects, T: for<'de> Deserialize<'de>>(
    objects: &R,
    object: &ObjectRef,
) -> Result<Option<T>, WorkError> {
    match read_json(objects, object).await {
        Ok(found) => Ok(Some(found)),
        Err(WorkError::Service(ServiceError::NotFound { .. } | ServiceError::Denied { .. })) => Ok(None),
        Err(WorkError::Unreadable { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is known of a work file, or `None` where there is none.
pub(crate) async fn head<R: InspectObjects>(
    objects: &R,
    bucket: &str,
    key: &str,
) -> Result<Option<ObjectInfo>, WorkError> {
    match objects.head(&object(bucket, key.to_owned())).await {
        Err(ServiceError::Denied { .. }) => Ok(None),
        answer => Ok(answer?),
    }
}

/// Whether a summary can be this chunk's: its parts lie where the chunk's do, and its rows add up to the chunk's.
fn is_of(summary: &Summary, task: &ChunkTask) -> bool {
    let reasons = summary.reasons.iter().try_fold(0_u64, |sum, reason| sum.checked_add(reason.count));
    summary.output.key == ChunkFile::Output.of(task)
        && summary.rejects.key == ChunkFile::Rejects.of(task)
        && summary.rows_in == task.chunk.rows
        && summary.rows_out.checked_add(summary.rows_rejected) == Some(summary.rows_in)
        && reasons == Some(summary.rows_rejected)
}

async fn is_here<R: InspectObjects>(objects: &R, bucket: &str, part: &Part) -> Result<bool, WorkError> {
    let found = head(objects, bucket, &part.key).await?;
    Ok(found.is_some_and(|found| found.etag == part.etag && found.bytes == part.bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Value;

    use super::*;
    use crate::ports::{ByteRange, ObjectBody};

    /// A bucket whose objects the caller may neither read nor look at.
    struct Forbidden;

    fn denied() -> ServiceError {
        ServiceError::Denied { operation: "s3:GetObject", message: String::from("no") }
    }

    impl ReadObjects for Forbidden {
        async fn read(&self, _: &ObjectRef, _: Option<ByteRange>) -> Result<ObjectBody, ServiceError> {
            Err(denied())
        }
    }

    impl InspectObjects for Forbidden {
        async fn head(&self, _: &ObjectRef) -> Result<Option<ObjectInfo>, ServiceError> {
            Err(denied())
        }
    }

    #[tokio::test]
    async fn what_may_not_be_read_is_made_again() {
        assert_eq!(head(&Forbidden, "b", "k").await.unwrap(), None);
        let found: Option<Value> = find(&Forbidden, &object("b", String::from("k"))).await.unwrap();
        assert_eq!(found, None);
    }
}
