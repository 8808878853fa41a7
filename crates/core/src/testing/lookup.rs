//! Reference records and pauses in memory.

use std::collections::{BTreeMap, HashSet};
use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::{Faults, lock, refused};
use crate::ports::{
    LOOKUP_KEYS, LookupAnswer, LookupRecords, LookupRequest, Pause, RECORD_ID_BYTES, Records, ReferenceRecord,
    ServiceError,
};

/// How the table in memory answers a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// Every key is processed.
    Whole,
    /// At most so many keys are processed, the others left out.
    AtMost(usize),
    /// The call is refused for its rate.
    Throttled,
    /// No key is processed, and the service wants to be left alone for so many seconds.
    Busy(u64),
}

/// Reference records in memory.
#[derive(Debug, Default)]
pub struct MemoryLookup {
    tables: BTreeMap<String, BTreeMap<String, ReferenceRecord>>,
    faults: Faults,
    /// How the first calls are answered, and how all later ones.
    answering: (Vec<Answering>, Option<Answering>),
    asked: Mutex<Vec<usize>>,
    under_way: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl MemoryLookup {
    /// Without records.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    /// Answers the first calls so, and all later ones as said last.
    #[must_use]
    pub fn answering(self, first: Vec<Answering>, then: Answering) -> Self {
        Self { answering: (first, Some(then)), ..self }
    }

    /// Adds a record.
    pub fn insert(&mut self, table: &str, key: &str, record: ReferenceRecord) {
        self.tables.entry(table.to_owned()).or_default().insert(key.to_owned(), record);
    }

    /// Number of keys in each call so far.
    #[must_use]
    pub fn asked(&self) -> Vec<usize> {
        lock(&self.asked).clone()
    }

    /// Most calls that were under way at the same time.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// Begins a call; answers how it is to be answered, and its number.
    fn begin(&self, request: &LookupRequest<'_>) -> Result<(Answering, usize), ServiceError> {
        self.faults.call("dynamodb:BatchGetItem")?;
        check(request)?;
        let mut asked = lock(&self.asked);
        let number = asked.len();
        asked.push(request.keys.len());
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        let (first, then) = &self.answering;
        Ok((first.get(number).copied().or(*then).unwrap_or(Answering::Whole), number))
    }
}

impl LookupRecords for MemoryLookup {
    async fn lookup(&self, request: &LookupRequest<'_>) -> Result<LookupAnswer, ServiceError> {
        let (answering, number) = self.begin(request)?;
        // Calls come back in another order than they went out.
        for _ in 0..number % 5 {
            yield_once().await;
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let mut wait = Duration::ZERO;
        let processed = match answering {
            Answering::Busy(seconds) => {
                wait = Duration::from_secs(seconds);
                0
            }
            Answering::Whole => request.keys.len(),
            Answering::AtMost(most) => most.min(request.keys.len()),
            Answering::Throttled => {
                return Err(ServiceError::Throttled { operation: "dynamodb:BatchGetItem", source: "made to".into() });
            }
        };
        let mut records = Records::new(request.fields.len());
        let known = self.tables.get(request.table);
        // The service answers in no order.
        for (index, key) in request.keys.iter().enumerate().take(processed).rev() {
            if let Some(record) = known.and_then(|known| known.get(*key)) {
                records.push(index, request.fields.iter().map(|field| record.get(field).map_or("", String::as_str)));
            }
        }
        let unprocessed = (processed..request.keys.len()).collect();
        Ok(LookupAnswer { unprocessed, wait, ..LookupAnswer::whole(records, 0.5 * processed as f64) })
    }
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Refuses what the service refuses.
fn check(request: &LookupRequest<'_>) -> Result<(), ServiceError> {
    let LookupRequest { table, keys, .. } = *request;
    let distinct: HashSet<&str> = keys.iter().copied().collect();
    if keys.is_empty() || keys.len() > LOOKUP_KEYS || distinct.len() < keys.len() {
        return Err(refused("dynamodb:BatchGetItem", "1 to 100 keys, all different"));
    }
    if keys.iter().any(|key| key.is_empty() || table.len() + 1 + key.len() > RECORD_ID_BYTES) {
        return Err(refused("dynamodb:BatchGetItem", "a key has 1 to 2048 bytes"));
    }
    Ok(())
}

/// Pauses that take no time and are written down.
#[derive(Debug, Default)]
pub struct MemoryPause(Mutex<Vec<Duration>>);

impl MemoryPause {
    /// The pauses so far.
    #[must_use]
    pub fn taken(&self) -> Vec<Duration> {
        lock(&self.0).clone()
    }
}

impl Pause for MemoryPause {
    async fn pause(&self, time: Duration) {
        lock(&self.0).push(time);
    }
}
