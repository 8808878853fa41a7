//! How often the owner of each file was told, and how often that could not be helped.

use anyhow::Context;
use tandem_aws::executions::TaskCall;
use tandem_core::batch::BatchId;
use tandem_core::error::ErrorType;
use tandem_local::{Email, LocalState, mailbox};

use super::files::Put;
use crate::deployment::Deployment;
use crate::records::executions;

/// The state that sends the e-mail of a batch that is delivered.
const SENDER: &str = "Deliver";
/// The errors of that state after which nothing was sent. After any other the e-mail may have left.
const NOTHING_SENT: [&str; 5] = [
    ErrorType::Throttled.as_str(),
    ErrorType::ServiceUnavailable.as_str(),
    ErrorType::Denied.as_str(),
    ErrorType::LeaseExpired.as_str(),
    "Lambda.TooManyRequestsException",
];

/// How the owner of one file was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The batch.
    pub batch_id: BatchId,
    /// E-mails about it.
    pub emails: usize,
    /// Deliveries of it that sent one of them and broke off before that was noted.
    pub broken_off: usize,
}

impl Told {
    /// Whether there was one e-mail, and one more at most for each delivery that broke off: docs/SEMANTICS.md says why that
    /// can be.
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
        let sent = emails.iter().filter(about).map(|email| email.time.parse());
        let sent: Vec<f64> = sent.collect::<Result<_, _>>().context("an e-mail's time is no number of seconds")?;
        let record = deployment.records().get(batch_id).await?;
        let record = record.with_context(|| format!("there is no record of {batch_id} any more"))?;
        let mut broken_off = 0;
        for (region, execution) in executions(&record) {
            let calls = deployment.executions(&region).task_calls(&execution).await?;
            broken_off += self::broken_off(&calls, &sent, state.options.mail_lease_seconds.into());
        }
        told.push(Told { batch_id: batch_id.clone(), emails: sent.len(), broken_off });
    }
    Ok(told)
}

/// The calls of an execution during which an e-mail was sent, and which failed all the same. What is on its way when the
/// process dies may arrive after that: within the lease, and before the next try.
fn broken_off(calls: &[TaskCall], sent: &[f64], lease: f64) -> usize {
    let calls: Vec<&TaskCall> = calls.iter().filter(|call| call.state == SENDER).collect();
    let broke_off = |(index, call): &(usize, &&TaskCall)| {
        let Some((failed, error)) = &call.failed else { return false };
        let end = calls.get(index + 1).map_or(failed + lease, |next| next.began);
        !NOTHING_SENT.contains(&error.as_str()) && sent.iter().any(|time| (call.began..end).contains(time))
    };
    calls.iter().enumerate().filter(broke_off).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(state: &str, began: f64, failed: Option<(f64, &str)>) -> TaskCall {
        let failed = failed.map(|(time, error)| (time, error.to_owned()));
        TaskCall { state: state.to_owned(), began, failed }
    }

    #[test]
    fn a_delivery_that_broke_off_counts_if_it_had_sent_its_e_mail() {
        let calls = [
            call("Merge", 10.0, Some((11.0, "Runtime.ExitError"))),
            call("Deliver", 20.0, Some((21.0, "Runtime.ExitError"))),
            call("Deliver", 23.0, Some((24.0, "Throttled"))),
            call("Deliver", 26.0, Some((27.0, "MailUndetermined"))),
            call("Interrupt", 28.0, None),
        ];
        let counted = |sent: &[f64]| broken_off(&calls, sent, 5.0);
        assert_eq!(counted(&[]), 0, "killed before it sent anything");
        assert_eq!(counted(&[20.5]), 1);
        assert_eq!(counted(&[22.5]), 1, "it was on its way");
        assert_eq!(counted(&[23.5]), 0, "after this error nothing was sent");
        assert_eq!(counted(&[20.5, 26.5]), 2);
        assert_eq!(counted(&[31.0]), 1, "it was on its way, and nothing was tried after it");
        assert_eq!(counted(&[10.5, 40.0]), 0, "sent by another call, or by nobody knows whom");
    }

    #[test]
    fn a_delivery_that_succeeded_excuses_nothing() {
        let calls = [call("Deliver", 20.0, None), call("Deliver", 25.0, None)];
        assert_eq!(broken_off(&calls, &[20.5, 25.5], 5.0), 0);
    }
}
