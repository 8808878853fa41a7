//! How often the owner of each file was told, and how often that could not be helped.

use anyhow::Context;
use tandem_core::batch::BatchId;
use tandem_local::{Email, LocalState, mailbox};

use super::files::Put;
use crate::deployment::Deployment;
use crate::records::executions;

/// The state that sends the e-mail of a batch that is delivered.
const SENDER: &str = "Deliver";
/// The errors of that state after which nothing was sent. After any other the e-mail may have left.
const NOTHING_SENT: [&str; 5] =
    ["Throttled", "ServiceUnavailable", "Denied", "LeaseExpired", "Lambda.TooManyRequestsException"];

/// How the owner of one file was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The batch.
    pub batch_id: BatchId,
    /// E-mails about it.
    pub emails: usize,
    /// Deliveries of it that broke off when the e-mail may have left.
    pub broken_off: usize,
}

impl Told {
    /// Whether there was one e-mail, or one more for a delivery that broke off: docs/SEMANTICS.md says why that can be.
    pub fn is_as_promised(&self) -> bool {
        (1..=1 + self.broken_off).contains(&self.emails)
    }
}

/// How the owner of each file was told.
///
/// # Errors
/// The mailbox, the state table or Step Functions does not answer.
pub async fn told(puts: &[Put], state: &LocalState, deployment: &Deployment) -> anyhow::Result<Vec<Told>> {
    let (emails, mut told) = (mailbox(state).await?, Vec::with_capacity(puts.len()));
    for Put { batch_id, .. } in puts {
        let about = |email: &&Email| email.text.contains(batch_id.as_str());
        let emails = emails.iter().filter(about).count();
        told.push(Told { batch_id: batch_id.clone(), emails, broken_off: broken_off(batch_id, deployment).await? });
    }
    Ok(told)
}

async fn broken_off(batch_id: &BatchId, deployment: &Deployment) -> anyhow::Result<usize> {
    let record = deployment.records().get(batch_id).await?;
    let record = record.with_context(|| format!("there is no record of {batch_id} any more"))?;
    let mut broken_off = 0;
    for (region, execution) in executions(&record) {
        let failed = deployment.executions(&region).failed_tasks(&execution).await?;
        let may_have_sent = |error: &str| !NOTHING_SENT.contains(&error);
        broken_off += failed.iter().filter(|task| task.state == SENDER && may_have_sent(&task.error)).count();
    }
    Ok(broken_off)
}
