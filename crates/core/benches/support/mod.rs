//! One chunk of sales orders, and ports that cost next to nothing, so that what is measured is the chunk's own work.

#![allow(clippy::unwrap_used, dead_code, reason = "each benchmark uses its part")]

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use tandem_core::batch::{Attempt, BatchId};
use tandem_core::csv::Writer;
use tandem_core::dataset::{Dataset, Quoting};
use tandem_core::payload::{BatchInput, ChunkContext, ChunkRange, ChunkTask, Layout};
use tandem_core::ports::{
    ByteRange, InspectObjects, LookupAnswer, LookupRecords, LookupRequest, ObjectBody, ObjectInfo, ObjectRef, Pause,
    ReadObjects, Records, ServiceError, StoredObject, WriteObjects,
};
use tandem_core::validate::{self, ChunkOutcome};
use tandem_core::{enrich, work};

pub const DATASET: &[u8] = include_bytes!("../../../../assets/datasets/sales-orders.json");
const KEY: &str = "input/file.csv";
/// As the SDK hands a download out.
pub const BUFFER: usize = 64 * 1024;
/// Rows of a chunk with the default settings.
pub const ROWS: u64 = 50_000;

const PLACES: [[&str; 2]; 5] = [
    ["Chad", "Sub-Saharan Africa"],
    ["United Arab Emirates", "Middle East and North Africa"],
    ["Democratic Republic of the Congo", "Sub-Saharan Africa"],
    ["Canada", "North America"],
    ["Australia", "Australia and Oceania"],
];
const ITEMS: [&str; 6] = ["Fruits", "Office Supplies", "Baby Food", "Cosmetics", "Snacks", "Personal Care"];
const VALUES: [&str; 6] = ["4611", "152.58", "97.44", "703546.38", "449295.84", "254250.54"];

/// Sales orders of about 83 bytes each, or 16 more where every field is quoted, in no order of their keys and without a
/// header; every `bad`-th has a key of the wrong form.
pub fn orders(rows: u64, bad: Option<u64>, quoting: Quoting) -> Vec<u8> {
    let mut file = Writer::new(b',', quoting);
    for number in 0..rows {
        let [country, region] = PLACES[(number % 5) as usize];
        let (item, day, month) = (ITEMS[(number % 6) as usize], number % 28 + 1, number % 12 + 1);
        let channel = if number.is_multiple_of(3) { "Online" } else { "Offline" };
        let prefix = if bad.is_some_and(|bad| number.is_multiple_of(bad)) { "x" } else { "" };
        let uuid = format!("{prefix}{:09}", number * 617_903_441 % 999_999_937);
        let dates = [format!("{month}/{day}/2020"), format!("{month}/{}/2021", 29 - day)];
        for field in [&uuid, country, item, channel, "H", &dates[0], region, &dates[1]] {
            file.field(field.as_bytes());
        }
        file.end();
    }
    file.into_bytes()
}

/// One chunk and the objects of its batch.
pub struct Stand {
    pub dataset: Dataset,
    pub task: ChunkTask,
    objects: Mutex<BTreeMap<String, Bytes>>,
}

impl Stand {
    pub fn new(rows: u64, file: Vec<u8>) -> Self {
        let size = file.len() as u64;
        let batch = BatchInput {
            batch_id: BatchId::of(KEY, "etag"),
            attempt: Attempt::FIRST,
            first_attempt: Attempt::FIRST,
            bucket: "bucket".to_owned(),
            key: KEY.to_owned(),
            etag: "etag".to_owned(),
            version_id: None,
            size,
            dataset: "sales-orders".to_owned(),
        };
        let layout = Layout { columns: 8, positions: (0..8).collect() };
        let dataset = Dataset::parse("sales-orders", DATASET).unwrap();
        let definition = dataset.digest();
        let split = ChunkContext { work_prefix: "work/".to_owned(), layout, definition, version_id: None };
        let chunk = ChunkRange { chunk: 1, start: 0, end: size, first_row: 1, rows };
        let task = ChunkTask { batch, split, chunk };
        let objects = Mutex::new(BTreeMap::from([(KEY.to_owned(), Bytes::from(file))]));
        Self { dataset, task, objects }
    }

    pub fn validate(&self) -> ChunkOutcome {
        block_on(validate::run(self, self, &self.dataset, &self.task)).unwrap()
    }

    pub fn enrich(&self) -> ChunkOutcome {
        block_on(enrich::run(self, self, &Everything, &NoPause, &self.dataset, &self.task)).unwrap()
    }

    /// Size of an object.
    pub fn bytes(&self, file: work::ChunkFile) -> u64 {
        self.content(&file.of(&self.task)).unwrap().len() as u64
    }

    /// Size of the input.
    pub fn input_bytes(&self) -> u64 {
        self.task.chunk.end
    }

    fn content(&self, key: &str) -> Option<Bytes> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn stored() -> StoredObject {
    StoredObject { etag: "etag".to_owned(), version_id: None }
}

impl ReadObjects for Stand {
    fn read(
        &self,
        object: &ObjectRef,
        _: Option<ByteRange>,
    ) -> impl Future<Output = Result<ObjectBody, ServiceError>> + Send {
        let mut rest = self.content(&object.key).unwrap();
        let buffers = std::iter::from_fn(move || (!rest.is_empty()).then(|| Ok(rest.split_to(BUFFER.min(rest.len())))));
        let (stream, etag) = (Box::pin(stream::iter(buffers)), "etag".to_owned());
        ready(Ok(ObjectBody { stream, etag, version_id: None, total: None }))
    }
}

impl InspectObjects for Stand {
    async fn head(&self, object: &ObjectRef) -> Result<Option<ObjectInfo>, ServiceError> {
        let info =
            |content: Bytes| ObjectInfo { etag: "etag".to_owned(), bytes: content.len() as u64, version_id: None };
        // A chunk without a summary is to be worked on, again and again.
        Ok(self.content(&object.key).filter(|_| !object.key.ends_with("summary.json")).map(info))
    }
}

impl WriteObjects for Stand {
    async fn write(&self, _: &str, key: &str, _: &str, body: Bytes) -> Result<StoredObject, ServiceError> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), body);
        Ok(stored())
    }
}

/// A reference table that knows every key.
pub struct Everything;

impl LookupRecords for Everything {
    async fn lookup(&self, request: &LookupRequest<'_>) -> Result<LookupAnswer, ServiceError> {
        let mut records = Records::new(request.fields.len());
        (0..request.keys.len()).rev().for_each(|key| records.push(key, VALUES));
        Ok(LookupAnswer::whole(records, 0.5 * request.keys.len() as f64))
    }
}

/// Never needed here.
pub struct NoPause;

impl Pause for NoPause {
    fn pause(&self, _: Duration) -> impl Future<Output = ()> + Send {
        ready(())
    }
}
