//! The end of a batch: fence, tell its owner, note the end.
//!
//! The fence stands before the e-mail, so a superseded attempt tells nobody anything. Passing it gives a lease: for so long
//! the e-mail may leave, and no other attempt may take the batch for longer still. A deliverer that was frozen after the
//! fence, and goes on when the batch has long been another's, therefore sends nothing. An e-mail can be sent again only if
//! the process dies, or an answer is lost, between the mail service's acceptance and the final write, or if that write stays
//! impossible.
//!
//! A dataset may say that nobody is to be told. Its batches are fenced and ended by the same writes, without the e-mail.

use time::OffsetDateTime;

use crate::batch::{BatchId, BatchRecord, BatchStatus, Ending};
use crate::dataset::SilentDatasets;
use crate::email::{self, Link, Links};
use crate::error::{Classified, ErrorType};
use crate::payload::{BatchInput, Failure, MergeOutput, Outcome};
use crate::ports::{Batches, Clock, Email, Mail, MailError, ObjectRef, Owner, Presign, ServiceError, TagObjects};
use crate::protocol::time_text;

/// Tag value of an input whose result was delivered.
pub const DELIVERED_TAG: &str = "delivered";

/// What delivery needs.
#[derive(Debug)]
pub struct Delivery<'a, B, P, M, T, C> {
    /// The state table.
    pub batches: &'a B,
    /// Makes the links.
    pub presign: &'a P,
    /// Sends the e-mail.
    pub mail: &'a M,
    /// Tags the input.
    pub objects: &'a T,
    /// Dates the e-mail and the record.
    pub clock: &'a C,
    /// The Region this runs in.
    pub region: &'a str,
    /// How long a link lives.
    pub link_lifetime: std::time::Duration,
    /// How long after its fence an e-mail may leave.
    pub lease: std::time::Duration,
    /// Of whose batches nobody is told.
    pub silent: &'a SilentDatasets,
}

/// Why a delivery did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// A service failed before anything was sent.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The e-mail was not sent, or may not have been.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// There is no such batch.
    #[error("there is no batch {0}")]
    UnknownBatch(BatchId),
    /// The batch has not ended, so there is no e-mail to send again.
    #[error("batch {batch_id} is {status}: there is nothing to send again before it has ended")]
    StillOpen {
        /// The batch.
        batch_id: BatchId,
        /// Where it stands.
        status: BatchStatus,
    },
    /// Nobody is told of this dataset's batches.
    #[error("nobody is told of batches of the dataset {dataset}, so there is no e-mail of {batch_id} to send again")]
    MailsNobody {
        /// The batch.
        batch_id: BatchId,
        /// Its dataset.
        dataset: String,
    },
    /// The e-mail was sent, and the batch's end could not be written. Not to be repeated: that would send it again.
    #[error("the e-mail was sent, but the batch's end could not be written: {0}")]
    Unrecorded(#[source] ServiceError),
}

impl DeliveryError {
    /// The same where nothing is sent: what could not be written may be written again.
    fn repeatable(self) -> Self {
        match self {
            Self::Unrecorded(error) => Self::Service(error),
            other => other,
        }
    }
}

impl Classified for DeliveryError {
    fn error_type(&self) -> ErrorType {
        match self {
            Self::Service(error) | Self::Mail(MailError::NotSent(error)) => error.error_type(),
            Self::Mail(MailError::Undetermined(_)) => ErrorType::MailUndetermined,
            Self::Mail(MailError::TooLate { .. }) => ErrorType::LeaseExpired,
            Self::UnknownBatch(_) => ErrorType::UnknownBatch,
            Self::StillOpen { .. } => ErrorType::StillOpen,
            Self::MailsNobody { .. } => ErrorType::MailsNobody,
            Self::Unrecorded(_) => ErrorType::EndUnrecorded,
        }
    }
}

impl<B: Batches, P: Presign, M: Mail, T: TagObjects, C: Clock> Delivery<'_, B, P, M, T, C> {
    /// Delivers a merged batch, unless this attempt is superseded.
    ///
    /// # Errors
    /// [`DeliveryError`] when a service fails; repeating the call is safe but for the window named above.
    pub async fn deliver(&self, batch: &BatchInput, merge: &MergeOutput) -> Result<Outcome, DeliveryError> {
        let owner = batch.owner(self.region);
        let Some(deadline) = self.fence(&owner).await? else { return Ok(Outcome::Superseded) };
        if self.tells(batch) {
            let links = self.links(batch, &Results::from(merge)).await?;
            self.mail.send(&email::delivered(batch, merge, &links), deadline).await?;
        }
        let ended = self.end(&owner, &Ending::Delivered(merge.clone()), Outcome::Delivered).await;
        self.after_telling(batch, ended)
    }

    /// Ends a batch as failed and tells its owner why, unless this attempt is superseded.
    ///
    /// # Errors
    /// As [`Self::deliver`].
    pub async fn fail(&self, failure: &Failure) -> Result<Outcome, DeliveryError> {
        let owner = failure.batch.owner(self.region);
        let Some(deadline) = self.fence(&owner).await? else { return Ok(Outcome::Superseded) };
        let reason = failure.reason();
        if self.tells(&failure.batch) {
            self.mail.send(&failure_email(&failure.batch, &reason, failure.is_given_up()), deadline).await?;
        }
        let ending = Ending::Failed { failed_state: failure.failed_state.clone(), reason };
        let ended = self.end(&owner, &ending, Outcome::Failed).await;
        self.after_telling(&failure.batch, ended)
    }

    /// Whether somebody is told how a batch ended. Of a dataset that is not known any more the owner is.
    fn tells(&self, batch: &BatchInput) -> bool {
        !self.silent.contains(&batch.dataset)
    }

    /// Where nothing was sent, an end that could not be written may simply be tried again from the fence on.
    fn after_telling(
        &self,
        batch: &BatchInput,
        ended: Result<Outcome, DeliveryError>,
    ) -> Result<Outcome, DeliveryError> {
        if self.tells(batch) { ended } else { ended.map_err(DeliveryError::repeatable) }
    }

    /// Writes that a batch is delivered, after [`DeliveryError::Unrecorded`]: its owner has the e-mail. May be repeated.
    ///
    /// # Errors
    /// [`DeliveryError::Service`] when the state table does not answer.
    pub async fn record_delivered(&self, batch: &BatchInput, merge: &MergeOutput) -> Result<Outcome, DeliveryError> {
        let ended = self.end(&batch.owner(self.region), &Ending::Delivered(merge.clone()), Outcome::Delivered).await;
        ended.map_err(DeliveryError::repeatable)
    }

    /// Writes that a batch has failed, after [`DeliveryError::Unrecorded`]: its owner was told. May be repeated.
    ///
    /// # Errors
    /// [`DeliveryError::Service`] when the state table does not answer.
    pub async fn record_failed(&self, failure: &Failure) -> Result<Outcome, DeliveryError> {
        let ending = Ending::Failed { failed_state: failure.failed_state.clone(), reason: failure.reason() };
        let ended = self.end(&failure.batch.owner(self.region), &ending, Outcome::Failed).await;
        ended.map_err(DeliveryError::repeatable)
    }

    /// Sends the e-mail of a batch that has ended once more, with fresh links. Changes nothing; each call sends one.
    ///
    /// # Errors
    /// [`DeliveryError::UnknownBatch`], [`DeliveryError::StillOpen`], or what [`Self::deliver`] can meet.
    pub async fn resend(&self, batch_id: &BatchId) -> Result<Outcome, DeliveryError> {
        let record = self.batches.get(batch_id).await?;
        let record = record.ok_or_else(|| DeliveryError::UnknownBatch(batch_id.clone()))?;
        let batch = record.input();
        if !self.tells(&batch) {
            return Err(DeliveryError::MailsNobody { batch_id: batch.batch_id, dataset: batch.dataset });
        }
        let email = match record.status {
            BatchStatus::Delivered => {
                let links = self.links(&batch, &Results::from(&record)).await?;
                email::delivered(&batch, &merge_output(&record), &links)
            }
            BatchStatus::Failed => failure_email(&batch, record.reason.as_deref().unwrap_or_default(), record.gives_up),
            status => return Err(DeliveryError::StillOpen { batch_id: batch_id.clone(), status }),
        };
        self.mail.send(&email, self.clock.now() + self.lease).await?;
        Ok(Outcome::Resent)
    }

    /// Passes the fence; answers until when the e-mail may leave, or `None` if this attempt is superseded.
    async fn fence(&self, owner: &Owner) -> Result<Option<OffsetDateTime>, ServiceError> {
        // Counted from before the fence: its answer may have taken long.
        let now = self.clock.now();
        Ok(self.batches.fence(owner, &time_text(now)).await?.then(|| now + self.lease))
    }

    /// Notes why an attempt was interrupted and leaves the batch open for the reconciler.
    ///
    /// # Errors
    /// [`DeliveryError`] when the state table does not answer.
    pub async fn interrupt(&self, failure: &Failure) -> Result<Outcome, DeliveryError> {
        let owner = failure.batch.owner(self.region);
        let reason = format!("{}: {}", failure.error.name, failure.error.message());
        let noted = self.batches.interrupt(&owner, &failure.failed_state, &reason, &self.now()).await?;
        Ok(if noted { Outcome::Interrupted } else { Outcome::Superseded })
    }

    /// Tags the input as delivered, so that the lifecycle rule may archive it. An input that is gone needs no tag.
    ///
    /// # Errors
    /// [`ServiceError`] when the tag could not be set; the batch is delivered all the same.
    pub async fn tag_input(&self, batch: &BatchInput) -> Result<(), ServiceError> {
        let input = ObjectRef {
            bucket: batch.bucket.clone(),
            key: batch.key.clone(),
            etag: None,
            version_id: batch.version_id.clone(),
        };
        match self.objects.tag_status(&input, DELIVERED_TAG).await {
            Err(ServiceError::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    /// The record as it stands, for what the end of a batch reports.
    ///
    /// # Errors
    /// [`ServiceError`] when the state table does not answer.
    pub async fn record(&self, batch: &BatchInput) -> Result<Option<BatchRecord>, ServiceError> {
        self.batches.get(&batch.batch_id).await
    }

    async fn links(&self, batch: &BatchInput, results: &Results<'_>) -> Result<Links, ServiceError> {
        let stem = email::file_stem(&batch.key);
        let output_name = format!("{stem}-output.csv");
        let rejects_name = format!("{stem}-rejects.csv");
        let output = self.presign.presign(results.output_key, results.output_version, &output_name).await?;
        let rejects = self.presign.presign(results.rejects_key, results.rejects_version, &rejects_name).await?;
        let expires: OffsetDateTime = self.clock.now() + self.link_lifetime;
        Ok(Links {
            output: Link { url: output, file_name: output_name },
            rejects: Link { url: rejects, file_name: rejects_name },
            expires: time_text(expires),
        })
    }

    /// Writes the end. If it is not this attempt's to write any more, it is either written already (its answer was lost) or
    /// another attempt took the batch between fence and end.
    async fn end(&self, owner: &Owner, ending: &Ending, outcome: Outcome) -> Result<Outcome, DeliveryError> {
        let unrecorded = DeliveryError::Unrecorded;
        if self.batches.end(owner, ending, &self.now()).await.map_err(unrecorded)? {
            return Ok(outcome);
        }
        let record = self.batches.get(&owner.batch_id).await.map_err(unrecorded)?;
        let written = record.is_some_and(|record| record.status.has_ended() && record.attempt == owner.attempt);
        Ok(if written { outcome } else { Outcome::Superseded })
    }

    fn now(&self) -> String {
        time_text(self.clock.now())
    }
}

/// What a link can lead to.
struct Results<'a> {
    output_key: &'a str,
    output_version: Option<&'a str>,
    rejects_key: &'a str,
    rejects_version: Option<&'a str>,
}

impl<'a> From<&'a MergeOutput> for Results<'a> {
    fn from(merge: &'a MergeOutput) -> Self {
        Self {
            output_key: &merge.output_key,
            output_version: merge.output_version.as_deref(),
            rejects_key: &merge.rejects_key,
            rejects_version: merge.rejects_version.as_deref(),
        }
    }
}

impl<'a> From<&'a BatchRecord> for Results<'a> {
    fn from(record: &'a BatchRecord) -> Self {
        Self {
            output_key: record.output_key.as_deref().unwrap_or_default(),
            output_version: record.output_version.as_deref(),
            rejects_key: record.rejects_key.as_deref().unwrap_or_default(),
            rejects_version: record.rejects_version.as_deref(),
        }
    }
}

/// What is known of a delivered batch's results from its record: everything but the reasons for rejection and the size.
fn merge_output(record: &BatchRecord) -> MergeOutput {
    MergeOutput {
        output_key: record.output_key.clone().unwrap_or_default(),
        output_version: record.output_version.clone(),
        rejects_key: record.rejects_key.clone().unwrap_or_default(),
        rejects_version: record.rejects_version.clone(),
        rows_in: record.rows_in.unwrap_or_default(),
        rows_out: record.rows_out.unwrap_or_default(),
        rows_rejected: record.rows_rejected.unwrap_or_default(),
        bytes_out: 0,
        reasons: Vec::new(),
    }
}

/// The e-mail of a failed batch: its file is at fault, or the attempts are used up.
fn failure_email(batch: &BatchInput, reason: &str, given_up: bool) -> Email {
    if given_up { email::given_up(batch, reason) } else { email::failed(batch, reason) }
}
