//! What only the local Regions tell: the edge about the network, replication and who is active; the mailbox; frozen functions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_local::admin::{Admin, EdgeStatus, RegionState};
use tandem_local::{Email, LocalState, functions};
use time::OffsetDateTime;

use super::super::Console;
use super::super::snapshot::{EmailView, NoteKind, RegionView};
use super::{marker, within};
use crate::links::batch_named_in;

/// How long the edge or the emulator may take.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two looks at the edge.
const EDGE: Duration = Duration::from_secs(1);
/// Between two looks at the mailbox, which is read as a whole.
const MAILBOX: Duration = Duration::from_secs(2);
/// Most e-mails that are shown.
const EMAILS: usize = 20;
/// The functions that a batch goes through, and the one that takes it over.
const FUNCTIONS: [&str; 7] = ["intake", "split", "validate", "enrich", "merge", "deliver", "reconcile"];

/// Asks the edge how everything stands.
pub async fn edge(console: Arc<Console>, state: LocalState) {
    let admin = Admin::new(&state);
    let mut answered = true;
    console.board.write(|snapshot| snapshot.functions = FUNCTIONS.to_vec());
    loop {
        let status = within(ANSWER, admin.status()).await;
        let frozen = functions::frozen(&state).unwrap_or_default();
        if status.is_err() && answered {
            let gone = "the local Regions do not answer: start them with `tandem local up`, and then the console again";
            console.board.note(NoteKind::Error, gone);
        }
        answered = status.is_ok();
        console.board.write(|snapshot| {
            let status = status.ok();
            snapshot.active = status.as_ref().and_then(|status| status.active.clone());
            snapshot.routed = status.as_ref().and_then(|status| status.routed.clone());
            for region in &mut snapshot.regions {
                region.active = snapshot.active.as_ref() == Some(&region.name);
                region.frozen = frozen.get(&region.name).cloned().unwrap_or_default();
                tell(region, status.as_ref());
            }
        });
        tokio::time::sleep(EDGE).await;
    }
}

fn tell(region: &mut RegionView, status: Option<&EdgeStatus>) {
    let state = status.and_then(|status| status.regions.get(&region.name)).map(|region| region.state);
    region.network = state.map(network);
    let replication = status.map(|status| &status.replication);
    region.replication.paused = replication.map(|replication| replication.paused);
    region.replication.pending = replication.map(|replication| {
        let here = replication.pending.iter().filter(|change| change.missing_in == region.name);
        here.filter(|change| !change.key.starts_with(marker::PREFIX)).count()
    });
}

fn network(state: RegionState) -> Value {
    match state {
        RegionState::Reachable => json!("reachable"),
        RegionState::Isolated => json!("isolated"),
        RegionState::Slow { milliseconds } => json!({ "slow": milliseconds }),
    }
}

/// Reads the mailbox.
pub async fn mailbox(console: Arc<Console>, state: LocalState) {
    loop {
        if let Ok(mut emails) = within(ANSWER, tandem_local::mailbox(&state)).await {
            emails.reverse();
            emails.truncate(EMAILS);
            let emails = emails.into_iter().map(view).collect();
            console.board.write(|snapshot| snapshot.emails = emails);
        }
        tokio::time::sleep(MAILBOX).await;
    }
}

fn view(email: Email) -> EmailView {
    EmailView {
        time: time(&email.time),
        to: email.to.join(", "),
        subject: email.subject,
        batch_id: batch_named_in(&email.text),
        text: email.text,
    }
}

/// The emulator tells seconds since 1970; anything else is shown as it is.
fn time(text: &str) -> String {
    let time = text.parse::<f64>().ok().map(|seconds| (seconds * 1e9) as i128);
    let time = time.and_then(|nanoseconds| OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok());
    time.map_or_else(|| text.to_owned(), tandem_core::protocol::time_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_every_other() {
        assert_eq!(time("1795216452.6124723"), "2026-11-20T23:14:12.612Z");
        assert_eq!(time("yesterday"), "yesterday");
    }

    #[test]
    fn how_a_region_can_be_reached_is_a_word_or_says_by_how_much_it_is_late() {
        assert_eq!(network(RegionState::Isolated), json!("isolated"));
        assert_eq!(network(RegionState::Slow { milliseconds: 500 }), json!({ "slow": 500 }));
    }
}
