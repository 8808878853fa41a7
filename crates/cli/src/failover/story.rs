//! What a run's answers say together: who was active, who is, and what happened to the batches.

use serde::Deserialize;
use serde_json::Value;
use tandem_core::failover::{ActiveSet, RoutesSet, RoutingState};
use tandem_core::reconcile::{FailoverReport, Pass, RunId, merged};

use crate::runbook::Run;

/// What a run's answers say. Told by what they hold and not by the steps' names, so that it is also known of a run that broke
/// off.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// How things stood at first.
    pub before: Option<RoutingState>,
    /// What became of the active Region.
    pub set: Option<ActiveSet>,
    /// What became of the routes.
    pub routed: Option<RoutesSet>,
    /// The Region that the record named when it was last asked.
    pub record: Option<String>,
    /// The first pass.
    pub first_pass: Option<Pass>,
    /// All passes together; the lists of what is open are the last one's.
    pub report: Option<FailoverReport>,
    /// Seconds until the answer of the first pass that took over, started or gave up a batch.
    pub first_started: Option<f64>,
}

/// An answer of one of the functions. The more it holds, the earlier it stands, since what is too much is left out.
#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Pass(Box<Pass>),
    Report(Box<FailoverReport>),
    Read(RoutingState),
    Set(ActiveSet),
    Routed(RoutesSet),
    Other(#[allow(dead_code)] Value),
}

/// What a Region says of the record.
#[derive(Deserialize)]
struct Standing {
    record: String,
}

impl Story {
    /// What the answers of this run say.
    pub fn of(run: &Run, run_id: &RunId) -> Self {
        let mut story = Self::default();
        for answer in &run.answers {
            if let Ok(Standing { record }) = Standing::deserialize(&answer.payload) {
                story.record = Some(record);
            }
            match Told::deserialize(&answer.payload).unwrap_or(Told::Other(Value::Null)) {
                Told::Pass(pass) if pass.active => story.note(*pass, run_id, answer.after.as_secs_f64()),
                // It names every batch, where a pass's answer is limited.
                Told::Report(report) => story.report = Some(*report),
                Told::Read(read) => story.before = Some(read),
                Told::Set(set) => story.set = Some(set),
                Told::Routed(routed) => story.routed = Some(routed),
                Told::Pass(_) | Told::Other(_) => {}
            }
        }
        story
    }

    fn note(&mut self, pass: Pass, run_id: &RunId, seconds: f64) {
        let begun = pass.counts.taken_over + pass.counts.started + pass.counts.given_up > 0;
        if begun {
            self.first_started.get_or_insert(seconds);
        }
        self.report = Some(merged(self.report.take(), run_id, &pass));
        self.first_pass.get_or_insert(pass);
    }

    /// Whether this Region was the active one before anything was done.
    pub fn was_active(&self, region: &str) -> bool {
        let before = self.before.as_ref().map(|before| before.active.as_deref());
        let set = self.set.as_ref().map(|set| set.before.as_deref());
        before.or(set).flatten() == Some(region)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::reconcile::tests::pass;
    use crate::runbook::Answer;

    fn run(answers: Vec<Value>) -> Run {
        let answer = |(second, payload)| Answer { step: "S".into(), after: Duration::from_secs(second), payload };
        Run { steps: Vec::new(), answers: (1..).zip(answers).map(answer).collect(), succeeded: true }
    }

    fn of(answers: Vec<Value>) -> Story {
        Story::of(&run(answers), &"r1".parse().unwrap())
    }

    #[test]
    fn passes_add_up_and_what_is_missing_is_what_the_last_one_misses() {
        let passes = [pass(true, 0, 2), pass(true, 2, 1), pass(true, 0, 0)].map(|pass| json!(pass));
        let story = of(passes.to_vec());
        let report = story.report.unwrap();
        assert_eq!((report.taken_over.len(), report.missing.len(), report.passes), (2, 0, 3));
        assert_eq!(story.first_pass.unwrap().missing.len(), 2);
        assert_eq!(story.first_started, Some(2.0));
    }

    #[test]
    fn each_answer_is_known_by_what_it_holds() {
        let story = of(vec![
            json!({"active": "us-east-1", "routed": ["us-east-1"], "endpoint": "us-west-2", "failed_endpoints": [], "at": "t"}),
            json!({"active": "us-west-2", "before": "us-east-1", "changed": true, "endpoint": "eu-west-1",
                "failed_endpoints": [{"endpoint": "us-east-1", "error": "away"}]}),
            json!({"routed": ["us-west-2"], "before": ["us-east-1"], "changed": true, "endpoint": "us-west-2", "failed_endpoints": []}),
            json!({"region": "us-west-2", "active": true, "record": "us-west-2"}),
        ]);
        assert!(story.was_active("us-east-1") && !story.was_active("us-west-2"));
        assert_eq!(story.set.unwrap().endpoint, "eu-west-1");
        assert_eq!(story.routed.unwrap().routed, ["us-west-2"]);
        assert!(story.report.is_none());
    }

    #[test]
    fn a_pass_of_a_region_that_stands_by_is_no_pass() {
        assert!(of(vec![json!(pass(false, 0, 0))]).report.is_none());
    }
}
