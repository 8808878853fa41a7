//! `tandem replay`: gives intake the events again that it gave up on.
//!
//! Each is an upload that was accepted and not claimed. A message leaves its queue only once intake has taken the event; an
//! event may be given twice, since a batch is claimed once.

use std::collections::HashSet;

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tandem_aws::invoke::{Functions, InvokeError};
use tandem_aws::queue::{Message, Queue};
use tandem_core::ports::ServiceError;

use crate::deployment::{Deployment, Which};
use crate::exit::Unreachable;
use crate::terminal::{brief, one_line};

/// Seconds for which a message is hidden from others: longer than intake may take for all that one call gives.
const HIDDEN: i32 = 600;
/// Calls in a row that may bring nothing new before a queue counts as read.
const NOTHING_NEW: u32 = 2;

/// Arguments of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Most events to replay from each Region's queue
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub limit: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What became of a queue's events.
#[derive(Debug, Default, Serialize)]
struct Replayed {
    region: String,
    /// Taken by intake, and deleted.
    replayed: u64,
    /// Not taken: back in the queue, with the reason.
    failed: Vec<Left>,
    /// No event can be found in them: back in the queue.
    unreadable: Vec<Left>,
    /// Why the queue was not read to its end.
    error: Option<String>,
}

/// A message that is back in its queue.
#[derive(Debug, Serialize)]
struct Left {
    message_id: String,
    reason: String,
}

/// Replays both Regions' queues.
///
/// # Errors
/// When an event is left, or a queue could not be read.
pub async fn replay(args: &ReplayArgs, which: &Which) -> anyhow::Result<()> {
    let deployment = which.find().await?;
    let [one, other] = deployment.regions();
    let (one, other) = tokio::join!(of(&deployment, one, args.limit), of(&deployment, other, args.limit));
    let all = [one, other];
    if args.json {
        let sum = |count: fn(&Replayed) -> u64| all.iter().map(count).sum::<u64>();
        outln!(
            "{}",
            json!({
                "replayed": sum(|one| one.replayed),
                "failed": sum(|one| one.failed.len() as u64),
                "unreadable": sum(|one| one.unreadable.len() as u64),
                "regions": all,
            })
        );
    } else {
        all.iter().for_each(|one| out!("{}", text(one)));
    }
    conclude(&all)
}

fn conclude(all: &[Replayed]) -> anyhow::Result<()> {
    let left: usize = all.iter().map(|one| one.failed.len() + one.unreadable.len()).sum();
    if left > 0 {
        bail!("{left} events are still in their queues: mend what they name, and replay again");
    }
    let silent: Vec<&str> = all.iter().filter(|one| one.error.is_some()).map(|one| one.region.as_str()).collect();
    match silent.as_slice() {
        [] => Ok(()),
        regions => {
            let regions = regions.join(" and ");
            Err(Unreachable(format!("the queue in {regions} was not read to its end: replay again once it answers"))
                .into())
        }
    }
}

fn text(one: &Replayed) -> String {
    let Replayed { region, replayed, failed, unreadable, error } = one;
    let mut text = format!("{region}: {replayed} replayed, {} failed, {} unreadable\n", failed.len(), unreadable.len());
    for left in failed.iter().chain(unreadable) {
        text += &format!("  message {}: {}\n", left.message_id, one_line(&left.reason));
    }
    if let Some(error) = error {
        text += &format!("  not read to its end: {}\n", brief(error));
    }
    text
}

async fn of(deployment: &Deployment, region: &str, limit: usize) -> Replayed {
    let mut replayed = Replayed { region: region.to_owned(), ..Replayed::default() };
    let functions = deployment.functions(region);
    let done = match deployment.intake_failed(region).await {
        Ok(queue) => drain(&queue, &functions, &deployment.function("intake"), limit, &mut replayed).await,
        Err(error) => Err(error),
    };
    replayed.error = done.err().map(|error| error.to_string());
    replayed
}

/// Reads a queue until it is empty, brings nothing new, or `limit` events have been seen. What stays is put back at the end, so
/// that it is not met twice.
async fn drain(
    queue: &Queue,
    functions: &Functions,
    intake: &str,
    limit: usize,
    replayed: &mut Replayed,
) -> Result<(), ServiceError> {
    let mut seen = HashSet::new();
    let mut left: Vec<Message> = Vec::new();
    let mut nothing_new = 0;
    let mut outcome = Ok(());
    'queue: while nothing_new < NOTHING_NEW {
        let messages = match queue.receive(HIDDEN).await {
            Ok(messages) => messages,
            Err(error) => {
                outcome = Err(error);
                break;
            }
        };
        nothing_new += 1;
        let mut messages = messages.into_iter();
        while let Some(message) = messages.next() {
            if seen.len() >= limit {
                left.push(message);
                continue;
            }
            if !seen.insert(message.id.clone()) {
                continue;
            }
            nothing_new = 0;
            match give(functions, intake, &message, replayed).await {
                Given::Taken => {
                    if let Err(error) = queue.delete(&message).await {
                        left.extend(std::iter::once(message).chain(messages));
                        outcome = Err(error);
                        break 'queue;
                    }
                }
                Given::Not => left.push(message),
                Given::Away(error) => {
                    left.extend(std::iter::once(message).chain(messages));
                    outcome = Err(error);
                    break 'queue;
                }
            }
        }
        if seen.len() >= limit {
            break;
        }
    }
    for message in &left {
        // If this fails the message comes back by itself, only later.
        let _later = queue.put_back(message).await;
    }
    outcome
}

/// What became of one event.
enum Given {
    Taken,
    Not,
    /// The Region does not answer, so the other events need not be tried.
    Away(ServiceError),
}

async fn give(functions: &Functions, intake: &str, message: &Message, replayed: &mut Replayed) -> Given {
    let left = |reason: String| Left { message_id: message.id.clone(), reason };
    let event = match event(&message.body) {
        Ok(event) => event,
        Err(reason) => {
            replayed.unreadable.push(left(reason));
            return Given::Not;
        }
    };
    match functions.invoke(intake, &event).await {
        Ok(_) => {
            replayed.replayed += 1;
            Given::Taken
        }
        Err(InvokeError::Service(error)) => Given::Away(error),
        Err(error) => {
            replayed.failed.push(left(error.to_string()));
            Given::Not
        }
    }
}

/// The event that Lambda put into the record of an invocation that it gave up on.
fn event(body: &str) -> Result<Value, String> {
    let record: Value = serde_json::from_str(body).map_err(|error| format!("it is no JSON: {error}"))?;
    match record.get("requestPayload") {
        Some(event) if event.is_object() => Ok(event.clone()),
        _ => Err(String::from("it has no requestPayload, so it is no record of a failed invocation")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::exit::{Status, status_of};

    #[test]
    fn the_event_is_what_intake_was_given() {
        let body =
            r#"{"version":"1.0","requestContext":{"condition":"RetriesExhausted"},"requestPayload":{"Records":[1]}}"#;
        assert_eq!(event(body).unwrap(), json!({"Records": [1]}));
        for body in ["", "[]", "{}", r#"{"requestPayload":null}"#] {
            assert!(event(body).is_err(), "{body}");
        }
    }

    #[test]
    fn an_event_that_is_left_fails_and_a_queue_that_is_away_says_so() {
        let all = |failed: usize, error: Option<&str>| {
            let left = || Left { message_id: "m".into(), reason: "r".into() };
            let failed = (0..failed).map(|_| left()).collect();
            [Replayed { region: "us-east-1".into(), failed, error: error.map(str::to_owned), ..Replayed::default() }]
        };
        assert!(conclude(&all(0, None)).is_ok());
        assert_eq!(status_of(&conclude(&all(1, Some("away"))).unwrap_err()), Status::Failed);
        assert_eq!(status_of(&conclude(&all(0, Some("away"))).unwrap_err()), Status::Unreachable);
    }
}
