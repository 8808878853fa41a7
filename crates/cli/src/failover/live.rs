//! Shows a run as it happens: a line for each step, and on a terminal one that moves.

use std::cell::RefCell;
use std::time::Instant;

use serde_json::Value;
use tandem_core::reconcile::Pass;

use super::follow::{Followed, Follower};
use crate::reconcile::counts;
use crate::runbook::{Answer, Observe, StepRecord, StepStatus};
use crate::terminal::{brief, spinner};

/// Columns of a step's name.
const NAME: usize = 14;

/// Shows a run on standard error.
pub struct Live {
    begun: Instant,
    spinner: indicatif::ProgressBar,
    /// What was said last of an answer inside a loop: a loop says the same many times.
    said: RefCell<String>,
    /// What the last answer says, for the line of the step that got it.
    note: RefCell<String>,
}

impl Live {
    /// Begins with nothing shown.
    pub fn new(begun: Instant) -> Self {
        Self { begun, spinner: spinner(), said: RefCell::default(), note: RefCell::default() }
    }

    fn line(&self, text: &str) {
        let line = format!("{:8.2} s  {text}", self.begun.elapsed().as_secs_f64());
        self.spinner.suspend(|| errln!("{line}"));
    }
}

impl Observe for Live {
    fn begins(&self, step: &str, depth: usize) {
        self.spinner.set_message(step.to_owned());
        if depth == 0 {
            self.note.borrow_mut().clear();
            self.said.borrow_mut().clear();
        }
    }

    fn answers(&self, answer: &Answer) {
        if let Some(note) = note(&answer.payload) {
            self.note.replace(note);
        }
    }

    fn tries_again(&self, step: &str, error: &str) {
        self.line(&format!("{step:NAME$} tried again: {}", brief(error)));
    }

    fn ends(&self, record: &StepRecord, depth: usize) {
        let note = self.note.borrow().clone();
        let error = record.error.as_ref().map(|error| brief(error)).unwrap_or_default();
        if depth > 0 {
            let text = if record.error.is_some() { error } else { note };
            if !text.is_empty() && self.said.replace(text.clone()) != text {
                self.line(&format!("  {:width$} {text}", record.name, width = NAME - 2));
            }
            return;
        }
        let outcome = match record.status {
            StepStatus::Succeeded => note,
            status => format!("{}: {error}", status.as_str().to_uppercase().replace('_', " ")),
        };
        self.line(format!("{:NAME$} {outcome}", record.name).trim_end());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}

/// Shows how the following goes: a line that moves, and goes when it ends, however it does.
pub struct Shown(indicatif::ProgressBar);

impl Shown {
    /// Begins with an empty line.
    pub fn new() -> Self {
        Self(spinner())
    }
}

impl Follower for Shown {
    fn sees(&self, followed: &Followed) {
        let (ended, all) = (followed.ended.len(), followed.ended.len() + followed.open.len());
        self.0.set_message(format!("{ended} of {all} batches have ended"));
    }

    fn warns(&self, text: &str) {
        self.0.suspend(|| tracing::warn!("{text}"));
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// An answer in a few words; nothing for one that is not known.
pub fn note(payload: &Value) -> Option<String> {
    if let Ok(pass) = serde_json::from_value::<Pass>(payload.clone()) {
        return Some(if pass.active { counts(&pass) } else { format!("{} is active, nothing done", pass.record) });
    }
    let text = |field: &str| payload[field].as_str().map(str::to_owned);
    let list = |field: &str| {
        let regions = payload[field].as_array()?.iter().filter_map(Value::as_str).collect::<Vec<_>>();
        Some(if regions.is_empty() { String::from("nowhere") } else { regions.join(" and ") })
    };
    let through = text("endpoint").map(|endpoint| format!(" (endpoint {endpoint})")).unwrap_or_default();
    let changed = payload["changed"].as_bool();
    if let (Some(active), Some(changed)) = (text("active"), changed) {
        let before = text("before").unwrap_or_else(|| String::from("none"));
        let was = if changed { format!("was {before}") } else { String::from("it was already") };
        return Some(format!("{active} is active, {was}{through}"));
    }
    if let (Some(routed), Some(changed)) = (list("routed"), changed) {
        let was = if changed { format!("was {}", list("before")?) } else { String::from("they did already") };
        return Some(format!("uploads go to {routed}, {was}{through}"));
    }
    if let (Some(routed), Some(_)) = (list("routed"), payload.get("active")) {
        let active = text("active").unwrap_or_else(|| String::from("no Region"));
        return Some(format!("{active} is active, uploads go to {routed}{through}"));
    }
    text("record").map(|record| format!("the record says {record}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reconcile::tests::pass;

    #[test]
    fn every_answer_is_told_in_a_few_words() {
        for (payload, told) in [
            (
                json!({"active": "w", "before": "e", "changed": true, "endpoint": "x", "failed_endpoints": []}),
                "w is active, was e (endpoint x)",
            ),
            (
                json!({"active": "w", "before": "w", "changed": false, "endpoint": "x"}),
                "w is active, it was already (endpoint x)",
            ),
            (
                json!({"routed": ["w"], "before": ["e"], "changed": true, "endpoint": "x"}),
                "uploads go to w, was e (endpoint x)",
            ),
            (
                json!({"active": null, "routed": ["e"], "endpoint": "x", "at": "t"}),
                "no Region is active, uploads go to e (endpoint x)",
            ),
            (json!({"region": "w", "active": false, "record": "e"}), "the record says e"),
            (json!(pass(true, 2, 1)), "2 taken over, 1 missing"),
        ] {
            assert_eq!(note(&payload).as_deref(), Some(told));
        }
        assert_eq!(note(&json!({"run": "r"})), None);
    }
}
