//! Reads what is known of the work on a batch: the functions' lines of metrics, and the executions' histories.

use tandem_aws::log_lines::LogLines;
use tandem_core::batch::BatchRecord;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::work::Work;
use crate::deployment::Deployment;
use crate::records::executions;

/// The functions that work on batches. `reconcile` does so for many at once, and counts as a fixed cost.
const FUNCTIONS: [&str; 6] = ["intake", "split", "validate", "enrich", "merge", "deliver"];
/// Lines of one function that are read: hundreds of millions of rows.
const MOST_LINES: usize = 200_000;
/// Before the claim and after the last change, in milliseconds: a function ends after what it writes.
const MARGIN: i64 = 120_000;

/// All that is known of the work on a batch, in both Regions.
pub async fn work(deployment: &Deployment, record: &BatchRecord) -> Work {
    let mut work = Work::default();
    for region in deployment.regions() {
        read_logs(&mut work, deployment, &deployment.log_lines(region), region, record).await;
    }
    for (region, arn) in executions(record) {
        match deployment.executions(&region).billed(&arn).await {
            Ok(billed) => work.executions.push(billed),
            Err(error) => work.missing.push(format!("the history of {arn}: {error}")),
        }
    }
    work
}

async fn read_logs(work: &mut Work, deployment: &Deployment, logs: &LogLines, region: &str, record: &BatchRecord) {
    let id = record.batch_id.as_str();
    let window = window(record);
    let groups = FUNCTIONS.map(|name| format!("/aws/lambda/{}", deployment.function(name)));
    let read = groups.each_ref().map(|group| logs.containing(group, id, window, MOST_LINES));
    for (group, lines) in groups.iter().zip(futures::future::join_all(read).await) {
        match lines {
            Ok(found) => {
                work.read(id, &found.lines);
                if !found.complete {
                    work.missing.push(format!("lines after the first {MOST_LINES} of {group} in {region}"));
                }
            }
            Err(error) => work.missing.push(format!("{group} in {region}: {error}")),
        }
    }
}

/// From claim to last change, with a margin, in milliseconds.
fn window(record: &BatchRecord) -> (i64, i64) {
    let now = OffsetDateTime::now_utc();
    let at = |text: &str, otherwise| milliseconds(OffsetDateTime::parse(text, &Rfc3339).unwrap_or(otherwise));
    let end = if record.status.has_ended() { at(&record.updated, now) } else { milliseconds(now) };
    (at(&record.created, OffsetDateTime::UNIX_EPOCH) - MARGIN, end + MARGIN)
}

fn milliseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// Seconds from claim to last change.
pub fn seconds(record: &BatchRecord) -> f64 {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let times = parse(&record.created).zip(parse(&record.updated));
    times.map_or(0.0, |(created, updated)| (updated - created).as_seconds_f64())
}
