//! The emulator behind the edge: requests passed on as they came, and the edge's own.

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http::Method;
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Headers about one connection, which end at the edge. `expect` is among them: the edge has asked for the body already.
const CONNECTION_HEADERS: [HeaderName; 7] = [
    http::header::CONNECTION,
    http::header::EXPECT,
    http::header::PROXY_AUTHENTICATE,
    http::header::TE,
    http::header::TRAILER,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

/// The largest answer to one of the edge's own requests that is read into memory.
const LARGEST_ANSWER: usize = 4 << 20;

/// A client of the emulator.
#[derive(Clone)]
pub struct Upstream {
    client: Client<HttpConnector, Body>,
    authority: Authority,
    account: String,
}

/// A request of the edge's own, made as the account's root.
pub struct OwnRequest<'a> {
    /// HTTP method.
    pub method: Method,
    /// Service that the call is for, as in a signature's scope.
    pub service: &'a str,
    /// Region that the call is for.
    pub region: &'a str,
    /// Path and query, percent-encoded.
    pub path: &'a str,
    /// More headers.
    pub headers: &'a [(&'static str, &'a str)],
    /// Body.
    pub body: Bytes,
}

/// What came back, read completely.
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text, for errors and for looking into.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Upstream {
    /// A client of the emulator on a port of this machine.
    ///
    /// # Errors
    /// Never for a port; the type of an address says otherwise.
    pub fn new(port: u16, account: &str) -> anyhow::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // Shorter than the emulator keeps an idle connection, so that none is used that it is about to close.
        let idle = std::time::Duration::from_secs(20);
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(idle).build(connector);
        Ok(Self { client, authority: format!("127.0.0.1:{port}").parse()?, account: account.to_owned() })
    }

    /// Passes a request on: method, path, query, host and body as they came, for they are signed.
    ///
    /// # Errors
    /// The emulator can't be reached, or broke off.
    pub async fn pass(&self, mut parts: Parts, body: Body) -> anyhow::Result<Response<Body>> {
        for name in CONNECTION_HEADERS {
            parts.headers.remove(name);
        }
        // The edge stands where AWS ends the TLS connection; bucket policies that refuse plain HTTP look for this.
        parts.headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        parts.uri = self.uri(parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")))?;
        parts.version = http::Version::HTTP_11;
        let mut response = self.client.request(Request::from_parts(parts, body)).await?;
        for name in CONNECTION_HEADERS {
            response.headers_mut().remove(name);
        }
        Ok(response.map(Body::new))
    }

    /// Makes a request of the edge's own.
    ///
    /// It names the account's root as its caller and is not really signed: the emulator doesn't check the root's signature.
    ///
    /// # Errors
    /// The emulator can't be reached, or its answer is too long. A refusal is an answer, not an error.
    pub async fn call(&self, request: OwnRequest<'_>) -> anyhow::Result<Answer> {
        let response = self.open(request).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await.map_err(anyhow::Error::from_boxed)?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// Like [`Self::call`], with the answer's body still to be read.
    ///
    /// # Errors
    /// The emulator can't be reached.
    pub async fn open(&self, request: OwnRequest<'_>) -> anyhow::Result<Response<Body>> {
        let OwnRequest { method, service, region, path, headers, body } = request;
        let scope = format!("{}/20260101/{region}/{service}/aws4_request", self.account);
        let mut outgoing = Request::builder()
            .method(method)
            .uri(self.uri(path.parse()?)?)
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .header("x-forwarded-proto", "https");
        for (name, value) in headers {
            outgoing = outgoing.header(*name, *value);
        }
        let response = self.client.request(outgoing.body(Body::from(body))?).await?;
        Ok(response.map(Body::new))
    }

    /// The account whose root the edge's own requests are made as.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    fn uri(&self, path: PathAndQuery) -> anyhow::Result<Uri> {
        Ok(Uri::builder().scheme(Scheme::HTTP).authority(self.authority.clone()).path_and_query(path).build()?)
    }
}
