//! What a load test came to, for people and for machines.

use serde::Serialize;
use tandem_core::batch::BatchId;

use super::LoadTestArgs;
use crate::terminal::{brief, grouped, one_line};

/// Bars of the chart.
const BARS: usize = 12;
/// Length of the longest bar.
const LONGEST: usize = 50;
/// Files that are named because they were not delivered.
const NAMED: usize = 10;

/// How a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its owner has the result.
    Delivered,
    /// Its owner was told why there is none.
    Failed,
    /// It was uploaded, and had not ended when the test did.
    NotEnded,
    /// It was not uploaded.
    NotUploaded,
}

/// What became of one file.
#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    /// The key it was uploaded under.
    pub key: String,
    /// Its batch.
    pub batch_id: Option<BatchId>,
    /// Seconds from the start of the test to the beginning of its upload.
    pub uploaded_after: f64,
    /// Seconds from then to its end.
    pub seconds: Option<f64>,
    /// How it ended.
    pub outcome: Ending,
    /// The attempt that brought it there.
    pub attempt: Option<u32>,
    /// Its rows.
    pub rows: Option<u64>,
    /// Why it was not delivered.
    pub reason: Option<String>,
}

/// What the test came to. Percentiles are of the delivered files.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Each file whose upload was begun.
    pub files: Vec<FileReport>,
    /// Rows asked for in each.
    pub rows_per_file: u64,
    /// Seconds asked for between two uploads.
    pub wait_seconds: f64,
    /// Half of the files took no longer than this many seconds.
    pub p50: Option<f64>,
    /// 95 in 100.
    pub p95: Option<f64>,
    /// 99 in 100.
    pub p99: Option<f64>,
    /// The slowest.
    pub max: Option<f64>,
    /// Files delivered.
    pub delivered: usize,
    /// Files not delivered, for whatever reason.
    pub not_delivered: usize,
    /// Files that more than one attempt was made at.
    pub retried: usize,
    /// Delivered files a minute, from the first upload to the last delivery.
    pub files_per_minute: f64,
    /// Rows of delivered files a second, likewise.
    pub rows_per_second: f64,
}

impl Report {
    /// The report on these files.
    pub fn of(files: Vec<FileReport>, args: &LoadTestArgs) -> Self {
        let delivered = || files.iter().filter(|file| file.outcome == Ending::Delivered);
        let mut seconds: Vec<f64> = delivered().filter_map(|file| file.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let last = delivered().map(|file| file.uploaded_after + file.seconds.unwrap_or_default());
        let span = last.fold(f64::MIN_POSITIVE, f64::max);
        let rows: u64 = delivered().filter_map(|file| file.rows).sum();
        let number = delivered().count();
        Self {
            rows_per_file: args.rows,
            wait_seconds: args.wait,
            p50: percentile(&seconds, 50),
            p95: percentile(&seconds, 95),
            p99: percentile(&seconds, 99),
            max: seconds.last().copied().map(rounded),
            delivered: number,
            not_delivered: files.len() - number,
            retried: files.iter().filter(|file| file.attempt.is_some_and(|attempt| attempt > 1)).count(),
            files_per_minute: if number == 0 { 0.0 } else { rounded(number as f64 * 60.0 / span) },
            rows_per_second: if number == 0 { 0.0 } else { rounded(rows as f64 / span) },
            files,
        }
    }

    /// How many files ended in this way.
    pub fn number(&self, ending: Ending) -> usize {
        self.files.iter().filter(|file| file.outcome == ending).count()
    }

    /// The report for a terminal.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} of {} files of {} rows delivered\n",
            grouped(self.delivered as u64),
            grouped(self.files.len() as u64),
            grouped(self.rows_per_file)
        );
        if let (Some(p50), Some(p95), Some(p99), Some(max)) = (self.p50, self.p95, self.p99, self.max) {
            text += &format!("seconds to delivery: p50 {p50:.2}, p95 {p95:.2}, p99 {p99:.2}, slowest {max:.2}\n");
            let (files, rows) = (self.files_per_minute, self.rows_per_second);
            text += &format!("throughput: {files:.1} files a minute, {} rows a second\n", grouped(rows as u64));
        }
        text += &format!("files that took more than one attempt: {}\n", self.retried);
        text + &self.losses() + &self.chart()
    }

    fn losses(&self) -> String {
        let lost: Vec<&FileReport> = self.files.iter().filter(|file| file.outcome != Ending::Delivered).collect();
        let line = |file: &&FileReport| {
            let reason = file.reason.as_deref().unwrap_or("no reason is known");
            let ending = match file.outcome {
                Ending::Delivered => "delivered",
                Ending::Failed => "failed",
                Ending::NotEnded => "not ended",
                Ending::NotUploaded => "not uploaded",
            };
            format!("{ending}: {}: {}\n", one_line(&file.key), brief(reason))
        };
        let mut text: String = lost.iter().take(NAMED).map(line).collect();
        if lost.len() > NAMED {
            text += &format!("and {} more\n", lost.len() - NAMED);
        }
        text
    }

    /// How many files took how long.
    fn chart(&self) -> String {
        let seconds: Vec<f64> = self.files.iter().filter_map(|file| file.seconds).collect();
        let Some(most) = seconds.iter().copied().max_by(f64::total_cmp).filter(|_| seconds.len() > 1) else {
            return String::new();
        };
        let width = (most / BARS as f64).max(0.001);
        let mut counts = [0_usize; BARS];
        for taken in &seconds {
            counts[((taken / width) as usize).min(BARS - 1)] += 1;
        }
        let tallest = counts.iter().max().copied().unwrap_or(1).max(1);
        let bar = |(index, count): (usize, &usize)| {
            let (from, to) = (index as f64 * width, (index + 1) as f64 * width);
            format!("{from:8.2} to {to:7.2} s  {:5}  {}\n", count, "#".repeat((count * LONGEST).div_ceil(tallest)))
        };
        format!("\n{}", counts.iter().enumerate().map(bar).collect::<String>())
    }
}

/// The smallest of the values than which so many in a hundred are no larger; `sorted` ascends.
fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied().map(rounded)
}

/// To the millisecond.
pub fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(outcome: Ending, uploaded_after: f64, seconds: Option<f64>, attempt: u32) -> FileReport {
        FileReport {
            key: "input/a.csv".into(),
            batch_id: None,
            uploaded_after,
            seconds,
            outcome,
            attempt: Some(attempt),
            rows: Some(600),
            reason: None,
        }
    }

    fn report(files: Vec<FileReport>) -> Report {
        let args = LoadTestArgs {
            files: 1,
            wait: 0.0,
            rows: 600,
            dataset: String::new(),
            timeout: 1,
            json: false,
            report: None,
        };
        Report::of(files, &args)
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(
            [50, 95, 99, 100].map(|percent| percentile(&sorted, percent)),
            [100.0, 190.0, 198.0, 200.0].map(Some)
        );
        assert_eq!(percentile(&[7.0], 99), Some(7.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn throughput_and_percentiles_are_of_what_was_delivered() {
        let report = report(vec![
            file(Ending::Delivered, 0.0, Some(4.0), 1),
            file(Ending::Delivered, 10.0, Some(20.0), 2),
            file(Ending::Failed, 0.0, Some(100.0), 1),
            file(Ending::NotEnded, 0.0, None, 1),
        ]);
        assert_eq!((report.delivered, report.not_delivered, report.retried), (2, 2, 1));
        assert_eq!((report.p50, report.max), (Some(4.0), Some(20.0)));
        assert_eq!((report.files_per_minute, report.rows_per_second), (4.0, 40.0));
        let text = report.text();
        assert!(text.contains("2 of 4 files of 600 rows delivered") && text.contains("failed: input/a.csv"), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains(" to ") && line.contains(" s ")).count(), BARS);
    }

    #[test]
    fn a_test_that_delivered_nothing_still_has_a_report() {
        let report = report(vec![file(Ending::NotUploaded, 0.0, None, 1)]);
        assert_eq!((report.p50, report.files_per_minute), (None, 0.0));
        assert!(report.text().contains("0 of 1 files"));
    }
}
