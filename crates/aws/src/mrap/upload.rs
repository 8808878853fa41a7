//! Uploads a file of any size through the Multi-Region Access Point.
//!
//! The parts' size follows from the file's size alone, so that uploading the same file again gives the same ETag, and
//! with it the same batch. Memory is bounded by the parts in flight. What was begun is completed or aborted.

use std::fs::{File, Metadata};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::future::{Either, select};
use futures::stream::{self, StreamExt, TryStreamExt};
use tandem_core::ports::{AssembleObjects, ServiceError, StoredObject, Upload, WriteObjects};

use super::MrapArn;

const MIB: u64 = 1024 * 1024;
/// Files below this size go in one request.
pub(super) const MULTIPART_FROM: u64 = 16 * MIB;
/// Smallest part that we make; larger where the file would otherwise need more than [`MOST_PARTS`].
const PART: u64 = 8 * MIB;
/// S3's limit.
const MOST_PARTS: u64 = 10_000;
/// Parts in flight, each held in memory.
pub(super) const CONCURRENCY: usize = 4;
pub(super) const CONTENT_TYPE: &str = "text/csv";

/// Why a file was not uploaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody wrote to the file while it was being uploaded.
    #[error("{path} changed while it was being uploaded: upload it again when it is complete")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// What came is not what was announced, or broke off.
    #[error("the content broke off, or is not as long as was announced: upload it again")]
    Content(#[source] io::Error),
    /// The caller gave up.
    #[error("the upload was interrupted; a file of several parts was not stored")]
    Interrupted,
    /// The service did not take it.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Uploads files through one Multi-Region Access Point.
#[derive(Debug, Clone)]
pub struct MrapUploader<O> {
    pub(super) objects: O,
    pub(super) arn: MrapArn,
}

impl<O: WriteObjects + AssembleObjects> MrapUploader<O> {
    /// An uploader to `arn`; `objects` are those made by [`super::objects`].
    #[must_use]
    pub fn new(objects: O, arn: MrapArn) -> Self {
        Self { objects, arn }
    }

    /// Uploads `path` under exactly `key`. `sent` is told the number of bytes of each piece that arrived; when `interrupted`
    /// ends first, the upload is given up.
    ///
    /// # Errors
    /// [`UploadError`]; no parts are left behind unless the service is out of reach.
    pub async fn upload(
        &self,
        path: &Path,
        key: &str,
        sent: &(dyn Fn(u64) + Sync),
        interrupted: impl Future<Output = ()>,
    ) -> Result<StoredObject, UploadError> {
        let source = Source::open(path)?;
        let interrupted = std::pin::pin!(interrupted);
        if source.size < MULTIPART_FROM {
            return unless(interrupted, self.in_one(&source, key, sent)).await;
        }
        let upload = self.objects.begin(self.arn.as_str(), key, CONTENT_TYPE).await?;
        let work = async {
            let parts = self.send_parts(&source, &upload, sent).await?;
            Ok(self.objects.complete(&upload, &parts).await?)
        };
        let result = unless(interrupted, work).await.and_then(identified);
        if result.is_err() {
            self.abort(&upload).await;
        }
        result
    }

    async fn in_one(
        &self,
        source: &Source,
        key: &str,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<StoredObject, UploadError> {
        let body = source.read(0, source.size).await?;
        source.check_unchanged()?;
        let stored = self.objects.write(self.arn.as_str(), key, CONTENT_TYPE, body).await?;
        sent(source.size);
        identified(stored)
    }

    /// Number and ETag of every part, in order.
    async fn send_parts(
        &self,
        source: &Source,
        upload: &Upload,
        sent: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<(u32, String)>, UploadError> {
        let parts = stream::iter(part_ranges(source.size)).map(|part| async move {
            let body = source.read(part.start, part.size).await?;
            let etag = self.objects.send_part(upload, part.number, body).await?;
            sent(part.size);
            Ok::<_, UploadError>((part.number, etag))
        });
        let parts = parts.buffered(CONCURRENCY).try_collect().await?;
        source.check_unchanged()?;
        Ok(parts)
    }

    /// Frees the parts. A failure is only logged: the first error is the one to report, and the bucket's lifecycle removes
    /// what stays.
    pub(super) async fn abort(&self, upload: &Upload) {
        if let Err(error) = self.objects.abort(upload).await {
            tracing::warn!(%error, "the upload's parts were left behind");
        }
    }
}

/// An object whose ETag is known: it is half of the batch's identity.
pub(super) fn identified(stored: StoredObject) -> Result<StoredObject, UploadError> {
    if stored.etag.is_empty() {
        let message = String::from("the answer has no ETag");
        return Err(ServiceError::Refused { operation: "s3:PutObject", message }.into());
    }
    Ok(stored)
}

/// The result of `work`, unless `interrupted` ends first.
async fn unless<T>(
    interrupted: impl Future<Output = ()> + Unpin,
    work: impl Future<Output = Result<T, UploadError>>,
) -> Result<T, UploadError> {
    match select(interrupted, std::pin::pin!(work)).await {
        Either::Left(((), _)) => Err(UploadError::Interrupted),
        Either::Right((result, _)) => result,
    }
}

/// One part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub number: u32,
    start: u64,
    pub size: u64,
}

/// Size of the parts of a file of this size.
fn part_size(size: u64) -> u64 {
    size.div_ceil(MOST_PARTS).next_multiple_of(MIB).max(PART)
}

/// The parts of a file of this size, in order.
pub(super) fn part_ranges(size: u64) -> impl Iterator<Item = Part> {
    let part = part_size(size);
    (1_u32..).zip((0..size).step_by(usize::try_from(part).unwrap_or(usize::MAX))).map(move |(number, start)| Part {
        number,
        start,
        size: part.min(size - start),
    })
}

/// A file that must not change while it is read.
struct Source {
    path: PathBuf,
    size: u64,
    seen: Metadata,
}

impl Source {
    fn open(path: &Path) -> Result<Self, UploadError> {
        let seen = std::fs::metadata(path).map_err(|source| UploadError::File { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), size: seen.len(), seen })
    }

    /// The bytes `[start, start + size)`.
    async fn read(&self, start: u64, size: u64) -> Result<Bytes, UploadError> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read_range(&path, start, size)).await;
        let bytes = read.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        match bytes {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(UploadError::Changed { path: self.path.clone() })
            }
            Err(source) => Err(UploadError::File { path: self.path.clone(), source }),
            Ok(bytes) => Ok(bytes),
        }
    }

    /// A file that grew or was written to gives a mixture of two contents.
    fn check_unchanged(&self) -> Result<(), UploadError> {
        let now = Self::open(&self.path)?;
        let same = now.size == self.size && now.seen.modified().ok() == self.seen.modified().ok();
        if same { Ok(()) } else { Err(UploadError::Changed { path: self.path.clone() }) }
    }
}

fn read_range(path: &Path, start: u64, size: u64) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tandem_core::ports::{ByteRange, ObjectRef};

    use super::*;

    /// Remembers calls in order; fails the part with the given number, and stalls on another.
    #[derive(Default)]
    pub struct Recorder {
        calls: Mutex<Vec<String>>,
        failing_part: Option<u32>,
        stalling_part: Option<u32>,
    }

    impl Recorder {
        fn note(&self, call: String) {
            self.calls.lock().unwrap().push(call);
        }

        pub fn calls(&self) -> Vec<String> {
            self.calls.lock().unwrap().clone()
        }
    }

    impl WriteObjects for &Recorder {
        async fn write(&self, bucket: &str, key: &str, _: &str, body: Bytes) -> Result<StoredObject, ServiceError> {
            self.note(format!("write {bucket} {key} {}", body.len()));
            Ok(StoredObject { etag: "whole".into(), version_id: None })
        }
    }

    impl AssembleObjects for &Recorder {
        async fn begin(&self, bucket: &str, key: &str, _: &str) -> Result<Upload, ServiceError> {
            self.note(format!("begin {key}"));
            Ok(Upload { bucket: bucket.into(), key: key.into(), upload_id: "u".into() })
        }

        async fn send_part(&self, _: &Upload, part: u32, body: Bytes) -> Result<String, ServiceError> {
            if self.stalling_part == Some(part) {
                std::future::pending::<()>().await;
            }
            if self.failing_part == Some(part) {
                return Err(ServiceError::Throttled { operation: "s3:PutObject", source: "slow down".into() });
            }
            Ok(format!("{part}:{}:{}", body.len(), body[0]))
        }

        async fn copy_part(
            &self,
            _: &Upload,
            _: u32,
            _: &ObjectRef,
            _: Option<ByteRange>,
        ) -> Result<String, ServiceError> {
            unreachable!("an upload copies nothing")
        }

        async fn complete(&self, _: &Upload, parts: &[(u32, String)]) -> Result<StoredObject, ServiceError> {
            self.note(format!("complete {parts:?}"));
            Ok(StoredObject { etag: "parts".into(), version_id: None })
        }

        async fn abort(&self, upload: &Upload) -> Result<(), ServiceError> {
            self.note(format!("abort {}", upload.upload_id));
            Ok(())
        }
    }

    /// A file of this many bytes whose n-th part is filled with n; removed when dropped.
    struct TestFile(PathBuf);

    impl TestFile {
        fn of(name: &str, size: u64) -> Self {
            let path = std::env::temp_dir().join(format!("tandem-upload-{}-{name}", std::process::id()));
            let bytes: Vec<u8> = (0..size).map(|byte| u8::try_from(byte / PART).unwrap() + 1).collect();
            std::fs::write(&path, bytes).unwrap();
            Self(path)
        }
    }

    impl Drop for TestFile {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    pub fn uploader(recorder: &Recorder) -> MrapUploader<&Recorder> {
        MrapUploader::new(recorder, "arn:aws:s3::123456789012:accesspoint/alias.mrap".parse().unwrap())
    }

    #[tokio::test]
    async fn a_small_file_goes_in_one_request_and_an_empty_one_too() {
        for size in [0, 5] {
            let recorder = Recorder::default();
            let file = TestFile::of(&format!("small-{size}"), size);
            let stored = uploader(&recorder).upload(&file.0, "input/a b.csv", &|_| (), std::future::pending()).await;
            assert_eq!(stored.unwrap().etag, "whole");
            let arn = "arn:aws:s3::123456789012:accesspoint/alias.mrap";
            assert_eq!(recorder.calls(), [format!("write {arn} input/a b.csv {size}")]);
        }
    }

    #[tokio::test]
    async fn a_large_file_goes_in_parts_in_order_and_every_byte_is_counted() {
        let recorder = Recorder::default();
        let file = TestFile::of("large", 2 * PART + 7);
        let sent = AtomicU64::new(0);
        let count = |bytes| {
            sent.fetch_add(bytes, Ordering::Relaxed);
        };
        let stored = uploader(&recorder).upload(&file.0, "k", &count, std::future::pending()).await.unwrap();
        assert_eq!(stored.etag, "parts");
        assert_eq!(sent.into_inner(), 2 * PART + 7);
        let parts = r#"complete [(1, "1:8388608:1"), (2, "2:8388608:2"), (3, "3:7:3")]"#;
        assert_eq!(recorder.calls(), ["begin k", parts]);
    }

    #[tokio::test]
    async fn a_failed_part_aborts_the_upload() {
        let recorder = Recorder { failing_part: Some(2), ..Recorder::default() };
        let file = TestFile::of("failing", 2 * PART + 7);
        let result = uploader(&recorder).upload(&file.0, "k", &|_| (), std::future::pending()).await;
        assert!(matches!(result, Err(UploadError::Service(ServiceError::Throttled { .. }))), "{result:?}");
        assert_eq!(recorder.calls(), ["begin k", "abort u"]);
    }

    #[tokio::test]
    async fn an_interruption_aborts_the_upload() {
        let recorder = Recorder { stalling_part: Some(3), ..Recorder::default() };
        let file = TestFile::of("interrupted", 2 * PART + 7);
        let (interrupt, interrupted) = tokio::sync::oneshot::channel();
        let interrupt = Mutex::new(Some(interrupt));
        let on_first_part = |_| {
            interrupt.lock().unwrap().take().map(|sender| sender.send(()));
        };
        let waiting = async { drop(interrupted.await) };
        let result = uploader(&recorder).upload(&file.0, "k", &on_first_part, waiting).await;
        assert!(matches!(result, Err(UploadError::Interrupted)), "{result:?}");
        assert_eq!(recorder.calls(), ["begin k", "abort u"]);
    }

    #[tokio::test]
    async fn a_file_that_changes_under_the_upload_is_not_stored() {
        let recorder = Recorder::default();
        let file = TestFile::of("changing", 2 * PART + 7);
        let truncate = |_| std::fs::write(&file.0, b"less").unwrap();
        let result = uploader(&recorder).upload(&file.0, "k", &truncate, std::future::pending()).await;
        assert!(matches!(result, Err(UploadError::Changed { .. })), "{result:?}");
        assert_eq!(recorder.calls(), ["begin k", "abort u"]);
    }

    #[test]
    fn parts_cover_the_file_and_stay_within_the_services_limits() {
        const TIB: u64 = MIB * MIB;
        for size in [MULTIPART_FROM, 3 * PART + 1, MOST_PARTS * PART, MOST_PARTS * PART + 1, 5 * TIB] {
            let parts: Vec<Part> = part_ranges(size).collect();
            assert!(parts.len() as u64 <= MOST_PARTS, "{size}");
            assert_eq!(parts.iter().map(|part| part.size).sum::<u64>(), size);
            assert!(parts.windows(2).all(|two| two[0].start + two[0].size == two[1].start));
            assert!(parts.iter().all(|part| part.size > 0 && part.size <= 5 * 1024 * MIB));
        }
    }
}
