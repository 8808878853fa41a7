//! A bucket in memory.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Mutex;
use std::task::Poll;

use bytes::Bytes;
use futures::stream;
use sha2::{Digest, Sha256};

use super::{Faults, lock, refused};
use crate::ports::{
    AssembleObjects, ByteRange, InspectObjects, ObjectBody, ObjectInfo, ObjectRef, ReadObjects, ServiceError,
    StoredObject, Upload, WriteObjects,
};

/// Versioned objects of any number of buckets.
#[derive(Debug)]
pub struct MemoryObjects {
    state: Mutex<State>,
    faults: Faults,
    buffer: usize,
    min_part: usize,
    waiting: bool,
}

#[derive(Debug, Default)]
struct State {
    versions: Vec<Version>,
    uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    begun: usize,
    stored: usize,
    sent: Vec<usize>,
    written: Vec<String>,
}

#[derive(Debug, Clone)]
struct Version {
    bucket: String,
    key: String,
    id: String,
    etag: String,
    content: Bytes,
}

impl Default for MemoryObjects {
    fn default() -> Self {
        Self::new(Faults::none())
    }
}

impl MemoryObjects {
    /// Without objects.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { state: Mutex::default(), faults, buffer: 64 * 1024, min_part: 5 * 1024 * 1024, waiting: false }
    }

    /// Hands objects out in buffers of this size.
    #[must_use]
    pub fn with_buffer(self, bytes: usize) -> Self {
        Self { buffer: bytes.max(1), ..self }
    }

    /// Takes parts of at least this size.
    #[must_use]
    pub fn with_min_part(self, bytes: usize) -> Self {
        Self { min_part: bytes, ..self }
    }

    /// Lets every call wait once before it is answered, so that others run meanwhile.
    #[must_use]
    pub fn with_waiting(self) -> Self {
        Self { waiting: true, ..self }
    }

    /// Takes an object away, with all its versions.
    pub fn remove(&self, bucket: &str, key: &str) {
        lock(&self.state).versions.retain(|version| version.bucket != bucket || version.key != key);
    }

    /// Puts an object, as a client of the service would.
    pub fn put(&self, bucket: &str, key: &str, content: impl Into<Bytes>) -> StoredObject {
        self.store(bucket, key, content.into())
    }

    /// Newest content of an object.
    #[must_use]
    pub fn content(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let named = |version: &&Version| version.bucket == bucket && version.key == key;
        lock(&self.state).versions.iter().rev().find(named).map(|version| version.content.clone())
    }

    /// Uploads that were begun and neither completed nor aborted.
    #[must_use]
    pub fn open_uploads(&self) -> usize {
        lock(&self.state).uploads.len()
    }

    /// Size of each part that was sent, not copied.
    #[must_use]
    pub fn sent_parts(&self) -> Vec<usize> {
        lock(&self.state).sent.clone()
    }

    /// Key of each object that was written or assembled, in order.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        lock(&self.state).written.clone()
    }

    async fn call(&self, operation: &'static str) -> Result<(), ServiceError> {
        let mut waits = self.waiting;
        poll_fn(|context| match std::mem::take(&mut waits) {
            true => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            false => Poll::Ready(()),
        })
        .await;
        self.faults.call(operation)
    }

    fn store(&self, bucket: &str, key: &str, content: Bytes) -> StoredObject {
        let etag = etag(&content);
        let mut state = lock(&self.state);
        let id = format!("v{}", state.stored);
        state.stored += 1;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        state.versions.push(Version { bucket, key, id: id.clone(), etag: etag.clone(), content });
        StoredObject { etag, version_id: Some(id) }
    }

    fn find(&self, object: &ObjectRef) -> Result<Version, ServiceError> {
        let named = |version: &&Version| {
            version.bucket == object.bucket
                && version.key == object.key
                && object.version_id.as_ref().is_none_or(|id| *id == version.id)
        };
        let found = lock(&self.state).versions.iter().rev().find(named).cloned();
        let version = found.ok_or_else(|| ServiceError::NotFound { what: object.key.clone() })?;
        if object.etag.as_ref().is_some_and(|etag| *etag != version.etag) {
            return Err(ServiceError::Changed { what: object.key.clone() });
        }
        Ok(version)
    }

    fn range(&self, object: &ObjectRef, range: Option<ByteRange>) -> Result<(Version, Bytes), ServiceError> {
        let version = self.find(object)?;
        let size = version.content.len() as u64;
        let (start, end) = range.map_or((0, size), |range| (range.start(), range.end().min(size)));
        if range.is_some() && start >= size {
            return Err(refused("s3:GetObject", "InvalidRange"));
        }
        let bounds = usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
        let content = version.content.slice(bounds);
        Ok((version, content))
    }

    fn add_part(&self, upload: &Upload, part: u32, content: Bytes) -> Result<String, ServiceError> {
        let etag = etag(&content);
        let mut state = lock(&self.state);
        let parts = state.uploads.get_mut(&upload.upload_id);
        parts.ok_or_else(|| ServiceError::NotFound { what: upload.upload_id.clone() })?.insert(part, content);
        Ok(etag)
    }
}

fn etag(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl ReadObjects for MemoryObjects {
    async fn read(&self, object: &ObjectRef, range: Option<ByteRange>) -> Result<ObjectBody, ServiceError> {
        self.call("s3:GetObject").await?;
        let (version, content) = self.range(object, range)?;
        let mut buffers: Vec<Result<Bytes, ServiceError>> = Vec::new();
        let mut rest = content;
        while !rest.is_empty() {
            buffers.push(Ok(rest.split_to(self.buffer.min(rest.len()))));
        }
        // A connection can break after the answer has begun.
        if let Err(error) = self.faults.call("s3:GetObject") {
            buffers.truncate(buffers.len() / 2);
            buffers.push(Err(error));
        }
        let stream = Box::pin(stream::iter(buffers));
        let total = Some(version.content.len() as u64);
        Ok(ObjectBody { stream, etag: version.etag, version_id: Some(version.id), total })
    }
}

impl InspectObjects for MemoryObjects {
    async fn head(&self, object: &ObjectRef) -> Result<Option<ObjectInfo>, ServiceError> {
        self.call("s3:HeadObject").await?;
        let any_etag = ObjectRef { etag: None, ..object.clone() };
        let info = |version: Version| ObjectInfo {
            etag: version.etag,
            bytes: version.content.len() as u64,
            version_id: Some(version.id),
        };
        Ok(self.find(&any_etag).ok().map(info))
    }
}

impl WriteObjects for MemoryObjects {
    async fn write(&self, bucket: &str, key: &str, _: &str, body: Bytes) -> Result<StoredObject, ServiceError> {
        self.call("s3:PutObject").await?;
        lock(&self.state).written.push(key.to_owned());
        Ok(self.store(bucket, key, body))
    }
}

impl AssembleObjects for MemoryObjects {
    async fn begin(&self, bucket: &str, key: &str, _: &str) -> Result<Upload, ServiceError> {
        self.call("s3:CreateMultipartUpload").await?;
        let mut state = lock(&self.state);
        state.begun += 1;
        let upload_id = format!("upload-{}", state.begun);
        state.uploads.insert(upload_id.clone(), BTreeMap::new());
        Ok(Upload { bucket: bucket.to_owned(), key: key.to_owned(), upload_id })
    }

    async fn send_part(&self, upload: &Upload, part: u32, body: Bytes) -> Result<String, ServiceError> {
        self.call("s3:UploadPart").await?;
        lock(&self.state).sent.push(body.len());
        self.add_part(upload, part, body)
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        part: u32,
        source: &ObjectRef,
        range: Option<ByteRange>,
    ) -> Result<String, ServiceError> {
        self.call("s3:UploadPartCopy").await?;
        let (_, content) = self.range(source, range)?;
        self.add_part(upload, part, content)
    }

    async fn complete(&self, upload: &Upload, parts: &[(u32, String)]) -> Result<StoredObject, ServiceError> {
        self.call("s3:CompleteMultipartUpload").await?;
        let found = lock(&self.state).uploads.get(&upload.upload_id).cloned();
        let found = found.ok_or_else(|| ServiceError::NotFound { what: upload.upload_id.clone() })?;
        let mut content = Vec::new();
        for (index, (number, expected)) in parts.iter().enumerate() {
            let part = found.get(number).filter(|part| etag(part) == *expected);
            let part = part.ok_or_else(|| refused("s3:CompleteMultipartUpload", "InvalidPart"))?;
            if index + 1 < parts.len() && part.len() < self.min_part {
                return Err(refused("s3:CompleteMultipartUpload", "EntityTooSmall"));
            }
            content.extend_from_slice(part);
        }
        if parts.is_empty() || !parts.is_sorted_by(|one, next| one.0 < next.0) {
            return Err(refused("s3:CompleteMultipartUpload", "InvalidPartOrder"));
        }
        let mut state = lock(&self.state);
        state.uploads.remove(&upload.upload_id);
        state.written.push(upload.key.clone());
        drop(state);
        Ok(self.store(&upload.bucket, &upload.key, content.into()))
    }

    async fn abort(&self, upload: &Upload) -> Result<(), ServiceError> {
        self.call("s3:AbortMultipartUpload").await?;
        let removed = lock(&self.state).uploads.remove(&upload.upload_id);
        removed.map(drop).ok_or_else(|| ServiceError::NotFound { what: upload.upload_id.clone() })
    }
}
