//! The object ports over files: the input where it lies, everything else in the scratch folder under its key.
//!
//! Each call blocks the thread that makes it: every thread has its own chunk and nothing else to do meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
/// Bytes read at once.
const BUFFER: u64 = 256 * 1024;

/// A bucket of files.
pub struct Folder {
    root: PathBuf,
    input: PathBuf,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
    uploads: Mutex<HashMap<String, BTreeMap<u32, Source>>>,
}

/// Bytes of a file that become a part.
struct Source {
    path: PathBuf,
    start: u64,
    bytes: u64,
}

impl Folder {
    /// The input, beside an empty folder. Reading the input moves the bar; `stop` ends every reading.
    pub fn new(root: &Path, input: &Path, stop: &Arc<AtomicBool>, bar: &ProgressBar) -> Self {
        let (root, input) = (root.to_owned(), input.to_owned());
        Self { root, input, stop: Arc::clone(stop), bar: bar.clone(), uploads: Mutex::default() }
    }

    /// Where the object of a key lies.
    pub fn path(&self, key: &str) -> PathBuf {
        if key == INPUT { self.input.clone() } else { self.root.join(key) }
    }

    /// Removes an object that is no longer needed.
    pub fn remove(&self, key: &str) {
        // Whatever stays is removed with the folder.
        let _ = fs::remove_file(self.path(key));
    }

    fn open(&self, object: &ObjectRef) -> Result<(File, Metadata), ServiceError> {
        let path = self.path(&object.key);
        let file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        let about = file.metadata().map_err(|error| unreadable(&path, &error))?;
        if object.etag.as_ref().is_some_and(|etag| *etag != etag_of(&about)) {
            return Err(ServiceError::Changed { what: path.display().to_string() });
        }
        Ok((file, about))
    }

    fn create(&self, key: &str) -> Result<(File, PathBuf), ServiceError> {
        let path = self.path(key);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&path));
        made.map(|file| (file, path.clone())).map_err(|error| unwritable(&path, &error))
    }

    fn uploads(&self) -> MutexGuard<'_, HashMap<String, BTreeMap<u32, Source>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_part(&self, upload: &Upload, part: u32, source: Source) -> Result<String, ServiceError> {
        let mut uploads = self.uploads();
        let parts = uploads.get_mut(&upload.upload_id).ok_or_else(|| no_upload(upload))?;
        let etag = format!("{part}-{}", source.bytes);
        parts.insert(part, source);
        Ok(etag)
    }
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

fn stored(file: &File, path: &Path) -> Result<StoredObject, ServiceError> {
    let about = file.metadata().map_err(|error| unwritable(path, &error))?;
    Ok(StoredObject { etag: etag_of(&about), version_id: None })
}

/// A file being read, in buffers.
struct Reading {
    file: File,
    path: PathBuf,
    left: u64,
    stop: Arc<AtomicBool>,
    bar: Option<ProgressBar>,
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
        if let Some(bar) = &self.bar {
            bar.inc(read);
        }
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
        let (mut file, about) = self.open(object)?;
        let (start, end) = range.map_or((0, about.len()), |range| (range.start(), range.end().min(about.len())));
        let path = self.path(&object.key);
        file.seek(SeekFrom::Start(start)).map_err(|error| unreadable(&path, &error))?;
        let bar = (object.key == INPUT).then(|| self.bar.clone());
        let reading = Reading { file, path, left: end.saturating_sub(start), stop: Arc::clone(&self.stop), bar };
        Ok(ObjectBody { stream: Box::pin(stream::iter(reading)), etag: etag_of(&about), version_id: None })
    }
}

impl InspectObjects for Folder {
    async fn head(&self, object: &ObjectRef) -> Result<Option<ObjectInfo>, ServiceError> {
        match self.open(&ObjectRef { etag: None, ..object.clone() }) {
            Ok((_, about)) => Ok(Some(ObjectInfo { etag: etag_of(&about), bytes: about.len(), version_id: None })),
            Err(ServiceError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl WriteObjects for Folder {
    async fn write(&self, _bucket: &str, key: &str, _type: &str, body: Bytes) -> Result<StoredObject, ServiceError> {
        let (mut file, path) = self.create(key)?;
        file.write_all(&body).map_err(|error| unwritable(&path, &error))?;
        stored(&file, &path)
    }
}

impl AssembleObjects for Folder {
    async fn begin(&self, bucket: &str, key: &str, _content_type: &str) -> Result<Upload, ServiceError> {
        let upload_id = format!("parts of {key}");
        self.uploads().insert(upload_id.clone(), BTreeMap::new());
        Ok(Upload { bucket: bucket.to_owned(), key: key.to_owned(), upload_id })
    }

    async fn send_part(&self, upload: &Upload, part: u32, body: Bytes) -> Result<String, ServiceError> {
        let key = format!("{}/{part}", upload.upload_id);
        let bytes = body.len() as u64;
        self.write(&upload.bucket, &key, "", body).await?;
        self.add_part(upload, part, Source { path: self.path(&key), start: 0, bytes })
    }

    async fn copy_part(
        &self,
        upload: &Upload,
        part: u32,
        source: &ObjectRef,
        range: Option<ByteRange>,
    ) -> Result<String, ServiceError> {
        let (_, about) = self.open(source)?;
        let (start, end) = range.map_or((0, about.len()), |range| (range.start(), range.end()));
        self.add_part(upload, part, Source { path: self.path(&source.key), start, bytes: end - start })
    }

    /// Copies the parts one behind the other. Between files the kernel does that by itself.
    async fn complete(&self, upload: &Upload, parts: &[(u32, String)]) -> Result<StoredObject, ServiceError> {
        let sources = self.uploads().remove(&upload.upload_id).ok_or_else(|| no_upload(upload))?;
        let (mut target, path) = self.create(&upload.key)?;
        for (part, _) in parts {
            let source = sources.get(part).ok_or_else(|| no_upload(upload))?;
            let copied = File::open(&source.path).and_then(|mut file| {
                file.seek(SeekFrom::Start(source.start))?;
                io::copy(&mut file.take(source.bytes), &mut target)
            });
            if copied.map_err(|error| unwritable(&path, &error))? != source.bytes {
                return Err(ServiceError::Changed { what: source.path.display().to_string() });
            }
        }
        stored(&target, &path)
    }

    async fn abort(&self, upload: &Upload) -> Result<(), ServiceError> {
        self.uploads().remove(&upload.upload_id).map(drop).ok_or_else(|| no_upload(upload))
    }
}
