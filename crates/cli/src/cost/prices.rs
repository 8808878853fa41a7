//! The price table: one file, with its date.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};

const TABLE: &str = include_str!("../../../../assets/prices.json");

/// List prices of one Region at one date.
#[derive(Debug, Clone, Deserialize)]
pub struct Prices {
    /// When they were taken down.
    pub date: String,
    /// The Region that they hold for.
    pub region: String,
    prices: BTreeMap<String, Price>,
}

#[derive(Debug, Clone, Deserialize)]
struct Price {
    service: String,
    unit: String,
    usd: f64,
    per: f64,
}

/// How much of one unit was used, and what it costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Priced {
    /// The service that bills it.
    pub service: String,
    /// What is billed.
    pub unit: String,
    /// How much of it.
    pub count: f64,
    /// US dollars.
    pub usd: f64,
}

/// Units by the name that the table gives them.
pub type Units = BTreeMap<&'static str, f64>;

impl Prices {
    /// The table that the command was built with.
    ///
    /// # Errors
    /// When it is not of its form.
    pub fn load() -> anyhow::Result<Self> {
        serde_json::from_str(TABLE).context("assets/prices.json is not of its form")
    }

    /// Each unit that was used, priced.
    ///
    /// # Errors
    /// When one has no price.
    pub fn price(&self, units: &Units) -> anyhow::Result<Vec<Priced>> {
        let used = units.iter().filter(|(_, count)| **count > 0.0);
        used.map(|(name, count)| {
            let price = self.prices.get(*name).with_context(|| format!("assets/prices.json has no price of {name}"))?;
            let usd = count * price.usd / price.per;
            Ok(Priced { service: price.service.clone(), unit: price.unit.clone(), count: *count, usd })
        })
        .collect()
    }
}

/// What all of them cost together.
pub fn total(priced: &[Priced]) -> f64 {
    priced.iter().map(|line| line.usd).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_count_is_priced_by_what_the_table_says_for_so_many() {
        let prices = Prices::load().unwrap();
        let lines = prices.price(&Units::from([("states.transition", 4_000.0), ("lambda.request", 0.0)])).unwrap();
        assert_eq!(lines.len(), 1, "what was not used is not listed");
        assert_eq!((lines[0].service.as_str(), lines[0].unit.as_str()), ("Step Functions", "state transitions"));
        assert!((lines[0].usd - 0.10).abs() < 1e-12);
        assert!((total(&lines) - 0.10).abs() < 1e-12);
    }

    #[test]
    fn a_unit_without_a_price_is_an_error_and_never_free() {
        assert!(Prices::load().unwrap().price(&Units::from([("nothing", 1.0)])).is_err());
    }

    #[test]
    fn every_price_is_positive_and_says_for_how_many() {
        let prices = Prices::load().unwrap();
        assert!(prices.prices.values().all(|price| price.usd > 0.0 && price.per >= 1.0));
        assert_eq!(prices.date.len(), "2026-01-01".len());
    }
}
