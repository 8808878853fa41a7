//! The batches: what the table says of them, and how far the executions of the open ones are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tandem_aws::batch_list::Listed;
use tandem_core::batch::{BatchId, BatchRecord, BatchStatus};
use tandem_core::canary::DATASET as CANARY;
use tandem_core::ports::ServiceError;
use tandem_core::protocol::seconds_since;
use time::OffsetDateTime;

use super::super::Console;
use super::super::board::now;
use super::super::snapshot::{BatchView, NoteKind};
use super::listing::shown;
use super::round::Round;
use super::within;
use crate::cost::seconds_of;
use crate::records::Records;

/// How long the table may take: longer than both Regions, which are asked once each.
const ANSWER: Duration = Duration::from_secs(15);
/// Most open batches that one look reads, and at least as many that are kept.
const MOST: usize = 1_000;
/// How long a look at an execution may take.
const EXECUTION: Duration = Duration::from_secs(4);
/// Most executions that one look asks for.
pub const EXECUTIONS: usize = 20;

/// Reads the open batches often, since they are a small index, and all of them as often as that may cost.
pub async fn records(console: Arc<Console>) {
    let pause = console.pause(Duration::from_secs(1), Duration::from_secs(3));
    let all_every = console.pause(Duration::from_secs(3), Duration::from_secs(30));
    let table = console.deployment.watched_records();
    let (mut known, mut round) = (BTreeMap::new(), Round::new(all_every, console.local.is_none()));
    // Whether there are more than are known: of the open ones, as of the last look; of the others, since some were forgotten.
    let (mut unread, mut forgotten) = (false, false);
    loop {
        let ids = console.known.uploaded();
        let mut looked = within(ANSWER, look(&table, &mut known, &ids)).await.map(|all| unread = !all);
        if looked.is_ok() {
            looked = read_on(&table, &mut known, &mut round).await;
        }
        forget_the_canarys(&mut known, &ids);
        forgotten |= forget_the_oldest(&mut known);
        tell(&console, (&known, unread || forgotten), looked.err(), round.listed());
        tokio::time::sleep(pause).await;
    }
}

/// Brings what is known of the open batches up to date; says whether that is all of them.
async fn look(
    table: &Records,
    known: &mut BTreeMap<BatchId, BatchRecord>,
    uploaded: &[BatchId],
) -> Result<bool, ServiceError> {
    let Listed { batches: open, complete } = table.unfinished(MOST).await?;
    let listed: HashSet<BatchId> = open.iter().map(|record| record.batch_id.clone()).collect();
    let left = known.values().filter(|record| !record.status.has_ended()).map(|record| record.batch_id.clone());
    let new = uploaded.iter().filter(|id| !known.contains_key(*id)).cloned();
    let wanted: HashSet<BatchId> = left.chain(new).filter(|id| !listed.contains(id)).collect();
    let mut read = open;
    if !wanted.is_empty() {
        read.extend(table.named(&wanted.into_iter().collect::<Vec<_>>()).await?);
    }
    learn(known, read);
    Ok(complete)
}

/// Reads as many pages of the whole table as may be read now.
async fn read_on(table: &Records, known: &mut BTreeMap<BatchId, BatchRecord>, round: &mut Round) -> Result<(), String> {
    for _ in 0..round.pages(Instant::now()) {
        let asked = now();
        let page = within(ANSWER, table.page(round.after())).await;
        let page = page.inspect_err(|_| round.has_failed(Instant::now()))?;
        learn(known, page.batches);
        if round.has_read(&asked, page.next, page.units, Instant::now()) {
            break;
        }
    }
    Ok(())
}

/// An index and a replica may tell what was: the newer stays.
fn learn(known: &mut BTreeMap<BatchId, BatchRecord>, read: Vec<BatchRecord>) {
    for record in read {
        let older = known.get(&record.batch_id).is_none_or(|held| held.updated <= record.updated);
        if older {
            known.insert(record.batch_id.clone(), record);
        }
    }
}

/// The canary's would soon be all that is listed. They are seen while they are open, as by `tandem status`; what was sent from
/// this page stays, whatever it is.
fn forget_the_canarys(known: &mut BTreeMap<BatchId, BatchRecord>, uploaded: &[BatchId]) {
    known.retain(|id, record| record.dataset != CANARY || !record.status.has_ended() || uploaded.contains(id));
}

/// What nobody sees any more is not kept: the console may be open for weeks. Says whether anything was forgotten.
fn forget_the_oldest(known: &mut BTreeMap<BatchId, BatchRecord>) -> bool {
    if known.len() <= 2 * MOST {
        return false;
    }
    let mut ended: Vec<(String, BatchId)> = Vec::new();
    for record in known.values().filter(|record| record.status.has_ended()) {
        ended.push((record.updated.clone(), record.batch_id.clone()));
    }
    ended.sort();
    for (_, id) in ended.iter().take(known.len() - MOST) {
        known.remove(id);
    }
    !ended.is_empty()
}

fn tell(
    console: &Console,
    (known, more): (&BTreeMap<BatchId, BatchRecord>, bool),
    error: Option<String>,
    listed: Option<&str>,
) {
    let silent = console.board.look(|snapshot| snapshot.table.answers) && error.is_some();
    if let (true, Some(error)) = (silent, &error) {
        console.board.note(NoteKind::Error, format!("the state table does not answer: {error}"));
    }
    let (shown, list) = shown(known.values(), more);
    let progress = console.known.going();
    let views = shown.iter().map(|record| view(record, progress.get(&record.batch_id))).collect();
    console.known.set_records(shown);
    console.board.write(|snapshot| {
        let table = &mut snapshot.table;
        table.answers = error.is_none();
        table.stale_since = error.is_some().then(|| table.stale_since.take().unwrap_or_else(now));
        table.error = error;
        table.listed = listed.map(str::to_owned);
        (snapshot.batches, snapshot.list) = (views, list);
    });
}

/// How far the execution of an open batch is.
#[derive(Debug, Clone, PartialEq)]
pub struct Going {
    /// The attempt that was looked at.
    attempt: u32,
    /// The stage that its state belongs to.
    stage: Option<&'static str>,
    /// Chunks done, and in all.
    chunks: Option<(u64, u64)>,
    /// Rows of the file, once it is split.
    rows: Option<u64>,
    /// When chunks were first seen to be done, and how many were.
    first: Option<(Instant, u64)>,
    /// By those and the last look.
    rows_per_second: Option<f64>,
}

/// Looks at the executions of the open batches.
pub async fn progress(console: Arc<Console>) {
    let pause = console.pause(Duration::from_secs(1), Duration::from_secs(5));
    loop {
        let running: Vec<BatchRecord> = console.known.records();
        let running: Vec<BatchRecord> =
            running.into_iter().filter(|record| record.status == BatchStatus::Running).take(EXECUTIONS).collect();
        let before = console.known.going();
        let looks = running.iter().map(|record| going(&console, record, before.get(&record.batch_id)));
        let seen = futures::future::join_all(looks).await;
        let going: HashMap<BatchId, Going> =
            running.iter().zip(seen).filter_map(|(record, going)| Some((record.batch_id.clone(), going?))).collect();
        console.known.set_going(going);
        tokio::time::sleep(pause).await;
    }
}

async fn going(console: &Console, record: &BatchRecord, before: Option<&Going>) -> Option<Going> {
    let arn = record.execution_arn.as_ref()?;
    let executions = console.deployment.executions(&record.owner_region);
    let before = before.filter(|before| before.attempt == record.attempt.number());
    // While it does not answer, what was seen last stays.
    let Ok(seen) = within(EXECUTION, executions.progress(arn)).await else { return before.cloned() };
    let stage = seen.state.as_deref().and_then(stage_of);
    let mut rows = before.and_then(|before| before.rows);
    if rows.is_none() && seen.chunks.is_some() {
        rows = within(EXECUTION, executions.rows(arn)).await.ok().flatten();
    }
    let done = seen.chunks.map_or(0, |(done, _)| done);
    let first = before.and_then(|before| before.first).or_else(|| (done > 0).then(|| (Instant::now(), done)));
    let rate = rate(seen.chunks, rows, first).or_else(|| before.and_then(|before| before.rows_per_second));
    let attempt = record.attempt.number();
    Some(Going { attempt, stage, chunks: seen.chunks, rows, first, rows_per_second: rate })
}

/// Rows per second since chunks were first seen to be done.
fn rate(chunks: Option<(u64, u64)>, rows: Option<u64>, first: Option<(Instant, u64)>) -> Option<f64> {
    let ((done, total), rows, (since, before)) = (chunks?, rows?, first?);
    let seconds = since.elapsed().as_secs_f64();
    (done > before && total > 0 && seconds > 0.0)
        .then(|| (rows as f64 * (done - before) as f64 / total as f64 / seconds).round())
}

/// The stage that a state of the state machine belongs to.
fn stage_of(state: &str) -> Option<&'static str> {
    match state.strip_suffix("Interrupted").unwrap_or(state) {
        "Split" | "HasRows" => Some("split"),
        "ProcessChunks" | "ValidateOnly" | "EnrichOnly" => Some("rows"),
        "Merge" => Some("merge"),
        "Deliver" | "RecordDelivered" | "FailBatch" | "RecordFailed" | "FailGivenUp" | "RecordGivenUp" => {
            Some("deliver")
        }
        _ => None,
    }
}

fn stage(record: &BatchRecord, going: Option<&Going>) -> &'static str {
    match record.status {
        BatchStatus::Claimed => "claimed",
        // Not every execution is followed; one that is, and shows no state yet, stands before its split.
        BatchStatus::Running => going.map_or("under way", |going| going.stage.unwrap_or("split")),
        BatchStatus::Delivering => "deliver",
        BatchStatus::Delivered => "delivered",
        BatchStatus::Failed => "failed",
    }
}

fn view(record: &BatchRecord, going: Option<&Going>) -> BatchView {
    let ended = record.status.has_ended();
    let going = going.filter(|going| !ended && going.attempt == record.attempt.number());
    let seconds = if ended { seconds_of(record) } else { seconds_since(&record.created, OffsetDateTime::now_utc()) };
    let over_all = record.rows_in.filter(|_| ended && seconds > 0.0).map(|rows| (rows as f64 / seconds).round());
    BatchView {
        id: record.batch_id.to_string(),
        key: record.key.clone(),
        name: record.key.rsplit('/').next().unwrap_or_default().to_owned(),
        dataset: record.dataset.clone(),
        size: record.size,
        status: record.status.as_str(),
        stage: stage(record, going),
        chunks_done: going.and_then(|going| going.chunks).map(|(done, _)| done),
        chunks_total: going.and_then(|going| going.chunks).map(|(_, total)| total),
        rows_per_second: over_all.or_else(|| going.and_then(|going| going.rows_per_second)),
        rows_in: record.rows_in,
        rows_out: record.rows_out,
        rows_rejected: record.rows_rejected,
        attempt: u64::from(record.attempt.number()),
        owner: record.owner_region.clone(),
        history: regions_of(&record.region_history),
        reason: record.reason.clone(),
        failed_state: record.failed_state.clone(),
        created: record.created.clone(),
        updated: record.updated.clone(),
        seconds: Some((seconds.max(0.0) * 1000.0).round() / 1000.0),
        has_output: record.status == BatchStatus::Delivered && record.output_key.is_some(),
        has_rejects: record.status == BatchStatus::Delivered && record.rejects_key.is_some(),
    }
}

/// The Regions of a history, which names each with its attempt.
fn regions_of(history: &[String]) -> Vec<String> {
    history.iter().map(|entry| entry.split('/').next().unwrap_or(entry).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tandem_core::event::Upload;

    use super::*;

    fn record(key: &str, status: BatchStatus, updated: &str) -> BatchRecord {
        let upload = Upload { bucket: "b".into(), key: key.into(), etag: "e".into(), version_id: None, size: 7 };
        let mut record = upload.first_claim("sales-orders", "us-east-1", "2026-01-01T00:00:00.000Z");
        (record.status, record.updated) = (status, updated.into());
        record
    }

    fn going(attempt: u32) -> Going {
        Going {
            attempt,
            stage: Some("rows"),
            chunks: Some((2, 5)),
            rows: Some(100),
            first: None,
            rows_per_second: Some(9.0),
        }
    }

    #[test]
    fn the_canarys_batches_are_listed_while_they_are_open_and_those_sent_from_here_for_good() {
        let mut records = [
            record("input/a.csv", BatchStatus::Delivered, "2026-01-01T00:00:04.000Z"),
            record("input/canary/b.csv", BatchStatus::Running, "2026-01-01T00:00:03.000Z"),
            record("input/canary/c.csv", BatchStatus::Delivered, "2026-01-01T00:00:05.000Z"),
            record("input/canary/d.csv", BatchStatus::Delivered, "2026-01-01T00:00:06.000Z"),
        ];
        records.iter_mut().skip(1).for_each(|record| record.dataset = CANARY.into());
        let sent = [records[3].batch_id.clone()];
        let mut known = records.map(|record| (record.batch_id.clone(), record)).into();
        forget_the_canarys(&mut known, &sent);
        let keys: Vec<String> = shown(known.values(), false).0.into_iter().map(|record| record.key).collect();
        assert_eq!(keys, ["input/canary/b.csv", "input/canary/d.csv", "input/a.csv"]);
    }

    #[test]
    fn an_open_batch_says_how_far_it_is_and_one_that_has_ended_how_fast_it_was() {
        let open = view(&record("input/x/a b.csv", BatchStatus::Running, "2026-01-01T00:00:02.000Z"), Some(&going(1)));
        assert_eq!((open.stage, open.chunks_done, open.chunks_total), ("rows", Some(2), Some(5)));
        assert_eq!((open.rows_per_second, open.name.as_str(), open.has_output), (Some(9.0), "a b.csv", false));
        let mut ended = record("input/a.csv", BatchStatus::Delivered, "2026-01-01T00:00:02.000Z");
        (ended.rows_in, ended.output_key) = (Some(10_000), Some("output/x/output.csv".into()));
        let ended = view(&ended, Some(&going(1)));
        assert_eq!((ended.stage, ended.rows_per_second, ended.seconds), ("delivered", Some(5_000.0), Some(2.0)));
        assert!(ended.has_output && !ended.has_rejects && ended.chunks_total.is_none());
    }

    #[test]
    fn what_was_seen_of_an_earlier_attempt_is_not_told_of_this_one() {
        let mut again = record("input/a.csv", BatchStatus::Running, "2026-01-01T00:00:02.000Z");
        again.region_history = vec!["us-east-1/1".into(), "us-west-2/2".into()];
        again.attempt = tandem_core::batch::Attempt::new(2);
        let view = view(&again, Some(&going(1)));
        assert_eq!((view.stage, view.chunks_done, view.attempt), ("under way", None, 2));
        assert_eq!(view.history, ["us-east-1", "us-west-2"]);
    }

    #[test]
    fn every_state_of_the_state_machine_has_its_stage() {
        let machine = include_str!("../../../../../statemachines/batch.asl.json");
        for (state, stage) in [
            ("Split", "split"),
            ("ProcessChunks", "rows"),
            ("ValidateOnly", "rows"),
            ("EnrichOnly", "rows"),
            ("Merge", "merge"),
            ("Deliver", "deliver"),
            ("RecordDelivered", "deliver"),
            ("FailBatch", "deliver"),
        ] {
            assert!(machine.contains(&format!("\"{state}\": {{")), "{state} is no state any more");
            assert_eq!(stage_of(state), Some(stage));
            assert_eq!(stage_of(&format!("{state}Interrupted")), Some(stage));
        }
        assert_eq!(stage_of("Interrupt"), None);
    }
}
