//! What `files` measured, in tables and charts.

use serde::{Deserialize, Serialize};

use crate::chart::{BarSeries, Bars, Chart, Shape};
use crate::measure::Used;
use crate::statistics::Spread;
use crate::text::{grouped, mebibytes, table};

/// All of it; `files.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Where it ran.
    pub machine: Machine,
    /// Names and versions.
    pub versions: Vec<(String, String)>,
    /// Runs of each tool at each size.
    pub rounds: usize,
    /// By size.
    pub sizes: Vec<Size>,
}

/// A machine, as far as figures depend on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Processors.
    pub cores: usize,
    /// Their model.
    pub model: String,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

/// What was measured at one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Rows of the file.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Bytes of the reference file.
    pub reference_bytes: u64,
    /// Bytes of the output, the same for all tools.
    pub output_bytes: u64,
    /// Bytes of the rejects, the same for all tools.
    pub rejects_bytes: u64,
    /// By tool; Tandem first.
    pub tools: Vec<ToolRuns>,
}

/// The runs of one tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolRuns {
    /// Its name.
    pub tool: String,
    /// What each run used.
    pub runs: Vec<Used>,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let field = |path: &str, name: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':').map(|(_, value)| value));
            value.unwrap_or_default().trim().to_owned()
        };
        let memory = field("/proc/meminfo", "MemTotal");
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            model: field("/proc/cpuinfo", "model name"),
            memory_bytes: memory.trim_end_matches(" kB").parse().unwrap_or(0_u64) * 1024,
        }
    }
}

impl ToolRuns {
    fn spread(&self, of: impl Fn(&Used) -> f64) -> Spread {
        Spread::of(self.runs.iter().map(of))
    }

    /// Processor seconds.
    pub fn cpu(&self) -> Spread {
        self.spread(|used| used.cpu_seconds)
    }

    fn memory(&self) -> Spread {
        self.spread(|used| mebibytes(used.peak_memory_bytes as f64))
    }

    /// Processor seconds of validate and enrich alone, which only Tandem tells apart.
    pub fn validate_and_enrich(&self) -> Spread {
        let phase = |used: &Used, name: &str| said(used, &format!("/phases/{name}"));
        self.spread(|used| phase(used, "validate") + phase(used, "enrich"))
    }

    /// Peak memory in MiB less that of the reference table.
    fn working_memory(&self) -> Spread {
        self.spread(|used| mebibytes(used.peak_memory_bytes as f64 - said(used, "/reference_bytes")))
    }
}

fn said(used: &Used, pointer: &str) -> f64 {
    used.said.as_ref().and_then(|said| said.pointer(pointer)?.as_f64()).unwrap_or_default()
}

impl Results {
    /// A table for each size.
    pub fn tables(&self) -> String {
        self.sizes.iter().map(Size::table).collect::<Vec<_>>().join("\n")
    }

    /// Processor seconds by tool and size.
    pub fn cpu_chart(&self) -> Chart {
        self.chart("Processor time on local files", "CPU seconds, user and system", ToolRuns::cpu)
    }

    /// Peak memory by tool and size.
    pub fn memory_chart(&self) -> Chart {
        let mut chart = self.chart("Peak memory on local files", "peak memory (MiB)", ToolRuns::memory);
        let values = self.sizes.iter().filter_map(|size| size.tools.first()).map(ToolRuns::working_memory).collect();
        if let Shape::Bars(bars) = &mut chart.shape {
            bars.series.push(BarSeries { name: String::from("Tandem without the reference table"), values });
        }
        chart
    }

    fn chart(&self, title: &str, y: &str, of: impl Fn(&ToolRuns) -> Spread) -> Chart {
        let names = self.sizes.first().map(|size| size.tools.as_slice()).unwrap_or_default();
        let series = names.iter().enumerate().map(|(at, named)| BarSeries {
            name: named.tool.clone(),
            values: self.sizes.iter().filter_map(|size| size.tools.get(at)).map(&of).collect(),
        });
        let labels = self.sizes.iter().map(|size| format!("{} rows", grouped(size.rows))).collect();
        let bars = Bars { labels, series: series.collect() };
        Chart { title: title.to_owned(), y: y.to_owned(), shape: Shape::Bars(bars) }
    }
}

impl Size {
    fn table(&self) -> String {
        let own = self.tools.first();
        let against = |spread: Spread, base: f64| format!("{:.2}", spread.median / base.max(f64::MIN_POSITIVE));
        let row = |tool: &ToolRuns| {
            let (wall, cpu) = (tool.spread(|used| used.wall_seconds), tool.cpu());
            let rate = self.rows as f64 / wall.median.max(f64::MIN_POSITIVE);
            let base = own.map_or(0.0, |own| own.cpu().median);
            let memory = tool.memory().show(0);
            vec![tool.tool.clone(), wall.show(2), cpu.show(2), memory, grouped(rate as u64), against(cpu, base)]
        };
        let headings = ["", "wall s", "CPU s", "peak MiB", "rows/s", "CPU / Tandem's"];
        let rows: Vec<Vec<String>> = self.tools.iter().map(row).collect();
        let mib = |bytes: u64| mebibytes(bytes as f64);
        format!(
            "{} rows ({:.0} MiB; reference {:.0} MiB; output {:.0} MiB):\n\n{}\n{}",
            grouped(self.rows),
            mib(self.bytes),
            mib(self.reference_bytes),
            mib(self.output_bytes),
            table(&headings, &rows),
            own.map(|own| self.share(own)).unwrap_or_default(),
        )
    }

    /// What the issue of speed asks for: validate and enrich alone, and memory without the reference table.
    fn share(&self, own: &ToolRuns) -> String {
        let alone = own.validate_and_enrich();
        let part = |tool: &ToolRuns| {
            format!("{:.2} of that of {}", alone.median / tool.cpu().median.max(f64::MIN_POSITIVE), tool.tool)
        };
        let parts: Vec<String> = self.tools.iter().skip(1).map(part).collect();
        format!(
            "Tandem's validate and enrich alone: {} CPU s, {}. Its peak memory without the reference table: {} MiB.\n",
            alone.show(2),
            parts.join(" and "),
            own.working_memory().show(0)
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn runs(tool: &str, seconds: &[f64], said: Option<serde_json::Value>) -> ToolRuns {
        let used = |seconds: &f64| Used {
            wall_seconds: *seconds / 2.0,
            cpu_seconds: *seconds,
            peak_memory_bytes: 100 << 20,
            exit_code: Some(0),
            said: said.clone(),
        };
        ToolRuns { tool: tool.to_owned(), runs: seconds.iter().map(used).collect() }
    }

    fn results() -> Results {
        let said = json!({"phases": {"validate": 0.5, "enrich": 1.0}, "reference_bytes": 75 << 20});
        let tools = vec![runs("Tandem", &[2.0, 1.5, 2.5], Some(said)), runs("DuckDB", &[6.0, 5.0, 9.0], None)];
        let size = Size {
            rows: 1_000_000,
            bytes: 80 << 20,
            reference_bytes: 50 << 20,
            output_bytes: 150 << 20,
            rejects_bytes: 1,
            tools,
        };
        let machine = Machine { cores: 2, model: "x".into(), memory_bytes: 1 };
        Results { machine, versions: Vec::new(), rounds: 3, sizes: vec![size] }
    }

    #[test]
    fn a_table_has_medians_ranges_rates_and_ratios() {
        let text = results().tables();
        for line in [
            "1,000,000 rows (80 MiB; reference 50 MiB; output 150 MiB):",
            "| Tandem | 1.00 (0.75–1.25) | 2.00 (1.50–2.50) | 100 | 1,000,000 | 1.00 |",
            "| DuckDB | 3.00 (2.50–4.50) | 6.00 (5.00–9.00) | 100 | 333,333 | 3.00 |",
            "validate and enrich alone: 1.50 CPU s, 0.25 of that of DuckDB. Its peak memory without the reference table: 25 MiB.",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn charts_have_a_bar_for_each_tool_and_size() {
        let results = results();
        let Shape::Bars(cpu) = results.cpu_chart().shape else { unreachable!() };
        assert_eq!(cpu.labels, ["1,000,000 rows"]);
        assert_eq!(cpu.series.iter().map(|series| series.values[0].median).collect::<Vec<_>>(), [2.0, 6.0]);
        let Shape::Bars(memory) = results.memory_chart().shape else { unreachable!() };
        assert_eq!(
            memory.series.iter().map(|series| series.values[0].median).collect::<Vec<_>>(),
            [100.0, 100.0, 25.0]
        );
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let json = serde_json::to_string(&results()).unwrap();
        assert_eq!(serde_json::from_str::<Results>(&json).unwrap(), results());
    }

    #[test]
    fn this_machine_is_known() {
        let machine = Machine::here();
        assert!(machine.cores > 0 && machine.memory_bytes > 0);
    }
}
