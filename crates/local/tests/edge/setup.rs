//! An edge on a free port, the made-up emulator behind it, and a caller.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tandem_local::Options;
use tandem_local::admin::Admin;
use tandem_local::edge::Edge;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

pub const EAST: &str = "us-east-1";
pub const WEST: &str = "us-west-2";
pub const ALIAS: &str = "m1.mrap";

/// An edge and what its emulator has seen.
pub struct Setup {
    pub admin: Admin,
    pub options: Options,
    pub edge: Arc<Edge>,
    emulator: Emulator,
    arrivals: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    base: String,
}

#[derive(Clone)]
struct Emulator {
    arrived: mpsc::UnboundedSender<String>,
    /// Whether requests are answered; until then they wait.
    answers: Arc<watch::Sender<bool>>,
    routed: Arc<Mutex<&'static str>>,
}

impl Setup {
    pub async fn start() -> Self {
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let routed = Arc::new(Mutex::new(EAST));
        let emulator = Emulator { arrived, answers: Arc::new(watch::Sender::new(true)), routed };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut options = Options::new("/nowhere");
        options.replication_lag_seconds = 0.0;
        options.emulator_port = listener.local_addr().unwrap().port();
        let app = axum::Router::new().fallback(answer).with_state(emulator.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let edge = Edge::new(&options).unwrap();
        edge.front_access_point(ALIAS).await.unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(Arc::clone(&edge).serve(listener));
        let arrivals = tokio::sync::Mutex::new(arrivals);
        let setup = Self { admin: Admin::at(&base), options, edge, emulator, arrivals, base };
        setup.next_arrival().await;
        setup
    }

    /// Whether the emulator answers from now on; requests wait until it does.
    pub fn emulator_answers(&self, answers: bool) {
        self.emulator.answers.send_replace(answers);
    }

    /// Routes the access point to a Region.
    pub async fn route_to(&self, region: &'static str) {
        *self.emulator.routed.lock().unwrap() = region;
        self.edge.front_access_point(ALIAS).await.unwrap();
        self.next_arrival().await;
    }

    /// The next request that the emulator sees: method and path.
    pub async fn next_arrival(&self) -> String {
        self.arrivals.lock().await.recv().await.unwrap()
    }

    /// Whether the emulator has seen no request that was not looked at.
    pub async fn nothing_arrived(&self) -> bool {
        self.arrivals.lock().await.try_recv().is_err()
    }

    /// A call of a JSON service.
    pub async fn json_call(&self, region: &str, service: &str, operation: &str, body: &str) -> Answer {
        let target = format!("Service.{operation}");
        self.send(Method::POST, "/", &signed(region, service), &[("x-amz-target", &target)], body).await
    }

    /// A write to a bucket, signed for a Region that may be another than the bucket's.
    pub async fn put(&self, region: &str, bucket: &str, key: &str) -> Answer {
        self.send(Method::PUT, &format!("/{bucket}/{key}"), &signed(region, "s3"), &[], "content").await
    }

    /// Bytes of a version of an object.
    pub async fn get_range(&self, bucket: &str, key: &str, version: &str, range: &str) -> Answer {
        let path = format!("/{bucket}/{key}?versionId={version}");
        self.send(Method::GET, &path, &signed(WEST, "s3"), &[("range", range)], "").await
    }

    /// A write through the access point, signed for all Regions.
    pub async fn put_through_mrap(&self, key: &str) -> Answer {
        let host = format!("{ALIAS}.accesspoint.s3-global.amazonaws.com");
        let signature = "AWS4-ECDSA-P256-SHA256 Credential=1/20260101/s3/aws4_request, SignedHeaders=host, Signature=0";
        let headers = [("host", host.as_str()), ("x-amz-region-set", "*")];
        self.send(Method::PUT, &format!("/{key}"), signature, &headers, "content").await
    }

    /// A request to an endpoint of the routing controls.
    pub async fn arc_call(&self, region: &str, operation: &str, body: &str) -> Answer {
        let target = format!("ToggleCustomerAPI.{operation}");
        let signature = signed(region, "route53-recovery-cluster");
        self.send(Method::POST, &format!("/_arc/{region}/"), &signature, &[("x-amz-target", &target)], body).await
    }

    async fn send(&self, method: Method, path: &str, signature: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        request = request.header("authorization", signature);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // A client of its own: a connection that others have used could be tried again.
        let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(Body::from(body.to_owned())).unwrap()).await;
        let Ok(response) = response else { return Answer::None };
        let status = response.status();
        match response.into_body().collect().await {
            Ok(body) => Answer::Given(status, String::from_utf8(body.to_bytes().to_vec()).unwrap()),
            Err(_) => Answer::BrokenOff,
        }
    }
}

/// What a caller gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Given(StatusCode, String),
    /// The connection was closed before there was any.
    None,
    /// The connection was closed in the middle of it.
    BrokenOff,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Given(status, _) if status.is_success())
    }

    /// Its body; empty if there is none.
    pub fn text(self) -> String {
        match self {
            Self::Given(_, text) => text,
            Self::None | Self::BrokenOff => String::new(),
        }
    }
}

pub fn signed(region: &str, service: &str) -> String {
    let scope = format!("123456789012/20260101/{region}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
}

/// Says so when a request arrives, and answers when it is allowed to. A body that asks for it is never finished.
async fn answer(State(emulator): State<Emulator>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    emulator.arrived.send(format!("{} {}", parts.method, parts.uri.path())).unwrap();
    if parts.uri.path().ends_with("/routes") {
        return Response::new(Body::from(routes(*emulator.routed.lock().unwrap())));
    }
    emulator.answers.subscribe().wait_for(|answers| *answers).await.unwrap();
    if parts.method == Method::GET && parts.uri.path().contains("/versions/") {
        return version(&parts);
    }
    if body == "never ending" {
        let (sender, receiver) = mpsc::unbounded_channel::<()>();
        // The sender lives on, so that the body does not end.
        std::mem::forget(sender);
        return Response::new(Body::new(Endless { begun: false, receiver }));
    }
    let response = Response::builder().header("x-amz-version-id", "v1").header("etag", "\"e\"");
    response.body(Body::from("<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")).unwrap()
}

/// An object with two versions, as the emulator answers: `Range` counts only where no version is named. Of `whole.csv` it does not
/// heed conditions, and nobody may read `secret.csv`.
fn version(parts: &axum::http::request::Parts) -> Response<Body> {
    let status = |status| Response::builder().status(status);
    if parts.uri.path().ends_with("/secret.csv") {
        return status(StatusCode::FORBIDDEN).body(Body::from("AccessDenied")).unwrap();
    }
    let content = match parts.uri.query() {
        None => {
            assert_eq!(parts.headers["range"], "bytes=2-4");
            let part = status(StatusCode::PARTIAL_CONTENT).header("x-amz-version-id", "new");
            return part.body(Body::from("234")).unwrap();
        }
        Some("versionId=new") => "0123456789",
        Some("versionId=old") => "abcdefghij",
        Some(_) => return status(StatusCode::NOT_FOUND).body(Body::from("NoSuchVersion")).unwrap(),
    };
    let heeds = !parts.uri.path().ends_with("/whole.csv");
    if heeds && parts.headers.get("if-none-match").is_some_and(|none| none == "*") {
        return status(StatusCode::NOT_MODIFIED).body(Body::empty()).unwrap();
    }
    status(StatusCode::OK).body(Body::from(content)).unwrap()
}

fn routes(open: &str) -> String {
    let options = Options::new("/nowhere");
    let route = |region: &str| {
        let (bucket, dial) = (options.bucket(region), if region == open { 100 } else { 0 });
        format!(
            "<Route><Bucket>{bucket}</Bucket><Region>{region}</Region>\
             <TrafficDialPercentage>{dial}</TrafficDialPercentage></Route>"
        )
    };
    format!("<R><Routes>{}{}</Routes></R>", route(EAST), route(WEST))
}

/// A body that begins and never ends.
struct Endless {
    begun: bool,
    receiver: mpsc::UnboundedReceiver<()>,
}

impl hyper::body::Body for Endless {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        if !self.begun {
            self.begun = true;
            return std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data("begun".into()))));
        }
        self.receiver.poll_recv(context).map(|_| None)
    }
}
