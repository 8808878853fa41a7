//! DynamoDB: the reference table.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemError, BatchGetItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, KeysAndAttributes, ReturnConsumedCapacity};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tandem_core::ports::{LookupAnswer, LookupRecords, LookupRequest, Records, ServiceError};

use crate::error::{THROTTLED, translate};
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
    ///
    /// What passes by itself is retried by the SDK; throttling is not. The SDK would pause inside one call, unseen by the
    /// others, and count what it spent against all of them; the domain slows all calls of a chunk down instead.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .interceptor(Metered::new())
            .retry_classifier(ThrottlingIsReported)
            .build();
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

/// Forbids the SDK to try again where the service asks to slow down.
#[derive(Debug)]
struct ThrottlingIsReported;

impl ClassifyRetry for ThrottlingIsReported {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err).and_then(OrchestratorError::as_operation_error);
        let code =
            error.and_then(|error| error.downcast_ref::<BatchGetItemError>()).and_then(ProvideErrorMetadata::code);
        if code.is_some_and(|code| THROTTLED.contains(&code)) {
            return RetryAction::RetryForbidden;
        }
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "throttling is reported"
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
        let read_units = read_units(output.consumed_capacity(), processed);
        Ok(LookupAnswer { unprocessed, ..LookupAnswer::whole(records, read_units) })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use aws_config::retry::RetryConfig;
    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// Answers each request with this status and body, and counts.
    #[derive(Debug, Clone)]
    struct Answers(u16, &'static str, Arc<AtomicUsize>);

    impl HttpConnector for Answers {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.2.fetch_add(1, Ordering::SeqCst);
            HttpConnectorFuture::ready(Ok(HttpResponse::new(self.0.try_into().unwrap(), SdkBody::from(self.1))))
        }
    }

    /// What a lookup of two keys comes to, and how many requests it made.
    async fn look_up(status: u16, body: &'static str) -> (Result<LookupAnswer, ServiceError>, usize) {
        let answers = Answers(status, body, Arc::default());
        let requests = Arc::clone(&answers.2);
        let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "123456789012",
                "local",
                None,
                None,
                "test",
            )))
            .retry_config(retries)
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(answers.clone())))
            .build();
        let fields = ["price".to_owned(), "stock".to_owned()];
        let source = &tandem_core::dataset::RecordSource::Table;
        let request = LookupRequest { source, table: "articles", fields: &fields, keys: &["a", "b"] };
        let answer = ReferenceTable::new(&config, "references".to_owned()).lookup(&request).await;
        (answer, requests.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn throttling_is_reported_at_once_and_what_passes_by_itself_is_tried_again() {
        let code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        let throttled: &'static str = format!(r#"{{"__type": "{code}", "message": "slow"}}"#).leak();
        let (answer, requests) = look_up(400, throttled).await;
        assert!(matches!(answer, Err(ServiceError::Throttled { .. })));
        assert_eq!(requests, 1);
        let (answer, requests) = look_up(500, "{}").await;
        assert!(matches!(answer, Err(ServiceError::Unavailable { .. })));
        assert_eq!(requests, 3);
    }

    #[tokio::test]
    async fn records_unprocessed_keys_and_units_are_told_by_the_keys_places() {
        let body = r#"{
            "Responses": {"references": [{"id": {"S": "articles/b"}, "stock": {"N": "7"}, "other": {"BOOL": true}}]},
            "UnprocessedKeys": {"references": {"Keys": [{"id": {"S": "articles/a"}}]}},
            "ConsumedCapacity": [{"TableName": "references", "CapacityUnits": 1.5}]}"#;
        let answer = look_up(200, body).await.0.unwrap();
        let records: Vec<(usize, Vec<&str>)> =
            answer.records.iter().map(|(key, values)| (key, values.collect())).collect();
        assert_eq!(records, [(1, vec!["", "7"])]);
        assert_eq!((answer.unprocessed, answer.read_units), (vec![0], 1.5));
    }
}
