//! The object ports over files: the input where it lies, all that is written one behind the other in one spool file, and what
//! is put together from parts in files of its own. A file for each object would keep the file system busier than the rows do.
//!
//! Each call blocks the thread that makes it: every thread has its own chunk and nothing else to do meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::stream;
use indicatif::ProgressBar;
use tandem_core::ports::{
    AssembleObjects, ByteRange, InspectObjects, ObjectBody, ObjectInfo, ObjectRef, ReadObjects, ServiceError,
    StoredObject, Upload, WriteObjects,
};

/// Key of the input.
pub const INPUT: &str = "input/file.csv";
/// Name of the spool file.
const SPOOL: &str = "spool";
/// Bytes read at once.
const BUFFER: u64 = 256 * 1024;

/// A bucket of files.
pub struct Folder {
    root: PathBuf,
    input: PathBuf,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
    spool: File,
    /// Where in the spool the next object goes.
    end: AtomicU64,
    objects: Mutex<HashMap<String, Place>>,
    uploads: Mutex<HashMap<String, BTreeMap<u32, Place>>>,
}

/// Bytes of the spool. Where they begin is the object's ETag: every object has a place of its own.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u64,
    bytes: u64,
}

impl Place {
    fn etag(self) -> String {
        self.start.to_string()
    }

    /// A part of it; no more than there is.
    fn slice(self, range: Option<ByteRange>) -> Self {
        let Some(range) = range else { return self };
        let (start, end) = (range.start().min(self.bytes), range.end().min(self.bytes));
        Self { start: self.start + start, bytes: end - start }
    }
}

impl Folder {
    /// The input, beside an empty folder. Reading the input moves the bar; `stop` ends every reading of it.
    ///
    /// # Errors
    /// When no file can be made in the folder.
    pub fn new(root: &Path, input: &Path, stop: &Arc<AtomicBool>, bar: &ProgressBar) -> io::Result<Self> {
        let spool = File::options().read(true).write(true).create_new(true).open(root.join(SPOOL))?;
        Ok(Self {
            root: root.to_owned(),
            input: input.to_owned(),
            stop: Arc::clone(stop),
            bar: bar.clone(),
            spool,
            end: AtomicU64::new(0),
            objects: Mutex::default(),
            uploads: Mutex::default(),
        })
    }

    /// Where an object that was put together from parts lies.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// What was written under a key.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be read.
    pub fn content(&self, key: &str) -> Result<Bytes, ServiceError> {
        let place = self.place(key).ok_or_else(|| ServiceError::NotFound { what: key.to_owned() })?;
        self.fetch(place)
    }

    /// Makes a file of its own of an object that was written as a whole; others have one already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn lay_out(&self, key: &str) -> Result<(), ServiceError> {
        self.place(key).map_or(Ok(()), |place| self.put_together(key, &[place]).map(drop))
    }

    /// Copies bytes of the spool one behind the other. Between files the kernel does that by itself.
    fn put_together(&self, key: &str, places: &[Place]) -> Result<StoredObject, ServiceError> {
        let path = self.path(key);
        let copied = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            let mut target = File::create(&path)?;
            places.iter().try_for_each(|place| copy(&self.spool, *place, &mut target))?;
            target.metadata()
        });
        let about = copied.map_err(|error| unwritable(&path, &error))?;
        Ok(StoredObject { etag: etag_of(&about), version_id: None })
    }

    fn spool_path(&self) -> PathBuf {
        self.root.join(SPOOL)
    }

    fn open_input(&self, object: &ObjectRef) -> Result<(File, Metadata), ServiceError> {
        let path = &self.input;
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let about = file.metadata().map_err(|error| unreadable(path, &error))?;
        if object.etag.as_ref().is_some_and(|etag| *etag != etag_of(&about)) {
            return Err(ServiceError::Changed { what: path.display().to_string() });
        }
        Ok((file, about))
    }

    fn place(&self, key: &str) -> Option<Place> {
        locked(&self.objects).get(key).copied()
    }

    fn found(&self, object: &ObjectRef) -> Result<Place, ServiceError> {
        let place = self.place(&object.key).ok_or_else(|| ServiceError::NotFound { what: object.key.clone() })?;
        if object.etag.as_ref().is_some_and(|etag| *etag != place.etag()) {
            return Err(ServiceError::Changed { what: object.key.clone() });
        }
        Ok(place)
    }

    fn append(&self, body: &[u8]) -> Result<Place, ServiceError> {
        let bytes = body.len() as u64;
        let start = self.end.fetch_add(bytes, Ordering::Relaxed);
        self.spool.write_all_at(body, start).map_err(|error| unwritable(&self.spool_path(), &error))?;
        Ok(Place { start, bytes })
    }

    fn fetch(&self, place: Place) -> Result<Bytes, ServiceError> {
        let mut bytes = vec![0; usize::try_from(place.bytes).unwrap_or_default()];
        let read = self.spool.read_exact_at(&mut bytes, place.start);
        read.map_err(|error| unreadable(&self.spool_path(), &error))?;
        Ok(bytes.into())
    }

    fn add_part(&self, upload: &Upload, part: u32, place: Place) -> Result<String, ServiceError> {
        let mut uploads = locked(&self.uploads);
        let parts = uploads.get_mut(&upload.upload_id).ok_or_else(|| no_upload(upload))?;
        parts.insert(part, place);
        Ok(place.etag())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_upload(upload: &Upload) -> ServiceError {
    ServiceError::NotFound { what: upload.upload_id.clone() }
}

fn unreadable(path: &Path, error: &io::Error) -> ServiceError {
    if error.kind() == io::ErrorKind::NotFound {
        return ServiceError::NotFound { what: path.display().to_string() };
    }
    ServiceError::Refused { operation: "reading", message: format!("{}: {error}", path.display()) }
}

fn unwritable(path: &Path, error: &io::Error) -> ServiceError {
    ServiceError::Refused { operation: "writing", message: format!("{}: {error}", path.display()) }
}

/// Changes whenever a file is written, as far as its own facts tell; nothing is hashed.
pub fn etag_of(about: &Metadata) -> String {
    format!("{:x}-{:x}-{:x}.{:x}", about.ino(), about.len(), about.mtime(), about.mtime_nsec())
}

/// A file being read, in buffers.
struct Reading {
    file: File,
    path: PathBuf,
    left: u64,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
}

impl Reading {
    fn read(&mut self) -> Result<Bytes, ServiceError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(ServiceError::Refused { operation: "reading", message: String::from("interrupted") });
        }
        let wanted = self.left.min(BUFFER);
        let mut buffer = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        let read = (&mut self.file).take(wanted).read_to_end(&mut buffer);
        let read = read.map_err(|error| unreadable(&self.path, &error))? as u64;
        // A file that became shorter ends early, which the reader finds by counting.
        self.left = if read < wanted { 0 } else { self.left - read };
        self.bar.inc(read);
        Ok(buffer.into())
    }
}

impl Iterator for Reading {
    type Item = Result<Bytes, ServiceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.left = 0;
        }
        Some(read)
    }
}

impl ReadObjects for Folder {
    async fn read(&self, object: &ObjectRef, range: Option<ByteRange>) -> Result<ObjectBody, ServiceError> {
        if object.key != INPUT {
            let place = self.found(object)?;
            let bytes = self.fetch(place.slice(range))?;
            let stream = Box::pin(stream::iter([Ok(bytes)]));
            return Ok(ObjectBody { stream, etag: place.etag(), version_id: None, total: None });
        }
        let (mut file, about) = self.open_input(object)?;
        let (start, end) = range.map_or((0, about.len()), |range| (range.start(), range.end().min(about.len())));
        file.seek(SeekFrom::Start(start)).map_err(|error| unreadable(&self.input, &error))?;
        let (path, stop, bar) = (self.input.clone(), Arc::clone(&self.stop), self.bar.clone());
        let reading = Reading { file, path, left: end.saturating_sub(start), stop, bar };
        let (stream, total) = (Box::pin(stream::iter(reading)), Some(about.len()));
        Ok(ObjectBody { stream, etag: etag_of(&about), version_id: None, total })
    }
}

impl InspectObjects for Folder {
    async fn head(&self, object: &ObjectRef) -> Result<Option<ObjectInfo>, ServiceError> {
        let info = |place: Place| ObjectInfo { etag: place.etag(), bytes: place.bytes, version_id: None };
        Ok(self.place(&object.key).map(info))
    }
}

impl WriteObjects for Folder {
    async fn write(&self, _bucket: &str, key: &str, _type: &str, body: Bytes) -> Result<StoredObject, ServiceError> {
        let place = self.append(&body)?;
        locked(&self.objects).insert(key.to_owned(), place);
        Ok(StoredObject { etag: place.etag(), version_id: None })
    }
}

impl AssembleObjects for Folder {
    async fn begin(&self, bucket: &str, key: &str, _content_type: &str) -> Result<Upload, ServiceError> {
        let upload_id = format!("parts of {key}");
        locked(&self.uploads).insert(upload_id.clone(), BTreeMap::new());
        Ok(Upload { bucket: bucket.to_owned(), key: key.to_owned(), upload_id })
    }

    async fn send_part(&self, upload: &Upload, part: u32, body: Bytes) -> Result<String, ServiceError> {
        self.add_part(upload, part, self.append(&body)?)
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        part: u32,
        source: &ObjectRef,
        range: Option<ByteRange>,
    ) -> Result<String, ServiceError> {
        self.add_part(upload, part, self.found(source)?.slice(range))
    }

    async fn complete(&self, upload: &Upload, parts: &[(u32, String)]) -> Result<StoredObject, ServiceError> {
        let places = locked(&self.uploads).remove(&upload.upload_id).ok_or_else(|| no_upload(upload))?;
        let places: Option<Vec<Place>> = parts.iter().map(|(part, _)| places.get(part).copied()).collect();
        self.put_together(&upload.key, &places.ok_or_else(|| no_upload(upload))?)
    }

    async fn abort(&self, upload: &Upload) -> Result<(), ServiceError> {
        locked(&self.uploads).remove(&upload.upload_id).map(drop).ok_or_else(|| no_upload(upload))
    }
}

fn copy(mut spool: &File, place: Place, target: &mut File) -> io::Result<()> {
    spool.seek(SeekFrom::Start(place.start))?;
    if io::copy(&mut spool.take(place.bytes), target)? == place.bytes {
        return Ok(());
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
