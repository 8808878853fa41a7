//! DynamoDB: the state table, read as a list for a person.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use tandem_core::batch::{BatchId, BatchRecord};
use tandem_core::canary::DATASET;
use tandem_core::ports::ServiceError;

use crate::batches::{Item, UNFINISHED, from_item};
use crate::error::translate;

/// DynamoDB's limit for one call.
const KEYS_PER_CALL: usize = 100;

/// The batches of a state table.
#[derive(Debug, Clone)]
pub struct BatchList {
    client: Client,
    table: String,
}

/// Batches, and whether they are all there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// In no order.
    pub batches: Vec<BatchRecord>,
    /// False when the limit was reached first.
    pub complete: bool,
}

impl BatchList {
    /// The batches of the table with this name.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        Self { client: Client::new(config), table }
    }

    /// The batches that are open, in both Regions. Costs as much as is open; eventually consistent.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    pub async fn unfinished(&self, most: usize) -> Result<Listed, ServiceError> {
        self.scan(self.client.scan().index_name(UNFINISHED), most).await
    }

    /// Batches of any status, but the canary's: those are far more than anybody's, and of no interest once they have ended.
    /// Reads the table from an arbitrary end, and stops at `most`.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    pub async fn any(&self, most: usize) -> Result<Listed, ServiceError> {
        let canary = AttributeValue::S(DATASET.to_owned());
        let scan = self.client.scan().filter_expression("#dataset <> :canary");
        let scan =
            scan.expression_attribute_names("#dataset", "dataset").expression_attribute_values(":canary", canary);
        self.scan(scan, most).await
    }

    /// Those of these batches that are known; eventually consistent. A batch that the service leaves out of its answer for now
    /// is left out here too: whoever follows batches asks again.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    pub async fn named(&self, batch_ids: &[BatchId]) -> Result<Vec<BatchRecord>, ServiceError> {
        const OPERATION: &str = "dynamodb:BatchGetItem";
        let mut batches = Vec::with_capacity(batch_ids.len());
        for ids in batch_ids.chunks(KEYS_PER_CALL) {
            let keys = ids.iter().map(|id| Item::from([("batch_id".to_owned(), AttributeValue::S(id.to_string()))]));
            let keys = KeysAndAttributes::builder().set_keys(Some(keys.collect())).build();
            let keys =
                keys.map_err(|error| ServiceError::Refused { operation: OPERATION, message: error.to_string() })?;
            let call = self.client.batch_get_item().request_items(&self.table, keys).send().await;
            let call = call.map_err(|error| translate(OPERATION, &self.table, error))?;
            let items = call.responses.unwrap_or_default().remove(&self.table).unwrap_or_default();
            batches.extend(items.iter().map(from_item).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(batches)
    }

    async fn scan(&self, scan: ScanFluentBuilder, most: usize) -> Result<Listed, ServiceError> {
        let mut items = scan.table_name(&self.table).into_paginator().items().send();
        let mut batches = Vec::new();
        while let Some(item) = items.next().await {
            if batches.len() == most {
                return Ok(Listed { batches, complete: false });
            }
            batches.push(from_item(&item.map_err(|error| translate("dynamodb:Scan", &self.table, error))?)?);
        }
        Ok(Listed { batches, complete: true })
    }
}
