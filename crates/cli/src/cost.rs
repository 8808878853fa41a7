//! `tandem cost`: what a batch used and what that costs, beside what AWS's public guidance uses for the same rows; or, with
//! the local Regions and no batch, what is billed by the call of all that the edge has counted.

mod gather;
mod prices;
mod report;
mod units;
mod work;

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;
use tandem_core::batch::BatchRecord;
use tandem_local::admin::{Admin, Count};

use crate::deployment::{Deployment, Which};
use crate::exit::usage;
use crate::status;
pub use gather::seconds as seconds_of;
pub use prices::Prices;
use prices::{Units, total};
use report::About;
pub use report::Report;

/// Examples, and what is counted.
pub const HELP: &str = "\
Units come from the functions' own lines of metrics and from the executions' histories, prices from assets/prices.json. What an \
execution's express children took is the time that their functions say they took. One upload by `tandem put` and one download \
of each result are included; storage, transfer to the internet and fixed monthly costs are not: see docs/COST.md. On AWS, lines \
may arrive a minute after the batch has ended.

Without a batch, only what is billed by the call is priced, of the calls that the local Regions have counted: S3, e-mails, SQS, \
the lookup API, invocations. Durations, DynamoDB, Step Functions, replication, logs and transfer are left out.

Examples:
  tandem cost 3f2a              what this batch used, priced
  tandem cost 3f2a --json       the same for scripts
  tandem cost                   what S3, SES, SQS and Lambda bill by the call, of all calls that the local Regions have counted";

/// Arguments of `cost`.
#[derive(Debug, Clone, Args)]
pub struct CostArgs {
    /// Id of a batch, or its beginning; with the local Regions it may be left out
    pub batch: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Prints what a batch costs, or all calls.
///
/// # Errors
/// When there is no such batch, or the deployment cannot be reached.
pub async fn run(args: &CostArgs, which: &Which) -> anyhow::Result<()> {
    let prices = Prices::load()?;
    match &args.batch {
        Some(batch) => of_batch(batch, args.json, which, &prices).await,
        None => of_all_calls(args.json, which, &prices).await,
    }
}

async fn of_batch(batch: &str, as_json: bool, which: &Which, prices: &Prices) -> anyhow::Result<()> {
    let deployment = which.find().await?;
    let record = status::find(&deployment, batch).await?;
    let report = report_of(&deployment, &record, prices).await?;
    if as_json {
        outln!("{}", serde_json::to_string(&report)?);
    } else {
        out!("{}", report.text());
    }
    for missing in &report.missing {
        errln!("Not read, so the figures are too low: {missing}");
    }
    Ok(())
}

/// What a batch costs.
///
/// # Errors
/// When a unit has no price; what could not be read is part of the report.
pub async fn report_of(deployment: &Deployment, record: &BatchRecord, prices: &Prices) -> anyhow::Result<Report> {
    let work = gather::work(deployment, record).await;
    let about = About {
        batch_id: record.batch_id.to_string(),
        rows: record.rows_in.unwrap_or_default(),
        bytes: record.size,
        seconds: gather::seconds(record),
    };
    Report::of(about, &work, prices)
}

async fn of_all_calls(as_json: bool, which: &Which, prices: &Prices) -> anyhow::Result<()> {
    let local = which.local().ok_or_else(|| {
        usage(String::from("name a batch: only the local Regions count every call, and they do not run here"))
    })?;
    let counts = Admin::new(&local).counts().await?;
    let priced = report::of_calls(prices, &called(&counts))?;
    if as_json {
        let calls: BTreeMap<String, u64> = by_operation(&counts);
        let usd = total(&priced);
        outln!("{}", json!({"prices": prices.date, "calls": calls, "units": priced, "usd": usd}));
        return Ok(());
    }
    out!("{}", report::priced(&priced));
    outln!(
        "\nCalls that the edge has counted since the Regions came up, by the classes that S3, SES, SQS and Lambda bill; what \
         replication, durations, DynamoDB and Step Functions are billed by is known of a batch: `tandem cost BATCH`.\n\
         List prices of {} in {}.",
        prices.date,
        prices.region
    );
    Ok(())
}

/// Calls of both Regions together.
fn by_operation(counts: &[Count]) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    for count in counts {
        *calls.entry(format!("{}:{}", count.service, count.operation)).or_default() += count.calls;
    }
    calls
}

fn called(counts: &[Count]) -> Units {
    let mut units = Units::new();
    units::add_calls(
        &mut units,
        counts.iter().map(|count| (count.service.as_str(), count.operation.as_str(), count.calls)),
    );
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_both_regions_are_added_up_and_classed() {
        let count = |operation: &str, region: &str, calls| Count {
            service: "s3".into(),
            operation: operation.into(),
            region: Some(region.into()),
            calls,
            seconds: 0.0,
        };
        let counts = [
            count("GetObject", "us-east-1", 2),
            count("GetObject", "us-west-2", 1),
            count("PutObject", "us-east-1", 5),
        ];
        assert_eq!(by_operation(&counts)["s3:GetObject"], 3);
        assert_eq!(called(&counts), Units::from([("s3.get", 3.0), ("s3.put", 5.0)]));
    }
}
