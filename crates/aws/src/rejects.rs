//! DynamoDB: the rejects table.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, ReturnConsumedCapacity, WriteRequest};
use futures::{StreamExt, TryStreamExt, stream};
use tandem_core::batch::BatchId;
use tandem_core::payload::ReasonCount;
use tandem_core::ports::{RejectedRow, ServiceError, StoreRejects};

use crate::clock::backoff;
use crate::error::translate;
use crate::metering::{Metered, meter};

/// Most items in one BatchWriteItem.
const ITEMS: usize = 25;

/// Requests under way at once.
const CONCURRENCY: usize = 4;

/// How often items that the service left unprocessed are sent again.
const TRIES: u32 = 8;

/// How long rejected rows stay in the table: long enough to be asked about; the rejects file stays as long as the output.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The first rejected rows of each batch.
#[derive(Debug, Clone)]
pub struct RejectsTable {
    client: Client,
    table: String,
}

impl RejectsTable {
    /// The table with this name.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(config).interceptor(Metered::new()).build();
        Self { client: Client::from_conf(config), table }
    }

    /// Why rows of a batch were rejected, by the first `most` that are kept; in no order. Reads no row's content.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    pub async fn reasons(&self, batch_id: &BatchId, most: usize) -> Result<Vec<ReasonCount>, ServiceError> {
        let query = self.client.query().table_name(&self.table).key_condition_expression("batch_id = :id");
        let query = query.expression_attribute_values(":id", AttributeValue::S(batch_id.to_string()));
        let query = query.projection_expression("#field, #rule");
        let query = query.expression_attribute_names("#field", "field").expression_attribute_names("#rule", "rule");
        let mut items = query.into_paginator().items().send();
        let mut counts: HashMap<(String, String), u64> = HashMap::new();
        for _ in 0..most {
            let Some(item) = items.next().await else { break };
            let item = item.map_err(|error| translate("dynamodb:Query", &self.table, error))?;
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            *counts.entry((text("field"), text("rule"))).or_default() += 1;
        }
        Ok(counts.into_iter().map(|((field, rule), count)| ReasonCount { field, rule, count }).collect())
    }

    /// Writes up to 25 items, sending again what the service left unprocessed.
    async fn write(&self, mut requests: Vec<WriteRequest>) -> Result<(), ServiceError> {
        for tries in 0..TRIES {
            tokio::time::sleep(backoff(tries)).await;
            let output = self
                .client
                .batch_write_item()
                .request_items(&self.table, requests)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|error| translate("dynamodb:BatchWriteItem", &self.table, error))?;
            let written = output.consumed_capacity().iter().filter_map(|table| table.capacity_units()).sum();
            meter().wrote(Some(written), 0.0);
            requests = output.unprocessed_items.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default();
            if requests.is_empty() {
                return Ok(());
            }
        }
        let source = format!("{} rows stayed unprocessed after {TRIES} tries", requests.len()).into();
        Err(ServiceError::Throttled { operation: "dynamodb:BatchWriteItem", source })
    }
}

impl StoreRejects for RejectsTable {
    async fn store(&self, batch_id: &BatchId, rows: &[RejectedRow]) -> Result<(), ServiceError> {
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + KEPT;
        let requests: Result<Vec<WriteRequest>, ServiceError> =
            rows.iter().map(|row| put_request(batch_id, row, expires.as_secs())).collect();
        let chunks: Vec<Vec<WriteRequest>> = requests?.chunks(ITEMS).map(<[WriteRequest]>::to_vec).collect();
        stream::iter(chunks).map(|chunk| self.write(chunk)).buffer_unordered(CONCURRENCY).try_collect().await
    }
}

/// The request that puts one row.
fn put_request(batch_id: &BatchId, row: &RejectedRow, expires: u64) -> Result<WriteRequest, ServiceError> {
    let item = HashMap::from([
        (String::from("batch_id"), AttributeValue::S(batch_id.to_string())),
        (String::from("row"), AttributeValue::N(row.row.to_string())),
        (String::from("field"), AttributeValue::S(row.field.clone())),
        (String::from("rule"), AttributeValue::S(row.rule.clone())),
        (String::from("record"), AttributeValue::S(row.record.clone())),
        (String::from("expires"), AttributeValue::N(expires.to_string())),
    ]);
    let put = PutRequest::builder().set_item(Some(item)).build();
    let put = put
        .map_err(|error| ServiceError::Refused { operation: "dynamodb:BatchWriteItem", message: error.to_string() })?;
    Ok(WriteRequest::builder().put_request(put).build())
}
