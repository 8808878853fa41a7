//! Where a request leads.

use axum::body::Body;
use axum::http::Response;
use axum::http::request::Parts;
use time::OffsetDateTime;

use super::request::{Facts, Place, same_key};
use super::{Edge, mrap, routing};

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

/// The Region of the routing controls' endpoint that a request is for, if it is for one.
pub fn routing_endpoint<'a>(facts: &Facts, parts: &'a Parts) -> Option<&'a str> {
    // The path of an object may look the same.
    facts.object.is_none().then(|| routing::endpoint_region(parts.uri.path()))?
}

/// The Regions that a request can't do without: the one that it is signed for, and the one that it leads to. Behind the
/// access point that is the Region which its routes choose; it is not given up for the other because it is isolated: as with
/// a Region that is lost, requests fail until somebody changes the routes.
pub fn regions(edge: &Edge, facts: &Facts, parts: &Parts) -> Vec<String> {
    let leads_to = match facts.object.as_ref().map(|object| &object.place) {
        Some(Place::Bucket(bucket)) => region_of(edge, bucket),
        Some(Place::Mrap(alias)) => routed(edge, alias).map(|route| route.region),
        None => routing_endpoint(facts, parts).map(str::to_owned),
    };
    facts.region.clone().into_iter().chain(leads_to).collect()
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
            routed(edge, alias).map(|route| route.bucket)
        }
    };
    let location = |bucket: String| {
        let region = region_of(edge, &bucket);
        Location { region, bucket, key: same_key(&object.key) }
    };
    Ok(bucket.map(location))
}

fn region_of(edge: &Edge, bucket: &str) -> Option<String> {
    edge.buckets.iter().find(|(_, name)| *name == bucket).map(|(region, _)| region.clone())
}

fn routed(edge: &Edge, alias: &str) -> Option<mrap::Route> {
    let access_point = edge.access_point().filter(|access_point| access_point.alias == alias)?;
    mrap::routed(&access_point.routes, &edge.primary).cloned()
}
