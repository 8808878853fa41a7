//! Whether what should be flat is flat.

use std::fmt;

use serde::Serialize;

use super::Size;

/// From this size on chunks are full, so that costs per row can be compared.
const COST_FROM: u64 = 100_000;
/// From this size on a file is larger than what split reads ahead, so that memory can be compared.
const MEMORY_FROM: u64 = 1_000_000;
/// Most by which the cost per row of the largest size may differ.
const COST: f64 = 0.10;
/// Most by which memory may grow from the smallest size that is compared to the largest: how full the read-ahead is varies.
const MEMORY: f64 = 1.5;

/// What the sizes show; nothing where there is no size to compare with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Cost per row at the largest size, as a multiple of that at 100,000 rows.
    pub cost_ratio: Option<f64>,
    /// The function whose memory grew the most since 1,000,000 rows, and by what factor.
    pub memory_ratio: Option<(String, f64)>,
}

impl Verdict {
    /// Compares the largest size with smaller ones.
    pub fn of(sizes: &[Size]) -> Self {
        let with = |rows: u64| {
            let first = sizes.iter().find(|size| size.rows == rows);
            first.zip(sizes.last()).filter(|(first, last)| last.rows > first.rows)
        };
        let cost_ratio = with(COST_FROM).map(|(first, last)| last.usd_per_million_rows / first.usd_per_million_rows);
        let memory_ratio = with(MEMORY_FROM).and_then(|(first, last)| {
            let grown = |(name, peak): (&String, &u64)| {
                let before = *first.peak_memory.get(name)?;
                Some((name.clone(), *peak as f64 / before.max(1) as f64))
            };
            last.peak_memory.iter().filter_map(grown).max_by(|a, b| a.1.total_cmp(&b.1))
        });
        Self { cost_ratio, memory_ratio }
    }

    /// Whether both are flat, as far as is known.
    pub fn holds(&self) -> bool {
        self.cost_ratio.is_none_or(|ratio| (ratio - 1.0).abs() <= COST)
            && self.memory_ratio.as_ref().is_none_or(|(_, ratio)| *ratio <= MEMORY)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cost_ratio {
            Some(ratio) => write!(
                formatter,
                "largest against {COST_FROM} rows: cost per row x {ratio:.3} (x {:.2} to x {:.2})",
                1.0 - COST,
                1.0 + COST
            )?,
            None => write!(formatter, "no size above {COST_FROM} rows: no cost to compare")?,
        }
        match &self.memory_ratio {
            Some((function, ratio)) => write!(
                formatter,
                "; largest against {MEMORY_FROM} rows: memory of {function} x {ratio:.2} (at most x {MEMORY})"
            ),
            None => write!(formatter, "; no size above {MEMORY_FROM} rows: no memory to compare"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::super::machine::Used;
    use super::*;

    fn size(rows: u64, usd_per_million_rows: f64, peak: u64) -> Size {
        Size {
            rows,
            bytes: 0,
            seconds: 0.0,
            usd: 0.0,
            usd_per_million_rows,
            units: Value::Null,
            calls: Value::Null,
            peak_memory: BTreeMap::from([("validate".to_owned(), peak)]),
            billed_ms: BTreeMap::new(),
            used: Used::default(),
        }
    }

    #[test]
    fn cost_is_compared_from_full_chunks_on_and_memory_from_full_buffers_on() {
        let small = || [size(10_000, 9.0, 10), size(100_000, 1.0, 20), size(1_000_000, 1.0, 40)];
        let with = |last: Size| Verdict::of(&[&small()[..], &[last]].concat());
        assert!(with(size(10_000_000, 1.09, 59)).holds());
        assert!(with(size(10_000_000, 0.91, 40)).holds());
        assert!(!with(size(10_000_000, 1.2, 40)).holds());
        assert!(!with(size(10_000_000, 0.8, 40)).holds());
        assert!(!with(size(10_000_000, 1.0, 70)).holds());
        assert_eq!(Verdict::of(&small()).memory_ratio, None);
        assert_eq!(Verdict::of(&small()[..2]), Verdict { cost_ratio: None, memory_ratio: None });
    }
}
