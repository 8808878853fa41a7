//! What the page does besides failing over and uploading: each by the code of its command.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_core::batch::{BatchId, BatchRecord};
use tandem_local::admin::{Admin, RegionState, ReplicationSettings};
use tandem_local::{LocalState, functions};

use super::Console;
use super::refusal::{Refusal, Said};
use super::snapshot::NoteKind;
use crate::{again, reconcile};

type Shared = State<Arc<Console>>;
type Answered = Result<Json<Value>, Refusal>;

/// `POST /api/batches/{id}/resend`.
pub async fn resend(State(console): Shared, Path(id): Path<String>) -> Answered {
    let record = console.batch(&id).await?;
    let (region, _) = again::send_again(&console.deployment, &record).await?;
    Ok(console.done(format!("batch {} was sent again, from {region}", record.batch_id)))
}

/// `POST /api/batches/{id}/rerun`.
pub async fn rerun(State(console): Shared, Path(id): Path<String>) -> Answered {
    let record = console.batch(&id).await?;
    let (region, answer) = again::run_again(&console.deployment, &record).await?;
    Ok(console.done(format!("batch {} runs again: attempt {} in {region}", record.batch_id, answer["attempt"])))
}

/// `POST /api/reconcile`.
pub async fn reconcile(State(console): Shared) -> Answered {
    let said = reconcile::now(&console.deployment).await?;
    Ok(console.done(said))
}

/// How a Region is to be reached.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    network: Wanted,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Isolated,
    Reachable,
    Slow(u64),
}

/// `POST /api/regions/{name}`; local only.
pub async fn region(State(console): Shared, Path(name): Path<String>, Said(body): Said<Network>) -> Answered {
    let state = console.own()?;
    known(&name, &state.regions, "Region")?;
    let (wanted, said) = match body.network {
        Wanted::Isolated => (RegionState::Isolated, String::from("isolated: no call reaches it, and none leaves it")),
        Wanted::Reachable => (RegionState::Reachable, String::from("reachable")),
        Wanted::Slow(milliseconds) => (RegionState::Slow { milliseconds }, format!("slow by {milliseconds} ms")),
    };
    Admin::new(state).set_region(&name, wanted).await?;
    Ok(console.done(format!("{name} is {said}")))
}

/// What is to be done to a function's processes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freezing {
    region: String,
    r#do: Freeze,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Freeze {
    Freeze,
    Thaw,
}

/// `POST /api/functions/{name}`; local only.
pub async fn function(State(console): Shared, Path(name): Path<String>, Said(body): Said<Freezing>) -> Answered {
    let state = console.own()?;
    known(&body.region, &state.regions, "Region")?;
    known(&name, &console.board.look(|snapshot| snapshot.functions.clone()), "function")?;
    let done = match body.r#do {
        Freeze::Freeze => functions::freeze(state, &name, &body.region).map(|_| "frozen"),
        Freeze::Thaw => functions::thaw(state, &name, &body.region).map(|_| "thawed"),
    };
    Ok(console.done(format!("{name} in {} is {}", body.region, done?)))
}

/// Whether replication is to hold.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    paused: bool,
}

/// `POST /api/replication`; local only.
pub async fn replication(State(console): Shared, Said(Pause { paused }): Said<Pause>) -> Answered {
    let state = console.own()?;
    let settings = ReplicationSettings { paused: Some(paused), lag_seconds: None };
    Admin::new(state).set_replication(settings).await?;
    let said =
        if paused { "replication is paused: what changes is held" } else { "replication goes on, what was held first" };
    Ok(console.done(said.to_owned()))
}

impl Console {
    /// The record of a batch that is named in full.
    pub async fn batch(&self, id: &str) -> Result<BatchRecord, Refusal> {
        let id = batch_id(id)?;
        let record = self.deployment.records().get(&id).await.map_err(anyhow::Error::from)?;
        record.ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                format!("there is no batch {id}: it may not be claimed yet, so try again"),
            )
        })
    }

    /// The local Regions; on AWS there is nothing to act on.
    fn own(&self) -> Result<&LocalState, Refusal> {
        let nothing = "this works on the local Regions only: on AWS use the experiments of sam/chaos.yaml";
        self.local.as_ref().ok_or_else(|| Refusal::bad(nothing))
    }

    fn done(&self, said: String) -> Json<Value> {
        self.board.note(NoteKind::Info, said.clone());
        Json(json!({ "message": said }))
    }
}

fn batch_id(id: &str) -> Result<BatchId, Refusal> {
    id.parse().map_err(|_| Refusal::bad("that is no batch id: expected 32 hex digits"))
}

fn known(name: &str, all: &[impl AsRef<str>], what: &str) -> Result<(), Refusal> {
    let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    if all.contains(&name) {
        return Ok(());
    }
    Err(Refusal::bad(format!("there is no such {what}: name one of {}", all.join(", "))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_there_is_can_be_named() {
        assert!(known("us-east-1", &["us-east-1", "us-west-2"], "Region").is_ok());
        for name in ["", "US-EAST-1", "../x", "mars\n"] {
            let refusal = known(name, &["us-east-1", "us-west-2"], "Region").unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
            assert!(refusal.sentence.ends_with("us-east-1, us-west-2"), "{}", refusal.sentence);
        }
    }

    #[test]
    fn only_a_whole_batch_id_is_one() {
        assert!(batch_id("0123456789abcdef0123456789abcdef").is_ok());
        for id in ["", "0123", "0123456789ABCDEF0123456789ABCDEF", "../../etc", "0123456789abcdef0123456789abcdeg"] {
            assert_eq!(batch_id(id).unwrap_err().status, StatusCode::BAD_REQUEST, "{id}");
        }
    }

    #[test]
    fn how_a_region_is_to_be_reached_is_one_of_three_ways() {
        let wanted = |text: &str| serde_json::from_str::<Network>(text);
        for text in [r#"{"network":"isolated"}"#, r#"{"network":"reachable"}"#, r#"{"network":{"slow":2000}}"#] {
            assert!(wanted(text).is_ok(), "{text}");
        }
        for text in [r#"{"network":"gone"}"#, r#"{"network":{"slow":-1}}"#, r#"{}"#, r#"{"network":"isolated","x":1}"#]
        {
            assert!(wanted(text).is_err(), "{text}");
        }
    }
}
