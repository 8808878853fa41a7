//! Logs as JSON lines, metrics in CloudWatch's embedded format; both on standard output, where Lambda picks them up.
//!
//! Neither ever holds a row's content or a link.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::optional;
use crate::metering::{Used, peak_memory_bytes};

/// Namespace of all metrics, where nothing else is said: of a function that is run by hand, or by an older template.
const NAMESPACE: &str = "Tandem";

/// The variable that says another: the templates give each environment one of its own, or the alarms of two in one account and
/// Region would see each other's metrics.
const NAMESPACE_SAID: &str = "TANDEM_METRICS_NAMESPACE";

/// Sets up JSON logs, at the level in `TANDEM_LOG` or `info`. Every line repeats the fields of the unit of work it belongs to.
pub fn init() {
    // The runtime's own lines stand outside every unit of work and repeat what `lambda::invoke` says within it.
    let filter = EnvFilter::try_from_env("TANDEM_LOG").unwrap_or_else(|_| EnvFilter::new("info,lambda_runtime=off"));
    subscriber(filter, std::io::stdout).init();
}

/// JSON lines to a writer.
pub(crate) fn subscriber<W>(filter: EnvFilter, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

/// Unit of a metric, as CloudWatch names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Seconds => "Seconds",
        }
    }
}

/// Metrics of one unit of work: dimensions are function, Region and outcome; what identifies it is a property.
#[derive(Debug)]
pub struct Metrics {
    namespace: String,
    function: &'static str,
    region: String,
    started: Instant,
    values: Vec<(&'static str, Unit, f64)>,
    properties: Map<String, Value>,
}

impl Metrics {
    /// Metrics of a unit of work that begins now.
    #[must_use]
    pub fn begin(function: &'static str, region: &str) -> Self {
        Self {
            namespace: optional(NAMESPACE_SAID).unwrap_or_else(|| NAMESPACE.to_owned()),
            function,
            region: region.to_owned(),
            started: Instant::now(),
            values: Vec::new(),
            properties: Map::new(),
        }
    }

    /// Counts things.
    #[expect(clippy::cast_precision_loss, reason = "a metric is a double by its format")]
    pub fn count(&mut self, name: &'static str, things: u64) {
        self.add(name, Unit::Count, things as f64);
    }

    /// Counts what comes in halves, such as read units.
    pub fn amount(&mut self, name: &'static str, amount: f64) {
        self.add(name, Unit::Count, amount);
    }

    /// Counts bytes.
    #[expect(clippy::cast_precision_loss, reason = "a metric is a double by its format")]
    pub fn bytes(&mut self, name: &'static str, bytes: u64) {
        self.add(name, Unit::Bytes, bytes as f64);
    }

    /// Notes a duration.
    pub fn seconds(&mut self, name: &'static str, seconds: f64) {
        self.add(name, Unit::Seconds, seconds);
    }

    /// Adds to what was noted under this name before: a unit of work has one value of each metric.
    fn add(&mut self, name: &'static str, unit: Unit, value: f64) {
        match self.values.iter_mut().find(|(known, ..)| *known == name) {
            Some((.., sum)) => *sum += value,
            None => self.values.push((name, unit, value)),
        }
    }

    /// Says what the unit of work was about. Ids are properties, never dimensions: each new dimension value is a new metric.
    pub fn property(&mut self, name: &str, value: impl Into<Value>) {
        self.properties.insert(name.to_owned(), value.into());
    }

    /// The value of a metric, for tests.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(known, ..)| *known == name).map(|(.., value)| *value)
    }

    /// Says what the unit of work used and what it is billed by. Properties, not metrics: they are for one invocation's cost.
    fn used(&mut self, used: &Used, took: Duration) {
        // The lookups' units come from what the domain reports, as a metric; a function notes them nowhere else.
        let lookups = self.value("ReadUnits").unwrap_or_default();
        self.property("calls", json!(used.calls));
        self.property("read_units", used.read_units + lookups);
        self.property("write_units", used.write_units);
        self.property("billed_ms", billed_ms(took));
        if let Some(megabytes) = optional("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|text| text.parse::<u64>().ok()) {
            self.property("memory_mb", megabytes);
        }
        if let Some(bytes) = peak_memory_bytes() {
            self.property("peak_memory_bytes", bytes);
        }
    }

    /// Ends the unit of work and prints its metrics, and what it used, as one line.
    pub fn emit(mut self, outcome: &str, used: &Used) {
        let took = self.started.elapsed();
        self.seconds("Seconds", took.as_secs_f64());
        self.used(used, took);
        self.print(outcome);
    }

    /// Prints metrics that are of something else than the invocation: without its time, and without what it used.
    pub fn print(&self, outcome: &str) {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        println!("{}", self.document(outcome, u64::try_from(timestamp).unwrap_or(u64::MAX)));
    }

    /// The metrics as an embedded-format document, at a time in milliseconds.
    #[must_use]
    pub fn document(&self, outcome: &str, timestamp: u64) -> Value {
        let definitions: Vec<Value> =
            self.values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit.as_str()})).collect();
        let mut document = self.properties.clone();
        document.insert(String::from("function"), self.function.into());
        document.insert(String::from("region"), self.region.clone().into());
        document.insert(String::from("outcome"), outcome.into());
        for (name, _, value) in &self.values {
            document.insert((*name).to_owned(), (*value).into());
        }
        document.insert(
            String::from("_aws"),
            json!({
                "Timestamp": timestamp,
                "CloudWatchMetrics": [{
                    "Namespace": self.namespace,
                    "Dimensions": [["function", "region"], ["function", "region", "outcome"]],
                    "Metrics": definitions,
                }],
            }),
        );
        Value::Object(document)
    }
}

/// A duration as Lambda bills it: each millisecond that was begun.
fn billed_ms(took: Duration) -> u64 {
    u64::try_from(took.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_each_metric_with_its_unit_and_value() {
        let mut metrics = Metrics::begin("merge", "us-east-1");
        metrics.count("RowsIn", 7);
        metrics.bytes("BytesOut", 9);
        metrics.property("batch_id", "b");
        let document = metrics.document("ok", 5);
        assert_eq!(document["RowsIn"], 7.0);
        assert_eq!(document["batch_id"], "b");
        assert_eq!(document["outcome"], "ok");
        assert_eq!(document["_aws"]["Timestamp"], 5);
        let definitions = &document["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(definitions[0], json!({"Name": "RowsIn", "Unit": "Count"}));
        assert_eq!(definitions[1], json!({"Name": "BytesOut", "Unit": "Bytes"}));
    }

    #[test]
    fn metrics_are_printed_in_the_namespace_that_was_said_or_else_in_a_common_one() {
        let mut metrics = Metrics::begin("merge", "us-east-1");
        let namespace =
            |metrics: &Metrics| metrics.document("ok", 0)["_aws"]["CloudWatchMetrics"][0]["Namespace"].clone();
        assert_eq!(namespace(&metrics), "Tandem");
        metrics.namespace = String::from("Tandem/dev");
        assert_eq!(namespace(&metrics), "Tandem/dev");
    }

    #[test]
    fn what_is_counted_twice_is_added_up() {
        let mut metrics = Metrics::begin("intake", "us-east-1");
        metrics.count("BatchesClaimed", 1);
        metrics.count("BatchesClaimed", 2);
        let document = metrics.document("ok", 0);
        assert_eq!(document["BatchesClaimed"], 3.0);
        assert_eq!(document["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn an_id_is_never_a_dimension() {
        let mut metrics = Metrics::begin("merge", "us-east-1");
        metrics.property("batch_id", "b");
        let dimensions = metrics.document("ok", 0)["_aws"]["CloudWatchMetrics"][0]["Dimensions"].to_string();
        assert!(!dimensions.contains("batch_id"));
    }

    #[test]
    fn what_was_used_is_said_beside_the_metrics_and_never_as_one() {
        let mut metrics = Metrics::begin("enrich", "us-east-1");
        metrics.count("ReadUnits", 2);
        let used = Used { calls: [("s3:GetObject".to_owned(), 3)].into(), read_units: 1.0, write_units: 4.0 };
        metrics.used(&used, Duration::from_micros(1_200));
        let document = metrics.document("ok", 0);
        assert_eq!(document["calls"], json!({"s3:GetObject": 3}));
        assert_eq!((&document["read_units"], &document["write_units"]), (&json!(3.0), &json!(4.0)));
        assert_eq!(document["billed_ms"], 2);
        assert!(document["peak_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
        assert_eq!(document["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_millisecond_that_was_begun_is_billed() {
        let billed = [0, 1, 1_000_000, 1_000_001].map(|nanos| billed_ms(Duration::from_nanos(nanos)));
        assert_eq!(billed, [0, 1, 1, 2]);
    }
}
