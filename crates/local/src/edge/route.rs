//! Where a request leads.

use axum::body::Body;
use axum::http::Response;
use axum::http::request::Parts;
use time::OffsetDateTime;

use super::request::{Facts, Place, same_key};
use super::{Edge, mrap};

/// The bucket and key that a request is about, once the access point has been seen through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Region of the bucket, if it is one of the replicated buckets.
    pub region: Option<String>,
    /// Bucket.
    pub bucket: String,
    /// Key, percent-encoded as the edge itself does it: a key has one spelling here, whatever the request's is.
    pub key: String,
}

/// Finds a request's place, or refuses it.
pub fn decide(edge: &Edge, facts: &Facts, parts: &Parts) -> Result<Option<Location>, Box<Response<Body>>> {
    let Some(object) = &facts.object else { return Ok(None) };
    let bucket = match &object.place {
        Place::Bucket(bucket) => Some(bucket.clone()),
        Place::Mrap(alias) => {
            if let Some(refusal) =
                mrap::refuse_expired(parts.uri.query().unwrap_or_default(), OffsetDateTime::now_utc())
            {
                return Err(Box::new(refusal));
            }
            // Another alias is the emulator's to refuse.
            let access_point = edge.access_point().filter(|access_point| access_point.alias == *alias);
            access_point.and_then(|known| mrap::routed(&known.routes, &edge.primary).map(|route| route.bucket.clone()))
        }
    };
    let location = |bucket: String| {
        let region = edge.buckets.iter().find(|(_, name)| **name == bucket).map(|(region, _)| region.clone());
        Location { region, bucket, key: same_key(&object.key) }
    };
    Ok(bucket.map(location))
}
