//! What came of a failover, for a person and for a script.

use serde_json::{Value, json};
use tandem_core::batch::{BatchId, BatchStatus};
use tandem_core::event::INPUT_PREFIX;
use tandem_core::failover::FailedEndpoint;
use tandem_core::reconcile::{Item, RunId};
use tandem_local::admin::ReplicationStatus;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::follow::Followed;
use super::story::Story;
use crate::reconcile::list;
use crate::runbook::{Run, StepStatus};
use crate::terminal::one_line;

/// What was not replicated to the Region that takes over. Only inputs count: everything else is made again from them.
///
/// Locally it is what the edge held back when the runbook began. On AWS nobody tells; there it is what the first pass missed,
/// and the age is the time since each was claimed. Both leave out what the lost Region accepted and nobody has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rpo {
    /// Inputs that are not replicated.
    pub objects: usize,
    /// Age of the oldest of them.
    pub oldest_seconds: Option<f64>,
}

impl Rpo {
    /// By what the edge holds back from a Region.
    pub fn of_pending(status: &ReplicationStatus, region: &str) -> Self {
        let held = status.pending.iter().filter(|change| change.missing_in == region && change.change == "written");
        let ages: Vec<f64> =
            held.filter(|change| change.key.starts_with(INPUT_PREFIX)).map(|change| change.age_seconds).collect();
        Self { objects: ages.len(), oldest_seconds: ages.into_iter().reduce(f64::max) }
    }

    /// By what the first pass missed.
    ///
    /// `None` without a pass: then nobody knows.
    pub fn of_missing(story: &Story, begun: OffsetDateTime) -> Option<Self> {
        let pass = story.first_pass.as_ref()?;
        let claimed = pass.missing.iter().filter_map(|item| OffsetDateTime::parse(&item.created, &Rfc3339).ok());
        let oldest = claimed.min().map(|oldest| (begun - oldest).as_seconds_f64().max(0.0));
        Some(Self { objects: usize::try_from(pass.counts.missing).unwrap_or(usize::MAX), oldest_seconds: oldest })
    }
}

/// How a step's error begins if the Region did not answer its call of a function at all.
const SILENT: &str = "lambda:InvokeFunction failed: no answer";

/// What came of a failover.
pub struct Outcome {
    to: String,
    run_id: RunId,
    run: Run,
    story: Story,
    rpo: Option<Rpo>,
    /// What became of the batches that were taken over.
    pub followed: Followed,
}

impl Outcome {
    /// The Region that took over.
    pub fn region(&self) -> &str {
        &self.to
    }

    /// Of a run whose batches nobody has followed yet.
    pub fn new(to: &str, run_id: &RunId, run: Run, story: Story, rpo: Option<Rpo>) -> Self {
        let mut outcome =
            Self { to: to.to_owned(), run_id: run_id.clone(), run, story, rpo, followed: Followed::default() };
        outcome.followed.open = outcome.taken_over();
        outcome
    }

    /// The batches that were taken over, started or given up.
    pub fn taken_over(&self) -> Vec<BatchId> {
        let mut ids: Vec<BatchId> =
            self.items(|story| &story.taken_over).iter().map(|item| item.batch_id.clone()).collect();
        // A batch may have been taken over twice.
        ids.sort();
        ids.dedup();
        ids
    }

    fn items(&self, list: fn(&tandem_core::reconcile::FailoverReport) -> &Vec<Item>) -> &[Item] {
        self.story.report.as_ref().map(list).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the run succeeded, and the Region has dealt with the open batches once at least. A loop that never got an answer
    /// does not fail by itself.
    fn succeeded(&self) -> bool {
        self.run.succeeded && self.story.report.is_some()
    }

    /// The Region that the record named in the end, although this one was set.
    fn named_instead(&self) -> Option<&str> {
        let set = self.story.set.as_ref().is_some_and(|set| set.active.as_deref() == Some(self.to.as_str()));
        self.story.record.as_deref().filter(|named| set && *named != self.to)
    }

    /// What came of it, in one sentence.
    pub fn headline(&self) -> String {
        if let Some(failure) = self.failure() {
            return failure;
        }
        let (to, taken_over) = (&self.to, self.taken_over().len());
        let missing = self.items(|story| &story.missing).len();
        let missing = if missing > 0 { format!(", {missing} inputs are not replicated yet") } else { String::new() };
        format!("{to} is active; batches taken over: {taken_over}{missing}")
    }

    /// Why the run has failed, and what to do; nothing if it has not.
    pub fn failure(&self) -> Option<String> {
        if self.succeeded() {
            return None;
        }
        if let Some(named) = self.named_instead() {
            let to = &self.to;
            return Some(format!(
                "{to} was set, and the record still names {named}: it is cached for up to a minute, or another failover has set \
                 {named} since; agree on one Region, and give the command for that one"
            ));
        }
        if self.run.succeeded {
            let to = &self.to;
            return Some(format!(
                "{to} has dealt with no batch: see the lines above, and give the same command again once the record names it"
            ));
        }
        let failed =
            self.run.steps.iter().filter(|step| !matches!(step.status, StepStatus::Succeeded | StepStatus::NotRun));
        let failed: Vec<_> = failed.collect();
        let silent = failed.iter().any(|step| step.error.as_deref().is_some_and(|error| error.starts_with(SILENT)));
        let failed = failed
            .iter()
            .map(|step| format!("{} failed: {}", step.name, step.error.as_deref().unwrap_or("without a reason")));
        let failed: Vec<String> = failed.collect();
        let remedy = if silent { self.silent() } else { String::from("mend that and give the same command again") };
        Some(format!("{}; {remedy}: nothing toggles", one_line(&failed.join("; "))))
    }

    /// What to do when the Region that is to take over does not answer itself.
    fn silent(&self) -> String {
        let to = &self.to;
        format!(
            "{to} does not answer: name the other Region, or give the same command again when it is back (locally: `tandem region \
             heal {to}`)"
        )
    }

    /// For a script.
    pub fn json(&self) -> Value {
        let named = |items: &[Item]| -> Vec<Value> {
            items.iter().map(|item| json!({ "batch_id": item.batch_id, "key": item.key })).collect()
        };
        let rounded = |seconds: Option<f64>| seconds.map(|seconds| (seconds * 1000.0).round() / 1000.0);
        json!({
            "run": self.run_id,
            "region": self.to,
            "already_active": self.story.was_active(&self.to),
            "active_before": self.story.before.as_ref().and_then(|before| before.active.as_ref()),
            "endpoint": self.story.set.as_ref().map(|set| &set.endpoint),
            "routed": self.story.routed.as_ref().map(|routed| &routed.routed),
            "steps": self.run.steps,
            "taken_over": self.taken_over(),
            "delivered": self.followed.number(BatchStatus::Delivered),
            "failed": self.followed.number(BatchStatus::Failed),
            "missing": named(self.items(|story| &story.missing)),
            "changed": named(self.items(|story| &story.changed)),
            "waiting": named(self.items(|story| &story.waiting)),
            "stuck": named(self.items(|story| &story.stuck)),
            "rto_seconds": {
                "first_started": rounded(self.story.first_started),
                "all_delivered": rounded(self.followed.all_ended),
            },
            "rpo": {
                "objects_not_replicated": self.rpo.as_ref().map(|rpo| rpo.objects),
                "oldest_age_seconds": rounded(self.rpo.as_ref().and_then(|rpo| rpo.oldest_seconds)),
            },
            "status": if self.succeeded() { "succeeded" } else { "failed" },
        })
    }

    /// For a person.
    pub fn text(&self) -> String {
        let mut text = self.standing();
        text += &self.batches();
        text += &self.times();
        text
    }

    fn standing(&self) -> String {
        let to = &self.to;
        let silent = |failed: &[FailedEndpoint]| -> String {
            failed.iter().map(|failed| format!("  no answer from {}\n", one_line(&failed.to_string()))).collect()
        };
        let mut text = match &self.story.set {
            None => format!("{to} was not made active\n"),
            Some(set) => {
                let before = match &set.before {
                    _ if self.story.was_active(to) => String::from("as it was already"),
                    Some(before) => format!("before it was {before}"),
                    None => String::from("before, not exactly one was"),
                };
                let endpoint = &set.endpoint;
                format!("{to} is active, {before}; {endpoint} answered\n{}", silent(&set.failed_endpoints))
            }
        };
        text += &match &self.story.routed {
            None => String::from("where uploads go was not changed\n"),
            Some(routed) => {
                let already = if routed.changed { "" } else { ", as they did already" };
                format!("uploads go to {}{already}\n{}", routed.routed.join(" and "), silent(&routed.failed_endpoints))
            }
        };
        text
    }

    fn batches(&self) -> String {
        let (taken_over, followed) = (self.taken_over().len(), &self.followed);
        let mut text = match taken_over {
            0 => String::from("this run took over no batch\n"),
            _ => format!(
                "{taken_over} {} taken over: {} delivered, {} failed, {} open\n",
                if taken_over == 1 { "batch" } else { "batches" },
                followed.number(BatchStatus::Delivered),
                followed.number(BatchStatus::Failed),
                followed.open.len()
            ),
        };
        text += &list("taken over", self.items(|story| &story.taken_over));
        text += &list(
            "missing: not replicated yet, each starts by itself when it arrives",
            self.items(|story| &story.missing),
        );
        text += &list("changed: another content is under its key here", self.items(|story| &story.changed));
        text += &list("waiting: was being delivered, the next pass decides", self.items(|story| &story.waiting));
        text += &list("stuck: look at each, then `tandem rerun`", self.items(|story| &story.stuck));
        text
    }

    fn times(&self) -> String {
        let mut text = String::new();
        if let Some(first) = self.story.first_started {
            text += &format!("RTO  first batch started after {first:.1} s");
            text += &match self.followed.all_ended {
                Some(all) => format!(", all ended after {all:.1} s\n"),
                None => String::from(", not all have ended\n"),
            };
        }
        let Some(rpo) = &self.rpo else { return text + "RPO  unknown: no pass was made\n" };
        let oldest = rpo.oldest_seconds.map(|age| format!(", the oldest {age:.1} s old")).unwrap_or_default();
        text + &format!("RPO  {} inputs not replicated{oldest}\n", rpo.objects)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::runbook::{Answer, StepRecord};

    fn outcome(answers: Vec<Value>) -> Outcome {
        let answer = |payload| Answer { step: "S".into(), after: Duration::ZERO, payload };
        let run = Run { steps: Vec::new(), answers: answers.into_iter().map(answer).collect(), succeeded: true };
        let run_id: RunId = "r1".parse().unwrap();
        let story = Story::of(&run, &run_id);
        Outcome::new("us-west-2", &run_id, run, story, None)
    }

    #[test]
    fn a_region_that_does_not_answer_itself_is_told_from_a_step_that_failed_in_it() {
        let of = |error: &str| {
            let step = StepRecord {
                name: "ReadState".into(),
                status: StepStatus::Failed,
                started_at: None,
                ended_at: None,
                seconds: 0.1,
                attempts: 1,
                iterations: None,
                error: Some(error.into()),
            };
            let mut outcome = outcome(vec![]);
            outcome.run.succeeded = false;
            outcome.run.steps.push(step);
            outcome.failure().unwrap()
        };
        let silent = of("lambda:InvokeFunction failed: no answer (connection closed)");
        assert!(silent.contains("us-west-2 does not answer: name the other Region"), "{silent}");
        assert!(silent.contains("`tandem region heal us-west-2`") && !silent.contains("mend that"), "{silent}");
        let inside = of("NoEndpoint: no endpoint answered: x: dispatch failure: no answer");
        assert!(inside.contains("mend that") && !inside.contains("region heal"), "{inside}");
    }

    #[test]
    fn a_run_that_another_one_has_overtaken_says_so_and_what_to_agree_on() {
        let set = json!({"active": "us-west-2", "before": "us-east-1", "changed": true, "endpoint": "x", "failed_endpoints": []});
        let elsewhere = json!({"region": "us-west-2", "active": false, "record": "us-east-1"});
        let told = outcome(vec![set.clone(), elsewhere]).failure().unwrap();
        assert!(told.contains("another failover has set us-east-1") && told.contains("agree on one Region"), "{told}");
        let here = json!({"region": "us-west-2", "active": true, "record": "us-west-2"});
        let told = outcome(vec![set, here]).failure().unwrap();
        assert!(!told.contains("another failover"), "{told}");
    }
}
