//! What a request says about itself: who calls, from which Region, what, on which object.
//!
//! Read from the signature's scope, the target header, the host and the path as they came. Nothing is verified here (the
//! emulator verifies) and nothing is decoded: a key's bytes stay as the caller wrote them.

use axum::http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::zone;

/// The end of the host of a Multi-Region Access Point.
const MRAP_HOST: &str = ".accesspoint.s3-global.amazonaws.com";

/// What a key keeps as it is when the edge itself writes it into a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One request, as far as the edge needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Service, as in the signature's scope (`s3`, `dynamodb`, `states`); empty if the request is not signed.
    pub service: String,
    /// The API operation (`PutObject`, `StartExecution`); the method and the path's first segment where it isn't known.
    pub operation: String,
    /// The Region that the caller signed for; `None` if it isn't signed, or for all Regions: SigV4a's `*`, and Route 53, which is one
    /// for all of them and signed for us-east-1 wherever the caller is.
    pub region: Option<String>,
    /// The object or bucket that an S3 request is about.
    pub object: Option<ObjectPath>,
}

/// Where an S3 request leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPath {
    /// Which bucket, or which access point.
    pub place: Place,
    /// The key as in the request's path: percent-encoded by the caller, without the leading slash. Empty for the bucket.
    pub key: String,
}

/// The first half of an [`ObjectPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A bucket by name.
    Bucket(String),
    /// A Multi-Region Access Point by its alias, `<name>.mrap`.
    Mrap(String),
}

impl Facts {
    /// Reads them off a request.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        let scope = Scope::of(parts);
        let host = header(&parts.headers, "host").to_ascii_lowercase();
        let path = parts.uri.path();
        let mrap = mrap_alias(&host);
        let is_s3 = mrap.is_some() || scope.service == "s3";
        let object = is_s3.then(|| object_path(mrap, path));
        let operation = match &object {
            Some(_) if path.starts_with("/v20180820/") => s3_control_operation(&parts.method, path),
            Some(object) => s3_operation(parts, object.key.is_empty()).to_owned(),
            None => other_operation(parts),
        };
        let region = scope.region.filter(|_| scope.service != zone::SERVICE);
        Self { service: scope.service, operation, region, object }
    }
}

/// Whether a request is for a Multi-Region Access Point, whatever its path.
#[must_use]
pub fn is_for_mrap(headers: &HeaderMap) -> bool {
    mrap_alias(&header(headers, "host").to_ascii_lowercase()).is_some()
}

/// The value of a query parameter as it stands in the query, still encoded.
#[must_use]
pub fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// A key, given with its bytes as they are, as the edge writes it into a path.
#[must_use]
pub fn encoded_key(key: &[u8]) -> String {
    percent_encode(key, PATH).to_string()
}

/// A key as it stood in a path, in the edge's own spelling: callers encode the same key differently.
#[must_use]
pub fn same_key(key: &str) -> String {
    encoded_key(&percent_decode_str(key).collect::<Vec<u8>>())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn mrap_alias(host: &str) -> Option<String> {
    let host = host.split(':').next().unwrap_or_default();
    host.strip_suffix(MRAP_HOST).filter(|alias| alias.ends_with(".mrap")).map(str::to_owned)
}

fn object_path(mrap: Option<String>, path: &str) -> ObjectPath {
    let path = path.strip_prefix('/').unwrap_or(path);
    match mrap {
        Some(alias) => ObjectPath { place: Place::Mrap(alias), key: path.to_owned() },
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            ObjectPath { place: Place::Bucket(bucket.to_owned()), key: key.to_owned() }
        }
    }
}

/// What a signature is valid for.
struct Scope {
    service: String,
    region: Option<String>,
}

impl Scope {
    fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let authorization = header(&parts.headers, "authorization");
        let signed = authorization
            .split_once("Credential=")
            .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default().to_owned());
        let presigned =
            || query_value(query, "X-Amz-Credential").map(|scope| scope.replace("%2F", "/").replace("%2f", "/"));
        let credential = signed.or_else(presigned).unwrap_or_default();
        match credential.split('/').collect::<Vec<_>>()[..] {
            // SigV4: key/date/Region/service/aws4_request.
            [_, _, region, service, _] => Self { service: service.to_owned(), region: Some(region.to_owned()) },
            // SigV4a: key/date/service/aws4_request; the Regions are a header or parameter of their own.
            [_, _, service, _] => {
                let in_query = || query_value(query, "X-Amz-Region-Set");
                let set =
                    Some(header(&parts.headers, "x-amz-region-set")).filter(|set| !set.is_empty()).or_else(in_query);
                Self { service: service.to_owned(), region: set.and_then(single_region) }
            }
            _ => Self { service: String::new(), region: None },
        }
    }
}

/// The Region of a Region set that names exactly one.
fn single_region(set: &str) -> Option<String> {
    (!set.is_empty() && !set.contains(['*', ',', '%'])).then(|| set.to_owned())
}

/// S3 names its operations by method, subresource and headers.
fn s3_operation(parts: &Parts, is_bucket: bool) -> &'static str {
    let query = parts.uri.query().unwrap_or_default();
    let has = |name| query_value(query, name).is_some();
    let copies = parts.headers.contains_key("x-amz-copy-source");
    match (parts.method.as_str(), is_bucket) {
        ("POST", true) if has("delete") => "DeleteObjects",
        ("PUT", true) => "CreateBucket",
        ("HEAD", true) => "HeadBucket",
        ("DELETE", true) => "DeleteBucket",
        ("GET", true) => "ListObjects",
        ("PUT", false) if has("tagging") => "PutObjectTagging",
        ("GET", false) if has("tagging") => "GetObjectTagging",
        ("DELETE", false) if has("tagging") => "DeleteObjectTagging",
        ("PUT", false) if has("partNumber") && copies => "UploadPartCopy",
        ("PUT", false) if has("partNumber") => "UploadPart",
        ("PUT", false) if ["acl", "retention", "legal-hold"].into_iter().any(has) => "PutObjectAttribute",
        ("PUT", false) if copies => "CopyObject",
        ("PUT", false) => "PutObject",
        ("POST", false) if has("uploads") => "CreateMultipartUpload",
        ("POST", false) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", false) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", false) => "DeleteObject",
        ("HEAD", false) => "HeadObject",
        ("GET", false) => "GetObject",
        _ => "Other",
    }
}

fn s3_control_operation(method: &Method, path: &str) -> String {
    match (method.as_str(), path.ends_with("/routes")) {
        ("PATCH", true) => "SubmitMultiRegionAccessPointRoutes".to_owned(),
        ("GET", true) => "GetMultiRegionAccessPointRoutes".to_owned(),
        _ => format!("{method} {}", path.split('/').nth(2).unwrap_or_default()),
    }
}

/// JSON services name the operation in a header; of the REST ones the edge knows those that Tandem calls.
fn other_operation(parts: &Parts) -> String {
    let target = header(&parts.headers, "x-amz-target");
    if let Some((_, operation)) = target.rsplit_once('.') {
        return operation.to_owned();
    }
    match (&parts.method, parts.uri.path()) {
        (&Method::POST, "/v2/email/outbound-emails") => "SendEmail".to_owned(),
        (method, path) if path.starts_with("/2013-04-01/") => zone::operation(method, path),
        // The services of the query protocol name it in the body, which is not read for this.
        (_, "/") => "Query".to_owned(),
        (method, path) => format!("{method} {}", path.split('/').nth(1).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use axum::http::Request;

    fn facts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Facts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Facts::of(&request.body(()).unwrap().into_parts().0)
    }

    fn signed(scope: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
    }

    #[test]
    fn the_region_comes_from_the_signature_in_the_header() {
        let authorization = signed("ASIAX/20260101/us-west-2/states/aws4_request");
        let headers = [("authorization", authorization.as_str()), ("x-amz-target", "AWSStepFunctions.StartExecution")];
        let facts = facts("POST", "/", &headers);
        assert_eq!(facts.region.as_deref(), Some("us-west-2"));
        assert_eq!((facts.service.as_str(), facts.operation.as_str()), ("states", "StartExecution"));
        assert_eq!(facts.object, None);
    }

    #[test]
    fn the_region_comes_from_the_signature_in_the_query() {
        let uri = "/bucket/a%20b?X-Amz-Credential=ASIAX%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Expires=60";
        let facts = facts("GET", uri, &[("host", "127.0.0.1:1")]);
        assert_eq!(facts.region.as_deref(), Some("eu-west-1"));
        assert_eq!(facts.operation, "GetObject");
    }

    #[test]
    fn a_signature_for_all_regions_names_none_and_one_for_a_single_region_names_it() {
        let authorization =
            "AWS4-ECDSA-P256-SHA256 Credential=1/20260101/s3/aws4_request, SignedHeaders=host, Signature=0";
        let of = |set| facts("PUT", "/k", &[("authorization", authorization), ("x-amz-region-set", set)]).region;
        assert_eq!(of("*"), None);
        assert_eq!(of("us-east-1,us-west-2"), None);
        assert_eq!(of("us-east-1").as_deref(), Some("us-east-1"));
    }

    #[test]
    fn route_53_belongs_to_no_region_whichever_it_is_signed_for() {
        let authorization = signed("A/20260101/us-east-1/route53/aws4_request");
        let facts = facts("POST", "/2013-04-01/hostedzone/Z1/rrset", &[("authorization", &authorization)]);
        assert_eq!((facts.region, facts.service.as_str()), (None, "route53"));
        assert_eq!(facts.operation, "ChangeResourceRecordSets");
    }

    #[test]
    fn an_unsigned_request_has_neither_region_nor_service() {
        let facts = facts("GET", "/", &[]);
        assert_eq!((facts.region, facts.service.as_str()), (None, ""));
    }

    #[test]
    fn a_key_keeps_every_byte_that_the_caller_wrote() {
        let authorization = signed("A/20260101/us-east-1/s3/aws4_request");
        for key in ["a%20b+c%2Bd%25", "x/../y//z", "./%2e%2e/%C3%BC", "/leading", "ends/", &"k".repeat(900)] {
            let uri = format!("/bucket/{key}?versionId=1");
            let facts = facts("GET", &uri, &[("authorization", &authorization)]);
            let expected = ObjectPath { place: Place::Bucket("bucket".to_owned()), key: key.to_owned() };
            assert_eq!(facts.object, Some(expected));
            let facts = super::tests::facts(
                "GET",
                &format!("/{key}"),
                &[("host", "m1.mrap.accesspoint.s3-global.amazonaws.com")],
            );
            assert_eq!(facts.object.unwrap().key, key);
        }
    }

    #[test]
    fn a_key_has_one_spelling_however_it_was_encoded() {
        for spelling in ["a%20b/%C3%BC+%2b~", "%61%20b%2F%c3%bc%2B%2B%7E"] {
            assert_eq!(same_key(spelling), "a%20b/%C3%BC%2B%2B~");
        }
        assert_eq!(same_key("%FF%25"), "%FF%25");
    }

    #[test]
    fn an_access_point_is_known_by_its_host_alone() {
        let of = |host| facts("PUT", "/input/a.csv", &[("host", host)]).object.map(|object| object.place);
        assert_eq!(of("M1.mrap.accesspoint.s3-global.amazonaws.com:443"), Some(Place::Mrap("m1.mrap".to_owned())));
        assert_eq!(of("m1.accesspoint.s3-global.amazonaws.com"), None);
        assert_eq!(of("m1.mrap.accesspoint.s3-global.amazonaws.com.example.com"), None);
    }

    #[test]
    fn s3_operations_are_told_apart_by_subresource_and_header() {
        let authorization = signed("A/20260101/us-east-1/s3/aws4_request");
        let of = |method, uri, copies: bool| {
            let mut headers = vec![("authorization", authorization.as_str())];
            headers.extend(copies.then_some(("x-amz-copy-source", "/b/k")));
            facts(method, uri, &headers).operation
        };
        assert_eq!(of("PUT", "/b/k", false), "PutObject");
        assert_eq!(of("PUT", "/b/k", true), "CopyObject");
        assert_eq!(of("PUT", "/b/k?partNumber=1&uploadId=u", false), "UploadPart");
        assert_eq!(of("PUT", "/b/k?partNumber=1&uploadId=u", true), "UploadPartCopy");
        assert_eq!(of("POST", "/b/k?uploadId=u", false), "CompleteMultipartUpload");
        assert_eq!(of("POST", "/b/k?uploads", false), "CreateMultipartUpload");
        assert_eq!(of("DELETE", "/b/k?uploadId=u", false), "AbortMultipartUpload");
        assert_eq!(of("DELETE", "/b/k", false), "DeleteObject");
        assert_eq!(of("PUT", "/b/k?tagging", false), "PutObjectTagging");
        assert_eq!(of("POST", "/b/?delete", false), "DeleteObjects");
    }
}
