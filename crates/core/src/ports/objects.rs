//! Objects: read, looked at, written, put together from parts, tagged.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;

use super::ServiceError;

/// Bytes of an object as they arrive.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, ServiceError>> + Send>>;

/// An object to read, named so that no other can be read in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// Bucket name.
    pub bucket: String,
    /// Key, not encoded.
    pub key: String,
    /// Read only if the object still has this ETag (without quotes).
    pub etag: Option<String>,
    /// Read this version.
    pub version_id: Option<String>,
}

/// Bytes `[start, end)` of an object; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// A range, or `None` where it would be empty.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start < end { Some(Self { start, end }) } else { None }
    }

    /// First byte.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// One past the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }
}

/// An object being read.
pub struct ObjectBody {
    /// The bytes; an error ends the stream.
    pub stream: ByteStream,
    /// ETag without quotes.
    pub etag: String,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
    /// Bytes of the whole object, of whatever range was asked for; `None` where the service does not say.
    pub total: Option<u64>,
}

/// An object that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// ETag without quotes.
    pub etag: String,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
}

/// Reads objects. Every call may be repeated.
pub trait ReadObjects: Send + Sync {
    /// The object, or a range of it, as a stream.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when key or version do not exist; [`ServiceError::Changed`] when the ETag is another.
    fn read(
        &self,
        object: &ObjectRef,
        range: Option<ByteRange>,
    ) -> impl Future<Output = Result<ObjectBody, ServiceError>> + Send;
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// ETag without quotes.
    pub etag: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
}

/// Looks at objects without reading them. Strongly consistent within a Region; every call may be repeated.
pub trait InspectObjects: Send + Sync {
    /// The object, or `None` where there is no such key or version, or the object was deleted. The ETag of `object` is not
    /// looked at: the answer names the one that is there.
    ///
    /// # Errors
    /// [`ServiceError::Denied`] also where the object is missing and the caller may not list the bucket.
    fn head(&self, object: &ObjectRef) -> impl Future<Output = Result<Option<ObjectInfo>, ServiceError>> + Send;
}

/// Writes objects. Repeating a call writes another version with the same content.
pub trait WriteObjects: Send + Sync {
    /// Writes a whole object.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn write(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: Bytes,
    ) -> impl Future<Output = Result<StoredObject, ServiceError>> + Send;
}

/// An upload in parts that has begun and must be completed or aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Bucket of the object to be.
    pub bucket: String,
    /// Key of the object to be.
    pub key: String,
    /// The service's name for the upload.
    pub upload_id: String,
}

/// Builds one object from parts, copied inside the service or sent.
///
/// Part numbers start at 1. Every part but the last has at least 5 MiB. Sending a part again under its number replaces it.
pub trait AssembleObjects: Send + Sync {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn begin(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
    ) -> impl Future<Output = Result<Upload, ServiceError>> + Send;

    /// Sends one part; answers its ETag.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn send_part(
        &self,
        upload: &Upload,
        part: u32,
        body: Bytes,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Copies one part from an object or a range of it, inside the service; answers its ETag.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] or [`ServiceError::Changed`] for the source.
    fn copy_part(
        &self,
        upload: &Upload,
        part: u32,
        source: &ObjectRef,
        range: Option<ByteRange>,
    ) -> impl Future<Output = Result<String, ServiceError>> + Send;

    /// Makes the object from its parts, given as (number, ETag) in order.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn complete(
        &self,
        upload: &Upload,
        parts: &[(u32, String)],
    ) -> impl Future<Output = Result<StoredObject, ServiceError>> + Send;

    /// Gives the upload up and frees its parts.
    ///
    /// # Errors
    /// [`ServiceError`] when the service does not accept it.
    fn abort(&self, upload: &Upload) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// Tags an input that is finished, so that a lifecycle rule can archive it. May be repeated.
pub trait TagObjects: Send + Sync {
    /// Sets the object's one tag `tandem:status`.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when the object or version is gone.
    fn tag_status(&self, object: &ObjectRef, status: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;
}
