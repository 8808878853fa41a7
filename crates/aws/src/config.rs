//! Configuration from the environment, and what every SDK client shares.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tandem_core::ownership::Limits;
use tandem_core::regions::{Regions, RegionsError};

/// Calls are tried this often before they are reported as failed; Step Functions retries above that.
const ATTEMPTS: u32 = 4;

/// A configuration that does not allow to start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable is not set.
    #[error("the environment variable {0} is not set: the template must give it to this function")]
    Missing(&'static str),
    /// A variable has a value that cannot be used.
    #[error("the environment variable {name} is {value:?}: expected {expected}")]
    Invalid {
        /// Name of the variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The Regions do not fit together.
    #[error(transparent)]
    Regions(#[from] RegionsError),
    /// The dataset definitions cannot be read.
    #[error("the dataset definitions in {directory} cannot be used: {message}")]
    Datasets {
        /// Where they were looked for.
        directory: String,
        /// What is wrong.
        message: String,
    },
}

/// The value of a variable that must be set.
///
/// # Errors
/// [`ConfigError::Missing`] when it is not set or empty.
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    optional(name).ok_or(ConfigError::Missing(name))
}

/// The value of a variable, if it is set and not empty.
#[must_use]
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of a variable that must be set and of a certain type.
///
/// # Errors
/// [`ConfigError`] when it is not set or does not parse.
pub fn parsed<T: FromStr>(name: &'static str, expected: &'static str) -> Result<T, ConfigError> {
    let value = required(name)?;
    value.parse().map_err(|_| ConfigError::Invalid { name, value, expected })
}

/// The value of a variable that must be set and holds `name=value` pairs, separated by commas.
///
/// # Errors
/// [`ConfigError`] when it is not set, when a pair has no name or occurs twice, or when a value is not valid.
pub fn pairs(
    name: &'static str,
    is_valid: fn(&str) -> bool,
    expected: &'static str,
) -> Result<Vec<(String, String)>, ConfigError> {
    let value = required(name)?;
    split_pairs(&value, is_valid).ok_or(ConfigError::Invalid { name, value, expected })
}

fn split_pairs(text: &str, is_valid: fn(&str) -> bool) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in text.split(',') {
        let (key, value) = pair.trim().split_once('=')?;
        if key.is_empty() || !is_valid(value) || pairs.iter().any(|(known, _)| known == key) {
            return None;
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    Some(pairs)
}

/// The Region this process runs in.
///
/// # Errors
/// [`ConfigError::Missing`] when `AWS_REGION` is not set.
pub fn region() -> Result<String, ConfigError> {
    required("AWS_REGION")
}

/// The two Regions, seen from the one this process runs in.
///
/// # Errors
/// [`ConfigError`] when a variable is missing, or they do not fit together.
pub fn regions() -> Result<Regions, ConfigError> {
    let (here, bucket) = (region()?, required("TANDEM_BUCKET")?);
    let (primary, standby) = (required("TANDEM_PRIMARY_REGION")?, required("TANDEM_STANDBY_REGION")?);
    Regions::new(&here, &bucket, &primary, &standby).map_err(ConfigError::Regions)
}

/// What bounds taking over.
///
/// # Errors
/// [`ConfigError`] when a variable is missing or no number.
pub fn limits() -> Result<Limits, ConfigError> {
    let max_attempts: NonZeroU32 = parsed("TANDEM_MAX_ATTEMPTS", "a number of attempts above 0")?;
    Ok(Limits {
        max_attempts: max_attempts.get(),
        grace: Duration::from_secs(parsed("TANDEM_TAKEOVER_GRACE_SECONDS", "a number of seconds")?),
        pause: Duration::from_secs(parsed("TANDEM_ATTEMPT_PAUSE_SECONDS", "a number of seconds")?),
    })
}

/// An HTTP client on rustls with ring: builds in seconds and is small, where the default provider needs a C tool chain.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    SharedHttpClient::new(LazyClient(OnceLock::new()))
}

/// Made when the first request leaves. Otherwise each SDK client would, when it is made, read the system's certificates and
/// put a TLS configuration together: most of a function's start, and for nothing where another client is used.
#[derive(Debug)]
struct LazyClient(OnceLock<SharedHttpClient>);

impl HttpClient for LazyClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let tls = Provider::Rustls(CryptoMode::Ring);
        let made = || aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
        self.0.get_or_init(made).http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

/// What every client is made from: credentials, Region and endpoint from the environment, bounded retries and time-outs.
pub async fn sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(3))
                // Shorter than any function's own limit, so that a service that hangs is an error with a name.
                .read_timeout(Duration::from_secs(5))
                .operation_timeout(Duration::from_secs(20))
                .build(),
        )
        .load()
        .await
}

/// The same, for one of several endpoints any of which suffices: tried once and briefly, because the next endpoint is the
/// better second try.
#[must_use]
pub fn one_of_several(config: &SdkConfig, region: String) -> SdkConfig {
    let patience = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(4))
        .operation_timeout(Duration::from_secs(4))
        .build();
    let builder = config.to_builder().region(Region::new(region));
    builder.retry_config(RetryConfig::disabled()).timeout_config(patience).build()
}

/// The same, for a Region that is looked at from outside: one that is away is to be named soon, and one call that is lost is no
/// reason to name it.
#[must_use]
pub fn observed(config: &SdkConfig, region: &str) -> SdkConfig {
    let patience = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .read_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(20))
        .build();
    let builder = config.to_builder().region(Region::new(region.to_owned()));
    builder.retry_config(RetryConfig::standard().with_max_attempts(2)).timeout_config(patience).build()
}

#[cfg(test)]
mod tests {
    use super::split_pairs;

    #[test]
    fn pairs_are_split_at_the_first_equals_sign_and_keep_their_order() {
        let pairs = split_pairs("b=https://h/?x=1, a=2", |_| true);
        let expected = [("b", "https://h/?x=1"), ("a", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(pairs, Some(expected.to_vec()));
    }

    #[test]
    fn a_pair_without_a_name_or_twice_or_with_a_bad_value_is_refused() {
        for text in ["", "a", "=1", "a=1,", "a=1,a=2", "a=1,b=x"] {
            assert_eq!(split_pairs(text, |value| value.bytes().all(|byte| byte.is_ascii_digit())), None, "{text:?}");
        }
    }
}
