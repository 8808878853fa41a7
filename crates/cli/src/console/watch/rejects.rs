//! Why rows were rejected: the first rejected rows of each batch that is shown, read once, by field and rule alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tandem_core::batch::{BatchId, BatchRecord};
use tandem_core::payload::ReasonCount;

use super::super::Console;
use super::super::snapshot::{NoteKind, RejectView};
use super::within;

/// How long a Region may take.
const ANSWER: Duration = Duration::from_secs(6);
/// Rows of a batch that are counted: as many as are kept.
const ROWS: usize = 1_000;
/// Reasons that are shown.
const SHOWN: usize = 10;

/// The reasons of a batch, as of one attempt.
type Counted = HashMap<(BatchId, u32), (String, Vec<ReasonCount>)>;

/// Counts them.
pub async fn reasons(console: Arc<Console>) {
    let pause = console.pause(Duration::from_secs(2), Duration::from_secs(10));
    let (mut counted, mut told) = (Counted::new(), false);
    loop {
        let records = console.known.records();
        let rejected: Vec<&BatchRecord> = records.iter().filter(|record| record.rows_rejected > Some(0)).collect();
        counted.retain(|key, _| rejected.iter().any(|record| key_of(record) == *key));
        for record in rejected {
            if counted.contains_key(&key_of(record)) {
                continue;
            }
            match read(&console, record).await {
                Ok(reasons) => {
                    counted.insert(key_of(record), (record.dataset.clone(), reasons));
                    told = false;
                }
                // Others would not be answered either: the next round begins anew.
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        console
                            .board
                            .note(NoteKind::Error, format!("reasons of rejected rows cannot be read: {error}"));
                    }
                    break;
                }
            }
        }
        let shown = most_frequent(counted.values());
        console.board.write(|snapshot| snapshot.rejects = shown);
        tokio::time::sleep(pause).await;
    }
}

fn key_of(record: &BatchRecord) -> (BatchId, u32) {
    (record.batch_id.clone(), record.attempt.number())
}

/// From the Region that worked on it, or else from the other.
async fn read(console: &Console, record: &BatchRecord) -> Result<Vec<ReasonCount>, String> {
    let mut answer = Err(String::from("there is no Region"));
    let mut regions: Vec<&String> = console.deployment.regions().iter().collect();
    regions.sort_by_key(|region| **region != record.owner_region);
    for region in regions {
        let table = console.deployment.rejects(region);
        answer = within(ANSWER, table.reasons(&record.batch_id, ROWS)).await;
        if answer.is_ok() {
            break;
        }
    }
    answer
}

fn most_frequent<'a>(counted: impl Iterator<Item = &'a (String, Vec<ReasonCount>)>) -> Vec<RejectView> {
    let mut sums: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for (dataset, reasons) in counted {
        for ReasonCount { field, rule, count } in reasons {
            *sums.entry((dataset, field, rule)).or_default() += count;
        }
    }
    let view = |((dataset, field, rule), count): ((&str, &str, &str), u64)| RejectView {
        // Of the row as a whole: named as in the e-mail.
        field: if field.is_empty() { String::from("record") } else { field.to_owned() },
        rule: rule.to_owned(),
        count,
        dataset: dataset.to_owned(),
    };
    let mut views: Vec<RejectView> = sums.into_iter().map(view).collect();
    views.sort_by_key(|view| std::cmp::Reverse(view.count));
    views.truncate(SHOWN);
    views
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_all_batches_are_added_up_and_the_most_frequent_stands_first() {
        let reason = |field: &str, count| ReasonCount { field: field.into(), rule: "pattern".into(), count };
        let batches = [
            (String::from("a"), vec![reason("uuid", 2), reason("country", 3)]),
            (String::from("a"), vec![reason("uuid", 4)]),
            (String::from("b"), vec![reason("", 1)]),
        ];
        let views = most_frequent(batches.iter());
        let told: Vec<_> = views.iter().map(|view| (view.dataset.as_str(), view.field.as_str(), view.count)).collect();
        assert_eq!(told, [("a", "uuid", 6), ("a", "country", 3), ("b", "record", 1)]);
    }
}
