//! What follows from a request that succeeded.

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Limited};

use super::replication::{Change, ChangeKind};
use super::request::{Facts, encoded_key, query_value};
use super::route::Location;
use super::{Edge, answer};
use crate::xml;

/// A request to delete 1,000 keys of 1,024 bytes, escaped, is well below this.
const LARGEST_DELETE: usize = 8 << 20;

/// Whether something may follow from an operation's success.
pub fn may_follow(operation: &str) -> bool {
    matches!(
        operation,
        "PutObject"
            | "CopyObject"
            | "CompleteMultipartUpload"
            | "PutObjectTagging"
            | "DeleteObjectTagging"
            | "DeleteObject"
            | "DeleteObjects"
            | "SubmitMultiRegionAccessPointRoutes"
            | "ChangeResourceRecordSets"
    )
}

/// Does what follows from a request's success.
pub async fn after(
    edge: &Edge,
    facts: &Facts,
    place: Option<Location>,
    query: &str,
    deletes: Vec<String>,
    (status, headers): (StatusCode, &HeaderMap),
) {
    if !status.is_success() {
        return;
    }
    if facts.operation == "SubmitMultiRegionAccessPointRoutes"
        && let Some(access_point) = edge.access_point()
        && let Err(error) = edge.front_access_point(&access_point.alias).await
    {
        tracing::error!("the access point's new routes can't be read: {error:#}");
    }
    if facts.operation == "ChangeResourceRecordSets"
        && let Err(error) = edge.read_zone().await
    {
        tracing::error!("the zone's new record can't be read: {error:#}");
    }
    let Some(place) = place.filter(|place| place.region.is_some()) else { return };
    for key in deletes {
        edge.replication.accept(Change { bucket: place.bucket.clone(), key, kind: ChangeKind::Deleted });
    }
    if let Some(kind) = change(&facts.operation, query, headers) {
        edge.replication.accept(Change { bucket: place.bucket, key: place.key, kind });
    }
}

/// What a successful request changed in its bucket, as far as it is replicated.
fn change(operation: &str, query: &str, answer: &HeaderMap) -> Option<ChangeKind> {
    let header = |name| answer.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    match operation {
        "PutObject" | "CopyObject" | "CompleteMultipartUpload" => {
            Some(ChangeKind::Written { version: header("x-amz-version-id"), etag: header("etag") })
        }
        "PutObjectTagging" | "DeleteObjectTagging" => {
            let named = query_value(query, "versionId").map(str::to_owned);
            Some(ChangeKind::Tagged { version: named.or_else(|| header("x-amz-version-id")) })
        }
        "DeleteObject" if query_value(query, "versionId").is_none() => Some(ChangeKind::Deleted),
        _ => None,
    }
}

/// Reads the keys of a request that deletes many at once; every other body is left to stream.
///
/// # Errors
/// The refusal of a body that is longer than such a request can be.
pub async fn read_deletes(facts: &Facts, body: Body) -> Result<(Vec<String>, Body), Box<Response<Body>>> {
    if facts.operation != "DeleteObjects" {
        return Ok((Vec::new(), body));
    }
    let Ok(read) = Limited::new(body, LARGEST_DELETE).collect().await else {
        let too_long = "The request is too long, or broke off";
        return Err(Box::new(answer::error("s3", StatusCode::BAD_REQUEST, "MalformedXML", too_long)));
    };
    let read = read.to_bytes();
    // A body that is no XML is the emulator's to refuse.
    let keys = deleted_keys(&String::from_utf8_lossy(&read)).unwrap_or_default();
    Ok((keys, Body::from(read)))
}

/// The keys for which a delete marker is asked, as they would stand in a path.
fn deleted_keys(text: &str) -> anyhow::Result<Vec<String>> {
    let (mut keys, mut key, mut version) = (Vec::new(), None, None);
    for (element, text) in xml::elements(text)? {
        match element.as_str() {
            "Key" => key = Some(encoded_key(text.as_bytes())),
            "VersionId" => version = Some(text),
            "Object" => {
                let (key, version) = (key.take(), version.take());
                keys.extend(key.filter(|_| version.is_none()));
            }
            _ => {}
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn writes_tags_and_delete_markers_are_replicated_and_nothing_else() {
        let mut answer = HeaderMap::new();
        answer.insert("x-amz-version-id", "v".parse().unwrap());
        let version = Some("v".to_owned());
        for write in ["PutObject", "CopyObject", "CompleteMultipartUpload"] {
            assert!(may_follow(write));
            assert_eq!(change(write, "", &answer), Some(ChangeKind::Written { version: version.clone(), etag: None }));
        }
        let tagged = change("PutObjectTagging", "tagging&versionId=w", &answer);
        assert_eq!(tagged, Some(ChangeKind::Tagged { version: Some("w".to_owned()) }));
        assert_eq!(change("DeleteObject", "", &answer), Some(ChangeKind::Deleted));
        assert_eq!(change("DeleteObject", "versionId=w", &answer), None);
        for other in ["GetObject", "UploadPart", "CreateMultipartUpload", "AbortMultipartUpload"] {
            assert!(!may_follow(other));
            assert_eq!(change(other, "", &answer), None);
        }
    }

    #[test]
    fn of_many_deletes_those_that_name_a_version_are_not_replicated() {
        let xml = "<Delete xmlns=\"x\"><Object><Key>a &amp; b&#43;c/\u{fc}</Key></Object>\
            <Object><Key>k</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet></Delete>";
        assert_eq!(deleted_keys(xml).unwrap(), ["a%20%26%20b%2Bc/%C3%BC"]);
    }
}
