//! Where reference records are asked for: this Region's table, Tandem's own API, or another one.

use serde::Deserialize;

use super::definition::{Problem, problem};

/// Says in a definition: Tandem's own API of the Region that works on the batch. Its address differs from Region to Region.
const OWN: &str = "tandem";
const SECURE: &str = "https://";
const PLAIN: &str = "http://";
/// The one host that is spoken to without TLS: what is sent to it stays on the machine.
const THIS_MACHINE: &str = "127.0.0.1";

/// Where reference records are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordSource {
    /// The reference table.
    Table,
    /// Tandem's own lookup API of the Region, under the name of this dataset.
    OwnApi {
        /// Name of the dataset.
        dataset: String,
    },
    /// An API that answers as Tandem's own does.
    Api {
        /// Where keys are posted to, as it stands in the definition.
        url: String,
    },
}

impl RecordSource {
    /// What a call to it is named in errors and metrics.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Table => "dynamodb:BatchGetItem",
            Self::OwnApi { .. } | Self::Api { .. } => "execute-api:Invoke",
        }
    }
}

/// `lookup.source` of a definition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SourceKind {
    #[default]
    Table,
    Api,
}

/// The source that `lookup.source` and `lookup.api` say together.
pub(super) fn check(dataset: &str, kind: SourceKind, api: Option<&str>) -> Result<RecordSource, Problem> {
    match (kind, api) {
        (SourceKind::Table, None) => Ok(RecordSource::Table),
        (SourceKind::Table, Some(_)) => Err(wrong("is for \"source\": \"api\" only: add that, or leave it out")),
        (SourceKind::Api, Some(OWN)) => Ok(RecordSource::OwnApi { dataset: dataset.to_owned() }),
        (SourceKind::Api, Some(url)) => check_url(url).map(|()| RecordSource::Api { url: url.to_owned() }),
        (SourceKind::Api, None) => Err(wrong("say which: \"tandem\" for Tandem's own of each Region, or an https URL")),
    }
}

fn wrong(text: impl Into<String>) -> Problem {
    problem("lookup.api", text)
}

/// Takes only what means the same to everybody who reads it, and needs no encoding in a signature.
fn check_url(url: &str) -> Result<(), Problem> {
    let (rest, secure) = match (url.strip_prefix(SECURE), url.strip_prefix(PLAIN)) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => {
            return Err(wrong(format!("{url:?} is neither \"tandem\" nor a URL that begins with {SECURE}")));
        }
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    if !secure && host != THIS_MACHINE {
        return Err(wrong(format!(
            "{url:?} would send keys in the clear: use {SECURE} (plain http to {THIS_MACHINE} only)"
        )));
    }
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~');
    let plain = !host.is_empty() && host.bytes().all(is_host) && path.bytes().all(is_path);
    let walks = path.split('/').any(|segment| matches!(segment, "." | ".."));
    // A plus sign would be parsed, and be another host name in the signature.
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if !plain || walks || !is_port {
        let form = "https://host[:port]/path of ASCII letters, digits and \"/\", \".\", \"-\", \"_\", \"~\"";
        return Err(wrong(format!("{url:?} is not of the form {form}, without user, query or fragment")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_the_table_unless_an_api_is_named() {
        let of = |kind, api| check("loans", kind, api).ok();
        assert_eq!(of(SourceKind::Table, None), Some(RecordSource::Table));
        assert_eq!(of(SourceKind::Api, Some("tandem")), Some(RecordSource::OwnApi { dataset: "loans".to_owned() }));
        for url in ["https://api.example.com", "https://h:8443/v1/records/a-b_c~d.e", "http://127.0.0.1:8080/x"] {
            assert_eq!(of(SourceKind::Api, Some(url)), Some(RecordSource::Api { url: url.to_owned() }));
        }
    }

    #[test]
    fn an_address_that_is_unsafe_or_ambiguous_is_refused_with_what_to_write() {
        for (kind, api, expected) in [
            (SourceKind::Table, Some("tandem"), "is for \"source\": \"api\" only"),
            (SourceKind::Api, None, "say which"),
            (SourceKind::Api, Some(""), "neither \"tandem\" nor a URL"),
            (SourceKind::Api, Some("Tandem"), "neither \"tandem\" nor a URL"),
            (SourceKind::Api, Some("ftp://h/"), "neither \"tandem\" nor a URL"),
            (SourceKind::Api, Some("http://api.example.com/"), "in the clear"),
            (SourceKind::Api, Some("http://127.0.0.1.example.com/"), "in the clear"),
            (SourceKind::Api, Some("http://127.0.0.1@example.com/"), "in the clear"),
            (SourceKind::Api, Some("https://"), "is not of the form"),
            (SourceKind::Api, Some("https:///x"), "is not of the form"),
            (SourceKind::Api, Some("https://user@h/"), "is not of the form"),
            (SourceKind::Api, Some("https://user:1@h/"), "is not of the form"),
            (SourceKind::Api, Some("https://h:0/"), "is not of the form"),
            (SourceKind::Api, Some("https://h:70000/"), "is not of the form"),
            (SourceKind::Api, Some("https://h:+443/"), "is not of the form"),
            (SourceKind::Api, Some("https://h:/"), "is not of the form"),
            (SourceKind::Api, Some("https://h/a?b=c"), "is not of the form"),
            (SourceKind::Api, Some("https://h/a#b"), "is not of the form"),
            (SourceKind::Api, Some("https://h/a%20b"), "is not of the form"),
            (SourceKind::Api, Some("https://h/a b"), "is not of the form"),
            (SourceKind::Api, Some("https://h/a\r\nx: y"), "is not of the form"),
            (SourceKind::Api, Some("https://h/../x"), "is not of the form"),
            (SourceKind::Api, Some("https://bücher.example/"), "is not of the form"),
        ] {
            let refused = check("loans", kind, api).err().map(|problem| problem.to_string());
            assert!(refused.as_ref().is_some_and(|text| text.contains(expected)), "{api:?}: {refused:?}");
        }
    }
}
