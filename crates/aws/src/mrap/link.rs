//! Presigned links through the Multi-Region Access Point.
//!
//! Signing is offline. A link dies at its expiry or with the credentials that signed it, whichever comes first.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::presigning::PresigningConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tandem_core::ports::{Presign, ServiceError};
use tandem_core::text::is_deceptive;

use super::MrapArn;

/// Makes links that download an object version under a file name.
#[derive(Debug, Clone)]
pub struct MrapLinks {
    client: Client,
    arn: MrapArn,
    expiry: Duration,
}

impl MrapLinks {
    /// Links through `arn` that are valid for `expiry`; `client` is one made by [`super::client`].
    #[must_use]
    pub fn new(client: Client, arn: MrapArn, expiry: Duration) -> Self {
        Self { client, arn, expiry }
    }
}

impl Presign for MrapLinks {
    async fn presign(&self, key: &str, version_id: Option<&str>, file_name: &str) -> Result<String, ServiceError> {
        let config = PresigningConfig::expires_in(self.expiry).map_err(|error| refused(error.to_string()))?;
        let request = self
            .client
            .get_object()
            .bucket(self.arn.as_str())
            .key(key)
            .set_version_id(version_id.map(str::to_owned))
            .response_content_disposition(content_disposition(file_name));
        let signed = request.presigned(config).await;
        let signed = signed.map_err(|error| refused(DisplayErrorContext(error).to_string()))?;
        Ok(signed.uri().to_owned())
    }
}

/// Signing fails only for want of credentials or a Region, or for a wrong expiry.
fn refused(message: String) -> ServiceError {
    ServiceError::Refused { operation: "presigning s3:GetObject", message }
}

/// What RFC 5987 lets stand unescaped in an extended value, apart from letters and digits.
const EXTENDED_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The `Content-Disposition` that saves a download under `file_name` (RFC 6266).
///
/// Control characters, marks that turn the reading direction and path separators become `_`. A name that a quoted string cannot hold safely is given twice:
/// simplified for old clients, and in full as `filename*`.
#[must_use]
pub fn content_disposition(file_name: &str) -> String {
    let safe = |c: char| if is_deceptive(c) || matches!(c, '/' | '\\') { '_' } else { c };
    let name: String = file_name.chars().map(safe).collect();
    let plain = |c: char| if c.is_ascii() && !matches!(c, '"' | '%') { c } else { '_' };
    let simple: String = name.chars().map(plain).collect();
    if simple == name {
        return format!("attachment; filename=\"{simple}\"");
    }
    let full = utf8_percent_encode(&name, EXTENDED_VALUE);
    format!("attachment; filename=\"{simple}\"; filename*=UTF-8''{full}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;

    /// A configuration as it is while `AWS_ENDPOINT_URL` points at the local Regions.
    fn local_config() -> SdkConfig {
        let credentials = Credentials::new("123456789012", "local", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-west-2"))
            .endpoint_url("http://127.0.0.1:4566")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    fn links(expiry: Duration) -> MrapLinks {
        let arn = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap".parse().unwrap();
        MrapLinks::new(crate::mrap::client(&local_config(), None), arn, expiry)
    }

    #[tokio::test]
    async fn a_link_leads_to_the_global_host_whatever_the_endpoint_override_says() {
        let link = links(Duration::from_secs(900)).presign("output/1/output.csv", Some("v1"), "a.csv").await.unwrap();
        let start = "https://mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com/output/1/output.csv?";
        assert!(link.starts_with(start), "{link}");
        assert!(link.contains("X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256"), "{link}");
        assert!(link.contains("X-Amz-Region-Set=%2A"), "{link}");
        assert!(link.contains("X-Amz-Expires=900"), "{link}");
        assert!(link.contains("versionId=v1"), "{link}");
        assert!(link.contains("response-content-disposition=attachment%3B%20filename%3D%22a.csv%22"), "{link}");
    }

    #[tokio::test]
    async fn a_links_path_is_the_key_percent_encoded_and_not_normalised() {
        let link = links(Duration::from_secs(60)).presign("input/../a b+%2F€//x.csv", None, "x.csv").await.unwrap();
        let path = link.split_once(".com/").unwrap().1.split_once('?').unwrap().0;
        assert_eq!(path, "input/../a%20b%2B%252F%E2%82%AC//x.csv");
    }

    #[tokio::test]
    async fn an_expiry_beyond_a_week_is_refused() {
        let result = links(Duration::from_secs(8 * 24 * 3600)).presign("k", None, "k").await;
        assert!(matches!(result, Err(ServiceError::Refused { .. })), "{result:?}");
    }

    #[test]
    fn a_plain_name_is_given_once() {
        assert_eq!(content_disposition("orders 1.csv"), r#"attachment; filename="orders 1.csv""#);
    }

    #[test]
    fn a_name_beyond_ascii_is_given_simplified_and_in_full() {
        assert_eq!(
            content_disposition("Größe €.csv"),
            "attachment; filename=\"Gr__e _.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%E2%82%AC.csv"
        );
        assert_eq!(
            content_disposition("100% \"x\".csv"),
            "attachment; filename=\"100_ _x_.csv\"; filename*=UTF-8''100%25%20%22x%22.csv"
        );
    }

    #[test]
    fn a_name_can_neither_end_the_header_nor_leave_the_folder() {
        assert_eq!(content_disposition("a\r\nX: y/..\\z"), r#"attachment; filename="a__X: y_.._z""#);
        assert_eq!(content_disposition("a\u{202e}vsc.exe"), r#"attachment; filename="a_vsc.exe""#);
    }
}
