//! The adapter against a server that plays every answer, good and bad.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use serde_json::Value;
use tandem_core::dataset::{Lookup, Unmatched};
use tandem_core::enrich::Lookups;
use tandem_core::error::Classified;
use tandem_core::ports::ReferenceRecord;
use tandem_core::testing::{Faults, MemoryLookup, MemoryPause};
use tokio::net::TcpListener;

use super::*;

/// What the server does with a request.
#[derive(Debug, Clone)]
enum Act {
    /// Answers with this status, these headers and this body.
    Answer(u16, Vec<(&'static str, &'static str)>, String),
    /// Closes the connection without an answer.
    HangUp,
    /// Announces more than it sends, and closes the connection.
    BreakOff,
    /// Never answers.
    Silence,
    /// Answers as an API with these records would.
    Records(Arc<BTreeMap<String, ReferenceRecord>>),
}

fn ok(body: &str) -> Act {
    Act::Answer(200, Vec::new(), body.to_owned())
}

fn status(status: u16, headers: &[(&'static str, &'static str)]) -> Act {
    Act::Answer(status, headers.to_vec(), String::from("{\"message\": \"with a key: secret-key\"}"))
}

/// A request as it arrived.
#[derive(Debug, Clone)]
struct Seen {
    path: String,
    authorization: String,
    keys: Vec<String>,
}

/// A server on a port of its own; its last act is repeated.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/records/members", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, acts) = (Arc::clone(&noted), acts.clone());
                let service = service_fn(move |request| act(request, Arc::clone(&noted), acts.clone()));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

type Played = http_body_util::combinators::BoxBody<Bytes, io::Error>;

fn body(text: String) -> Played {
    Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed()
}

async fn act(request: Request<Incoming>, noted: Arc<Mutex<Vec<Seen>>>, acts: Vec<Act>) -> io::Result<Response<Played>> {
    let text = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let (path, authorization) = (request.uri().path().to_owned(), text("authorization"));
    let sent: Value = serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let keys: Vec<String> = sent["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().into()).collect();
    let number = {
        let mut noted = noted.lock().unwrap();
        noted.push(Seen { path, authorization, keys: keys.clone() });
        noted.len() - 1
    };
    match acts.get(number).or(acts.last()).unwrap() {
        Act::Answer(status, headers, text) => {
            let mut response = Response::builder().status(*status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            Ok(response.body(body(text.clone())).unwrap())
        }
        Act::HangUp => Err(io::Error::other("as asked")),
        Act::BreakOff => Ok(Response::builder().header("content-length", "100").body(body("{".into())).unwrap()),
        Act::Silence => std::future::pending().await,
        Act::Records(known) => {
            let (found, missing): (Vec<String>, Vec<String>) =
                keys.into_iter().partition(|key| known.contains_key(key));
            let records: BTreeMap<_, _> = found.iter().map(|key| (key, &known[key])).collect();
            Ok(Response::new(body(json!({"records": records, "missing": missing}).to_string())))
        }
    }
}

fn api(patience: Duration) -> LookupApi {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url("http://127.0.0.1:1")
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKIDTEST", "s", None, None, "test")))
        .build();
    let bounds = Bounds { patience, answer: 4 * 1024, ..BOUNDS };
    LookupApi { bounds, ..LookupApi::new(&config, "http://127.0.0.1:1/v1").unwrap() }
}

/// What a lookup of the keys `a` and `b` comes to, and what the server saw.
async fn look_up(acts: Vec<Act>) -> (Result<LookupAnswer, ServiceError>, Vec<Seen>) {
    let patience = if acts.iter().any(|act| matches!(act, Act::Silence)) { 1_000 } else { 10_000 };
    let server = Server::start(acts).await;
    let source = RecordSource::Api { url: server.url.clone() };
    let fields = ["price".to_owned(), "stock".to_owned()];
    let request = LookupRequest { source: &source, table: "members", fields: &fields, keys: &["a", "b"] };
    let api = api(Duration::from_millis(patience));
    // Reading this machine's certificates is no part of the first try.
    api.client().unwrap();
    let answer = api.lookup(&request).await;
    (answer, server.seen())
}

const GOOD: &str = r#"{"records": {"b": {"stock": "7", "other": "x"}}, "missing": ["a"], "more": 1}"#;

#[tokio::test]
async fn records_and_missing_keys_are_told_by_the_keys_places() {
    let (answer, seen) = look_up(vec![ok(GOOD)]).await;
    let answer = answer.unwrap();
    let records: Vec<(usize, Vec<&str>)> = answer.records.iter().map(|(key, values)| (key, values.collect())).collect();
    assert_eq!((records, answer.unprocessed.len()), (vec![(1, vec!["", "7"])], 0));
    assert_eq!((seen.len(), &*seen[0].path), (1, "/v1/records/members"));
    assert_eq!(seen[0].keys, ["a", "b"]);
    let signature = &seen[0].authorization;
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDTEST/"), "{signature}");
    assert!(signature.contains("/us-east-1/execute-api/aws4_request, SignedHeaders=content-type;host;x-amz-date,"));
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_is_named_without_its_content() {
    let large = format!("{{\"records\": {{}}, \"missing\": [\"a\", \"b\", \"{}\"]}}", "secret-key".repeat(1_000));
    for (body, expected) in [
        (r#"{"records": {"secret-key": {}}, "missing": ["a", "b"]}"#, "not asked for"),
        (r#"{"records": {}, "missing": ["a", "b", "secret-key"]}"#, "not asked for"),
        (r#"{"records": {"a": {}, "a": {}}, "missing": ["b"]}"#, "answered twice"),
        (r#"{"records": {"a": {}}, "missing": ["a", "b"]}"#, "answered twice"),
        (r#"{"records": {"a": {}}, "missing": ["b", "b"]}"#, "answered twice"),
        (r#"{"records": {"a": {"price": "1", "price": "2"}}, "missing": ["b"]}"#, "its field \"price\" twice"),
        (r#"{"records": {"a": {}}, "missing": []}"#, "1 keys are neither"),
        (r#"{"records": {"a": {}, "b": {}}}"#, "it is not {\"records\""),
        (r#"{"missing": ["a", "b"]}"#, "it is not {\"records\""),
        (r#"{"records": {"a": {"price": 1}}, "missing": ["b"]}"#, "it is not {\"records\""),
        (r#"{"records": {"a": {"price": null}}, "missing": ["b"]}"#, "it is not {\"records\""),
        (r#"{"records": {"a": "secret-key"}, "missing": ["b"]}"#, "it is not {\"records\""),
        (r#"{"records": [], "missing": ["a", "b"]}"#, "it is not {\"records\""),
        (r#"{"records": {}, "records": {}, "missing": ["a", "b"]}"#, "it is not {\"records\""),
        (r#"["secret-key"]"#, "it is not {\"records\""),
        ("<html>secret-key</html>", "it is no JSON"),
        ("{\"records\": {}, \"missing\": [\"a\", \"b\"", "ends too early"),
        ("", "ends too early"),
        (&large, "larger than 4096 bytes"),
    ] {
        let (answer, seen) = look_up(vec![ok(body)]).await;
        let error = answer.expect_err(body);
        let text = error.to_string();
        assert!(matches!(error, ServiceError::WrongAnswer { .. }) && text.contains(expected), "{body}: {text}");
        assert!(!text.contains("secret"), "{text}");
        assert_eq!((seen.len(), error.is_retryable()), (1, false), "{body}");
    }
}

#[tokio::test]
async fn what_is_refused_is_told_at_once_and_what_passes_is_tried_again() {
    type Is = fn(&ServiceError) -> bool;
    let (denied, is_refused): (Is, Is) =
        (|error| matches!(error, ServiceError::Denied { .. }), |error| matches!(error, ServiceError::Refused { .. }));
    let (unavailable, is_wrong): (Is, Is) = (
        |error| matches!(error, ServiceError::Unavailable { .. }),
        |error| matches!(error, ServiceError::WrongAnswer { .. }),
    );
    for (act, is, requests) in [
        (status(403, &[("x-amzn-errortype", "AccessDeniedException:http://x/")]), denied, 1),
        (status(403, &[("x-amzn-errortype", "ExpiredTokenException")]), unavailable, 3),
        (status(401, &[]), is_refused, 1),
        (status(400, &[]), is_refused, 1),
        (status(413, &[]), is_refused, 1),
        (status(302, &[("location", "http://127.0.0.1:1/")]), is_refused, 1),
        (status(307, &[("retry-after", "1")]), is_refused, 1),
        (Act::Answer(204, Vec::new(), String::new()), is_wrong, 1),
        (status(500, &[]), unavailable, 3),
        (status(502, &[]), unavailable, 3),
        (status(504, &[]), unavailable, 3),
        (Act::HangUp, unavailable, 3),
        (Act::BreakOff, unavailable, 3),
        (Act::Silence, unavailable, 3),
    ] {
        let (answer, seen) = look_up(vec![act.clone()]).await;
        let error = answer.expect_err("it is no answer");
        assert!(is(&error) && !error.to_string().contains("secret"), "{act:?}: {error:?}");
        assert_eq!(seen.len(), requests, "{act:?}");
    }
    // A 404 without a name is an API that does not know the dataset.
    let (answer, seen) = look_up(vec![status(404, &[])]).await;
    assert!(answer.is_err_and(|error| is_refused(&error)) && seen.len() == 1);
}

#[tokio::test]
async fn what_has_passed_is_forgotten() {
    for passing in [status(500, &[]), Act::HangUp, Act::BreakOff, Act::Silence] {
        let (answer, seen) = look_up(vec![passing.clone(), passing, ok(GOOD)]).await;
        assert_eq!((answer.unwrap().records.len(), seen.len()), (1, 3));
    }
}

#[tokio::test]
async fn a_service_that_is_busy_says_for_how_long() {
    for (act, seconds) in [
        (status(429, &[]), 0),
        (status(429, &[("retry-after", "7")]), 7),
        (status(503, &[("retry-after", "86400")]), 86_400),
        (status(429, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]), 0),
        (status(429, &[("retry-after", "soon")]), 0),
        (status(429, &[("retry-after", "-1")]), 0),
        (status(400, &[("x-amzn-errortype", "ThrottlingException")]), 0),
    ] {
        let (answer, seen) = look_up(vec![act]).await;
        let answer = answer.unwrap();
        assert_eq!((answer.unprocessed, answer.records.len()), (vec![0, 1], 0));
        assert_eq!((answer.wait.as_secs(), seen.len()), (seconds, 1));
    }
    let (answer, _) = look_up(vec![status(429, &[("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT")])]).await;
    assert!(answer.unwrap().wait.as_secs() > 1_000_000_000);
}

#[tokio::test]
async fn nobody_listening_is_no_connection() {
    let source = RecordSource::OwnApi { dataset: "loans".to_owned() };
    let request = LookupRequest { source: &source, table: "t", fields: &[], keys: &["a"] };
    let error = api(Duration::from_secs(10)).lookup(&request).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("no connection"), "{error}");
}

type Found = BTreeMap<usize, Vec<String>>;

async fn all<L: LookupRecords>(records: &L, source: RecordSource, keys: &[&str]) -> Result<Found, ServiceError> {
    let fields = vec!["price".to_owned(), "stock".to_owned()];
    let lookup = Lookup { source, table: "members".to_owned(), key: 0, fields, unmatched: Unmatched::Empty };
    let (pause, mut found) = (MemoryPause::default(), Found::new());
    let lookups = Lookups { records, pause: &pause, patience: Duration::from_secs(40) };
    let look_up = lookups.look_up(&lookup, keys, |records, asked| {
        for (key, values) in records.iter() {
            found.insert(asked[key], values.map(str::to_owned).collect());
        }
    });
    look_up.await?;
    Ok(found)
}

fn records() -> impl Strategy<Value = BTreeMap<String, ReferenceRecord>> {
    let text = || prop_oneof![3 => "[a-z0-9 ]{1,8}", 1 => "\\PC{1,8}", 1 => "[\"\\\\\n\r\t,;\u{0}é€🦀]{1,6}"];
    let record = prop::collection::btree_map(prop::sample::select(vec!["price", "stock", "other"]), text(), 0..4);
    let record = record.prop_map(|record| record.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    prop::collection::btree_map(text(), record, 0..260)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]
    #[test]
    fn a_table_and_an_api_with_the_same_records_give_the_same(
        records in records(),
        others in prop::collection::btree_set("[A-Z]{1,4}", 0..40),
        before in prop::collection::vec(prop_oneof![Just(status(429, &[])), Just(status(500, &[])), Just(Act::HangUp)], 0..3),
    ) {
        let mut table = MemoryLookup::new(Faults::none());
        records.iter().for_each(|(key, record)| table.insert("members", key, record.clone()));
        let asked: BTreeSet<&str> = records.keys().chain(&others).map(String::as_str).collect();
        let asked: Vec<&str> = asked.into_iter().collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let acts = before.into_iter().chain([Act::Records(Arc::new(records.clone()))]).collect();
            let server = Server::start(acts).await;
            let source = RecordSource::Api { url: server.url.clone() };
            let both = TableOrApi { table, api: LookupApi { bounds: BOUNDS, ..api(Duration::from_secs(10)) } };
            let from_table = all(&both, RecordSource::Table, &asked).await.unwrap();
            let from_api = all(&both, source, &asked).await.unwrap();
            assert_eq!(from_table, from_api);
            assert!(server.seen().iter().all(|seen| (1..=100).contains(&seen.keys.len())));
        });
    }
}

#[tokio::test]
async fn on_aws_nothing_is_asked_in_the_clear() {
    let config =
        SdkConfig::builder().behavior_version(BehaviorVersion::latest()).region(Region::new("us-east-1")).build();
    let api = LookupApi::new(&config, "https://a1b2.execute-api.us-east-1.amazonaws.com/v1").unwrap();
    let address = |url: &str| api.address(&RecordSource::Api { url: url.into() });
    assert!(matches!(address("http://127.0.0.1:8080/x"), Err(ServiceError::Refused { .. })));
    assert!(address("https://api.example.com/x").is_ok());
}
