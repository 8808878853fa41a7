//! `tandem status`: one batch in full, or those that are open and those that changed last.

use anyhow::bail;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use tandem_core::batch::{BatchId, BatchRecord};
use tandem_core::ports::ServiceError;

use crate::deployment::{Deployment, Which};
use crate::exit::{NOT_SENT, usage};
use crate::terminal::{coloured, grouped, one_line, table};

/// Most batches that are read to find the latest, or the one that a prefix means.
const MOST_READ: usize = 5_000;
/// Digits of a batch id in a table: enough to tell thousands apart.
const SHORT_ID: usize = 12;

/// What to do when no Region answers: a failover cannot help then.
const SILENT: &str =
    "neither Region answers: look at the network, or wait until one is back (locally: `tandem region heal REGION`)";

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Id of a batch, or its beginning
    pub batch: Option<String>,
    /// Print JSON: one object, or an array of them
    #[arg(long)]
    pub json: bool,
    /// Most batches in the table that have ended; those that are open come besides
    #[arg(long, default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub limit: usize,
}

/// Prints how a batch stands, or a table.
///
/// # Errors
/// When there is no such batch, or the deployment cannot be reached.
pub async fn run(args: &StatusArgs, which: &Which) -> anyhow::Result<()> {
    let deployment = which.find().await?;
    match &args.batch {
        Some(batch) => {
            let record = find(&deployment, batch).await?;
            out!("{}", if args.json { format!("{}\n", serde_json::to_string(&record)?) } else { in_full(&record) });
        }
        None => {
            let (records, complete) = latest(&deployment, args.limit).await?;
            out!("{}", if args.json { format!("{}\n", serde_json::to_string(&records)?) } else { overview(&records) });
            if !complete {
                errln!(
                    "There are more than {MOST_READ} batches: the open ones are all considered, of the others only a part."
                );
            }
        }
    }
    Ok(())
}

/// The batch with this id, or whose id alone begins like this.
///
/// # Errors
/// When there is none, or more than one.
pub async fn find(deployment: &Deployment, text: &str) -> anyhow::Result<BatchRecord> {
    let text = text.to_ascii_lowercase();
    if let Ok(id) = text.parse::<BatchId>() {
        return match deployment.records().get(&id).await.map_err(unread)? {
            Some(record) => Ok(record),
            None => bail!("there is no batch {id}"),
        };
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(usage(format!("{text:?} is no batch id: expected 32 hex digits, or the first of them")));
    }
    let mut matching = deployment.records().any(MOST_READ).await.map_err(unread)?.batches;
    matching.retain(|record| record.batch_id.as_str().starts_with(&text));
    match (matching.pop(), matching.len()) {
        (Some(record), 0) => Ok(record),
        (None, _) => bail!("there is no batch whose id begins with {text}"),
        (Some(_), others) => bail!("{} batches begin with {text}: give more digits", others + 1),
    }
}

/// The batches that are open, the longest unchanged first, and those that ended last; and whether all were considered. The
/// limit is for those that have ended: what stands still must not be hidden by what does not.
async fn latest(deployment: &Deployment, limit: usize) -> anyhow::Result<(Vec<BatchRecord>, bool)> {
    let list = deployment.records();
    let read = async { futures::try_join!(list.unfinished(MOST_READ), list.any(MOST_READ)) };
    let (open, any) = read.await.map_err(unread)?;
    let mut records = any.batches;
    records.extend(open.batches);
    // Times are in one format and zone, so their texts sort as they do. Of one batch read twice, the newer stays.
    records.sort_by(|a, b| b.updated.cmp(&a.updated));
    let mut seen = std::collections::HashSet::new();
    records.retain(|record| seen.insert(record.batch_id.clone()));
    let (mut unended, ended): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| !record.status.has_ended());
    unended.reverse();
    let records = unended.into_iter().chain(ended.into_iter().take(limit)).collect();
    Ok((records, any.complete && open.complete))
}

/// The error of a table that could not be read: if it was not even answered, neither Region was.
fn unread(error: ServiceError) -> anyhow::Error {
    let silent = matches!(&error, ServiceError::Unavailable { message, .. } if message.starts_with(NOT_SENT));
    let error = anyhow::Error::from(error);
    if silent { error.context(SILENT) } else { error }
}

/// Where to look why a batch's rows were rejected, if any were.
pub fn why_rejected(record: &BatchRecord) -> Option<String> {
    let rejected = record.rejects_key.is_some() && record.rows_rejected > Some(0);
    rejected.then(|| format!("tandem fetch {}, rejects.csv", record.batch_id))
}

fn overview(records: &[BatchRecord]) -> String {
    if records.is_empty() {
        return String::from("There are no batches yet: upload a file with `tandem put FILE`.\n");
    }
    let rows = |number: Option<u64>| number.map(grouped).unwrap_or_default();
    let row = |record: &BatchRecord| {
        vec![
            record.batch_id.as_str().chars().take(SHORT_ID).collect(),
            coloured(record.status).to_string(),
            record.owner_region.clone(),
            record.attempt.to_string(),
            rows(record.rows_in),
            rows(record.rows_rejected),
            record.updated.clone(),
            one_line(&record.key),
        ]
    };
    let headings = ["BATCH", "STATUS", "REGION", "ATTEMPT", "ROWS", "REJECTED", "UPDATED", "KEY"];
    table(&headings, &records.iter().map(row).collect::<Vec<_>>())
}

fn in_full(record: &BatchRecord) -> String {
    let number = |number: Option<u64>| number.map(grouped);
    let lines = [
        ("batch", Some(record.batch_id.to_string())),
        ("status", Some(coloured(record.status).to_string())),
        ("reason", record.reason.as_deref().map(one_line)),
        ("failed state", record.failed_state.clone()),
        ("key", Some(one_line(&record.key))),
        ("dataset", Some(record.dataset.clone())),
        ("bytes", Some(grouped(record.size))),
        ("rows in", number(record.rows_in)),
        ("rows out", number(record.rows_out)),
        ("rows rejected", number(record.rows_rejected)),
        ("why", why_rejected(record)),
        ("region", Some(record.owner_region.clone())),
        ("attempt", Some(record.attempt.to_string())),
        ("history", Some(record.region_history.join(" "))),
        ("created", Some(record.created.clone())),
        ("updated", Some(record.updated.clone())),
        ("execution", record.execution_arn.clone()),
        ("output", record.output_key.clone()),
        ("rejects", record.rejects_key.clone()),
        ("etag", Some(record.etag.clone())),
    ];
    let line = |(name, value): (&str, Option<String>)| value.map(|value| format!("{name:14}{value}\n"));
    lines.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use tandem_core::batch::BatchStatus;
    use tandem_core::event::Upload;

    use super::*;
    use crate::exit::told;

    fn record() -> BatchRecord {
        let upload = Upload {
            bucket: "b".into(),
            key: "input/a\nb.csv".into(),
            etag: "e".into(),
            version_id: None,
            size: 1_234,
        };
        let mut record = upload.first_claim("sales-orders", "us-east-1", "2026-01-01T00:00:00.000Z");
        record.status = BatchStatus::Delivered;
        record.rows_in = Some(10_000);
        record
    }

    #[test]
    fn the_table_shows_each_batch_on_one_line() {
        console::set_colors_enabled(false);
        let text = overview(&[record()]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("DELIVERED  us-east-1"), "{text}");
        assert!(text.contains("10,000"), "{text}");
        assert!(text.ends_with("input/a b.csv\n"), "{text}");
    }

    #[test]
    fn what_is_not_known_of_a_batch_has_no_line() {
        console::set_colors_enabled(false);
        let text = in_full(&record());
        assert!(text.contains("rows in       10,000\n"), "{text}");
        assert!(!text.contains("rows out") && !text.contains("reason"), "{text}");
    }

    #[test]
    fn rows_that_were_rejected_come_with_where_to_look_why() {
        console::set_colors_enabled(false);
        let mut record = record();
        record.rows_rejected = Some(0);
        assert!(!in_full(&record).contains("why"));
        record.rows_rejected = Some(7);
        record.rejects_key = Some("output/x/rejects.csv".into());
        let way = format!("why           tandem fetch {}, rejects.csv\n", record.batch_id);
        assert!(in_full(&record).contains(&way), "{}", in_full(&record));
    }

    #[test]
    fn only_a_table_that_was_not_answered_is_told_as_two_silent_regions() {
        let failed = |message: &str| {
            let error =
                ServiceError::Unavailable { operation: "dynamodb:Scan", message: message.into(), source: "x".into() };
            told(&unread(error))
        };
        let silent = failed("dispatch failure: other: connection closed");
        assert!(silent.contains("neither Region answers") && silent.contains("region heal"), "{silent}");
        assert_eq!(silent.matches("connection closed").count(), 1, "{silent}");
        assert!(!failed("InternalServerError: try again").contains("neither Region"));
    }

    #[test]
    fn no_batches_is_said_with_what_to_do() {
        assert!(overview(&[]).contains("tandem put"));
    }
}
