//! Ranges of a named version: the emulator heeds `Range` only where no version is named, and else sends the whole object.
//!
//! So it is asked first, with the caller's own signature, for the version unless there is one: "not modified" then says that the
//! caller may read it and that it is there, without a byte of it. If it is the newest version, as it nearly always is, the edge
//! asks for the range without naming it; otherwise it cuts the range out of the whole.

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt;

use super::forward::Translated;
use super::request::{Facts, query_value};
use super::route::Location;
use super::upstream::OwnRequest;
use super::{Edge, answer, forward};

/// What was asked of a version.
pub struct Asked {
    range: String,
    /// What the caller calls the version.
    version: String,
    request: Parts,
}

/// Whether a request asks for a range of a named version.
#[must_use]
pub fn asked(facts: &Facts, parts: &Parts) -> Option<Asked> {
    let range = parts.headers.get(header::RANGE)?.to_str().ok()?.to_owned();
    let version = query_value(parts.uri.query()?, "versionId")?.to_owned();
    let plain = facts.operation == "GetObject" && !parts.headers.contains_key(header::IF_NONE_MATCH);
    plain.then(|| Asked { range, version, request: parts.clone() })
}

/// Reads the range. `foreign` is the version where it is one of the other bucket, with what it is called here.
pub async fn read(edge: &Edge, asked: Asked, place: &Location, foreign: Option<&Translated>) -> Response<Body> {
    let mut question = asked.request.clone();
    question.headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    let answer = forward::pass(edge, "s3", question, Body::empty()).await;
    let here = match (answer.status(), foreign) {
        (StatusCode::NOT_MODIFIED, _) => &asked.version,
        (StatusCode::NOT_FOUND, Some(foreign)) => &foreign.here,
        // The content is there: the condition was not heeded.
        (StatusCode::OK, _) => return narrow(&asked.range, answer),
        _ => return answer,
    };
    if let Some(mut part) = newest(edge, &asked.range, here, place).await {
        part.headers_mut().insert("x-amz-version-id", forward::header_value(&asked.version));
        return part;
    }
    let whole = match foreign {
        Some(foreign) if *here == foreign.here => forward::read_version(edge, Method::GET, foreign).await,
        _ => None,
    };
    let whole = match whole {
        Some(whole) => whole,
        None => forward::pass(edge, "s3", asked.request, Body::empty()).await,
    };
    narrow(&asked.range, whole)
}

/// Narrows a whole answer to a range of it; any other answer stays.
fn narrow(asked: &str, whole: Response<Body>) -> Response<Body> {
    let length = whole.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let (StatusCode::OK, Some(length)) = (whole.status(), length) else { return whole };
    match parse(asked, length) {
        // A header that is no range is ignored, as HTTP says.
        None => whole,
        Some(range) if range.is_empty() => {
            let message = "The requested range is not satisfiable";
            answer::error("s3", StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message)
        }
        Some(range) => cut(whole, range, length),
    }
}

/// The range of the newest version, if that is the one that is meant.
async fn newest(edge: &Edge, range: &str, version: &str, place: &Location) -> Option<Response<Body>> {
    let path = format!("/{}/{}", place.bucket, place.key);
    let headers = [("range", range)];
    let region = place.region.as_deref()?;
    let request =
        OwnRequest { method: Method::GET, service: "s3", region, path: &path, headers: &headers, body: Bytes::new() };
    let part = edge.upstream.open(request).await.ok()?;
    let is_meant = part.headers().get("x-amz-version-id").is_some_and(|newest| newest == version);
    (part.status() == StatusCode::PARTIAL_CONTENT && is_meant).then_some(part)
}

fn cut(whole: Response<Body>, range: Range<u64>, length: u64) -> Response<Body> {
    let (mut parts, body) = whole.into_parts();
    let content_range = format!("bytes {}-{}/{length}", range.start, range.end - 1);
    parts.status = StatusCode::PARTIAL_CONTENT;
    parts.headers.insert("content-length", HeaderValue::from(range.end - range.start));
    if let Ok(value) = HeaderValue::from_str(&content_range) {
        parts.headers.insert("content-range", value);
    }
    let mut position = 0;
    let body = body.map_frame(move |frame| {
        frame.map_data(|data| {
            let start = position;
            position += data.len() as u64;
            within(&data, start, &range)
        })
    });
    Response::from_parts(parts, Body::new(body))
}

/// The part of a piece of data, which begins at a position of the whole, that lies in the range.
fn within(data: &Bytes, start: u64, range: &Range<u64>) -> Bytes {
    let length = data.len() as u64;
    let offset = |position: u64| usize::try_from(position.saturating_sub(start).min(length)).unwrap_or(data.len());
    data.slice(offset(range.start)..offset(range.end))
}

/// A single range of bytes of an object of this length; empty if nothing of it exists, `None` if it is none.
fn parse(header: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Some(first..length.min(last.saturating_add(1)).max(first)),
        (Some(first), None) if last.is_empty() => Some(first..length.max(first)),
        (None, Some(suffix)) if first.is_empty() => Some(length.saturating_sub(suffix)..length),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ranges_are_read_as_http_says() {
        assert_eq!(parse("bytes=2-4", 10), Some(2..5));
        assert_eq!(parse("bytes=2-400", 10), Some(2..10));
        assert_eq!(parse("bytes=2-", 10), Some(2..10));
        assert_eq!(parse("bytes=-3", 10), Some(7..10));
        assert_eq!(parse("bytes=-30", 10), Some(0..10));
        assert!(parse("bytes=10-12", 10).unwrap().is_empty());
        for other in ["bytes=4-2", "bytes=a-b", "bytes=1-2,4-5", "lines=1-2", "bytes=-"] {
            assert_eq!(parse(other, 10), None);
        }
    }

    #[test]
    fn a_range_is_cut_out_however_the_whole_arrives() {
        let whole = b"0123456789";
        for size in 1..=10 {
            for range in [0..10, 0..1, 3..7, 9..10] {
                let expected = &whole[range.start as usize..range.end as usize];
                let pieces = whole.chunks(size).scan(0, |start, piece| {
                    let kept = within(&Bytes::from_static(piece), *start, &range);
                    *start += piece.len() as u64;
                    Some(kept)
                });
                assert_eq!(pieces.collect::<Vec<_>>().concat(), expected);
            }
        }
    }
}
