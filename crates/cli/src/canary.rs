//! `tandem canary`: one check now, by the function in the third Region, and what it found.

use anyhow::bail;
use clap::Args;
use serde_json::json;
use tandem_aws::invoke::{FunctionError, InvokeError};
use tandem_aws::reference_load::ReferenceLoader;
use tandem_core::canary::{DATASET, Global, REFERENCE, REFERENCE_FIELD, ROWS, RegionReport, Report};
use tandem_core::ports::{ReferenceRecord, ServiceError};

use crate::deployment::{Deployment, Which};
use crate::exit::{Unreachable, usage};
use crate::terminal::{brief, spinner};

/// Says what the check covers, and what it does not.
pub const HELP: &str = "\
The canary runs in a third Region. It uploads a file of twelve rows through the multi-Region endpoint, waits until the state \
table says that it was delivered, and compares output and rejects byte for byte; nobody is e-mailed. And it asks each Region \
by itself: does a function start there and find out who is active, do state table and reference table answer, does the bucket \
take an object and give it back? That a Region which stands by would also process a file, only a drill shows.

Examples:
  tandem canary --prepare        once: load the reference records that its rows need, then check
  tandem canary
  tandem canary --json

Exit status:
  0  the file came through, and both Regions answered well
  1  it did not, or one of them did not
  2  called wrongly
  3  interrupted; the check goes on
  4  the canary itself cannot be reached";

/// Arguments of `canary`.
#[derive(Debug, Clone, Args)]
pub struct CanaryArgs {
    /// Print what the canary found as one JSON object
    #[arg(long)]
    pub json: bool,
    /// First load the reference records that the canary's rows need
    #[arg(long)]
    pub prepare: bool,
    /// The third Region, in which the canary is
    #[arg(long, value_name = "REGION", default_value = tandem_local::CANARY_REGION, env = "TANDEM_CANARY_REGION")]
    pub canary_region: String,
}

/// Lets the canary check, and prints what it found.
///
/// # Errors
/// When the file did not come through, a Region did not answer well, or the canary cannot be reached.
pub async fn run(args: &CanaryArgs, which: &Which) -> anyhow::Result<()> {
    let deployment = which.find().await?;
    if deployment.regions().contains(&args.canary_region) {
        return Err(usage(format!("{} is one of the two Regions: the canary is in a third one", args.canary_region)));
    }
    if args.prepare {
        let records = load_reference(&deployment.reference_loader()).await?;
        errln!("{records} reference records of the canary are loaded");
    }
    let waiting = spinner();
    waiting.set_message("the canary's file is on its way");
    let report = check(&deployment, &args.canary_region).await;
    waiting.finish_and_clear();
    let report = report?;
    if args.json {
        outln!("{}", serde_json::to_string(&report)?);
    } else {
        out!("{}", text(&report));
    }
    if report.is_well() { Ok(()) } else { bail!(summary(&report)) }
}

/// Loads the canary's reference records; answers how many. Loading them again changes nothing.
///
/// # Errors
/// The table of reference records does not take them.
pub async fn load_reference(loader: &ReferenceLoader) -> anyhow::Result<usize> {
    let record = |mark: &str| ReferenceRecord::from([(REFERENCE_FIELD.to_owned(), mark.to_owned())]);
    let records = REFERENCE.map(|(key, mark)| (key.to_owned(), record(mark)));
    loader.write(DATASET, &records).await?;
    Ok(records.len())
}

async fn check(deployment: &Deployment, region: &str) -> anyhow::Result<Report> {
    let name = deployment.function("canary");
    let answer = deployment.functions(region).invoke(&name, &json!({ "action": "check" })).await;
    let answer = answer.map_err(|error| unanswered(error, &name, region))?;
    serde_json::from_value(answer)
        .map_err(|error| anyhow::anyhow!("{name} answered no report ({error}): deploy the current functions"))
}

fn unanswered(error: InvokeError, name: &str, region: &str) -> anyhow::Error {
    match error {
        InvokeError::Service(ServiceError::Refused { message, .. }) if message.contains("ResourceNotFound") => {
            let remedy = "deploy sam/canary.yaml there, or name its Region with --canary-region";
            Unreachable(format!("there is no function {name} in {region}: {remedy}")).into()
        }
        InvokeError::Function(FunctionError { error_type, message }) => {
            anyhow::anyhow!("the canary itself failed: {error_type}: {message}")
        }
        other => other.into(),
    }
}

fn text(report: &Report) -> String {
    let regions: String = report.regions.iter().map(region_text).collect();
    format!("{}{regions}", global_text(&report.global))
}

fn global_text(global: &Global) -> String {
    let region = global.region.as_deref().unwrap_or("nobody");
    match (global.stage, &global.reason) {
        (Some(stage), reason) => {
            let reason = brief(reason.as_deref().unwrap_or("it does not say why"));
            let batch = global.batch_id.as_ref().map(|id| format!("\n  batch {id}")).unwrap_or_default();
            format!("endpoint: failed at {stage} after {:.1} s: {reason}{batch}\n", global.seconds)
        }
        (None, _) => format!(
            "endpoint: the file came through in {:.1} s by {region}; {} rows delivered and {} rejected, byte for byte\n",
            global.seconds, ROWS.0, ROWS.1
        ),
    }
}

fn region_text(region: &RegionReport) -> String {
    let standing = region.standing.as_ref().map(|standing| {
        if standing.active { String::from("active") } else { format!("stands by ({} is active)", standing.record) }
    });
    let standing = standing.unwrap_or_else(|| String::from("does not say who is active"));
    if region.reachable {
        return format!("{}: answers well in {:.1} s, {standing}\n", region.region, region.seconds);
    }
    let problem = |problem: &tandem_core::canary::Problem| format!("  {}: {}\n", problem.probe, brief(&problem.reason));
    let problems: String = region.problems.iter().map(problem).collect();
    format!("{}: does not answer as it must, {standing}\n{problems}", region.region)
}

/// What is wrong, in one sentence.
fn summary(report: &Report) -> String {
    let regions: Vec<&str> =
        report.regions.iter().filter(|region| !region.reachable).map(|region| region.region.as_str()).collect();
    let (must, regions) = (if regions.len() == 1 { "it must" } else { "they must" }, regions.join(" and "));
    match (report.global.ok, regions.is_empty()) {
        (false, true) => String::from("the canary's file did not come through"),
        (false, false) => format!("the canary's file did not come through, and {regions} did not answer as {must}"),
        (true, _) => format!("the canary's file came through, but {regions} did not answer as {must}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::exit::{Status, status_of};

    fn report(ok: bool, reachable: [bool; 2]) -> Report {
        let region = |(name, reachable): (&str, bool)| {
            let problems = if reachable { json!([]) } else { json!([{"probe": "state-table", "reason": "cut\noff"}]) };
            json!({
                "region": name, "reachable": reachable, "seconds": 0.25, "problems": problems,
                "standing": {"region": name, "active": name == "us-east-1", "record": "us-east-1"},
            })
        };
        let regions: Vec<_> = ["us-east-1", "us-west-2"].into_iter().zip(reachable).map(region).collect();
        let failure = if ok { [json!(null), json!(null)] } else { [json!("upload"), json!("no answer")] };
        serde_json::from_value(json!({
            "run": "r", "began": "2026-01-01T00:00:00.000Z",
            "global": {
                "ok": ok, "seconds": 1.5, "batch_id": null, "region": ok.then_some("us-east-1"),
                "stage": failure[0], "reason": failure[1],
            },
            "regions": regions,
        }))
        .unwrap()
    }

    #[test]
    fn what_is_well_is_one_line_each() {
        let text = text(&report(true, [true, true]));
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            text.contains("came through in 1.5 s by us-east-1") && text.contains("us-west-2: answers well"),
            "{text}"
        );
        assert!(text.contains("stands by (us-east-1 is active)"), "{text}");
    }

    #[test]
    fn what_failed_says_where_and_every_probe_that_failed_why() {
        let text = text(&report(false, [false, true]));
        assert!(text.contains("failed at upload after 1.5 s: no answer"), "{text}");
        assert!(text.contains("us-east-1: does not answer as it must, active\n  state table: cut off\n"), "{text}");
    }

    #[test]
    fn the_last_line_tells_an_endpoint_from_a_region() {
        let told = |ok, reachable| summary(&report(ok, reachable));
        assert_eq!(told(false, [true, true]), "the canary's file did not come through");
        assert!(told(false, [false, true]).ends_with("and us-east-1 did not answer as it must"));
        assert!(told(true, [true, false]).contains("came through, but us-west-2"));
    }

    #[test]
    fn a_canary_that_is_not_deployed_is_told_from_one_that_fails() {
        let missing = ServiceError::Refused {
            operation: "lambda:InvokeFunction",
            message: "ResourceNotFoundException: Function not found".into(),
        };
        let error = unanswered(missing.into(), "tandem-dev-canary", "us-east-2");
        assert_eq!(status_of(&error), Status::Unreachable);
        assert!(error.to_string().contains("deploy sam/canary.yaml"), "{error}");
        let failed = FunctionError { error_type: "Internal".into(), message: "m".into() };
        let error = unanswered(failed.into(), "tandem-dev-canary", "us-east-2");
        assert_eq!(status_of(&error), Status::Failed);
    }
}
