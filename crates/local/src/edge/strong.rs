//! Tables with multi-Region strong consistency: one write at a time, for both Regions together.
//!
//! The real table checks a condition against the newest write of any Region. The emulator checks it against the copy in the
//! caller's own Region and replicates afterwards, so two Regions that write at once could both win. Letting the writes
//! through one after the other, each with its replication, gives what the real table promises. PartiQL statements are not
//! looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

/// The largest request that DynamoDB accepts is 16 MB.
pub const LARGEST_WRITE: usize = 17 << 20;

/// Whether an operation of DynamoDB can write items.
#[must_use]
pub fn is_write(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems")
}

/// The tables that a write names, each once.
fn written_tables(body: &[u8]) -> BTreeSet<String> {
    let Ok(request) = serde_json::from_slice::<Value>(body) else { return BTreeSet::new() };
    let single = request["TableName"].as_str().into_iter();
    let batch = request["RequestItems"].as_object().into_iter().flat_map(|tables| tables.keys().map(String::as_str));
    let transaction = request["TransactItems"].as_array().into_iter().flatten();
    let transaction = transaction.filter_map(Value::as_object).flat_map(|item| item.values());
    let transaction = transaction.filter_map(|action| action["TableName"].as_str());
    single.chain(batch).chain(transaction).map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()).collect()
}

/// The declared tables, and whose turn it is at each.
#[derive(Default)]
pub struct StrongTables(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

/// The right to write; given back when dropped.
pub type Turn = Vec<OwnedMutexGuard<()>>;

impl StrongTables {
    /// Declares which tables are strongly consistent.
    pub fn declare(&self, tables: impl IntoIterator<Item = String>) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for table in tables {
            turns.entry(table).or_default();
        }
    }

    /// Waits until it is this write's turn at every declared table that it names. Tables are taken in the order of their
    /// names, so that two writes never wait for each other.
    pub async fn turn(&self, body: &[u8]) -> Turn {
        let wanted: Vec<_> = {
            let turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            written_tables(body).iter().filter_map(|table| turns.get(table).cloned()).collect()
        };
        let mut turn = Turn::new();
        for table in wanted {
            turn.push(table.lock_owned().await);
        }
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_names_its_tables() {
        let tables = |body: &str| written_tables(body.as_bytes()).into_iter().collect::<Vec<_>>();
        assert_eq!(tables(r#"{"TableName":"a"}"#), ["a"]);
        assert_eq!(tables(r#"{"TableName":"arn:aws:dynamodb:us-east-1:1:table/a"}"#), ["a"]);
        assert_eq!(tables(r#"{"RequestItems":{"b":[],"a":[]}}"#), ["a", "b"]);
        let transaction = r#"{"TransactItems":[{"Put":{"TableName":"b"}},{"ConditionCheck":{"TableName":"a"}}]}"#;
        assert_eq!(tables(transaction), ["a", "b"]);
        assert!(tables("no json").is_empty());
    }

    #[tokio::test]
    async fn a_second_write_waits_for_the_first_and_other_tables_do_not() {
        let tables = StrongTables::default();
        tables.declare(["strong".to_owned()]);
        let first = tables.turn(br#"{"TableName":"strong"}"#).await;
        assert_eq!(first.len(), 1);
        assert!(tables.turn(br#"{"TableName":"other"}"#).await.is_empty());
        let mut second = std::pin::pin!(tables.turn(br#"{"TableName":"strong"}"#));
        let waits =
            std::future::poll_fn(|context| std::task::Poll::Ready(second.as_mut().poll(context).is_pending())).await;
        assert!(waits);
        drop(first);
        assert_eq!(second.await.len(), 1);
    }
}
