//! Looks up many keys: full calls, as many at once as the service bears, with bounded pauses where it asks to slow down.
//!
//! # What one chunk can ask of the table
//! A read of a record of up to 4 KiB takes half a read unit, so a chunk of the default size takes at most 25,000 units in all,
//! and a full call 50. With [`MOST_AT_ONCE`] calls of 10 ms that is at most 80,000 units a second, for a third of a second; a
//! chunk begins with [`FIRST_AT_ONCE`] and comes there only while nothing is throttled. The template's `MaxConcurrency` is how
//! many chunks of one batch do so at the same time. A new on-demand table serves 12,000 units a second, later twice its highest
//! peak; beyond that it throttles, and every chunk halves its calls and pauses until what they ask for together is what the
//! table gives. Who has large batches pre-warms the table or lowers `MaxConcurrency`.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::dataset::Lookup;
use crate::ports::{LOOKUP_KEYS, LookupAnswer, LookupRecords, LookupRequest, Pause, Records, ServiceError};

/// Calls under way at once, at first and at most.
const FIRST_AT_ONCE: usize = 4;
const MOST_AT_ONCE: usize = 16;

/// The first pause, before it is spread; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A service that asks for more is asked again after this all the same, while patience lasts.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Where keys are looked up, and how long the caller waits for a table that throttles.
#[derive(Debug)]
pub struct Lookups<'a, L, P> {
    /// The reference records.
    pub records: &'a L,
    /// How to wait.
    pub pause: &'a P,
    /// What all pauses may come to.
    pub patience: Duration,
}

/// What was asked of the table.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Asked {
    /// Calls, those that were throttled included.
    pub calls: u64,
    /// Different keys.
    pub keys: u64,
    /// Read units that the calls took.
    pub read_units: f64,
}

impl<L: LookupRecords, P: Pause> Lookups<'_, L, P> {
    /// Looks up keys, all different and each of a length that the table takes. `found` is called for each answer, in any order,
    /// with its records and with the index in `keys` of each key that its call asked for.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`] when pauses have come to the patience and keys are left; any other error of a call.
    pub async fn look_up(
        &self,
        lookup: &Lookup,
        keys: &[&str],
        mut found: impl FnMut(&Records, &[usize]) + Send,
    ) -> Result<Asked, ServiceError> {
        let mut asked = Asked { keys: keys.len() as u64, ..Asked::default() };
        let mut pace = Pace::new(lookup.source.operation(), self.patience);
        let mut waiting: VecDeque<usize> = (0..keys.len()).collect();
        let mut under_way = FuturesUnordered::new();
        loop {
            while pace.admits(under_way.len(), waiting.len()) {
                let call: Vec<usize> = waiting.drain(..waiting.len().min(LOOKUP_KEYS)).collect();
                under_way.push(self.call(lookup, keys, call));
            }
            let Some((call, answer)) = under_way.next().await else {
                let Some(&next) = waiting.front() else { return Ok(asked) };
                self.pause.pause(pace.pause(keys[next], waiting.len())?).await;
                continue;
            };
            asked.calls += 1;
            match answer {
                Ok(answer) => {
                    asked.read_units += answer.read_units;
                    found(&answer.records, &call);
                    pace.asked_to_wait(answer.wait);
                    pace.answered(call.len(), answer.unprocessed.len());
                    waiting.extend(answer.unprocessed.iter().map(|&key| call[key]));
                }
                Err(ServiceError::Throttled { .. }) => {
                    pace.answered(call.len(), call.len());
                    waiting.extend(call);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn call(
        &self,
        lookup: &Lookup,
        keys: &[&str],
        call: Vec<usize>,
    ) -> (Vec<usize>, Result<LookupAnswer, ServiceError>) {
        let keys: Vec<&str> = call.iter().map(|&key| keys[key]).collect();
        let request =
            LookupRequest { source: &lookup.source, table: &lookup.table, fields: &lookup.fields, keys: &keys };
        let answer = self.records.lookup(&request).await;
        (call, answer)
    }
}

/// How many calls are under way at once, and how long to pause.
///
/// One more call for each round of answers that were whole. The first answer that is not whole ends the round: half as many
/// calls, and none begins until those under way have come back and a pause is over. So one burst of refusals halves once.
#[derive(Debug)]
struct Pace {
    /// What the calls are, for the error.
    operation: &'static str,
    at_once: usize,
    /// Whole answers since the number of calls was changed.
    whole: usize,
    /// A pause is due before the next call.
    slowing: bool,
    /// Keys were left out before: part of a call is then kept for what may still come back.
    throttled: bool,
    /// Pauses since an answer brought anything.
    pauses: u32,
    /// What the service asked for since the last pause, within bounds.
    wait: Duration,
    patience: Duration,
}

impl Pace {
    const fn new(operation: &'static str, patience: Duration) -> Self {
        Self {
            operation,
            at_once: FIRST_AT_ONCE,
            whole: 0,
            slowing: false,
            throttled: false,
            pauses: 0,
            wait: Duration::ZERO,
            patience,
        }
    }

    fn asked_to_wait(&mut self, wait: Duration) {
        self.wait = self.wait.max(wait.min(LONGEST_WAIT));
    }

    /// Whether another call may begin.
    const fn admits(&self, under_way: usize, waiting: usize) -> bool {
        let worthwhile = waiting >= LOOKUP_KEYS || under_way == 0 || !self.throttled;
        waiting > 0 && !self.slowing && under_way < self.at_once && worthwhile
    }

    fn answered(&mut self, asked: usize, left: usize) {
        if left < asked {
            self.pauses = 0;
        }
        if left == 0 {
            self.whole += 1;
            if self.whole >= self.at_once && !self.slowing {
                self.at_once = (self.at_once + 1).min(MOST_AT_ONCE);
                self.whole = 0;
            }
        } else if !self.slowing {
            self.at_once = (self.at_once / 2).max(1);
            self.whole = 0;
            (self.slowing, self.throttled) = (true, true);
        }
    }

    /// The pause that is due. It lies between half and all of its length, by the key that comes next: other chunks wait for
    /// other keys, and do not all come back at once. Where the service has asked for more, it is added to that.
    fn pause(&mut self, next: &str, waiting: usize) -> Result<Duration, ServiceError> {
        let length = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(16)).min(LONGEST_PAUSE);
        let mut hasher = DefaultHasher::new();
        (next, waiting, self.patience).hash(&mut hasher);
        let spread = (hasher.finish() % 1024) as u32;
        let pause = (length / 2).max(self.wait) + length / 2 * spread / 1024;
        self.patience = self.patience.checked_sub(pause).ok_or_else(|| {
            let source = format!("{waiting} keys were left out again and again").into();
            ServiceError::Throttled { operation: self.operation, source }
        })?;
        self.pauses += 1;
        self.wait = Duration::ZERO;
        self.slowing = false;
        Ok(pause)
    }
}
