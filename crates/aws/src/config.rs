//! Configuration from the environment, and what every SDK client shares.

use std::str::FromStr;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

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

/// The Region this process runs in.
///
/// # Errors
/// [`ConfigError::Missing`] when `AWS_REGION` is not set.
pub fn region() -> Result<String, ConfigError> {
    required("AWS_REGION")
}

/// An HTTP client on rustls with ring: builds in seconds and is small, where the default provider needs a C tool chain.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
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
