//! Answers reference records over HTTP, behind API Gateway with IAM authorisation.
//!
//! - `GET /records/{dataset}/{key}` answers one record: 200, or 404 where dataset or key are unknown.
//! - `POST /records/{dataset}` with `{"keys": [...]}` answers up to 100: 200 with what was found and what was not; 400 for a
//!   body that is none of this, 413 for more keys.
//!
//! It may read the reference table and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::{HeaderMap, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_aws::lambda::Function;
use tandem_aws::telemetry::Metrics;
use tandem_core::dataset::{Dataset, Datasets};
use tandem_core::enrich::Lookups;
use tandem_core::ports::{LOOKUP_KEYS, LookupRecords, Pause, RECORD_ID_BYTES, ReferenceRecord, ServiceError};
use tracing::Span;

/// What a request's pauses may come to where the reference table throttles: the caller has the function's 25 seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The function, with its ports.
pub struct Lookup<R, P> {
    /// The reference table.
    pub reference: R,
    /// Waits where the reference table asks to slow down.
    pub pause: P,
    /// Says which reference records a dataset uses.
    pub datasets: Datasets,
}

/// Body of a POST.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    keys: Vec<String>,
}

/// Answer to a POST.
#[derive(Debug, Serialize)]
struct Records {
    records: BTreeMap<String, ReferenceRecord>,
    missing: Vec<String>,
}

/// A status with a JSON body.
struct Answer(u16, serde_json::Value);

impl Answer {
    /// A refusal that says what to do.
    fn refused(status: u16, message: impl Into<String>) -> Self {
        Self(status, json!({"message": message.into()}))
    }
}

impl<R: LookupRecords, P: Pause> Function for Lookup<R, P> {
    const NAME: &'static str = "lookup";
    type Task = ApiGatewayProxyRequest;
    type Answer = ApiGatewayProxyResponse;
    type Error = ServiceError;

    fn describe(request: &ApiGatewayProxyRequest, _span: &Span, metrics: &mut Metrics) {
        metrics.property("dataset", request.path_parameters.get("dataset").cloned().unwrap_or_default());
    }

    async fn handle(
        &self,
        request: ApiGatewayProxyRequest,
        metrics: &mut Metrics,
    ) -> Result<ApiGatewayProxyResponse, ServiceError> {
        let answer = self.answer(&request, metrics).await?;
        metrics.count(if answer.0 == 200 { "LookupsAnswered" } else { "LookupsRefused" }, 1);
        Ok(response(answer))
    }
}

impl<R: LookupRecords, P: Pause> Lookup<R, P> {
    async fn answer(&self, request: &ApiGatewayProxyRequest, metrics: &mut Metrics) -> Result<Answer, ServiceError> {
        let parameter = |name: &str| request.path_parameters.get(name).map(String::as_str).unwrap_or_default();
        let dataset = match self.datasets.named(parameter("dataset")) {
            Ok(dataset) => dataset,
            Err(unknown) => return Ok(Answer::refused(404, unknown.to_string())),
        };
        match request.http_method {
            Method::GET => self.one(dataset, parameter("key"), metrics).await,
            Method::POST => self.many(dataset, request.body.as_deref().unwrap_or_default(), metrics).await,
            _ => Ok(Answer::refused(405, "use GET for one record or POST for up to 100")),
        }
    }

    async fn one(&self, dataset: &Dataset, key: &str, metrics: &mut Metrics) -> Result<Answer, ServiceError> {
        if let Some(refused) = wrong_key(dataset, key) {
            return Ok(refused);
        }
        let mut found = self.records(dataset, &[key], metrics).await?;
        Ok(match found.remove(key) {
            Some(record) => Answer(200, json!({"key": key, "record": record})),
            None => Answer::refused(404, format!("there is no record {key:?} for the dataset {:?}", dataset.name)),
        })
    }

    async fn many(&self, dataset: &Dataset, body: &str, metrics: &mut Metrics) -> Result<Answer, ServiceError> {
        let wanted: BTreeSet<String> = match serde_json::from_str::<Keys>(body) {
            Ok(keys) => keys.keys.into_iter().collect(),
            Err(error) => {
                return Ok(Answer::refused(400, format!("send {{\"keys\": [\"...\"]}} with text keys: {error}")));
            }
        };
        if wanted.len() > LOOKUP_KEYS {
            let message = format!("{} different keys: send at most {LOOKUP_KEYS} in one call", wanted.len());
            return Ok(Answer::refused(413, message));
        }
        if let Some(refused) = wanted.iter().find_map(|key| wrong_key(dataset, key)) {
            return Ok(refused);
        }
        let keys: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let records = self.records(dataset, &keys, metrics).await?;
        let missing = wanted.into_iter().filter(|key| !records.contains_key(key)).collect();
        Ok(Answer(200, json!(Records { records, missing })))
    }

    /// The records of keys, with those of the dataset's fields that have a value.
    async fn records(
        &self,
        dataset: &Dataset,
        keys: &[&str],
        metrics: &mut Metrics,
    ) -> Result<BTreeMap<String, ReferenceRecord>, ServiceError> {
        let lookups = Lookups { records: &self.reference, pause: &self.pause, patience: PATIENCE };
        let mut records = BTreeMap::new();
        let asked = lookups.look_up(&dataset.lookup, keys, |found, asked| {
            for (key, values) in found.iter() {
                let named = dataset.lookup.fields.iter().cloned().zip(values.map(str::to_owned));
                records.insert(keys[asked[key]].to_owned(), named.filter(|(_, value)| !value.is_empty()).collect());
            }
        });
        let asked = asked.await?;
        metrics.count("KeysAsked", asked.keys);
        metrics.amount("ReadUnits", asked.read_units);
        Ok(records)
    }
}

/// The refusal of a key that no record can have.
fn wrong_key(dataset: &Dataset, key: &str) -> Option<Answer> {
    let longest = RECORD_ID_BYTES.saturating_sub(dataset.lookup.table.len() + 1);
    let fits = (1..=longest).contains(&key.len());
    (!fits).then(|| Answer::refused(400, format!("a key has 1 to {longest} bytes, this one has {}", key.len())))
}

/// The answer as API Gateway wants it.
fn response(Answer(status, body): Answer) -> ApiGatewayProxyResponse {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = status.into();
    response.headers = headers;
    response.body = Some(Body::Text(body.to_string()));
    response
}
