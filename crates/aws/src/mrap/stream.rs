//! Uploads what comes as a stream of known length: in the same parts as a file, so that the same bytes are the same batch.

use std::io;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use tandem_core::ports::{AssembleObjects, StoredObject, Upload, WriteObjects};

use super::MrapUploader;
use super::upload::{CONCURRENCY, CONTENT_TYPE, MULTIPART_FROM, UploadError, identified, part_ranges};

impl<O: WriteObjects + AssembleObjects> MrapUploader<O> {
    /// Uploads exactly `size` bytes of `content` under exactly `key`. Memory is bounded by the parts in flight.
    ///
    /// # Errors
    /// [`UploadError`]; what was begun is taken back unless the service is out of reach.
    pub async fn upload_stream(
        &self,
        content: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
        size: u64,
        key: &str,
    ) -> Result<StoredObject, UploadError> {
        let mut pieces = Pieces { content, rest: Bytes::new() };
        if size < MULTIPART_FROM {
            let body = pieces.take(size).await?;
            pieces.end().await?;
            return identified(self.objects.write(self.arn.as_str(), key, CONTENT_TYPE, body).await?);
        }
        let upload = self.objects.begin(self.arn.as_str(), key, CONTENT_TYPE).await?;
        let sent = self.send_pieces(pieces, size, &upload).await;
        let completed = match sent {
            Ok(parts) => self.objects.complete(&upload, &parts).await.map_err(UploadError::from),
            Err(error) => Err(error),
        };
        let stored = completed.and_then(identified);
        if stored.is_err() {
            self.abort(&upload).await;
        }
        stored
    }

    /// Number and ETag of every part, in order. The next part is read while those before it are sent.
    async fn send_pieces<S: Stream<Item = io::Result<Bytes>> + Send + Unpin>(
        &self,
        pieces: Pieces<S>,
        size: u64,
        upload: &Upload,
    ) -> Result<Vec<(u32, String)>, UploadError> {
        let parts = part_ranges(size).collect::<Vec<_>>().into_iter();
        let bodies = stream::try_unfold((pieces, parts), |(mut pieces, mut parts)| async {
            let Some(part) = parts.next() else {
                pieces.end().await?;
                return Ok::<_, UploadError>(None);
            };
            let body = pieces.take(part.size).await?;
            Ok(Some(((part.number, body), (pieces, parts))))
        });
        let sent = bodies.map_ok(|(number, body)| async move {
            let etag = self.objects.send_part(upload, number, body).await?;
            Ok::<_, UploadError>((number, etag))
        });
        sent.try_buffered(CONCURRENCY).try_collect().await
    }
}

/// A stream, cut into pieces of any length.
struct Pieces<S> {
    content: S,
    rest: Bytes,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Pieces<S> {
    /// The next `size` bytes.
    async fn take(&mut self, size: u64) -> Result<Bytes, UploadError> {
        let size = usize::try_from(size).map_err(|_| UploadError::Content(io::ErrorKind::FileTooLarge.into()))?;
        let mut piece = BytesMut::with_capacity(size);
        while piece.len() < size {
            if self.rest.is_empty() {
                let next = self.content.next().await.transpose().map_err(UploadError::Content)?;
                self.rest = next.ok_or_else(|| UploadError::Content(io::ErrorKind::UnexpectedEof.into()))?;
            }
            let wanted = self.rest.len().min(size - piece.len());
            piece.extend_from_slice(&self.rest.split_to(wanted));
        }
        Ok(piece.freeze())
    }

    /// Nothing may follow: what was announced is not what came.
    async fn end(&mut self) -> Result<(), UploadError> {
        let more = |bytes: &Bytes| !bytes.is_empty();
        let mut surplus = more(&self.rest);
        while let Some(next) = self.content.next().await {
            surplus = surplus || more(&next.map_err(UploadError::Content)?);
        }
        if surplus { Err(UploadError::Content(io::ErrorKind::InvalidData.into())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::upload::tests::{Recorder, uploader};
    use super::*;

    const MIB: usize = 1024 * 1024;

    /// A stream of this many bytes, in pieces of a length that fits no part.
    fn content(size: usize) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
        let pieces = (0..size).step_by(700_001).map(move |start| {
            let end = size.min(start + 700_001);
            Ok(Bytes::from((start..end).map(|byte| u8::try_from(byte / (8 * MIB)).unwrap() + 1).collect::<Vec<_>>()))
        });
        stream::iter(pieces.collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn a_small_stream_goes_in_one_request_and_a_large_one_in_the_parts_of_a_file() {
        let small = Recorder::default();
        let stored = uploader(&small).upload_stream(content(3), 3, "input/a.csv").await.unwrap();
        assert_eq!((stored.etag.as_str(), small.calls().len()), ("whole", 1));
        let large = Recorder::default();
        let stored = uploader(&large).upload_stream(content(17 * MIB), 17 * MIB as u64, "input/a.csv").await.unwrap();
        assert_eq!(stored.etag, "parts");
        let parts = format!("complete {:?}", [(1, "1:8388608:1"), (2, "2:8388608:2"), (3, "3:1048576:3")]);
        assert_eq!(large.calls(), ["begin input/a.csv", &parts]);
    }

    #[tokio::test]
    async fn what_is_shorter_or_longer_than_announced_is_not_stored() {
        for (size, announced) in [(2, 3), (4, 3), (17 * MIB - 1, 17 * MIB), (17 * MIB + 1, 17 * MIB)] {
            let recorder = Recorder::default();
            let stored = uploader(&recorder).upload_stream(content(size), announced as u64, "input/a.csv").await;
            assert!(matches!(stored, Err(UploadError::Content(_))), "{size} of {announced}");
            let calls = recorder.calls();
            assert!(!calls.iter().any(|call| call.starts_with("write") || call.starts_with("complete")), "{calls:?}");
            assert!(announced < 16 * MIB || calls.last().unwrap() == "abort u", "{calls:?}");
        }
    }
}
