//! Downloads an input in ranges, several at once, and hands them out in order.
//!
//! One connection gives a fraction of what a function's network can take, so several are open. At most
//! [`SplitSettings::concurrent_reads`] ranges of [`SplitSettings::read_bytes`] are held, and the one that is being scanned: 40
//! MiB as the settings are, whatever the file's size.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

use super::{SplitError, SplitSettings};
use crate::error::Classified;
use crate::ports::{ByteRange, ObjectBody, ObjectRef, ReadObjects, ServiceError};

/// How often a range is taken up again where it broke off.
const TAKEN_UP: usize = 3;

/// One range, in the buffers in which it came.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) buffers: Vec<Bytes>,
    pub(super) version_id: Option<String>,
    bytes: u64,
}

/// The ranges of an input of this size, in order. An input that is one range is asked for whole.
pub(super) fn ranges<'a, R: ReadObjects>(
    reader: &'a R,
    settings: &SplitSettings,
    input: &'a ObjectRef,
    size: u64,
) -> impl Stream<Item = Result<Fetched, SplitError>> + Send + 'a {
    let length = settings.read_bytes.max(1);
    let starts = (0..size.div_ceil(length).max(1)).map(move |range| range * length);
    stream::iter(starts)
        .map(move |start| fetch(reader, input, start, size.min(start.saturating_add(length)), size))
        .buffered(settings.concurrent_reads.max(1))
}

/// Fetches `[start, end)`. A download that breaks off goes on from there, a few times.
async fn fetch<R: ReadObjects>(
    reader: &R,
    input: &ObjectRef,
    start: u64,
    end: u64,
    size: u64,
) -> Result<Fetched, SplitError> {
    let mut fetched = Fetched::default();
    let mut left = TAKEN_UP;
    loop {
        let at = start + fetched.bytes;
        let rest = ByteRange::new(at, end).filter(|rest| rest.end() - rest.start() < size);
        let mut body = reader.read(input, rest).await.map_err(input_error)?;
        // Under the right ETag: not the object is another one, but the event was wrong.
        if let Some(found) = body.total.filter(|total| *total != size) {
            return Err(SplitError::WrongSize { told: size, found });
        }
        fetched.version_id = body.version_id.take();
        match fetched.fill(&mut body, end - start).await {
            // What broke behind the last byte is of no interest.
            Err(_) if fetched.bytes == end - start && end > start => return Ok(fetched),
            Err(error) if left == 0 || !error.is_retryable() => return Err(input_error(error)),
            Err(_) => left -= 1,
            Ok(()) if fetched.bytes == end - start => return Ok(fetched),
            // An answer that ends early without an error must not pass for a short file.
            Ok(()) => return Err(SplitError::Truncated { expected: end - start, arrived: fetched.bytes }),
        }
    }
}

impl Fetched {
    /// Takes buffers until the body ends, or holds more than it may.
    async fn fill(&mut self, body: &mut ObjectBody, most: u64) -> Result<(), ServiceError> {
        while self.bytes <= most
            && let Some(bytes) = body.stream.next().await
        {
            let bytes = bytes?;
            self.bytes += bytes.len() as u64;
            self.buffers.push(bytes);
        }
        Ok(())
    }
}

/// An input that is gone, or is another, is the file's fault: nothing that is tried again brings it back.
fn input_error(error: ServiceError) -> SplitError {
    match error {
        ServiceError::NotFound { .. } | ServiceError::Changed { .. } => SplitError::InputMissing { source: error },
        other => SplitError::Service(other),
    }
}
