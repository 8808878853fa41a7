//! The hosted zone that holds the TXT record in routing mode `dns`.
//!
//! The emulator keeps the zone, and lets the function's role do what its policy allows; the DNS answers say what is read here
//! after each change, at once, where Route 53's name servers take up to a minute.

use std::sync::{PoisonError, RwLock};

use axum::body::Body;
use axum::http::{Method, Response, StatusCode};

use super::answer;
use super::upstream::{OwnRequest, Upstream};
use crate::options::{Options, RoutingMode};
use crate::xml;

/// The service, as in a signature's scope.
pub const SERVICE: &str = "route53";

/// The zone's record, as it was last read.
pub struct Zone {
    record: String,
    id: RwLock<Option<String>>,
    text: RwLock<Option<String>>,
}

impl Zone {
    /// The zone of these options, not known yet by its id; `None` where no zone holds the record.
    pub fn of(options: &Options) -> Option<Self> {
        let record = options.active_record();
        (options.routing == RoutingMode::Dns).then(|| Self { record, id: RwLock::default(), text: RwLock::default() })
    }

    /// Sets which zone it is.
    pub fn is(&self, id: &str) {
        *self.id.write().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
    }

    /// What the record says; `None`: there is no record.
    pub fn text(&self) -> Option<String> {
        self.text.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the record.
    ///
    /// # Errors
    /// The emulator refuses: there is no such zone.
    pub async fn read(&self, upstream: &Upstream) -> anyhow::Result<()> {
        let id = self.id.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(id) = id else { return Ok(()) };
        let path = format!("/2013-04-01/hostedzone/{id}/rrset?name={}.&type=TXT", self.record);
        let answer = upstream.call(get(&path)).await?;
        anyhow::ensure!(answer.status.is_success(), "no records of {id}: {} {}", answer.status, answer.text());
        let text = said(&answer.text(), &self.record)?;
        *self.text.write().unwrap_or_else(PoisonError::into_inner) = text;
        Ok(())
    }
}

/// What a list of record sets says for this record. Several values are one text, which is no Region's name, just as it is for
/// those who ask Route 53.
fn said(list: &str, record: &str) -> anyhow::Result<Option<String>> {
    let (mut name, mut kind, mut values) = (String::new(), String::new(), Vec::new());
    for (element, text) in xml::elements(list)? {
        match element.as_str() {
            "Name" => name = text,
            "Type" => kind = text,
            "Value" => values.push(text.trim_matches('"').to_owned()),
            "ResourceRecordSet" => {
                let values = std::mem::take(&mut values);
                if kind == "TXT" && name.trim_end_matches('.') == record {
                    return Ok(Some(values.join(" ")));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

/// How far a change has come. Asked as the account's root: the emulator does not see which change is meant before it looks at the
/// caller's permission, and would refuse everybody who may not see all of them.
pub async fn get_change(upstream: &Upstream, path: &str) -> Response<Body> {
    match upstream.call(get(path)).await {
        Ok(found) => {
            let mut response = Response::new(Body::from(found.body));
            *response.status_mut() = found.status;
            let kind = http::HeaderValue::from_static("text/xml");
            response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            response
        }
        Err(error) => answer::error(SERVICE, StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", &error.to_string()),
    }
}

fn get(path: &str) -> OwnRequest<'_> {
    OwnRequest { method: Method::GET, service: SERVICE, region: "us-east-1", path, headers: &[], body: [][..].into() }
}

/// Route 53 names its operations by method and path.
pub fn operation(method: &Method, path: &str) -> String {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).skip(1);
    match (method.as_str(), parts.next().unwrap_or_default(), parts.nth(1)) {
        ("GET", "change", None) => "GetChange".to_owned(),
        ("GET", "hostedzone", Some("rrset")) => "ListResourceRecordSets".to_owned(),
        ("POST", "hostedzone", Some("rrset")) => "ChangeResourceRecordSets".to_owned(),
        (method, kind, _) => format!("{method} {kind}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn list(sets: &[(&str, &str, &[&str])]) -> String {
        let set = |(name, kind, values): &(&str, &str, &[&str])| {
            let values: String = values
                .iter()
                .map(|value| format!("<ResourceRecord><Value>&quot;{value}&quot;</Value></ResourceRecord>"))
                .collect();
            format!(
                "<ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type><TTL>10</TTL>\
                 <ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>"
            )
        };
        let sets: String = sets.iter().map(set).collect();
        format!(
            "<ListResourceRecordSetsResponse xmlns=\"x\"><ResourceRecordSets>{sets}</ResourceRecordSets></ListResourceRecordSetsResponse>"
        )
    }

    #[test]
    fn the_record_is_found_by_name_and_type_among_those_that_follow_it() {
        let of = |sets: &[(&str, &str, &[&str])]| said(&list(sets), "active.z.example.com").unwrap();
        let other: (&str, &str, &[&str]) = ("z.z.example.com.", "TXT", &["us-east-1"]);
        assert_eq!(of(&[("active.z.example.com.", "TXT", &["us-west-2"]), other]).as_deref(), Some("us-west-2"));
        assert_eq!(of(&[("active.z.example.com.", "TXT", &["a", "b"])]).as_deref(), Some("a b"));
        assert_eq!(of(&[("active.z.example.com.", "A", &["x"]), other]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_three_operations_that_tandem_calls_have_their_names() {
        let of = |method, path| operation(&method, path);
        assert_eq!(of(Method::GET, "/2013-04-01/hostedzone/Z1/rrset"), "ListResourceRecordSets");
        assert_eq!(of(Method::POST, "/2013-04-01/hostedzone/Z1/rrset/"), "ChangeResourceRecordSets");
        assert_eq!(of(Method::GET, "/2013-04-01/change/C1"), "GetChange");
        assert_eq!(of(Method::POST, "/2013-04-01/hostedzone"), "POST hostedzone");
    }
}
