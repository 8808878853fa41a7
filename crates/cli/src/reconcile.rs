//! `tandem reconcile`: one pass now, in whichever Region is active.

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use tandem_aws::invoke::{Functions, InvokeError};
use tandem_core::reconcile::{Item, Pass};

use crate::deployment::{Deployment, Which};
use crate::exit::Unreachable;
use crate::terminal::{brief, one_line};

/// Arguments of `reconcile`.
#[derive(Debug, Clone, Args)]
pub struct ReconcileArgs {
    /// Print one JSON object: the passes, and the Regions without an answer
    #[arg(long)]
    pub json: bool,
}

/// What a Region answered.
type Answered = (String, Result<Pass, NoPass>);

/// Why a Region made no pass.
enum NoPass {
    /// It did not answer.
    NoAnswer(String),
    /// Its function answered with an error.
    Failed(String),
}

impl NoPass {
    fn text(&self) -> &str {
        match self {
            Self::NoAnswer(text) | Self::Failed(text) => text,
        }
    }
}

/// Asks both Regions to reconcile; the one that stands by does nothing.
///
/// # Errors
/// When no active Region answered.
pub async fn run(args: &ReconcileArgs, which: &Which) -> anyhow::Result<()> {
    let deployment = which.find().await?;
    let answers = both(&deployment).await;
    if args.json {
        outln!("{}", as_json(&answers));
    } else {
        answers.iter().for_each(|answer| out!("{}", text(answer)));
    }
    conclude(&answers)
}

async fn both(deployment: &Deployment) -> [Answered; 2] {
    let [one, other] = deployment.regions();
    let (one, other) = tokio::join!(pass(deployment, one), pass(deployment, other));
    [one, other]
}

/// Has both Regions reconcile; what the active one did, in one line.
///
/// # Errors
/// As [`run`].
pub async fn now(deployment: &Deployment) -> anyhow::Result<String> {
    let answers = both(deployment).await;
    conclude(&answers)?;
    let acted = answers.iter().filter_map(|(region, answer)| {
        let pass = answer.as_ref().ok().filter(|pass| pass.active)?;
        Some(format!("{region} reconciled: {}", counts(pass)))
    });
    Ok(acted.collect::<Vec<_>>().join("; "))
}

async fn pass(deployment: &Deployment, region: &str) -> Answered {
    let function = deployment.function("reconcile");
    let answered = invoke_pass(&deployment.functions(region), &function).await;
    let no_pass = |error: InvokeError| match error {
        InvokeError::Function(error) => NoPass::Failed(error.to_string()),
        other => NoPass::NoAnswer(other.to_string()),
    };
    (region.to_owned(), answered.map_err(no_pass))
}

async fn invoke_pass(functions: &Functions, name: &str) -> Result<Pass, InvokeError> {
    let answer = functions.invoke(name, &json!({ "action": "reconcile" })).await?;
    serde_json::from_value(answer).map_err(|error| {
        let message = format!("{name} answered something else than a pass ({error}): deploy the current functions");
        tandem_core::ports::ServiceError::Refused { operation: "lambda:InvokeFunction", message }.into()
    })
}

fn conclude(answers: &[Answered]) -> anyhow::Result<()> {
    if answers.iter().any(|(_, answer)| answer.as_ref().is_ok_and(|pass| pass.active)) {
        return Ok(());
    }
    let standing =
        answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()).map(|pass| pass.record.as_str()).next();
    match standing {
        Some(record) => Err(Unreachable(format!(
            "{record} is the active Region, and it did not answer: if it is lost, let the other one take over with `tandem failover`"
        ))
        .into()),
        None if answers.iter().any(|(_, answer)| matches!(answer, Err(NoPass::Failed(_)))) => {
            bail!("no Region made a pass: mend what is said above, and reconcile again")
        }
        None => Err(Unreachable(String::from("no Region answered, so nothing was done")).into()),
    }
}

fn as_json(answers: &[Answered]) -> Value {
    let passes: Vec<&Pass> = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()).collect();
    let silent = answers.iter().filter_map(|(region, answer)| Some((region, answer.as_ref().err()?)));
    let silent: Vec<Value> = silent.map(|(region, error)| json!({ "region": region, "error": error.text() })).collect();
    json!({ "passes": passes, "unanswered": silent })
}

fn text((region, answer): &Answered) -> String {
    match answer {
        Err(NoPass::NoAnswer(error)) => format!("{region}: no answer: {}\n", brief(error)),
        Err(NoPass::Failed(error)) => format!("{region}: answers, and made no pass: {}\n", brief(error)),
        Ok(pass) if !pass.active => format!("{region}: stands by ({} is active), nothing done\n", pass.record),
        Ok(pass) => format!("{region}: active, {}\n{}", counts(pass), named(pass)),
    }
}

/// What a pass did, in one line.
pub fn counts(pass: &Pass) -> String {
    let counts = &pass.counts;
    let parts = [
        (counts.taken_over, "taken over"),
        (counts.started, "started"),
        (counts.running, "running"),
        (counts.waiting, "waiting"),
        (counts.missing, "missing"),
        (counts.changed, "changed"),
        (counts.given_up, "given up"),
        (counts.stuck, "stuck"),
        (counts.failed, "failed"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    let done = if parts.is_empty() { String::from("no open batches") } else { parts.join(", ") };
    if pass.complete { done } else { format!("{done}; not all were looked at, so reconcile again") }
}

/// Every batch that somebody may want to know by name.
fn named(pass: &Pass) -> String {
    let lists = [
        ("taken over", &pass.taken_over),
        ("started", &pass.started),
        ("waiting: it was being delivered a moment ago", &pass.waiting),
        ("missing: not replicated here yet", &pass.missing),
        ("changed: another content is under its key here", &pass.changed),
        ("given up: its attempts are used up", &pass.given_up),
        ("stuck: run it again with `tandem rerun`", &pass.stuck),
        ("failed", &pass.failed),
    ];
    lists.iter().map(|(what, items)| list(what, items)).collect()
}

/// Batches under a heading; nothing if there are none.
pub fn list(heading: &str, items: &[Item]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let line = |item: &Item| {
        let error = item.error.as_ref().map(|error| format!("  {}", one_line(error))).unwrap_or_default();
        format!("    {}  {}{error}\n", item.batch_id, one_line(&item.key))
    };
    format!("  {heading}:\n{}", items.iter().map(line).collect::<String>())
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::exit::{Status, status_of};

    /// A pass with this many taken over and missing.
    pub fn pass(active: bool, taken_over: usize, missing: usize) -> Pass {
        let item = |number: usize| {
            json!({
                "batch_id": format!("{number:032x}"), "key": format!("input/{number}.csv"), "etag": "e", "size": 1,
                "attempt": 2, "owner_region": "us-east-1",
                "created": "2026-01-01T00:00:00.000Z", "updated": "2026-01-01T00:00:00.000Z",
            })
        };
        let items = |from: usize, number: usize| (from..from + number).map(item).collect::<Vec<_>>();
        serde_json::from_value(json!({
            "region": "us-west-2", "active": active, "record": if active { "us-west-2" } else { "us-east-1" },
            "settled": missing == 0, "complete": true,
            "started_at": "2026-01-01T00:00:10.000Z", "ended_at": "2026-01-01T00:00:11.000Z",
            "counts": {
                "seen": taken_over + missing, "taken_over": taken_over, "started": 0, "running": 0, "waiting": 0,
                "missing": missing, "changed": 0, "given_up": 0, "stuck": 0, "failed": 0,
            },
            "taken_over": items(0, taken_over), "started": [], "waiting": [], "missing": items(100, missing),
            "changed": [], "given_up": [], "stuck": [], "failed": [], "report": null,
        }))
        .unwrap()
    }

    fn answered(region: &str, answer: Result<Pass, &str>) -> Answered {
        (region.to_owned(), answer.map_err(|error| NoPass::NoAnswer(error.to_owned())))
    }

    #[test]
    fn a_silent_region_is_an_error_only_if_it_is_the_active_one() {
        let silent = || answered("us-east-1", Err("away"));
        assert!(conclude(&[silent(), answered("us-west-2", Ok(pass(true, 0, 0)))]).is_ok());
        for answers in [vec![silent(), answered("us-west-2", Ok(pass(false, 0, 0)))], vec![silent(), silent()]] {
            assert_eq!(status_of(&conclude(&answers).unwrap_err()), Status::Unreachable);
        }
    }

    #[test]
    fn what_was_done_is_counted_and_what_is_missing_is_named() {
        let text = text(&answered("us-west-2", Ok(pass(true, 2, 1))));
        assert!(text.contains("2 taken over, 1 missing"), "{text}");
        assert!(text.contains("input/100.csv"), "{text}");
        assert!(counts(&pass(true, 0, 0)).contains("no open batches"));
    }

    #[test]
    fn json_names_passes_and_the_regions_without_an_answer() {
        let object = as_json(&[answered("us-east-1", Err("away")), answered("us-west-2", Ok(pass(true, 1, 0)))]);
        assert_eq!(object["passes"][0]["counts"]["taken_over"], 1);
        assert_eq!(object["unanswered"][0]["region"], "us-east-1");
    }
}
