//! What a person or a script is told.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::pipeline::{Failure, Finished};
use crate::terminal::grouped;

/// What came of a file.
pub struct Report {
    /// Name of the dataset.
    pub dataset: String,
    /// Where the output is.
    pub output: PathBuf,
    /// Where the rejects are.
    pub rejects: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    /// From the first byte of the reference file to the last of the results.
    pub seconds: f64,
    /// Of these, what loading the reference file took.
    pub load_seconds: f64,
    /// Records in the reference table.
    pub reference_records: usize,
    /// Memory that the reference table takes.
    pub reference_bytes: u64,
    /// Most memory in use at once, the reference table included.
    pub peak_memory_bytes: u64,
    /// Rows and times.
    pub finished: Finished,
}

impl Report {
    fn json(&self) -> Value {
        let Finished { merge, phases, chunks, workers } = &self.finished;
        let seconds = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
        json!({
            "dataset": self.dataset,
            "output": self.output,
            "rejects": self.rejects,
            "rows": merge.rows_in,
            "rows_out": merge.rows_out,
            "rows_rejected": merge.rows_rejected,
            "reasons": merge.reasons,
            "bytes": self.bytes,
            "bytes_out": merge.bytes_out,
            "chunks": chunks,
            "workers": workers,
            "seconds": seconds(self.seconds),
            "load_seconds": seconds(self.load_seconds),
            "phases": {
                "split": seconds(phases.split.as_secs_f64()),
                "validate": seconds(phases.validate.as_secs_f64()),
                "enrich": seconds(phases.enrich.as_secs_f64()),
                "merge": seconds(phases.merge.as_secs_f64()),
            },
            "reference_records": self.reference_records,
            "reference_bytes": self.reference_bytes,
            "peak_memory_bytes": self.peak_memory_bytes,
        })
    }

    fn text(&self) -> String {
        let merge = &self.finished.merge;
        let (out, rows) = (grouped(merge.rows_out), grouped(merge.rows_in));
        let mut text = format!("{out} of {rows} rows in {:.2} s\n", self.seconds);
        if merge.rows_rejected > 0 {
            text += &format!("rejected: {} rows, most of them for\n", grouped(merge.rows_rejected));
        }
        for reason in &merge.reasons {
            let field = if reason.field.is_empty() { "record" } else { &reason.field };
            text += &format!("  {field}: {} ({} rows)\n", reason.rule, grouped(reason.count));
        }
        text + &format!("{}\n{}\n", self.output.display(), self.rejects.display())
    }
}

/// Prints what came of it; answers with the error that decides the exit status.
pub fn print(done: Result<Report, Failure>, as_json: bool) -> anyhow::Result<()> {
    match done {
        Ok(report) if as_json => outln!("{}", report.json()),
        Ok(report) => out!("{}", report.text()),
        Err(Failure { fault: Some(fault), error }) => {
            if as_json {
                outln!("{}", json!({ "error": fault.as_str(), "reason": error.to_string() }));
            }
            return Err(error);
        }
        Err(Failure { error, .. }) => return Err(error),
    }
    Ok(())
}
