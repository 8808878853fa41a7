//! DynamoDB: the reference table.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use tandem_core::ports::{LookupRecords, ReferenceRecord, ServiceError};

use crate::error::translate;

/// How often keys that the service left unprocessed are asked for again.
const TRIES: u32 = 8;

/// Separates the reference table's name from the record's key in the item's id.
const SEPARATOR: char = '/';

/// The id of a record's item.
#[must_use]
pub fn item_id(table: &str, key: &str) -> String {
    format!("{table}{SEPARATOR}{key}")
}

/// Reference records of every dataset, told apart by the table name before the slash.
#[derive(Debug, Clone)]
pub struct ReferenceTable {
    client: Client,
    table: String,
}

impl ReferenceTable {
    /// The table with this name.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        Self { client: Client::new(config), table }
    }

    /// One request: what was found, and the keys that were left unprocessed.
    async fn request(&self, keys: KeysAndAttributes) -> Result<(Vec<Item>, Option<KeysAndAttributes>), ServiceError> {
        let mut output = self
            .client
            .batch_get_item()
            .request_items(&self.table, keys)
            .send()
            .await
            .map_err(|error| translate("dynamodb:BatchGetItem", &self.table, error))?;
        let found = output.responses.take().and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default();
        let left = output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
        Ok((found, left.filter(|left| !left.keys().is_empty())))
    }
}

type Item = HashMap<String, AttributeValue>;

impl LookupRecords for ReferenceTable {
    async fn lookup(&self, table: &str, keys: &[String]) -> Result<Vec<(String, ReferenceRecord)>, ServiceError> {
        let mut records = Vec::with_capacity(keys.len());
        let mut wanted = if keys.is_empty() { None } else { Some(all_keys(table, keys)?) };
        let mut tries = 0;
        while let Some(request) = wanted {
            if tries == TRIES {
                let source = format!("{} keys stayed unprocessed after {TRIES} tries", request.keys().len()).into();
                return Err(ServiceError::Throttled { operation: "dynamodb:BatchGetItem", source });
            }
            tokio::time::sleep(backoff(tries)).await;
            tries += 1;
            let (found, left) = self.request(request).await?;
            records.extend(found.into_iter().filter_map(|item| into_record(table, item)));
            wanted = left;
        }
        Ok(records)
    }
}

/// The request for all keys.
fn all_keys(table: &str, keys: &[String]) -> Result<KeysAndAttributes, ServiceError> {
    let keys =
        keys.iter().map(|key| Item::from([(String::from("id"), AttributeValue::S(item_id(table, key)))])).collect();
    KeysAndAttributes::builder()
        .set_keys(Some(keys))
        .build()
        .map_err(|error| ServiceError::Refused { operation: "dynamodb:BatchGetItem", message: error.to_string() })
}

/// How long to wait before a try: none before the first, then doubling, spread so that callers do not come back together.
pub(crate) fn backoff(tries: u32) -> Duration {
    if tries == 0 {
        return Duration::ZERO;
    }
    let ceiling = 25_u64 << tries.min(6);
    // The clock's nanoseconds differ enough between callers to spread them; nothing here needs better randomness.
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::from(since.subsec_nanos()));
    Duration::from_millis(ceiling / 2 + nanos % (ceiling / 2))
}

/// The key and the fields of an item.
fn into_record(table: &str, item: Item) -> Option<(String, ReferenceRecord)> {
    let mut key = None;
    let mut record = ReferenceRecord::new();
    for (name, value) in item {
        match value {
            AttributeValue::S(id) if name == "id" => {
                key = Some(id.strip_prefix(table)?.strip_prefix(SEPARATOR)?.to_owned());
            }
            AttributeValue::S(text) | AttributeValue::N(text) => {
                record.insert(name, text);
            }
            _ => {}
        }
    }
    key.map(|key| (key, record))
}
