//! `tandem-bench report`: every result in a folder, in one Markdown file.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use crate::criterion::{self, Benchmark};
use crate::files::Results;
use crate::text::{grouped, mebibytes, table};

/// Arguments of `report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Folder of the results
    #[arg(long, value_name = "DIR", default_value_os_t = crate::results())]
    pub dir: PathBuf,
    /// Folder of Criterion's results
    #[arg(long, value_name = "DIR", default_value = "target/criterion")]
    pub criterion: PathBuf,
}

/// Writes report.md of whatever results there are, and prints it.
///
/// # Errors
/// When a result cannot be read or the report not be written.
pub fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let mut report = String::from("# Benchmarks\n");
    if let Some(files) = read(&args.dir.join("files.json"))? {
        report += &files_section(&serde_json::from_value(files).context("files.json is of another version")?);
    }
    report += &core_section(&criterion::found(&args.criterion));
    if let Some(cold) = read(&args.dir.join("cold.json"))? {
        report += &cold_section(&cold);
    }
    if let Some(growth) = read(&args.dir.join("growth.json"))? {
        report += &growth_section(&growth);
    }
    let path = args.dir.join("report.md");
    fs::write(&path, &report).with_context(|| format!("cannot write {}", path.display()))?;
    print!("{report}");
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Option<Value>> {
    let Ok(json) = fs::read(path) else { return Ok(None) };
    serde_json::from_slice(&json).map(Some).with_context(|| format!("{} is no JSON", path.display()))
}

fn files_section(results: &Results) -> String {
    let machine = &results.machine;
    let versions: Vec<String> = results.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "\n## Local files, beside DuckDB and Polars\n\n{} cores of {}, {:.0} GiB. {}.\n\
         {} rounds, tools in turn, what is read in the page cache; the median, and in parentheses the range.\n\
         output.csv and rejects.csv of all tools were the same, byte for byte, in every round.\n\n{}\n\
         ![Processor time](files-cpu.svg)\n![Peak memory](files-memory.svg)\n\n\
         Measured earlier, not by this command: AWS's public Python guidance for the same job takes 100 to 180 s for 10,000 rows\n\
         on the emulator of the local Regions.\n",
        machine.cores,
        machine.model,
        mebibytes(machine.memory_bytes as f64) / 1024.0,
        versions.join(", "),
        results.rounds,
        results.tables(),
    )
}

fn core_section(benchmarks: &[Benchmark]) -> String {
    if benchmarks.is_empty() {
        return String::new();
    }
    let rate = |count: Option<u64>, seconds: f64, unit: f64| {
        count.map(|count| grouped((count as f64 / seconds / unit) as u64)).unwrap_or_default()
    };
    let row = |benchmark: &Benchmark| {
        let Benchmark { name, seconds, bytes, rows } = benchmark;
        vec![name.clone(), format!("{:.3}", seconds * 1e3), rate(*bytes, *seconds, 1e6), rate(*rows, *seconds, 1.0)]
    };
    let rows: Vec<Vec<String>> = benchmarks.iter().map(row).collect();
    let table = table(&["", "median ms", "MB/s", "elements/s"], &rows);
    format!("\n## The core alone, in memory (Criterion, one thread)\n\n{table}")
}

fn cold_section(cold: &Value) -> String {
    let number = |function: &Value, field: &str| function.get(field).and_then(Value::as_f64).unwrap_or_default();
    let row = |function: &Value| {
        let name = function.get("function").and_then(Value::as_str).unwrap_or_default().to_owned();
        let milliseconds = ["p50_ms", "p95_ms"].map(|field| format!("{:.1}", number(function, field)));
        let sizes =
            ["bootstrap_bytes", "zipped_bytes"].map(|field| format!("{:.2}", mebibytes(number(function, field))));
        [vec![name], milliseconds.to_vec(), sizes.to_vec()].concat()
    };
    let rows: Vec<Vec<String>> = cold.as_array().into_iter().flatten().map(row).collect();
    let table = table(&["function", "p50 ms", "p95 ms", "MiB", "MiB zipped"], &rows);
    format!("\n## Cold start: from a process's start to its first request for work\n\n{table}")
}

fn growth_section(growth: &Value) -> String {
    let mut text = String::from("\n## Growth on the local Regions\n\n");
    let number = |size: &Value, field: &str| size.get(field).and_then(Value::as_f64).unwrap_or_default();
    let row = |size: &Value| {
        let rows = number(size, "rows");
        let usd = format!("{:.4}", number(size, "usd_per_million_rows"));
        vec![grouped(rows as u64), format!("{:.1}", number(size, "seconds")), usd]
    };
    let sizes = growth.get("sizes").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = sizes.into_iter().flatten().map(row).collect();
    // Writing to a String cannot fail.
    let _ = write!(text, "{}", table(&["rows", "seconds", "USD per 1,000,000 rows"], &rows));
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_holds_whatever_results_there_are() {
        let dir = std::env::temp_dir().join(format!("tandem-bench-report-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let args = ReportArgs { dir: dir.clone(), criterion: dir.join("criterion") };
        run(&args).unwrap();
        assert_eq!(fs::read_to_string(dir.join("report.md")).unwrap(), "# Benchmarks\n");
        let cold = json!([{"function": "split", "p50_ms": 12.34, "p95_ms": 20.0, "bootstrap_bytes": 1 << 20, "zipped_bytes": 1 << 19}]);
        fs::write(dir.join("cold.json"), cold.to_string()).unwrap();
        let growth = json!({"sizes": [{"rows": 10_000, "seconds": 1.5, "usd_per_million_rows": 0.1}]});
        fs::write(dir.join("growth.json"), growth.to_string()).unwrap();
        run(&args).unwrap();
        let report = fs::read_to_string(dir.join("report.md")).unwrap();
        assert!(report.contains("| split | 12.3 | 20.0 | 1.00 | 0.50 |"), "{report}");
        assert!(report.contains("| 10,000 | 1.5 | 0.1000 |"), "{report}");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn benchmarks_are_shown_with_what_they_get_through() {
        let benchmark = Benchmark { name: "split/plain".into(), seconds: 0.01, bytes: Some(10_000_000), rows: None };
        assert!(core_section(&[benchmark]).contains("| split/plain | 10.000 | 1,000 |  |"));
        assert_eq!(core_section(&[]), "");
    }
}
