//! What the functions on AWS say: who is active by the record, and where uploads go.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::Console;
use super::within;

/// How long a function may take, its cold start included.
const ANSWER: Duration = Duration::from_secs(10);
/// Between two questions for the record: the functions themselves go by an answer that is up to a minute old.
const RECORD: Duration = Duration::from_secs(5);
/// Between two questions for the routes, which change in a failover only.
const ROUTES: Duration = Duration::from_secs(30);

/// Asks in both Regions who is active.
pub async fn active(console: Arc<Console>) {
    loop {
        let answer = first(&console, "reconcile", &json!({ "action": "ask" })).await;
        let active = answer.and_then(|answer| answer["record"].as_str().map(str::to_owned));
        console.board.write(|snapshot| {
            for region in &mut snapshot.regions {
                region.active = active.as_ref() == Some(&region.name);
            }
            snapshot.active = active;
        });
        tokio::time::sleep(RECORD).await;
    }
}

/// Asks where uploads go.
pub async fn routed(console: Arc<Console>) {
    loop {
        let answer = first(&console, "failover", &json!({ "action": "read" })).await;
        let routed = answer.and_then(|answer| Some(answer["routed"].as_array()?.first()?.as_str()?.to_owned()));
        console.board.write(|snapshot| snapshot.routed = routed);
        tokio::time::sleep(ROUTES).await;
    }
}

/// The answer of whichever Region has one: both are asked at once, and the primary's is taken if it comes.
async fn first(console: &Console, function: &str, payload: &Value) -> Option<Value> {
    let name = console.deployment.function(function);
    let asked = console.deployment.regions().each_ref().map(|region| {
        let functions = console.deployment.functions(region);
        let name = &name;
        async move { within(ANSWER, functions.invoke(name, payload)).await }
    });
    futures::future::join_all(asked).await.into_iter().find_map(Result::ok)
}
