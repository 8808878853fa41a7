//! Medians that Criterion left behind.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// One benchmark of the core.
#[derive(Debug, Clone, PartialEq)]
pub struct Benchmark {
    /// Its name, its group first.
    pub name: String,
    /// Median time of one iteration.
    pub seconds: f64,
    /// Bytes of one iteration, where the benchmark says so.
    pub bytes: Option<u64>,
    /// Rows of one iteration, where the benchmark says so.
    pub rows: Option<u64>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

#[derive(Deserialize)]
struct About {
    full_id: String,
    #[serde(default)]
    throughput: serde_json::Value,
}

/// Every benchmark below a folder of Criterion's, by name; none where there is no such folder.
pub fn found(folder: &Path) -> Vec<Benchmark> {
    let mut benchmarks = Vec::new();
    collect(folder, &mut benchmarks);
    benchmarks.sort_by(|one, other| one.name.cmp(&other.name));
    benchmarks
}

fn collect(folder: &Path, benchmarks: &mut Vec<Benchmark>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() == "new" {
            benchmarks.extend(read(&path));
        } else if path.is_dir() {
            collect(&path, benchmarks);
        }
    }
}

fn read(folder: &Path) -> Option<Benchmark> {
    let json = |name: &str| fs::read(folder.join(name)).ok();
    let estimates: Estimates = serde_json::from_slice(&json("estimates.json")?).ok()?;
    let about: About = serde_json::from_slice(&json("benchmark.json")?).ok()?;
    let throughput = |kinds: [&str; 2]| {
        let entry = |entry: &serde_json::Value| kinds.iter().find_map(|kind| entry.get(kind)?.as_u64());
        match &about.throughput {
            serde_json::Value::Array(entries) => entries.iter().find_map(entry),
            one => entry(one),
        }
    };
    Some(Benchmark {
        seconds: estimates.median.point_estimate / 1e9,
        bytes: throughput(["Bytes", "BytesDecimal"]),
        rows: throughput(["Elements", "ElementsAndBytes"]),
        name: about.full_id,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn medians_are_found_below_the_folder_with_what_an_iteration_does() {
        let folder = std::env::temp_dir().join(format!("tandem-bench-criterion-{}", std::process::id()));
        let new = folder.join("split/plain/new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("estimates.json"), r#"{"median": {"point_estimate": 2000000.0}}"#).unwrap();
        fs::write(new.join("benchmark.json"), r#"{"full_id": "split/plain", "throughput": {"Bytes": 1000}}"#).unwrap();
        let expected = Benchmark { name: "split/plain".into(), seconds: 0.002, bytes: Some(1000), rows: None };
        assert_eq!(found(&folder), [expected]);
        assert_eq!(found(&folder.join("none")), []);
        fs::remove_dir_all(folder).unwrap();
    }
}
