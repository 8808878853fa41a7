//! Reference records from an API: signed requests of up to 100 keys, bounded in time, number and size.
//!
//! One call of the port is one request and its few repeats. Where the service asks to slow down, that is reported, and the domain
//! slows all calls of a chunk down. Nothing that is sent or answered is ever repeated in an error: keys are rows' content.

mod address;
mod answer;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tandem_core::dataset::RecordSource;
use tandem_core::ports::{BoxError, LookupAnswer, LookupRecords, LookupRequest, Records, ServiceError};

use crate::clock::backoff;
use crate::config::ConfigError;
use crate::error::{Kind, kind};
use crate::metering::meter;
use address::Address;

const SERVICE: &str = "execute-api";
const OPERATION: &str = "execute-api:Invoke";
const JSON: &str = "application/json";
const CONNECT: Duration = Duration::from_secs(3);

/// What bounds one call.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Requests in all; those that fail and may pass are repeated.
    tries: u32,
    /// For each request, from its first byte to the answer's last. Tandem's own API may itself wait 10 seconds for its table.
    patience: Duration,
    /// Bytes of an answer: what a function behind API Gateway may give. 16 of them are held at most.
    answer: usize,
}

const BOUNDS: Bounds = Bounds { tries: 3, patience: Duration::from_secs(12), answer: 6 * 1024 * 1024 };

/// Asks APIs for reference records.
#[derive(Debug)]
pub struct LookupApi {
    own: String,
    region: String,
    credentials: Option<SharedCredentialsProvider>,
    /// Whether plain http to this machine is meant: on AWS nothing that is ours listens there.
    local: bool,
    client: OnceLock<HttpClient>,
    bounds: Bounds,
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// What came of one request.
enum Reply {
    /// The answer's body.
    Body(Bytes),
    /// The service asks to slow down, and perhaps for how long.
    SlowDown(Duration),
}

/// Why one request failed, and whether it may be repeated.
enum Failed {
    Passing(String, BoxError),
    For(ServiceError),
}

impl LookupApi {
    /// `own` is the base URL of Tandem's own API in this Region, below which lies `/records/<dataset>`. Requests are signed
    /// with the configuration's credentials.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] when the configuration names no Region.
    pub fn new(config: &SdkConfig, own: &str) -> Result<Self, ConfigError> {
        let region = config.region().ok_or(ConfigError::Missing("AWS_REGION"))?;
        Ok(Self {
            own: address::reachable(own, config.endpoint_url()),
            region: region.as_ref().to_owned(),
            credentials: config.credentials_provider(),
            local: config.endpoint_url().is_some(),
            client: OnceLock::new(),
            bounds: BOUNDS,
        })
    }

    fn address(&self, source: &RecordSource) -> Result<Address, ServiceError> {
        match source {
            RecordSource::OwnApi { dataset } => {
                Ok(Address { url: format!("{}/records/{dataset}", self.own), region: self.region.clone() })
            }
            RecordSource::Api { url } if !self.local && !url.starts_with("https://") => {
                Err(refused("plain http is for the local Regions only: give the dataset's lookup.api as https"))
            }
            RecordSource::Api { url } => Ok(Address::of(url, &self.region)),
            RecordSource::Table => Err(refused("its records are in the table, not in an API")),
        }
    }

    /// Asks until there is an answer, as often as the bounds allow.
    async fn ask(&self, address: &Address, body: &Bytes) -> Result<Reply, ServiceError> {
        let mut tries = 0;
        loop {
            tries += 1;
            meter().call(SERVICE, "Invoke");
            let replied = tokio::time::timeout(self.bounds.patience, self.request(address, body)).await;
            let failed = match replied {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(Failed::For(error))) => return Err(error),
                Ok(Err(Failed::Passing(message, source))) => (message, source),
                Err(late) => (format!("no answer within {} s", self.bounds.patience.as_secs()), late.into()),
            };
            if tries >= self.bounds.tries {
                let (message, source) = failed;
                let message = format!("{message}, {tries} times in a row");
                return Err(ServiceError::Unavailable { operation: OPERATION, message, source });
            }
            tokio::time::sleep(backoff(tries + 1)).await;
        }
    }

    /// One request, signed anew: a signature ages.
    async fn request(&self, address: &Address, body: &Bytes) -> Result<Reply, Failed> {
        let request = self.signed(address, body).await.map_err(Failed::For)?;
        let answer = self.client().map_err(Failed::For)?.request(request).await;
        let answer = answer.map_err(|error| Failed::Passing(String::from("no connection"), error.into()))?;
        match reply_to(answer.status(), answer.headers()) {
            None => self.body(answer).await.map(Reply::Body),
            Some(reply) => reply,
        }
    }

    /// The body, unless it is larger than any answer may be.
    async fn body(&self, answer: Response<Incoming>) -> Result<Bytes, Failed> {
        let most = self.bounds.answer;
        let too_large = || Failed::For(wrong(format!("it is larger than {most} bytes")));
        if answer.body().size_hint().lower() > most as u64 {
            return Err(too_large());
        }
        match Limited::new(answer.into_body(), most).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => Err(Failed::Passing(String::from("the answer broke off"), error)),
        }
    }

    async fn signed(&self, address: &Address, body: &Bytes) -> Result<Request<Full<Bytes>>, ServiceError> {
        let provider = self.credentials.as_ref().ok_or_else(|| refused("there are no credentials to sign with"))?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            let message = String::from("no credentials to sign with");
            ServiceError::Unavailable { operation: OPERATION, message, source: error.into() }
        })?;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&address.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(unsigned)?;
        let content_type = [(header::CONTENT_TYPE.as_str(), JSON)].into_iter();
        let signable = SignableRequest::new("POST", &*address.url, content_type, SignableBody::Bytes(body));
        let (instructions, _) = sign(signable.map_err(unsigned)?, &params.into()).map_err(unsigned)?.into_parts();
        let mut request = Request::post(&address.url).header(header::CONTENT_TYPE, JSON);
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        request.body(Full::new(body.clone())).map_err(unsigned)
    }

    /// Made when the first request leaves: functions whose datasets ask no API never read the system's certificates.
    fn client(&self) -> Result<&HttpClient, ServiceError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let roots = HttpsConnectorBuilder::new().with_native_roots();
        let roots = roots.map_err(|error| refused(format!("the system's certificates cannot be read: {error}")))?;
        // A definition's URL is https, or http to this machine.
        let connector = roots.https_or_http().enable_http1().wrap_connector(connector);
        Ok(self.client.get_or_init(|| Client::builder(TokioExecutor::new()).build(connector)))
    }
}

impl LookupRecords for LookupApi {
    async fn lookup(&self, request: &LookupRequest<'_>) -> Result<LookupAnswer, ServiceError> {
        let address = self.address(request.source)?;
        let body = Bytes::from(json!({ "keys": request.keys }).to_string());
        match self.ask(&address, &body).await? {
            Reply::Body(body) => answer::read(request, &body).map(|records| LookupAnswer::whole(records, 0.0)),
            Reply::SlowDown(wait) => {
                let unprocessed = (0..request.keys.len()).collect();
                Ok(LookupAnswer { unprocessed, wait, ..LookupAnswer::whole(Records::default(), 0.0) })
            }
        }
    }
}

/// What a status and headers say by themselves; nothing where the body is the answer.
fn reply_to(status: StatusCode, headers: &HeaderMap) -> Option<Result<Reply, Failed>> {
    if status == StatusCode::OK {
        return None;
    }
    let wait = retry_after(headers);
    let code = error_type(headers);
    let told = if code.is_empty() { status.to_string() } else { format!("{status}, {code}") };
    let failed = match kind(&code, status.as_u16(), false) {
        _ if status.is_redirection() => {
            Failed::For(refused(format!("{told}: redirects are not followed; write where it leads to in lookup.api")))
        }
        Kind::Throttled => return Some(Ok(Reply::SlowDown(wait.unwrap_or_default()))),
        Kind::Unavailable if status.is_success() || status.is_informational() => {
            Failed::For(wrong(format!("with {status} instead of 200")))
        }
        Kind::Unavailable => match wait {
            Some(wait) => return Some(Ok(Reply::SlowDown(wait))),
            None => Failed::Passing(told.clone(), told.into()),
        },
        Kind::Denied => Failed::For(ServiceError::Denied { operation: OPERATION, message: told }),
        Kind::NotFound | Kind::Changed | Kind::Refused => Failed::For(refused(told)),
    };
    Some(Err(failed))
}

/// How long `Retry-After` asks to wait: seconds, or a date. Neither is believed beyond the domain's bounds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = SystemTime::try_from(DateTime::from_str(value, Format::HttpDate).ok()?).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// The name of an error as API Gateway tells it, `AccessDeniedException:http://…` without what is behind the colon; empty where
/// it is no name.
fn error_type(headers: &HeaderMap) -> String {
    let value = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = value.split(':').next().unwrap_or_default();
    let is_name = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_name { name.to_owned() } else { String::new() }
}

fn refused(message: impl Into<String>) -> ServiceError {
    ServiceError::Refused { operation: OPERATION, message: message.into() }
}

fn wrong(message: impl Into<String>) -> ServiceError {
    ServiceError::WrongAnswer { operation: OPERATION, message: message.into() }
}

fn unsigned(error: impl Error) -> ServiceError {
    refused(format!("the request cannot be signed: {error}"))
}

/// Reference records wherever a dataset has them: in the table, or behind an API.
#[derive(Debug)]
pub struct TableOrApi<T, A> {
    /// The table.
    pub table: T,
    /// The APIs.
    pub api: A,
}

impl<T: LookupRecords, A: LookupRecords> LookupRecords for TableOrApi<T, A> {
    async fn lookup(&self, request: &LookupRequest<'_>) -> Result<LookupAnswer, ServiceError> {
        match request.source {
            RecordSource::Table => self.table.lookup(request).await,
            RecordSource::OwnApi { .. } | RecordSource::Api { .. } => self.api.lookup(request).await,
        }
    }
}
