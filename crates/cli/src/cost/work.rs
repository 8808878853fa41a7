//! What a batch's functions say that they did: their lines of metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_aws::executions::Billed;

/// Memory of a function that does not say how much it has: what sam/batch.yaml gives each.
const MEMORY_MB: u64 = 256;
/// What CloudWatch adds to the bytes of each line.
const LINE_OVERHEAD: u64 = 26;
/// What Lambda itself writes about each invocation, as JSON: a start, a report.
const PLATFORM_BYTES: u64 = 900;

/// One invocation's line of metrics.
#[derive(Debug, Clone, Deserialize)]
pub struct Invocation {
    /// The function.
    pub function: String,
    /// Its Region.
    pub region: String,
    #[serde(default)]
    batch_id: String,
    #[serde(default)]
    attempt: u64,
    chunk: Option<u64>,
    /// Calls of services, by service and operation.
    pub calls: BTreeMap<String, u64>,
    /// DynamoDB's read units.
    #[serde(default)]
    pub read_units: f64,
    /// DynamoDB's write units, in one Region.
    #[serde(default)]
    pub write_units: f64,
    /// Milliseconds that are billed.
    pub billed_ms: u64,
    memory_mb: Option<u64>,
    #[serde(default)]
    peak_memory_bytes: u64,
    #[serde(default, rename = "Seconds")]
    seconds: f64,
    #[serde(default, rename = "ChunkBytesOut")]
    chunk_bytes_out: f64,
    #[serde(default, rename = "MergedBytes")]
    merged_bytes: f64,
}

impl Invocation {
    fn gb_seconds(&self) -> f64 {
        let memory = self.memory_mb.unwrap_or(MEMORY_MB);
        (self.billed_ms * memory) as f64 / 1000.0 / 1024.0
    }
}

/// All invocations of one function.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FunctionUse {
    /// The function.
    pub function: String,
    /// How often it was invoked.
    pub invocations: u64,
    /// Milliseconds that are billed.
    pub billed_ms: u64,
    /// The same by the memory that it has.
    pub gb_seconds: f64,
    /// The most memory that one of its processes has had so far.
    pub peak_memory_bytes: u64,
}

/// Everything that is known of the work on one batch.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Its functions' invocations.
    pub invocations: Vec<Invocation>,
    /// Bytes of its lines in the logs.
    pub log_bytes: u64,
    /// Its executions.
    pub executions: Vec<Billed>,
    /// What could not be read, for a person.
    pub missing: Vec<String>,
}

impl Work {
    /// Takes in lines of a log that may concern the batch.
    pub fn read(&mut self, batch_id: &str, lines: &[String]) {
        for line in lines {
            self.log_bytes += line.len() as u64 + LINE_OVERHEAD;
            // A line that says nothing of calls is an ordinary one.
            if let Ok(invocation) = serde_json::from_str::<Invocation>(line)
                && invocation.batch_id == batch_id
            {
                self.log_bytes += PLATFORM_BYTES;
                self.invocations.push(invocation);
            }
        }
    }

    /// Calls of all functions together.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for (call, count) in self.invocations.iter().flat_map(|invocation| &invocation.calls) {
            *calls.entry(call.clone()).or_default() += count;
        }
        calls
    }

    /// The functions that worked, by name.
    pub fn functions(&self) -> Vec<FunctionUse> {
        let mut functions: BTreeMap<&str, FunctionUse> = BTreeMap::new();
        for invocation in &self.invocations {
            let entry = functions.entry(&invocation.function).or_default();
            entry.function.clone_from(&invocation.function);
            entry.invocations += 1;
            entry.billed_ms += invocation.billed_ms;
            entry.gb_seconds += invocation.gb_seconds();
            entry.peak_memory_bytes = entry.peak_memory_bytes.max(invocation.peak_memory_bytes);
        }
        functions.into_values().collect()
    }

    /// Bytes of parts and results that were written, and so are replicated.
    pub fn bytes_written(&self) -> f64 {
        self.invocations.iter().map(|invocation| invocation.chunk_bytes_out + invocation.merged_bytes).sum()
    }

    /// Bytes of the results alone.
    pub fn bytes_merged(&self) -> f64 {
        self.invocations.iter().map(|invocation| invocation.merged_bytes).fold(0.0, f64::max)
    }

    /// Seconds of the express children: no interface tells how long each took, so it is the time that its functions say they
    /// took, each child rounded up to 100 ms as it is billed.
    pub fn express_seconds(&self) -> f64 {
        let mut children: BTreeMap<(&str, u64, u64), f64> = BTreeMap::new();
        for invocation in &self.invocations {
            if let Some(chunk) = invocation.chunk {
                *children.entry((&invocation.region, invocation.attempt, chunk)).or_default() += invocation.seconds;
            }
        }
        children.values().map(|seconds| (seconds * 10.0).ceil() / 10.0).sum()
    }
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::float_cmp)]

    use super::*;

    /// A line as `validate` prints it.
    pub fn line(function: &str, chunk: Option<u64>, calls: &str) -> String {
        let chunk = chunk.map_or_else(String::new, |chunk| format!("\"chunk\":{chunk},"));
        format!(
            "{{\"function\":\"{function}\",\"region\":\"us-east-1\",\"batch_id\":\"b\",\"attempt\":1,{chunk}\"calls\":{{{calls}}},\
             \"read_units\":0.5,\"write_units\":2.0,\"billed_ms\":500,\"memory_mb\":512,\"peak_memory_bytes\":7,\
             \"Seconds\":0.46,\"ChunkBytesOut\":10.0,\"_aws\":{{}}}}"
        )
    }

    #[test]
    fn a_line_of_metrics_is_an_invocation_and_any_other_only_bytes() {
        let mut work = Work::default();
        let lines = [line("validate", Some(1), "\"s3:GetObject\":2"), String::from("{\"message\":\"done b\"}")];
        work.read("b", &lines);
        work.read("another", &[line("validate", Some(1), "")]);
        assert_eq!(work.invocations.len(), 1);
        assert_eq!(work.calls(), BTreeMap::from([("s3:GetObject".to_owned(), 2)]));
        assert!(work.log_bytes > PLATFORM_BYTES);
    }

    #[test]
    fn functions_are_added_up_and_their_peak_is_the_largest() {
        let mut work = Work::default();
        work.read("b", &[line("validate", Some(1), ""), line("validate", Some(2), ""), line("merge", None, "")]);
        let functions = work.functions();
        let validate = &functions[1];
        assert_eq!((functions.len(), validate.invocations, validate.billed_ms), (2, 2, 1_000));
        assert_eq!((validate.gb_seconds, validate.peak_memory_bytes), (0.5, 7));
    }

    #[test]
    fn the_functions_of_one_child_are_billed_as_one_duration() {
        let mut work = Work::default();
        work.read("b", &[line("validate", Some(1), ""), line("enrich", Some(1), ""), line("validate", Some(2), "")]);
        assert_eq!(work.express_seconds(), 1.0 + 0.5);
    }
}
