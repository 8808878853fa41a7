//! Where an API is, and which Region a request to it is signed for.

/// In the host of an API of AWS.
const API_HOST: &str = ".execute-api.";

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) url: String,
    pub(super) region: String,
}

impl Address {
    /// An API at any URL. One of AWS says its Region in its host; any other is signed for the caller's.
    pub(super) fn of(url: &str, here: &str) -> Self {
        let named = host(url).split_once(API_HOST).and_then(|(_, rest)| rest.split('.').next());
        Self { url: url.to_owned(), region: named.unwrap_or(here).to_owned() }
    }
}

/// The URL at which an API of AWS is reached. An endpoint override names one host for every service, and stands for emulators:
/// there, an API's id is a part of the path.
pub(super) fn reachable(url: &str, endpoint: Option<&str>) -> String {
    let url = url.trim_end_matches('/');
    let Some((endpoint, (id, _))) = endpoint.zip(host(url).split_once(API_HOST)) else { return url.to_owned() };
    let stage = url.split('/').skip(3).collect::<Vec<_>>().join("/");
    format!("{}/_aws/execute-api/{id}/{stage}", endpoint.trim_end_matches('/'))
}

fn host(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://a1b2.execute-api.us-west-2.amazonaws.com/v1";

    #[test]
    fn a_request_is_signed_for_the_region_of_its_host_or_else_for_the_callers() {
        let region = |url: &str| Address::of(url, "us-east-1").region;
        assert_eq!(region(&format!("{OWN}/records/x")), "us-west-2");
        assert_eq!(region("https://api.example.com/records"), "us-east-1");
        assert_eq!(region("https://api.example.com/a.execute-api.eu-west-1.amazonaws.com"), "us-east-1");
    }

    #[test]
    fn an_endpoint_override_is_where_the_api_is_reached() {
        assert_eq!(reachable(OWN, None), OWN);
        assert_eq!(reachable(OWN, Some("http://127.0.0.1:4610/")), "http://127.0.0.1:4610/_aws/execute-api/a1b2/v1");
        assert_eq!(reachable("http://127.0.0.1:1/v1/", Some("http://127.0.0.1:2")), "http://127.0.0.1:1/v1");
    }
}
