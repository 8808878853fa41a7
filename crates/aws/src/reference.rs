//! DynamoDB: the reference table.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, KeysAndAttributes, ReturnConsumedCapacity};
use tandem_core::ports::{LookupAnswer, LookupRecords, LookupRequest, Records, ServiceError};

use crate::error::translate;
use crate::metering::Metered;

const OPERATION: &str = "dynamodb:BatchGetItem";

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
        let config = aws_sdk_dynamodb::config::Builder::from(config).interceptor(Metered::new()).build();
        Self { client: Client::from_conf(config), table }
    }

    /// One request: what was found, and what else the service says.
    async fn request(&self, keys: KeysAndAttributes) -> Result<BatchGetItemOutput, ServiceError> {
        self.client
            .batch_get_item()
            .request_items(&self.table, keys)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|error| translate(OPERATION, &self.table, error))
    }
}

type Item = HashMap<String, AttributeValue>;

impl LookupRecords for ReferenceTable {
    async fn lookup(&self, request: &LookupRequest<'_>) -> Result<LookupAnswer, ServiceError> {
        let mut output = self.request(all_keys(request)?).await?;
        let index: HashMap<&str, usize> = request.keys.iter().enumerate().map(|(index, &key)| (key, index)).collect();
        let index_of = |item: &Item| index.get(key_of(request.table, item)?).copied();
        let found = output.responses.take().and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default();
        let mut records = Records::new(request.fields.len());
        for item in &found {
            if let Some(index) = index_of(item) {
                records.push(index, request.fields.iter().map(|field| item.get(field).map_or("", text)));
            }
        }
        let left = output.unprocessed_keys.as_ref().and_then(|tables| tables.get(&self.table));
        let unprocessed: Vec<usize> =
            left.map_or(&[][..], KeysAndAttributes::keys).iter().filter_map(index_of).collect();
        let processed = request.keys.len() - unprocessed.len();
        Ok(LookupAnswer { records, unprocessed, read_units: read_units(output.consumed_capacity(), processed) })
    }
}

/// The units that the service says it took, or else what records of at most 4 KiB take, eventually consistent.
fn read_units(consumed: &[ConsumedCapacity], processed: usize) -> f64 {
    let told: Vec<f64> = consumed.iter().filter_map(ConsumedCapacity::capacity_units).collect();
    if told.is_empty() { 0.5 * processed as f64 } else { told.iter().sum() }
}

/// The request for all keys.
fn all_keys(request: &LookupRequest<'_>) -> Result<KeysAndAttributes, ServiceError> {
    let id = |key: &&str| Item::from([(String::from("id"), AttributeValue::S(item_id(request.table, key)))]);
    KeysAndAttributes::builder()
        .set_keys(Some(request.keys.iter().map(id).collect()))
        .build()
        .map_err(|error| ServiceError::Refused { operation: OPERATION, message: error.to_string() })
}

/// The key of an item, behind the table's name in its id.
fn key_of<'i>(table: &str, item: &'i Item) -> Option<&'i str> {
    item.get("id")?.as_s().ok()?.strip_prefix(table)?.strip_prefix(SEPARATOR)
}

/// The text of an attribute; other kinds than text and numbers have none.
fn text(value: &AttributeValue) -> &str {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text,
        _ => "",
    }
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
