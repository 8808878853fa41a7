//! What the batches of the last hour cost, by the code of `tandem cost`: one at a time, each once, since the logs are searched.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tandem_core::batch::{BatchId, BatchRecord};
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
/// Between two batches: searching logs is the dearest thing that the console asks for.
const PAUSE: Duration = Duration::from_secs(1);

/// What each batch cost, by service, as of one attempt.
type Priced = HashMap<(BatchId, u32), BTreeMap<String, f64>>;

/// Adds them up.
pub async fn last_hour(console: Arc<Console>) {
    // A function's lines come a while after it has ended.
    let settled = console.pause(Duration::from_secs(3), Duration::from_secs(90));
    let (mut priced, mut error) = (Priced::new(), None);
    let Ok(prices) = Prices::load() else { return };
    loop {
        let records: Vec<BatchRecord> =
            console.known.records().into_iter().filter(|record| is_recent(record)).collect();
        priced.retain(|key, _| records.iter().any(|record| key_of(record) == *key));
        let next = records.iter().find(|record| !priced.contains_key(&key_of(record)) && has_settled(record, settled));
        if let Some(record) = next {
            match within(ANSWER, report_of(&console.deployment, record, &prices)).await {
                Ok(report) => {
                    error = missing(&report);
                    priced.insert(key_of(record), by_service(&report));
                }
                Err(told) => error = Some(told),
            }
        }
        tell(&console, &priced, records.len(), error.as_ref());
        tokio::time::sleep(PAUSE).await;
    }
}

fn tell(console: &Console, priced: &Priced, batches: usize, error: Option<&String>) {
    let uncounted = batches - priced.len();
    let uncounted = (uncounted > 0).then(|| format!("{uncounted} of {batches} batches are not counted yet"));
    let mut parts: BTreeMap<String, f64> = BTreeMap::new();
    for (service, usd) in priced.values().flatten() {
        *parts.entry(service.clone()).or_default() += usd;
    }
    let known = !priced.is_empty() || batches == 0;
    let since = time_text(OffsetDateTime::now_utc() - Duration::from_secs(3_600));
    let view = CostView {
        usd: known.then(|| parts.values().sum()),
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

fn key_of(record: &BatchRecord) -> (BatchId, u32) {
    (record.batch_id.clone(), record.attempt.number())
}

fn is_recent(record: &BatchRecord) -> bool {
    seconds_since(&record.created, OffsetDateTime::now_utc()) <= HOUR
}

fn has_settled(record: &BatchRecord, settled: Duration) -> bool {
    let since = seconds_since(&record.updated, OffsetDateTime::now_utc());
    record.status.has_ended() && since >= settled.as_secs_f64()
}
