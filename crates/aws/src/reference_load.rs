//! DynamoDB: writing reference records in bulk.
//!
//! Writing the same records again changes nothing, so a load that broke off can be taken up anywhere before that point.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use tandem_core::ports::{ReferenceRecord, ServiceError};

use crate::error::translate;
use crate::reference::item_id;

/// Most records in one call.
pub const RECORDS_PER_CALL: usize = 25;

/// How often records that the service left unprocessed are sent again: minutes, at the longest pause.
const TRIES: u32 = 60;
/// Longest pause before a call, in milliseconds.
const LONGEST_PAUSE: u64 = 5_000;
/// First pause after the service asked to slow down, in milliseconds.
const FIRST_PAUSE: u64 = 50;

/// Writes reference records; its clones slow down together.
#[derive(Debug, Clone)]
pub struct ReferenceLoader {
    client: Client,
    table: String,
    /// Milliseconds that every call waits first: doubled when the service asks to slow down, less after each success.
    pause: Arc<AtomicU64>,
}

/// A key and its record.
pub type Keyed = (String, ReferenceRecord);

impl ReferenceLoader {
    /// A loader for the table with this name.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        Self { client: Client::new(config), table, pause: Arc::default() }
    }

    /// What tells this table from another of the same name, made earlier or elsewhere.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    pub async fn identity(&self) -> Result<String, ServiceError> {
        let described = self.client.describe_table().table_name(&self.table).send().await;
        let described = described.map_err(|error| translate("dynamodb:DescribeTable", &self.table, error))?;
        let table = described.table();
        let arn = table.and_then(|table| table.table_arn()).unwrap_or(&self.table);
        let made = table.and_then(|table| table.creation_date_time()).map_or(0, |time| time.secs());
        let id = table.and_then(|table| table.table_id()).unwrap_or_default();
        Ok(format!("{arn} {id} {made}"))
    }

    /// Writes at most [`RECORDS_PER_CALL`] records of one dataset's reference table; of two with the same key, the last.
    ///
    /// # Errors
    /// [`ServiceError::Throttled`] when the service keeps leaving records unprocessed.
    pub async fn write(&self, table: &str, records: &[Keyed]) -> Result<(), ServiceError> {
        // One call must not name a key twice.
        let unique: HashMap<&str, &ReferenceRecord> =
            records.iter().map(|(key, record)| (key.as_str(), record)).collect();
        let mut left =
            unique.into_iter().map(|(key, record)| put(table, key, record)).collect::<Result<Vec<_>, _>>()?;
        for _ in 0..TRIES {
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(self.pause.load(Ordering::Relaxed))).await;
            left = match self.call(left.clone()).await {
                Ok(unprocessed) => unprocessed,
                Err(ServiceError::Throttled { .. }) => left,
                Err(error) => return Err(error),
            };
            self.adapt(left.is_empty());
        }
        let source = format!("{} records stayed unprocessed after {TRIES} tries", left.len()).into();
        Err(ServiceError::Throttled { operation: "dynamodb:BatchWriteItem", source })
    }

    /// One call; answers what was left unprocessed.
    async fn call(&self, requests: Vec<WriteRequest>) -> Result<Vec<WriteRequest>, ServiceError> {
        let sent = self.client.batch_write_item().request_items(&self.table, requests).send().await;
        let output = sent.map_err(|error| translate("dynamodb:BatchWriteItem", &self.table, error))?;
        Ok(output.unprocessed_items.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default())
    }

    /// Slows every clone down, or lets it go faster again.
    fn adapt(&self, went_well: bool) {
        let next = |pause: u64| if went_well { pause * 7 / 8 } else { (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE) };
        // Two clones that adapt at once may lose one of the two steps, which does not matter.
        self.pause.store(next(self.pause.load(Ordering::Relaxed)), Ordering::Relaxed);
    }
}

fn put(table: &str, key: &str, record: &ReferenceRecord) -> Result<WriteRequest, ServiceError> {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let fields = record.iter().map(|(field, value)| (field.clone(), text(value)));
    let item = fields.chain([(String::from("id"), text(&item_id(table, key)))]).collect();
    let request = PutRequest::builder()
        .set_item(Some(item))
        .build()
        .map_err(|error| ServiceError::Refused { operation: "dynamodb:BatchWriteItem", message: error.to_string() })?;
    Ok(WriteRequest::builder().put_request(request).build())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_item_is_named_by_table_and_key_and_holds_texts() {
        let record = ReferenceRecord::from([(String::from("unitsSold"), String::from("7"))]);
        let request = put("orders", "123456789", &record).unwrap();
        let item = request.put_request().unwrap().item();
        assert_eq!(item["id"], AttributeValue::S("orders/123456789".into()));
        assert_eq!(item["unitsSold"], AttributeValue::S("7".into()));
        assert_eq!(item.len(), 2);
    }

    #[test]
    fn a_loader_slows_down_with_its_clones_and_recovers() {
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("us-east-1"))
            .build();
        let loader = ReferenceLoader::new(&config, "t".into());
        let clone = loader.clone();
        clone.adapt(false);
        assert_eq!(loader.pause.load(Ordering::Relaxed), FIRST_PAUSE);
        (0..20).for_each(|_| loader.adapt(false));
        assert_eq!(clone.pause.load(Ordering::Relaxed), LONGEST_PAUSE);
        (0..100).for_each(|_| clone.adapt(true));
        assert_eq!(loader.pause.load(Ordering::Relaxed), 0);
    }
}
