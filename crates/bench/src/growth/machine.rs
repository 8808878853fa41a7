//! What the local Regions' processes have used: the emulator's processor time beside the functions', so that its share in what is
//! measured can be named.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

/// Processor time that one tick of `/proc/<pid>/stat` stands for, on every Linux that Rust supports.
const TICK: f64 = 0.01;

/// The local Regions, as they have written themselves down.
pub struct Machine {
    edge: u64,
    emulator: u64,
    endpoint: String,
}

/// Processor seconds so far, and seconds spent in calls.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Used {
    /// Processor seconds of the emulator: Step Functions, Lambda's interface, S3, DynamoDB.
    pub emulator: f64,
    /// Processor seconds of the edge.
    pub edge: f64,
    /// Processor seconds of each function's processes that still run.
    pub functions: BTreeMap<String, f64>,
    /// Seconds in which calls waited for the emulator's answer, by service and operation, added up over calls at the same time.
    pub waited: BTreeMap<String, f64>,
}

impl Machine {
    /// The local Regions of a project.
    ///
    /// # Errors
    /// They do not run.
    pub fn of(project: &Path) -> anyhow::Result<Self> {
        let path = project.join(".tandem").join("local.json");
        let text = fs::read(&path).with_context(|| format!("no local Regions run: there is no {}", path.display()))?;
        let state: Value = serde_json::from_slice(&text)?;
        let id = |name: &str| state[name]["pid"].as_u64().with_context(|| format!("local.json names no {name}"));
        let endpoint = state["endpoint"].as_str().unwrap_or_default().trim_start_matches("http://").to_owned();
        Ok(Self { edge: id("edge")?, emulator: id("emulator")?, endpoint })
    }

    /// What has been used so far.
    ///
    /// # Errors
    /// The Regions do not run any more.
    pub fn now(&self) -> anyhow::Result<Used> {
        let mut functions = BTreeMap::new();
        for (name, seconds) in self.functions() {
            *functions.entry(name).or_default() += seconds;
        }
        Ok(Used {
            emulator: processor_seconds(&process(self.emulator)).context("the emulator has ended")?,
            edge: processor_seconds(&process(self.edge)).context("the edge has ended")?,
            functions,
            waited: self.waited()?,
        })
    }

    /// Each process of a function of these Regions: its name, and its processor seconds.
    fn functions(&self) -> impl Iterator<Item = (String, f64)> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes.filter_map(|process| self.function(&process.path()))
    }

    fn function(&self, process: &Path) -> Option<(String, f64)> {
        let environment = fs::read(process.join("environ")).ok()?;
        let environment = String::from_utf8_lossy(&environment);
        let value = |name: &str| environment.split('\0').find_map(|pair| pair.strip_prefix(name));
        value("AWS_ENDPOINT_URL=").filter(|url| url.ends_with(&self.endpoint))?;
        Some((value("AWS_LAMBDA_FUNCTION_NAME=")?.to_owned(), processor_seconds(process)?))
    }

    /// The edge's counts. One plain request needs no library.
    fn waited(&self) -> anyhow::Result<BTreeMap<String, f64>> {
        let mut stream = TcpStream::connect(&self.endpoint).context("the edge does not answer")?;
        write!(stream, "GET /_tandem/counts HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.endpoint)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).context("the edge gave no answer")?;
        let counts: Vec<Value> = serde_json::from_str(body).context("the edge's counts are not of their form")?;
        let mut waited = BTreeMap::new();
        for count in &counts {
            let text = |field: &str| count[field].as_str().unwrap_or_default().to_owned();
            let call = format!("{}:{}", text("service"), text("operation"));
            *waited.entry(call).or_default() += count["seconds"].as_f64().unwrap_or_default();
        }
        Ok(waited)
    }
}

impl Used {
    /// What was used since an earlier moment.
    pub fn since(&self, before: &Self) -> Self {
        let less = |now: &BTreeMap<String, f64>, before: &BTreeMap<String, f64>| {
            let used = |(name, value): (&String, &f64)| (name.clone(), value - before.get(name).unwrap_or(&0.0));
            now.iter().map(used).filter(|(_, used)| *used > 0.0).collect()
        };
        Self {
            emulator: self.emulator - before.emulator,
            edge: self.edge - before.edge,
            functions: less(&self.functions, &before.functions),
            waited: less(&self.waited, &before.waited),
        }
    }
}

fn process(id: u64) -> PathBuf {
    PathBuf::from(format!("/proc/{id}"))
}

/// User and system time of a process; none once it has ended.
fn processor_seconds(process: &Path) -> Option<f64> {
    ticks(&fs::read_to_string(process.join("stat")).ok()?).map(|ticks| ticks * TICK)
}

/// The 14th and 15th field of the line; the second one may hold blanks, and ends with the last parenthesis.
fn ticks(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(field(11)? + field(12)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(ticks(stat), Some(300.0));
        assert_eq!(ticks("7 (a"), None);
    }

    #[test]
    fn what_was_used_is_the_difference_and_leaves_out_what_was_not() {
        let used = |seconds: [f64; 2]| Used {
            emulator: seconds[0],
            waited: BTreeMap::from([("s3:GetObject".to_owned(), seconds[1]), ("x:y".to_owned(), 1.0)]),
            ..Used::default()
        };
        let since = used([5.0, 3.0]).since(&used([2.0, 1.0]));
        assert!((since.emulator - 3.0).abs() < 1e-9);
        assert_eq!(since.waited.len(), 1);
    }
}
