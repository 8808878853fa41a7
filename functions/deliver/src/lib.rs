//! Ends a batch: fences, mails the links or the reason, writes the final status.
//!
//! Called by the state machine at the end of every attempt, whichever way it ends. It may write the state table, presign
//! (and so must be allowed to read) `output/`, tag the input and send e-mail. It never logs a link.

use std::time::Duration;

use tandem_aws::lambda::Function;
use tandem_aws::telemetry::Metrics;
use tandem_core::batch::BatchRecord;
use tandem_core::dataset::SilentDatasets;
use tandem_core::delivery::{Delivery, DeliveryError};
use tandem_core::payload::{BatchInput, DeliverTask, Delivered, MergeOutput, Outcome};
use tandem_core::ports::{Batches, Clock, Mail, Presign, TagObjects};
use tandem_core::protocol::seconds_since;
use tracing::{Span, info, warn};

/// The function, with its ports.
pub struct Deliver<B, P, M, T, C> {
    /// The state table.
    pub batches: B,
    /// Makes the links.
    pub presign: P,
    /// Sends the e-mail.
    pub mail: M,
    /// Tags the input.
    pub objects: T,
    /// Dates what is written.
    pub clock: C,
    /// The Region this runs in.
    pub region: String,
    /// How long a link lives.
    pub link_lifetime: Duration,
    /// How long after its fence an e-mail may leave.
    pub lease: Duration,
    /// Of whose batches nobody is told.
    pub silent: SilentDatasets,
}

impl<B: Batches, P: Presign, M: Mail, T: TagObjects, C: Clock> Function for Deliver<B, P, M, T, C> {
    const NAME: &'static str = "deliver";
    type Task = DeliverTask;
    type Answer = Delivered;
    type Error = DeliveryError;

    fn describe(task: &DeliverTask, span: &Span, metrics: &mut Metrics) {
        let batch = match task {
            DeliverTask::Deliver { batch, .. } | DeliverTask::RecordDelivered { batch, .. } => batch,
            DeliverTask::Fail(failure) | DeliverTask::RecordFailed(failure) | DeliverTask::Interrupt(failure) => {
                &failure.batch
            }
            DeliverTask::Resend { batch_id } => {
                metrics.property("batch_id", batch_id.as_str());
                span.record("batch_id", batch_id.as_str());
                return;
            }
        };
        tandem_aws::lambda::describe_batch(batch, span, metrics);
    }

    async fn handle(&self, task: DeliverTask, metrics: &mut Metrics) -> Result<Delivered, DeliveryError> {
        let delivery = self.delivery();
        let outcome = match &task {
            DeliverTask::Deliver { batch, merge } => {
                let outcome = delivery.deliver(batch, merge).await?;
                self.after(batch, outcome, Some(merge), metrics).await;
                outcome
            }
            DeliverTask::Fail(failure) => {
                let outcome = delivery.fail(failure).await?;
                info!(failed_state = failure.failed_state, error_type = failure.error.name, "the batch has failed");
                self.after(&failure.batch, outcome, None, metrics).await;
                outcome
            }
            DeliverTask::RecordDelivered { batch, merge } => {
                let outcome = delivery.record_delivered(batch, merge).await?;
                self.after(batch, outcome, Some(merge), metrics).await;
                outcome
            }
            DeliverTask::RecordFailed(failure) => {
                let outcome = delivery.record_failed(failure).await?;
                self.after(&failure.batch, outcome, None, metrics).await;
                outcome
            }
            DeliverTask::Interrupt(failure) => {
                warn!(failed_state = failure.failed_state, error_type = failure.error.name, "interrupted");
                delivery.interrupt(failure).await?
            }
            DeliverTask::Resend { batch_id } => delivery.resend(batch_id).await?,
        };
        count(outcome, metrics);
        info!(?outcome, "ended");
        Ok(Delivered { outcome })
    }
}

impl<B: Batches, P: Presign, M: Mail, T: TagObjects, C: Clock> Deliver<B, P, M, T, C> {
    fn delivery(&self) -> Delivery<'_, B, P, M, T, C> {
        Delivery {
            batches: &self.batches,
            presign: &self.presign,
            mail: &self.mail,
            objects: &self.objects,
            clock: &self.clock,
            region: &self.region,
            link_lifetime: self.link_lifetime,
            lease: self.lease,
            silent: &self.silent,
        }
    }

    /// What remains once a batch has ended: its tag and its figures. The batch has ended, so nothing here may fail the
    /// invocation: a retry would only find itself superseded.
    async fn after(&self, batch: &BatchInput, outcome: Outcome, merge: Option<&MergeOutput>, metrics: &mut Metrics) {
        let delivery = self.delivery();
        if outcome == Outcome::Delivered
            && let Err(error) = delivery.tag_input(batch).await
        {
            warn!("the input could not be tagged and will not be archived: {error}");
            metrics.count("InputsNotTagged", 1);
        }
        if let (Outcome::Delivered, Some(merge)) = (outcome, merge) {
            metrics.bytes("BytesOut", merge.bytes_out);
        }
        // What an owner waits for and gets. Where nobody is told there is none, and the canary's files, twelve an hour whose rows
        // are wrong on purpose, would pass for what users send.
        if self.silent.contains(batch.dataset.as_str()) {
            return;
        }
        if let (Outcome::Delivered, Some(merge)) = (outcome, merge) {
            metrics.count("RowsIn", merge.rows_in);
            metrics.count("RowsOut", merge.rows_out);
            metrics.count("RowsRejected", merge.rows_rejected);
        }
        if let (Outcome::Delivered | Outcome::Failed, Ok(Some(record))) = (outcome, delivery.record(batch).await) {
            metrics.seconds("EndToEndSeconds", self.seconds(&record));
        }
    }

    fn seconds(&self, record: &BatchRecord) -> f64 {
        seconds_since(&record.created, self.clock.now())
    }
}

/// Counts how an attempt ended, of silent datasets too: intake counts all that it claims, and the two are to agree.
fn count(outcome: Outcome, metrics: &mut Metrics) {
    let name = match outcome {
        Outcome::Delivered => "BatchesDelivered",
        Outcome::Failed => "BatchesFailed",
        Outcome::Interrupted => "BatchesInterrupted",
        Outcome::Superseded => "BatchesSuperseded",
        Outcome::Resent => "EmailsResent",
    };
    metrics.count(name, 1);
}
