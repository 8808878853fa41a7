//! What the batches of the last hour cost, by the code of `tandem cost`: one at a time, each once, since the logs are searched.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tandem_core::batch::{Attempt, BatchId, BatchRecord, BatchStatus};
use tandem_core::protocol::{seconds_since, time_text};
use time::OffsetDateTime;

use super::super::Console;
use super::super::snapshot::{CostPart, CostView};
use super::within;
use crate::cost::{Prices, Report, report_of};

/// What is added up.
const HOUR: f64 = 3_600.0;
/// How long the logs of one batch may take.
const ANSWER: Duration = Duration::from_secs(60);
/// How often one batch is tried: what has no price or no end will not have one at the next try either.
const TRIES: u32 = 3;
/// Between two tries of one batch.
const BETWEEN_TRIES: Duration = Duration::from_secs(60);
/// Between two batches: searching logs is the dearest thing that the console asks for.
const PAUSE: Duration = Duration::from_secs(1);

/// What each batch cost, by service, as of the attempt that was looked at last.
type Priced = HashMap<BatchId, (Attempt, BTreeMap<String, f64>)>;

/// Tries of batches that could not be priced.
#[derive(Default)]
struct Failures(HashMap<(BatchId, Attempt), (u32, Instant)>);

impl Failures {
    /// Whether a batch may be tried (again) now.
    fn allow(&self, record: &BatchRecord) -> bool {
        let tried = self.0.get(&(record.batch_id.clone(), record.attempt));
        tried.is_none_or(|(tries, last)| *tries < TRIES && last.elapsed() >= BETWEEN_TRIES)
    }

    fn note(&mut self, record: &BatchRecord) {
        let tried = self.0.entry((record.batch_id.clone(), record.attempt)).or_insert((0, Instant::now()));
        *tried = (tried.0 + 1, Instant::now());
    }
}

/// Adds them up.
pub async fn last_hour(console: Arc<Console>) {
    // A function's lines come a while after it has ended.
    let settled = console.pause(Duration::from_secs(3), Duration::from_secs(90));
    let (mut priced, mut failures, mut error) = (Priced::new(), Failures::default(), None);
    let Ok(prices) = Prices::load() else { return };
    loop {
        let (records, older): (Vec<_>, Vec<_>) = console.known.records().into_iter().partition(is_recent);
        let crowded = is_crowded(&console, &older);
        priced.retain(|id, _| records.iter().any(|record| record.batch_id == *id));
        failures.0.retain(|(id, _), _| records.iter().any(|record| record.batch_id == *id));
        let ready = |record: &&BatchRecord| is_new(&priced, record) && has_settled(record, settled);
        let next = records.iter().find(|record| ready(record) && failures.allow(record));
        if let Some(record) = next {
            match within(ANSWER, report_of(&console.deployment, record, &prices)).await {
                Ok(report) => {
                    error = missing(&report);
                    priced.insert(record.batch_id.clone(), (record.attempt, by_service(&report)));
                }
                Err(told) => {
                    failures.note(record);
                    error = Some(told);
                }
            }
        }
        let uncounted = records.iter().filter(|record| is_new(&priced, record)).count();
        tell(&console, &priced, (uncounted, records.len(), crowded), error.as_ref());
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the last hour may have had more batches than are listed: there are more, and none that is listed as ended is older.
fn is_crowded(console: &Console, older: &[BatchRecord]) -> bool {
    let part = console.board.look(|snapshot| snapshot.list.open + snapshot.list.ended > snapshot.batches.len());
    part && !older.iter().any(|record| record.status == BatchStatus::Delivered)
}

fn tell(
    console: &Console,
    priced: &Priced,
    (uncounted, batches, crowded): (usize, usize, bool),
    error: Option<&String>,
) {
    let uncounted = match (uncounted, crowded) {
        (1.., _) => Some(format!("not counted yet: {uncounted} of {batches} batches")),
        (0, true) => Some(String::from("too low: of the last hour's batches only those that are listed are counted")),
        (0, false) => None,
    };
    let mut parts: BTreeMap<String, f64> = BTreeMap::new();
    for (service, usd) in priced.values().flat_map(|(_, parts)| parts) {
        *parts.entry(service.clone()).or_default() += usd;
    }
    let known = !priced.is_empty() || batches == 0;
    let since = time_text(OffsetDateTime::now_utc() - Duration::from_secs(3_600));
    let view = CostView {
        // Nothing added up is -0.0.
        usd: known.then(|| parts.values().sum::<f64>() + 0.0),
        since: Some(since),
        parts: CostPart::sorted(parts),
        error: error.cloned().or(uncounted),
    };
    console.board.write(|snapshot| snapshot.cost = view);
}

fn missing(report: &Report) -> Option<String> {
    report
        .missing
        .first()
        .map(|missing| format!("too low, since this was not read: {}", super::super::trouble::plain(missing)))
}

fn by_service(report: &Report) -> BTreeMap<String, f64> {
    let mut services = BTreeMap::new();
    for unit in &report.units {
        *services.entry(unit.service.clone()).or_default() += unit.usd;
    }
    services
}

/// Whether this attempt is not counted yet. What an earlier one cost is shown until it is.
fn is_new(priced: &Priced, record: &BatchRecord) -> bool {
    priced.get(&record.batch_id).is_none_or(|(attempt, _)| *attempt != record.attempt)
}

fn is_recent(record: &BatchRecord) -> bool {
    seconds_since(&record.created, OffsetDateTime::now_utc()) <= HOUR
}

fn has_settled(record: &BatchRecord, settled: Duration) -> bool {
    let since = seconds_since(&record.updated, OffsetDateTime::now_utc());
    record.status.has_ended() && since >= settled.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use tandem_core::event::Upload;

    use super::*;

    #[test]
    fn a_batch_that_cannot_be_priced_leaves_the_others_their_turn() {
        let record = |key: &str| {
            let upload = Upload { bucket: "b".into(), key: key.into(), etag: "e".into(), version_id: None, size: 1 };
            upload.first_claim("sales-orders", "us-east-1", "2026-01-01T00:00:00.000Z")
        };
        let (one, other, mut failures) = (record("input/a.csv"), record("input/b.csv"), Failures::default());
        failures.note(&one);
        assert!(!failures.allow(&one) && failures.allow(&other));
    }
}
