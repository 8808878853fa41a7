//! The Multi-Region Access Point's front.
//!
//! Its requests go to the emulator as they came, host and all, because they are signed for that host: the emulator checks the
//! SigV4a signature of every role (only the root's is taken on trust) and that the role may use the access point and the
//! bucket behind it. It picks the bucket by the access point's routes, and among open ones the primary Region's, which is
//! the nearest here. Signing such a request anew, as root and for one bucket, would give all of that up.
//!
//! What is left for the edge: know which bucket was picked, so that a write is replicated, and refuse links that have
//! expired, which the emulator does not do for the root.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use http::Method;
use time::OffsetDateTime;
use time::macros::format_description;

use super::answer;
use super::request::query_value;
use super::upstream::{OwnRequest, Upstream};
use crate::xml;

/// Where the routes of access points are read.
const ROUTES_REGION: &str = "us-west-2";

/// One Region's part in an access point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The Region's bucket.
    pub bucket: String,
    /// The Region.
    pub region: String,
    /// Whether traffic is sent there.
    pub open: bool,
}

/// The bucket that a request through the access point reaches: the primary Region's if its route is open, or else the
/// first open one. With no open route at all S3 keeps routing, and so does this.
#[must_use]
pub fn routed<'a>(routes: &'a [Route], primary: &str) -> Option<&'a Route> {
    let any_open = routes.iter().any(|route| route.open);
    let mut candidates = routes.iter().filter(|route| route.open || !any_open);
    let first = candidates.clone().next();
    candidates.find(|route| route.region == primary).or(first)
}

/// Asks the emulator for an access point's routes.
///
/// # Errors
/// There is no such access point, or the emulator can't be reached.
pub async fn read_routes(upstream: &Upstream, alias: &str) -> anyhow::Result<Vec<Route>> {
    let account = upstream.account();
    let path = format!("/v20180820/mrap/instances/arn%3Aaws%3As3%3A%3A{account}%3Aaccesspoint%2F{alias}/routes");
    let headers = [("x-amz-account-id", account)];
    let request = OwnRequest {
        method: Method::GET,
        service: "s3",
        region: ROUTES_REGION,
        path: &path,
        headers: &headers,
        body: [][..].into(),
    };
    let answer = upstream.call(request).await?;
    anyhow::ensure!(answer.status.is_success(), "no routes of {alias}: {} {}", answer.status, answer.text());
    parse_routes(&answer.text())
}

fn parse_routes(text: &str) -> anyhow::Result<Vec<Route>> {
    let (mut routes, mut route) = (Vec::new(), Route { bucket: String::new(), region: String::new(), open: false });
    for (element, text) in xml::elements(text)? {
        match element.as_str() {
            "Bucket" => route.bucket = text,
            "Region" => route.region = text,
            "TrafficDialPercentage" => route.open = text != "0",
            "Route" => routes.push(route.clone()),
            _ => {}
        }
    }
    Ok(routes)
}

/// The refusal of a presigned request whose time is over; `None` while it is good, or if it isn't presigned.
#[must_use]
pub fn refuse_expired(query: &str, now: OffsetDateTime) -> Option<Response<Body>> {
    let date = query_value(query, "X-Amz-Date")?;
    let seconds = query_value(query, "X-Amz-Expires")?;
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let until = time::PrimitiveDateTime::parse(date, &format).ok().zip(seconds.parse::<u32>().ok());
    let good = until.is_some_and(|(date, seconds)| now < date.assume_utc() + time::Duration::seconds(seconds.into()));
    (!good).then(|| answer::error("s3", StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use time::macros::datetime;

    fn route(region: &str, open: bool) -> Route {
        Route { bucket: format!("bucket-{region}"), region: region.to_owned(), open }
    }

    #[test]
    fn requests_reach_the_nearest_open_route() {
        let picked = |routes: &[Route]| routed(routes, "east").map(|route| route.region.clone());
        assert_eq!(picked(&[route("west", true), route("east", true)]).as_deref(), Some("east"));
        assert_eq!(picked(&[route("east", false), route("west", true)]).as_deref(), Some("west"));
        assert_eq!(picked(&[route("north", true), route("west", true)]).as_deref(), Some("north"));
        assert_eq!(picked(&[route("west", false), route("east", false)]).as_deref(), Some("east"));
        assert_eq!(picked(&[]), None);
    }

    #[test]
    fn routes_are_read_from_the_services_answer() {
        let xml = "<?xml version=\"1.0\"?><R xmlns=\"x\"><Mrap>arn</Mrap><Routes>\
            <Route><Bucket>b1</Bucket><Region>r1</Region><TrafficDialPercentage>0</TrafficDialPercentage></Route>\
            <Route><Bucket>b2</Bucket><Region>r2</Region><TrafficDialPercentage>100</TrafficDialPercentage></Route>\
            </Routes></R>";
        let routes = parse_routes(xml).unwrap();
        let expected = [("b1", "r1", false), ("b2", "r2", true)];
        let expected =
            expected.map(|(bucket, region, open)| Route { bucket: bucket.to_owned(), region: region.to_owned(), open });
        assert_eq!(routes, expected);
    }

    #[test]
    fn a_link_is_refused_from_the_second_in_which_it_expires() {
        let query = "versionId=1&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-Signature=0";
        assert!(refuse_expired(query, datetime!(2026-01-01 00:00:59 UTC)).is_none());
        let refusal = refuse_expired(query, datetime!(2026-01-01 00:01:00 UTC)).unwrap();
        assert_eq!(refusal.status(), StatusCode::FORBIDDEN);
        assert!(refuse_expired("X-Amz-Date=never&X-Amz-Expires=60", datetime!(2026-01-01 00:00 UTC)).is_some());
        assert!(
            refuse_expired("X-Amz-Date=20260101T000000Z&X-Amz-Expires=x", datetime!(2026-01-01 00:00 UTC)).is_some()
        );
        assert!(refuse_expired("versionId=1", datetime!(2026-01-01 00:00 UTC)).is_none());
    }
}
