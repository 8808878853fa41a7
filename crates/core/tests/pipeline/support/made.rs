//! An input of any size, made while it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::{StreamExt, stream};
use tandem_core::ports::{
    ByteRange, ByteStream, InspectObjects, ObjectBody, ObjectInfo, ObjectRef, ReadObjects, ServiceError,
};

const BUFFER: u64 = 64 * 1024;

/// What a reader meets, besides bytes.
#[derive(Debug, Clone, Copy)]
pub enum Mishap {
    None,
    /// So many connections break half way through what they were asked for.
    Breaks(usize),
    /// The object ends here, and says so.
    EndsAt(u64),
    /// Whoever asks for a byte from here on finds another object in its place.
    ReplacedFrom(u64),
}

/// A bucket that holds one input: a start, then one byte over and over.
pub struct Made {
    pub size: u64,
    mishap: Mishap,
    broken: AtomicUsize,
    source: Arc<Source>,
}

struct Source {
    start: String,
    fill: u8,
    served: AtomicU64,
    held: AtomicU64,
    most_held: AtomicU64,
}

/// A buffer that counts as held as long as it lives.
struct Buffer(Vec<u8>, Arc<Source>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.1.held.fetch_sub(self.0.len() as u64, Ordering::SeqCst);
    }
}

impl Made {
    pub const ETAG: &'static str = "made";
    pub const VERSION: &'static str = "v1";

    pub fn new(start: impl Into<String>, fill: u8, size: u64) -> Self {
        let (served, held, most_held) = Default::default();
        let source = Arc::new(Source { start: start.into(), fill, served, held, most_held });
        Self { size, mishap: Mishap::None, broken: AtomicUsize::new(0), source }
    }

    pub fn with(self, mishap: Mishap) -> Self {
        Self { mishap, ..self }
    }

    /// Bytes that were sent so far.
    pub fn served(&self) -> u64 {
        self.source.served.load(Ordering::SeqCst)
    }

    /// Bytes that are held now, and the most that ever were.
    pub fn held(&self) -> (u64, u64) {
        (self.source.held.load(Ordering::SeqCst), self.source.most_held.load(Ordering::SeqCst))
    }
}

impl Source {
    fn buffer(self: &Arc<Self>, at: u64, end: u64) -> Bytes {
        let bytes: u64 = BUFFER.min(end - at);
        let mut buffer = vec![self.fill; usize::try_from(bytes).unwrap()];
        let start = self.start.as_bytes().get(usize::try_from(at).unwrap()..).unwrap_or_default();
        let length = start.len().min(buffer.len());
        buffer[..length].copy_from_slice(&start[..length]);
        self.served.fetch_add(bytes, Ordering::SeqCst);
        let held = self.held.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.most_held.fetch_max(held, Ordering::SeqCst);
        Bytes::from_owner(Buffer(buffer, Arc::clone(self)))
    }

    fn stream(self: &Arc<Self>, start: u64, end: u64, breaks: bool) -> ByteStream {
        let made = stream::unfold((Arc::clone(self), start), move |(source, at)| async move {
            let buffer = (at < end).then(|| source.buffer(at, end))?;
            let next = at + buffer.len() as u64;
            Some((Ok(buffer), (source, next)))
        });
        let error = ServiceError::Unavailable {
            operation: "s3:GetObject",
            message: "the download broke off".to_owned(),
            source: "reset".into(),
        };
        Box::pin(made.chain(stream::iter(breaks.then_some(Err(error)))))
    }
}

impl ReadObjects for Made {
    async fn read(&self, object: &ObjectRef, range: Option<ByteRange>) -> Result<ObjectBody, ServiceError> {
        assert_eq!((object.etag.as_deref(), object.version_id.as_deref()), (Some(Self::ETAG), Some(Self::VERSION)));
        let (start, mut end) = range.map_or((0, self.size), |range| (range.start(), range.end()));
        let mut breaks = false;
        match self.mishap {
            Mishap::ReplacedFrom(from) if end > from => {
                return Err(ServiceError::Changed { what: object.key.clone() });
            }
            Mishap::EndsAt(last) => end = end.min(last),
            Mishap::Breaks(times) if self.broken.fetch_add(1, Ordering::SeqCst) < times => {
                end -= (end - start) / 2;
                breaks = true;
            }
            _ => {}
        }
        let stream = self.source.stream(start, end, breaks);
        let (etag, version_id) = (Self::ETAG.to_owned(), Some(Self::VERSION.to_owned()));
        Ok(ObjectBody { stream, etag, version_id, total: Some(self.size) })
    }
}

/// The work files of earlier attempts: there are none.
impl InspectObjects for Made {
    async fn head(&self, _: &ObjectRef) -> Result<Option<ObjectInfo>, ServiceError> {
        Ok(None)
    }
}
