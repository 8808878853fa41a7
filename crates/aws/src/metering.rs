//! What an invocation used: every attempt at a call of a service, counted as it leaves, and the tables' units.
//!
//! A function serves one invocation at a time, so there is one meter for the process: `lambda::invoke` empties it when an
//! invocation begins, and again into the invocation's line of metrics when it ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The process's meter.
static METER: Meter = Meter::new();

/// What was used since the meter was last emptied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Used {
    /// Attempts at calls, by service and operation: `s3:GetObject`.
    pub calls: BTreeMap<String, u64>,
    /// DynamoDB's units for reads.
    pub read_units: f64,
    /// DynamoDB's units for writes, in one Region.
    pub write_units: f64,
}

/// Adds up what is used.
#[derive(Debug)]
pub struct Meter(Mutex<Used>);

impl Meter {
    /// A meter that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Used { calls: BTreeMap::new(), read_units: 0.0, write_units: 0.0 }))
    }

    fn change(&self, change: impl FnOnce(&mut Used)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts an attempt at a call.
    pub fn call(&self, service: &str, operation: &str) {
        self.change(|used| *used.calls.entry(format!("{service}:{operation}")).or_default() += 1);
    }

    /// Adds units of a read; a service that says nothing of them has used `otherwise`.
    pub fn read(&self, units: Option<f64>, otherwise: f64) {
        self.change(|used| used.read_units += units.unwrap_or(otherwise));
    }

    /// Adds units of a write; a service that says nothing of them has used `otherwise`.
    pub fn wrote(&self, units: Option<f64>, otherwise: f64) {
        self.change(|used| used.write_units += units.unwrap_or(otherwise));
    }

    /// What was used so far; from now on it counts from nothing.
    #[must_use]
    pub fn take(&self) -> Used {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

/// The process's meter.
#[must_use]
pub fn meter() -> &'static Meter {
    &METER
}

/// Counts each attempt that leaves, retries too; every adapter gives it to its client.
#[derive(Debug, Clone, Copy)]
pub struct Metered(&'static Meter);

impl Metered {
    /// Counts into the process's meter.
    #[must_use]
    pub fn new() -> Self {
        Self(&METER)
    }

    /// Counts into another meter.
    #[must_use]
    pub const fn into_meter(meter: &'static Meter) -> Self {
        Self(meter)
    }
}

impl Default for Metered {
    fn default() -> Self {
        Self::new()
    }
}

impl Intercept for Metered {
    fn name(&self) -> &'static str {
        "Metered"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(operation) = config.load::<Metadata>() {
            self.0.call(service(operation.service()), operation.name());
        }
        Ok(())
    }
}

/// A service's name as IAM and a signature's scope have it, from the one that the SDK gives it.
fn service(name: &str) -> &str {
    match name {
        "S3" | "S3 Control" => "s3",
        "DynamoDB" => "dynamodb",
        "SFN" => "states",
        "SESv2" => "ses",
        "SQS" => "sqs",
        "Lambda" => "lambda",
        "CloudWatch Logs" => "logs",
        "Route53 Recovery Cluster" => "route53-recovery-cluster",
        other => other,
    }
}

/// The most memory that the process has had resident so far, where the system says so.
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    peak_of(&status)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]

    use super::*;

    #[test]
    fn what_is_taken_is_counted_from_nothing_again() {
        let meter = Meter::new();
        meter.call("s3", "GetObject");
        meter.call("s3", "GetObject");
        meter.wrote(Some(2.0), 1.0);
        meter.wrote(None, 1.0);
        meter.read(None, 0.5);
        let used = meter.take();
        assert_eq!(used.calls, BTreeMap::from([("s3:GetObject".to_owned(), 2)]));
        assert_eq!((used.read_units, used.write_units), (0.5, 3.0));
        assert_eq!(meter.take(), Used::default());
    }

    #[test]
    fn services_have_the_names_that_a_signature_gives_them() {
        assert_eq!(["SFN", "SESv2", "S3 Control", "New"].map(service), ["states", "ses", "s3", "New"]);
    }

    #[test]
    fn the_peak_is_read_from_what_the_system_says() {
        assert_eq!(peak_of("VmPeak:\t 9 kB\nVmHWM:\t   1234 kB\nVmRSS: 1 kB\n"), Some(1234 * 1024));
        assert_eq!(peak_of("VmPeak:\t 9 kB\n"), None);
    }

    #[cfg(feature = "s3")]
    mod sent {
        #![allow(clippy::unwrap_used)]

        use aws_credential_types::Credentials;
        use aws_sdk_s3::config::retry::RetryConfig;
        use aws_sdk_s3::config::{BehaviorVersion, Region};
        use aws_smithy_runtime_api::client::http::{
            HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
        };
        use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
        use aws_smithy_types::body::SdkBody;

        use super::*;

        static SEEN: Meter = Meter::new();

        /// A service that is always busy.
        #[derive(Debug)]
        struct Busy;

        impl HttpConnector for Busy {
            fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
                HttpConnectorFuture::ready(Ok(HttpResponse::new(503.try_into().unwrap(), SdkBody::empty())))
            }
        }

        #[tokio::test]
        async fn every_attempt_at_a_call_is_counted_under_its_operation() {
            let retries =
                RetryConfig::standard().with_max_attempts(3).with_initial_backoff(std::time::Duration::from_millis(1));
            let config = aws_sdk_s3::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("123456789012", "local", None, None, "test"))
                .retry_config(retries)
                .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Busy)))
                .interceptor(Metered::into_meter(&SEEN))
                .build();
            let client = aws_sdk_s3::Client::from_conf(config);
            assert!(client.head_object().bucket("b").key("k").send().await.is_err());
            assert_eq!(SEEN.take().calls, BTreeMap::from([("s3:HeadObject".to_owned(), 3)]));
        }
    }
}
