//! What a cost is told as: an object for scripts, a table for people.

use serde::Serialize;

use super::prices::{Priced, Prices, Units, total};
use super::units::{of_batch, of_guidance};
use super::work::{FunctionUse, Work};
use crate::terminal::{grouped, table};

/// A batch's cost.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The batch.
    pub batch_id: String,
    /// Rows that were read.
    pub rows: u64,
    /// Bytes of the input.
    pub bytes: u64,
    /// Seconds from claim to end.
    pub seconds: f64,
    /// Date of the prices.
    pub prices: String,
    /// What it is billed by.
    pub units: Vec<Priced>,
    /// The functions that worked.
    pub functions: Vec<FunctionUse>,
    /// Calls of all functions, by service and operation.
    pub calls: std::collections::BTreeMap<String, u64>,
    /// All in, in US dollars.
    pub usd: f64,
    /// The same for 1,000,000 rows, if every million cost as much.
    pub usd_per_million_rows: Option<f64>,
    /// What AWS's public guidance uses for as many rows.
    pub reference: Reference,
    /// What could not be read, so that the figures are too low.
    pub missing: Vec<String>,
}

/// What the same rows cost elsewhere.
#[derive(Debug, Clone, Serialize)]
pub struct Reference {
    /// What is billed.
    pub units: Vec<Priced>,
    /// US dollars.
    pub usd: f64,
    /// The same for 1,000,000 rows.
    pub usd_per_million_rows: Option<f64>,
}

/// What is known of the batch itself.
pub struct About {
    /// Its id.
    pub batch_id: String,
    /// Rows that were read.
    pub rows: u64,
    /// Bytes of the input.
    pub bytes: u64,
    /// Seconds from claim to end.
    pub seconds: f64,
}

impl Report {
    /// The cost of the work on a batch.
    ///
    /// # Errors
    /// When a unit has no price.
    pub fn of(about: About, work: &Work, prices: &Prices) -> anyhow::Result<Self> {
        let units = prices.price(&of_batch(work, about.bytes))?;
        let guidance = prices.price(&of_guidance(about.rows))?;
        let per_million = |usd: f64| (about.rows > 0).then(|| usd * 1e6 / about.rows as f64);
        Ok(Self {
            usd: total(&units),
            usd_per_million_rows: per_million(total(&units)),
            reference: Reference {
                usd: total(&guidance),
                usd_per_million_rows: per_million(total(&guidance)),
                units: guidance,
            },
            batch_id: about.batch_id,
            rows: about.rows,
            bytes: about.bytes,
            seconds: about.seconds,
            prices: prices.date.clone(),
            units,
            functions: work.functions(),
            calls: work.calls(),
            missing: work.missing.clone(),
        })
    }

    /// As a person reads it.
    pub fn text(&self) -> String {
        let per_million = |usd: Option<f64>| usd.map_or_else(|| String::from("-"), dollars);
        let mut text = format!(
            "batch {}: {} rows, {} bytes, {:.1} s from claim to end\n\n",
            self.batch_id,
            grouped(self.rows),
            grouped(self.bytes),
            self.seconds
        );
        text += &priced(&self.units);
        text += &format!(
            "\n{} USD, {} USD per 1,000,000 rows; the same rows by AWS's public Python guidance: {} USD, {} USD per 1,000,000 rows\n\n",
            dollars(self.usd),
            per_million(self.usd_per_million_rows),
            dollars(self.reference.usd),
            per_million(self.reference.usd_per_million_rows),
        );
        text += &functions(&self.functions);
        text += &format!("\nList prices of {}; see docs/COST.md for what is counted, and what is not.\n", self.prices);
        text
    }
}

/// Priced units as a table: the dearest first, each with its share.
pub fn priced(units: &[Priced]) -> String {
    let all = total(units);
    let mut sorted: Vec<&Priced> = units.iter().collect();
    sorted.sort_by(|a, b| b.usd.total_cmp(&a.usd));
    let share = |usd: f64| if all > 0.0 { format!("{:.1} %", usd / all * 100.0) } else { String::from("-") };
    let mut rows: Vec<Vec<String>> = sorted
        .into_iter()
        .map(|line| {
            vec![line.service.clone(), line.unit.clone(), counted(line.count), dollars(line.usd), share(line.usd)]
        })
        .collect();
    let bold = console::Style::new().bold();
    rows.push(vec![
        String::from("all"),
        String::new(),
        String::new(),
        bold.apply_to(dollars(all)).to_string(),
        String::new(),
    ]);
    table(&["SERVICE", "UNIT", "COUNT", "USD", "SHARE"], &rows)
}

fn functions(functions: &[FunctionUse]) -> String {
    let row = |function: &FunctionUse| {
        vec![
            function.function.clone(),
            grouped(function.invocations),
            grouped(function.billed_ms),
            format!("{:.3}", function.gb_seconds),
            format!("{} MiB", function.peak_memory_bytes.div_ceil(1024 * 1024)),
        ]
    };
    table(&["FUNCTION", "INVOCATIONS", "MS", "GB-S", "PEAK"], &functions.iter().map(row).collect::<Vec<_>>())
}

/// A whole number as one, anything else with what matters of it.
fn counted(count: f64) -> String {
    if count.fract() == 0.0 {
        grouped(count as u64)
    } else if count >= 100.0 {
        format!("{count:.1}")
    } else {
        format!("{count:.6}")
    }
}

fn dollars(usd: f64) -> String {
    if usd >= 1.0 { format!("{usd:.2}") } else { format!("{usd:.6}") }
}

/// What all calls that were counted cost, whoever made them.
///
/// # Errors
/// When a unit has no price.
pub fn of_calls(prices: &Prices, units: &Units) -> anyhow::Result<Vec<Priced>> {
    prices.price(units)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::work::tests::line;
    use super::*;

    fn report(rows: u64) -> Report {
        let mut work = Work::default();
        work.read("b", &[line("validate", Some(0), "\"s3:PutObject\":3")]);
        let about = About { batch_id: "b".into(), rows, bytes: 1_000, seconds: 1.5 };
        Report::of(about, &work, &Prices::load().unwrap()).unwrap()
    }

    #[test]
    fn scripts_get_units_functions_and_the_reference_beside_them() {
        let json = serde_json::to_value(report(10_000)).unwrap();
        for field in ["batch_id", "rows", "bytes", "seconds", "prices", "units", "functions", "usd", "reference"] {
            assert!(!json[field].is_null(), "{field}");
        }
        let per_million = json["usd_per_million_rows"].as_f64().unwrap();
        assert!((per_million - json["usd"].as_f64().unwrap() * 100.0).abs() < 1e-9);
        assert!(json["reference"]["usd_per_million_rows"].as_f64().unwrap() > 50.0);
        let unit = &json["units"][0];
        assert!(["service", "unit", "count", "usd"].iter().all(|field| !unit[field].is_null()), "{unit}");
        let function = &json["functions"][0];
        for field in ["function", "invocations", "billed_ms", "gb_seconds", "peak_memory_bytes"] {
            assert!(!function[field].is_null(), "{field}");
        }
    }

    #[test]
    fn a_batch_without_rows_has_no_cost_per_row() {
        assert_eq!(report(0).usd_per_million_rows, None);
        console::set_colors_enabled(false);
        assert!(report(0).text().contains("- USD per 1,000,000 rows"));
    }

    #[test]
    fn the_table_begins_with_the_dearest_and_ends_with_the_sum() {
        console::set_colors_enabled(false);
        let text = priced(&report(10_000).units);
        let usd: Vec<f64> = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().rev().nth(2).and_then(|cell| cell.parse().ok()))
            .collect();
        assert!(usd.is_sorted_by(|a, b| a >= b), "{text}");
        assert!(text.lines().last().unwrap().starts_with("all"), "{text}");
    }
}
