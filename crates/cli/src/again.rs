//! Doing something once more: a link, a whole batch, the events that intake gave up on.

mod replay;

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use tandem_aws::invoke::InvokeError;
use tandem_core::batch::BatchRecord;
use tandem_core::error::ErrorType;
use tandem_core::ports::ServiceError;

use crate::deployment::{Deployment, Which};
use crate::exit::in_short;
use crate::status;

pub use replay::{ReplayArgs, replay};

/// Arguments of `resend` and `rerun`.
#[derive(Debug, Clone, Args)]
pub struct BatchArgs {
    /// Id of a batch, or its beginning
    pub batch: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Sends the owner of a batch that has ended its e-mail again: with fresh links, or with why it failed.
///
/// # Errors
/// When the batch has not ended, or no Region could send.
pub async fn resend(args: &BatchArgs, which: &Which) -> anyhow::Result<()> {
    let deployment = which.find().await?;
    let record = status::find(&deployment, &args.batch).await?;
    let (region, answer) = send_again(&deployment, &record).await?;
    if args.json {
        outln!("{}", json!({ "batch_id": record.batch_id, "region": region, "outcome": answer["outcome"] }));
    } else {
        outln!("batch {} was sent again, from {region}", record.batch_id);
    }
    Ok(())
}

/// Runs a batch that has ended once more, in the active Region.
///
/// # Errors
/// When the batch is still open, its input is not in the active Region, or that does not answer.
pub async fn rerun(args: &BatchArgs, which: &Which) -> anyhow::Result<()> {
    let deployment = which.find().await?;
    let record = status::find(&deployment, &args.batch).await?;
    let (region, answer) = run_again(&deployment, &record).await?;
    if args.json {
        outln!("{answer}");
    } else {
        let (id, attempt) = (&record.batch_id, &answer["attempt"]);
        outln!("batch {id} runs again: attempt {attempt} in {region}\nsee how it goes with: tandem status {id}");
    }
    Ok(())
}

/// Has the e-mail of a batch sent again; the Region that did, and its answer.
///
/// # Errors
/// As [`resend`].
pub async fn send_again(deployment: &Deployment, record: &BatchRecord) -> anyhow::Result<(String, Value)> {
    let payload = json!({ "action": "resend", "batch_id": record.batch_id });
    wherever(deployment, record, "deliver", &payload).await
}

/// Has a batch run again; the Region that does, and its answer.
///
/// # Errors
/// As [`rerun`].
pub async fn run_again(deployment: &Deployment, record: &BatchRecord) -> anyhow::Result<(String, Value)> {
    let payload = json!({ "action": "rerun", "batch_id": record.batch_id });
    wherever(deployment, record, "reconcile", &payload).await
}

/// Asks a function in the owner's Region and, if that is away or not the active one, in the other; the Region that answered.
async fn wherever(
    deployment: &Deployment,
    record: &BatchRecord,
    function: &str,
    payload: &Value,
) -> anyhow::Result<(String, Value)> {
    let function = deployment.function(function);
    let mut regions: Vec<&String> = deployment.regions().iter().collect();
    regions.sort_by_key(|region| **region != record.owner_region);
    let mut elsewhere = Vec::new();
    let mut silent = None;
    for region in regions {
        match deployment.functions(region).invoke(&function, payload).await {
            Ok(answer) => return Ok((region.clone(), answer)),
            Err(error) if is_elsewhere(&error) => elsewhere.push(format!("{region}: {error}")),
            Err(InvokeError::Service(error)) if is_away(&error) => {
                elsewhere.push(format!("{region}: {}", in_short(&error)));
                silent = Some(error);
            }
            // By itself it is found in the chain, and decides the exit status.
            Err(InvokeError::Service(error)) => return Err(error.into()),
            Err(error) => return Err(error.into()),
        }
    }
    match silent {
        Some(error) => Err(anyhow::Error::from(error).context(elsewhere.join("; "))),
        None => bail!("{}", elsewhere.join("; ")),
    }
}

/// Whether the function says that the other Region is the one to ask.
fn is_elsewhere(error: &InvokeError) -> bool {
    matches!(error, InvokeError::Function(error) if error.error_type == ErrorType::NotActive.to_string())
}

/// Whether the Region did not answer at all.
fn is_away(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Unavailable { .. } | ServiceError::Throttled { .. })
}
