//! DynamoDB: the state table, read as a list for a person.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, KeysAndAttributes, ReturnConsumedCapacity};
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

/// A page of the table, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadPage {
    /// In no order.
    pub batches: Vec<BatchRecord>,
    /// Where the next page begins; none when this was the last.
    pub next: Option<BatchId>,
    /// Read request units: of all that was read, also of what is left out.
    pub units: f64,
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
        self.scan(self.without_the_canarys(), most).await
    }

    /// One page of what [`Self::any`] reads, at most 1 MB of the table, from behind this batch on. Whoever reads all of a large
    /// table again and again can so pace it by what it costs.
    ///
    /// # Errors
    /// [`ServiceError`] when the table does not answer.
    pub async fn page(&self, after: Option<&BatchId>) -> Result<ReadPage, ServiceError> {
        const OPERATION: &str = "dynamodb:Scan";
        let start = after.map(|id| Item::from([("batch_id".to_owned(), AttributeValue::S(id.to_string()))]));
        let scan = self.without_the_canarys().table_name(&self.table).set_exclusive_start_key(start);
        let scan = scan.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let page = scan.send().await.map_err(|error| translate(OPERATION, &self.table, error))?;
        let batches = page.items().iter().map(from_item).collect::<Result<Vec<_>, _>>()?;
        let consumed = page.consumed_capacity().and_then(ConsumedCapacity::capacity_units);
        // An eventually consistent read of an item of up to 4 kB is half a unit: no answer means no more than that each.
        let units = consumed.unwrap_or_else(|| f64::from(page.scanned_count()) / 2.0);
        Ok(ReadPage { batches, next: page.last_evaluated_key().map(id_of).transpose()?, units })
    }

    fn without_the_canarys(&self) -> ScanFluentBuilder {
        let canary = AttributeValue::S(DATASET.to_owned());
        let scan = self.client.scan().filter_expression("#dataset <> :canary");
        scan.expression_attribute_names("#dataset", "dataset").expression_attribute_values(":canary", canary)
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

/// The batch that a key names.
fn id_of(key: &Item) -> Result<BatchId, ServiceError> {
    let id = key.get("batch_id").and_then(|id| id.as_s().ok()).and_then(|id| id.parse().ok());
    id.ok_or_else(|| ServiceError::Refused {
        operation: "dynamodb:Scan",
        message: String::from("the table's last key holds no batch"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]

    use std::sync::{Arc, Mutex};

    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// Gives one answer to everything, and keeps what it was asked.
    #[derive(Debug, Clone)]
    struct Table(&'static str, Arc<Mutex<String>>);

    impl HttpConnector for Table {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            *self.1.lock().unwrap() = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(self.0))))
        }
    }

    async fn page_of(answer: &'static str, after: Option<&BatchId>) -> (ReadPage, String) {
        let table = Table(answer, Arc::default());
        let asked = Arc::clone(&table.1);
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")))
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(table.clone())))
            .build();
        let page = BatchList::new(&config, String::from("batches")).page(after).await.unwrap();
        let asked = asked.lock().unwrap().clone();
        (page, asked)
    }

    #[tokio::test]
    async fn a_page_says_what_it_cost_and_where_the_next_one_begins() {
        let answer = r#"{"Items":[],"Count":0,"ScannedCount":900,"ConsumedCapacity":{"CapacityUnits":128.5},
            "LastEvaluatedKey":{"batch_id":{"S":"0123456789abcdef0123456789abcdef"}}}"#;
        let (page, _) = page_of(answer, None).await;
        assert_eq!((page.units, page.batches.len()), (128.5, 0));
        let next = page.next.unwrap();
        assert_eq!(next.as_str(), "0123456789abcdef0123456789abcdef");
        let (last, asked) = page_of(r#"{"Items":[],"Count":0,"ScannedCount":3}"#, Some(&next)).await;
        assert_eq!((last.units, last.next), (1.5, None));
        let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
        assert_eq!(asked["ExclusiveStartKey"]["batch_id"]["S"], next.as_str());
        assert_eq!(asked["ExpressionAttributeValues"][":canary"]["S"], DATASET);
    }
}
