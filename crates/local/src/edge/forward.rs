//! To the emulator and back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Limited};

use super::request::{Facts, query_value};
use super::route::Location;
use super::upstream::OwnRequest;
use super::{Edge, answer, executions, range, strong};

/// How long a write may have its turn: an emulator that hangs on one must not hold up all others for ever.
const LONGEST_TURN: Duration = Duration::from_secs(60);

/// Forwards a request and gives its answer; the bodies stream.
pub async fn forward(
    edge: &Arc<Edge>,
    facts: &Facts,
    place: Option<&Location>,
    parts: Parts,
    body: Body,
) -> Response<Body> {
    if facts.service == "dynamodb" && strong::is_write(&facts.operation) {
        return forward_write(edge, parts, body).await;
    }
    if facts.service == "states" && facts.operation == "StartExecution" {
        return executions::start(edge, facts, parts, body).await;
    }
    let translated = place.and_then(|place| foreign_version(edge, facts, place, &parts));
    if let (Some(asked), Some(place)) = (range::asked(facts, &parts), place) {
        return range::read(edge, asked, place, translated.as_ref()).await;
    }
    let method = parts.method.clone();
    let response = pass(edge, &facts.service, parts, body).await;
    match translated {
        // The emulator looks a version up only after it has let the caller through, so "not found" is also "allowed".
        Some(translated) if response.status() == StatusCode::NOT_FOUND => {
            read_version(edge, method, &translated).await.unwrap_or(response)
        }
        _ => response,
    }
}

/// Passes a request on as it came.
pub async fn pass(edge: &Edge, service: &str, parts: Parts, body: Body) -> Response<Body> {
    edge.upstream.pass(parts, body).await.unwrap_or_else(|error| {
        tracing::warn!("the emulator broke off: {error:#}");
        answer::error(service, StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "the emulator broke off")
    })
}

/// A write to a table waits for its turn.
async fn forward_write(edge: &Arc<Edge>, parts: Parts, body: Body) -> Response<Body> {
    let Ok(body) = Limited::new(body, strong::LARGEST_WRITE).collect().await else {
        return answer::error("dynamodb", StatusCode::BAD_REQUEST, "SerializationException", "the request is too long");
    };
    let body: Bytes = body.to_bytes();
    // A caller that gives up, or is cut off, before its turn comes writes nothing.
    let turn = edge.strong.turn(&body).await;
    let edge = Arc::clone(edge);
    // A task of its own: a caller that gives up must not give its turn away while the emulator is still writing.
    let write = tokio::spawn(async move {
        let _turn = turn;
        let passed = tokio::time::timeout(LONGEST_TURN, pass(&edge, "dynamodb", parts, Body::from(body))).await;
        passed.unwrap_or_else(|_| internal_error("the emulator does not answer"))
    });
    write.await.unwrap_or_else(|error| internal_error(&error.to_string()))
}

/// DynamoDB's answer to a write that may or may not have happened.
fn internal_error(message: &str) -> Response<Body> {
    answer::error("dynamodb", StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
}

/// A version of the other bucket, with what it is called here.
pub struct Translated {
    /// What the version is called here.
    pub here: String,
    region: String,
    path: String,
    asked: String,
}

fn foreign_version(edge: &Edge, facts: &Facts, place: &Location, parts: &Parts) -> Option<Translated> {
    if !matches!(facts.operation.as_str(), "GetObject" | "HeadObject") {
        return None;
    }
    let query = parts.uri.query()?;
    let asked = query_value(query, "versionId")?.to_owned();
    let here = edge.versions.in_bucket(&place.bucket, &place.key, &asked)?;
    let mut path = format!("/{}/{}?versionId={here}", place.bucket, place.key);
    for pair in query.split('&').filter(|pair| pair.starts_with("response-")) {
        path.push('&');
        path.push_str(pair);
    }
    Some(Translated { here, region: place.region.clone()?, path, asked })
}

/// Reads a version of the other bucket, whole.
pub async fn read_version(edge: &Edge, method: http::Method, translated: &Translated) -> Option<Response<Body>> {
    let Translated { region, path, asked, .. } = translated;
    let request = OwnRequest { method, service: "s3", region, path, headers: &[], body: Bytes::new() };
    let mut response = edge.upstream.open(request).await.ok()?;
    response.headers_mut().insert("x-amz-version-id", header_value(asked));
    Some(response)
}

/// What came in a request's line can stand in a header; nothing where it can't.
pub fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
