//! The Multi-Region Access Point's name, and a way round the SDK's idea of where to send requests for it.
//!
//! Hosts that the SDK makes from an ARN or an account can't be overridden as a whole. Where there is an endpoint to use
//! instead (the local Regions' edge), [`Edge`] sends the signed request there and leaves host header, path and query as they
//! were signed.

use std::fmt;
use std::str::FromStr;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// ARN of a Multi-Region Access Point: `arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MrapArn(String);

impl MrapArn {
    /// The ARN as text; the SDK takes it where it expects a bucket.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The account that it belongs to.
    #[must_use]
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }
}

impl fmt::Display for MrapArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that names no Multi-Region Access Point, or no place to send its requests to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MrapError {
    /// Not the ARN of a Multi-Region Access Point.
    #[error("{0:?} is no ARN of a Multi-Region Access Point: expected arn:aws:s3::<account>:accesspoint/<alias>.mrap")]
    Arn(String),
    /// Not an endpoint.
    #[error("{0:?} is no endpoint: expected http://<host>:<port>")]
    Endpoint(String),
}

impl FromStr for MrapArn {
    type Err = MrapError;

    fn from_str(text: &str) -> Result<Self, MrapError> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, _partition, "s3", "", account, resource] = parts[..] else {
            return Err(MrapError::Arn(text.to_owned()));
        };
        let alias = resource.strip_prefix("accesspoint/").and_then(|name| name.strip_suffix(".mrap"));
        let named = alias.is_some_and(|alias| !alias.is_empty() && alias.bytes().all(|b| b.is_ascii_alphanumeric()));
        let owned = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if arn == "arn" && owned && named { Ok(Self(text.to_owned())) } else { Err(MrapError::Arn(text.to_owned())) }
    }
}

/// Where requests are sent instead of to AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge(String);

impl FromStr for Edge {
    type Err = MrapError;

    fn from_str(text: &str) -> Result<Self, MrapError> {
        let origin = text.strip_suffix('/').unwrap_or(text);
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        match authority {
            Some(authority) if !authority.is_empty() && !authority.contains(['/', '?', '#', ' ']) => {
                Ok(Self(origin.to_owned()))
            }
            _ => Err(MrapError::Endpoint(text.to_owned())),
        }
    }
}

/// A URI that leads through the edge, and the host it is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rerouted {
    /// The edge's scheme and authority, and the path and query as they were.
    pub uri: String,
    /// What the `Host` header must say: it is part of the signature.
    pub host: String,
}

impl Edge {
    /// Leads a URI through the edge; `None` for a URI without host.
    ///
    /// Works on the text: a URI type could normalise the path, and the path is the key.
    #[must_use]
    pub fn reroute(&self, uri: &str) -> Option<Rerouted> {
        let (_scheme, rest) = uri.split_once("://")?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let slash = if path.starts_with('/') { "" } else { "/" };
        (!host.is_empty()).then(|| Rerouted { uri: format!("{}{slash}{path}", self.0), host: host.to_owned() })
    }
}

impl Intercept for Edge {
    fn name(&self) -> &'static str {
        "SendThroughEdge"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let rerouted = self.reroute(request.uri()).ok_or("the signed request names no host")?;
        request.headers_mut().try_insert("host", rerouted.host)?;
        request.set_uri(rerouted.uri)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_the_arn_of_a_multi_region_access_point_is_accepted() {
        assert!("arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap".parse::<MrapArn>().is_ok());
        for other in [
            "",
            "tandem-dev-123456789012-us-east-1",
            "arn:aws:s3:us-east-1:123456789012:accesspoint/mfzwi23gnjvgw",
            "arn:aws:s3::123456789012:accesspoint/.mrap",
            "arn:aws:s3::123456789012:accesspoint/a/b.mrap",
            "arn:aws:s3::1234:accesspoint/mfzwi23gnjvgw.mrap",
        ] {
            assert_eq!(other.parse::<MrapArn>(), Err(MrapError::Arn(other.to_owned())));
        }
    }

    #[test]
    fn the_account_is_read_off_the_arn() {
        let arn: MrapArn = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap".parse().unwrap();
        assert_eq!(arn.account(), "123456789012");
    }

    #[test]
    fn the_edge_changes_scheme_and_authority_and_nothing_else() {
        let edge: Edge = "http://127.0.0.1:4566/".parse().unwrap();
        let rerouted = edge.reroute("https://a.mrap.example/input/../x%20%2B%25//?versionId=1&x=//").unwrap();
        assert_eq!(rerouted.uri, "http://127.0.0.1:4566/input/../x%20%2B%25//?versionId=1&x=//");
        assert_eq!(rerouted.host, "a.mrap.example");
        assert_eq!(edge.reroute("https://host?uploads").unwrap().uri, "http://127.0.0.1:4566/?uploads");
        assert_eq!(edge.reroute("/only/a/path"), None);
    }

    #[test]
    fn an_endpoint_with_a_path_is_no_edge() {
        for endpoint in ["127.0.0.1:4566", "http://", "http://host/path", "ftp://host"] {
            assert_eq!(endpoint.parse::<Edge>(), Err(MrapError::Endpoint(endpoint.to_owned())));
        }
    }
}
