//! What a drill has shown: pass or fail, as docs/CHAOS.md has it, with RTO and RPO.

use std::time::Duration;

use console::Style;
use serde_json::{Value, json};

use super::Experiment;
use super::emails::Told;
use super::operator::Answer;
use crate::terminal::one_line;

/// One thing that must be so, and whether it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    what: String,
    passed: bool,
    /// What was seen.
    seen: String,
}

impl Check {
    fn new(what: &str, passed: bool, seen: String) -> Self {
        Self { what: what.to_owned(), passed, seen }
    }

    /// That the strike has struck: a drill in which nothing was taken away shows nothing.
    pub fn of_strike(experiment: Experiment, evidence: &str) -> Self {
        let seen = if evidence.is_empty() { "nothing of it was seen: the drill proves nothing" } else { evidence };
        Self::new(&format!("{experiment} has struck"), !evidence.is_empty(), seen.to_owned())
    }

    /// That something could not even be looked at.
    pub fn of_silence(what: &str, error: &anyhow::Error) -> Self {
        Self::new(what, false, format!("not known: {error:#}"))
    }

    /// That the runbook came to its end, in the Region that was left.
    pub fn of_failover(answer: &Answer, left: &str) -> Self {
        let taken_over = answer.told["taken_over"].as_array().map_or(0, Vec::len);
        let (what, seen) =
            (format!("{left} has taken over by the runbook"), format!("{taken_over} batches taken over"));
        Self::new(&what, has_taken_over(answer, left), seen).by(answer)
    }

    /// That the Region that was struck acts again.
    pub fn of_return(answer: &Answer, lost: &str) -> Self {
        Self::new(&format!("{lost} is active again"), has_taken_over(answer, lost), String::from("by the runbook"))
            .by(answer)
    }

    /// A command that failed has not shown what it tells.
    fn by(mut self, answer: &Answer) -> Self {
        if let Some(failed) = &answer.failed {
            self.passed = false;
            self.seen += &format!("; {}", one_line(failed));
        }
        self
    }

    /// That it holds for each of so many files.
    pub fn of_all(what: &str, of: usize, all: usize) -> Self {
        Self::new(&format!("each file was {what}"), of == all && all > 0, format!("{of} of {all}"))
    }

    /// That each file was announced by one e-mail, and once more at most for each delivery that broke off.
    pub fn of_emails(told: &[Told]) -> Self {
        let right = told.iter().filter(|told| told.is_as_promised()).count();
        let again: usize = told.iter().filter(|told| told.is_as_promised()).map(|told| told.emails - 1).sum();
        let mut check = Self::of_all("announced by one e-mail", right, told.len());
        if again > 0 {
            check.seen += &format!(", and {again} more after a delivery that broke off");
        }
        for told in told.iter().filter(|told| !told.is_as_promised()) {
            check.seen +=
                &format!("; {}: {} e-mails, {} deliveries broke off", told.batch_id, told.emails, told.broken_off);
        }
        check
    }

    /// That no event is left in the queues of those that intake gave up on.
    pub fn of_replay(answer: &Answer) -> Self {
        let told = &answer.told;
        let left = count(&told["failed"]).zip(count(&told["unreadable"])).map(|(failed, odd)| failed + odd);
        Self::new("no failed event is left", left == Some(0), format!("{} left", text(left))).by(answer)
    }

    /// That nothing is open, missing or stuck.
    pub fn of_reconcile(answer: &Answer) -> Self {
        let told = &answer.told;
        let active = told["passes"].as_array().into_iter().flatten().find(|pass| pass["active"] == true);
        let seen = active.and_then(|pass| count(&pass["counts"]["seen"]));
        let silent = told["unanswered"].as_array().map_or(1, Vec::len);
        let passed = seen == Some(0) && silent == 0;
        Self::new("nothing is open or missing", passed, format!("{} open, {silent} Regions silent", text(seen)))
            .by(answer)
    }

    /// Whether it was so.
    #[cfg(test)]
    pub fn passed(&self) -> bool {
        self.passed
    }

    /// What was seen.
    #[cfg(test)]
    pub fn seen(&self) -> &str {
        &self.seen
    }

    fn line(&self) -> String {
        let mark =
            if self.passed { Style::new().green().apply_to("passed") } else { Style::new().red().apply_to("FAILED") };
        format!("{mark}  {}: {}\n", self.what, self.seen)
    }
}

fn has_taken_over(answer: &Answer, region: &str) -> bool {
    answer.tells_success() && answer.told["region"] == region && answer.told["failed"] == 0
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64()
}

fn text(count: Option<u64>) -> String {
    count.map_or_else(|| String::from("an unknown number"), |count| count.to_string())
}

/// What a drill has shown.
pub struct Report {
    experiment: Experiment,
    lost: String,
    left: String,
    took: Duration,
    failover: Option<Value>,
    checks: Vec<Check>,
}

impl Report {
    /// Of an experiment that struck the first Region and spared the second.
    pub fn new(
        experiment: Experiment,
        (lost, left): (&str, &str),
        took: Duration,
        failover: Option<Value>,
        checks: Vec<Check>,
    ) -> Self {
        Self { experiment, lost: lost.to_owned(), left: left.to_owned(), took, failover, checks }
    }

    /// Whether every check passed; without any, nothing has been shown.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.passed)
    }

    /// For a script, in one line.
    pub fn json(&self) -> String {
        let check = |check: &Check| json!({ "what": check.what, "passed": check.passed, "seen": check.seen });
        let report = json!({
            "experiment": self.experiment.to_string(),
            "struck": self.lost,
            "seconds": (self.took.as_secs_f64() * 10.0).round() / 10.0,
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
            "rto_seconds": self.failover.as_ref().map(|answer| &answer["rto_seconds"]),
            "rpo": self.failover.as_ref().map(|answer| &answer["rpo"]),
            "failover": self.failover,
            "passed": self.passed(),
        });
        format!("{report}\n")
    }

    /// For a person.
    pub fn text(&self) -> String {
        let mut text = format!("\n{} of {}, {:.0} s\n", self.experiment, self.lost, self.took.as_secs_f64());
        text.extend(self.checks.iter().map(Check::line));
        if let Some(answer) = &self.failover {
            text += &self.times(answer);
        }
        text += if self.passed() { "Passed.\n" } else { "Failed.\n" };
        text
    }

    /// What is to be written down.
    fn times(&self, answer: &Value) -> String {
        let seconds = |value: &Value| value.as_f64().map_or_else(|| String::from("unknown"), |s| format!("{s:.1} s"));
        let rto = &answer["rto_seconds"];
        let (first, all) = (seconds(&rto["first_started"]), seconds(&rto["all_delivered"]));
        let missing = text(count(&answer["rpo"]["objects_not_replicated"]));
        format!("RTO     first batch started by {} after {first}, all ended after {all}\n", self.left)
            + &format!("RPO     {missing} inputs not replicated when the runbook began\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tandem_core::batch::BatchId;

    use super::*;

    fn told(told: Value) -> Answer {
        Answer { told, failed: None }
    }

    fn report(checks: Vec<Check>) -> Report {
        let failover = json!({ "status": "succeeded", "region": "us-west-2", "failed": 0, "taken_over": ["a", "b"],
            "rto_seconds": { "first_started": 1.25, "all_delivered": null }, "rpo": { "objects_not_replicated": 0 } });
        let regions = ("us-east-1", "us-west-2");
        Report::new(Experiment::RegionLoss, regions, Duration::from_secs(9), Some(failover), checks)
    }

    #[test]
    fn one_failed_check_fails_the_drill_and_so_do_none() {
        let good = Check::of_all("delivered", 3, 3);
        assert!(report(vec![good.clone()]).passed());
        assert!(!report(vec![good, Check::of_all("delivered", 2, 3)]).passed());
        assert!(!report(Vec::new()).passed());
    }

    #[test]
    fn a_strike_that_nobody_saw_and_files_that_were_never_put_show_nothing() {
        assert!(!Check::of_strike(Experiment::SubnetsS3, "").passed);
        assert!(Check::of_strike(Experiment::SubnetsS3, "3 calls failed").passed);
        assert!(!Check::of_all("delivered", 0, 0).passed);
    }

    #[test]
    fn an_e_mail_comes_again_only_after_a_delivery_that_broke_off() {
        let batch_id = BatchId::of("input/a/b.csv", "etag");
        let told = |emails, broken_off| Told { batch_id: batch_id.clone(), emails, broken_off };
        let check = Check::of_emails;
        assert_eq!((check(&[told(1, 0)]).passed, check(&[told(1, 0)]).seen.as_str()), (true, "1 of 1"));
        assert!(check(&[told(1, 0), told(1, 1)]).passed);
        let twice = check(&[told(1, 0), told(2, 1)]);
        assert!(twice.passed && twice.seen == "2 of 2, and 1 more after a delivery that broke off", "{twice:?}");
        for wrong in [told(0, 0), told(0, 1), told(2, 0), told(3, 1)] {
            let failed = check(&[told(1, 0), wrong]);
            assert!(!failed.passed && failed.seen.contains(&format!("1 of 2; {batch_id}: ")), "{failed:?}");
        }
        assert!(!check(&[]).passed);
    }

    #[test]
    fn an_answer_without_what_is_asked_for_does_not_pass() {
        assert!(Check::of_replay(&told(json!({ "failed": 0, "unreadable": 0 }))).passed);
        let failover = told(report(Vec::new()).failover.unwrap());
        assert!(Check::of_failover(&failover, "us-west-2").passed && Check::of_return(&failover, "us-west-2").passed);
        let pass = |active, seen: u64| json!({ "passes": [{ "active": active, "counts": { "seen": seen } }], "unanswered": [] });
        assert!(Check::of_reconcile(&told(pass(true, 0))).passed);
        assert!(!Check::of_reconcile(&told(pass(true, 1))).passed);
        for odd in
            [json!({}), json!(null), json!({ "passes": [], "unanswered": [] }), json!({ "failed": 1, "unreadable": 0 })]
        {
            let odd = told(odd);
            assert!(!Check::of_replay(&odd).passed, "{odd:?}");
            assert!(!Check::of_failover(&odd, "us-west-2").passed, "{odd:?}");
            assert!(!Check::of_return(&odd, "us-west-2").passed, "{odd:?}");
            assert!(!Check::of_reconcile(&odd).passed, "{odd:?}");
        }
    }

    #[test]
    fn a_command_that_failed_fails_its_check_whatever_it_told_and_says_why() {
        let failed = Some(String::from("`tandem replay` ended with exit status: 4:\nno answer"));
        let check = Check::of_replay(&Answer { told: json!({ "failed": 0, "unreadable": 0 }), failed });
        assert!(!check.passed && check.seen.starts_with("0 left; `tandem replay` ended"), "{check:?}");
        assert_eq!(check.line().lines().count(), 1);
        let silent = Check::of_silence("each file was announced by one e-mail", &anyhow::anyhow!("no mailbox"));
        assert!(!silent.passed && silent.seen == "not known: no mailbox", "{silent:?}");
    }

    #[test]
    fn the_report_says_what_is_to_be_written_down() {
        console::set_colors_enabled(false);
        let text = report(vec![Check::of_all("delivered", 3, 3)]).text();
        for part in [
            "region-loss of us-east-1",
            "passed  each file was delivered: 3 of 3",
            "after 1.2 s, all ended after unknown",
            "RPO     0 inputs",
            "Passed.",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let object: Value = serde_json::from_str(&report(Vec::new()).json()).unwrap();
        assert_eq!((&object["passed"], &object["rto_seconds"]["first_started"]), (&json!(false), &json!(1.25)));
    }
}
