//! Claims an uploaded file for the active Region and starts its execution.
//!
//! Called by S3 for every new object under `input/`, at least once and in any order, in both Regions. In the Region that
//! stands by it only puts the batch down as the active one's. It may ask for the active Region, write the state table and
//! start executions; it never reads the file. Whenever it cannot be sure it fails,
//! so that Lambda calls again and keeps the event in the OnFailure queue if that does not help.

use tandem_aws::lambda::Function;
use tandem_aws::telemetry::Metrics;
use tandem_core::dataset::Datasets;
use tandem_core::error::{Classified, ErrorType};
use tandem_core::event::{EventError, Notification, Upload};
use tandem_core::ownership::Limits;
use tandem_core::ports::{ActiveRegion, ActiveRegionError, AskActiveRegion, Batches, Clock, ServiceError, Workflow};
use tandem_core::protocol::{Intake as Outcome, Protocol};
use tandem_core::regions::Regions;
use tracing::{Instrument, Span, info};

/// The function, with its ports.
pub struct Intake<A, B, W, C> {
    /// Says which Region should act.
    pub active_region: A,
    /// The state table.
    pub batches: B,
    /// Starts executions.
    pub workflow: W,
    /// Chooses the dataset of an upload.
    pub datasets: Datasets,
    /// Dates the claim.
    pub clock: C,
    /// The two Regions, seen from the one this runs in.
    pub regions: Regions,
    /// What bounds taking over.
    pub limits: Limits,
}

/// Why an event could not be taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// Nobody says which Region is active.
    #[error(transparent)]
    ActiveRegion(#[from] ActiveRegionError),
    /// The event cannot be understood.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Table or workflow did not answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Classified for IntakeError {
    fn error_type(&self) -> ErrorType {
        match self {
            Self::ActiveRegion(error) => error.error_type(),
            Self::Event(_) => ErrorType::Internal,
            Self::Service(error) => error.error_type(),
        }
    }
}

impl<A: AskActiveRegion, B: Batches, W: Workflow, C: Clock> Function for Intake<A, B, W, C> {
    const NAME: &'static str = "intake";
    type Task = Notification;
    type Answer = ();
    type Error = IntakeError;

    fn describe(_event: &Notification, _span: &Span, _metrics: &mut Metrics) {}

    async fn handle(&self, event: Notification, metrics: &mut Metrics) -> Result<(), IntakeError> {
        let active = self.active_region.ask().await?;
        // One record that fails must not keep the others from being claimed; the event as a whole then fails and comes again.
        let mut failed = None;
        for upload in event.uploads() {
            if let Err(error) = self.take_in(upload, &active, metrics).await {
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl<A: AskActiveRegion, B: Batches, W: Workflow, C: Clock> Intake<A, B, W, C> {
    /// Takes one record of the event in.
    async fn take_in(
        &self,
        upload: Result<Upload, EventError>,
        active: &ActiveRegion,
        metrics: &mut Metrics,
    ) -> Result<(), IntakeError> {
        let upload = match (upload, active) {
            (Ok(upload), _) => upload,
            (Err(error), ActiveRegion::Active) => {
                tracing::error!("{error}");
                return Err(error.into());
            }
            // What cannot be understood is the active Region's to report.
            (Err(_), ActiveRegion::Standby { .. }) => return Ok(()),
        };
        if !upload.is_input() {
            info!(key = upload.key, "no input");
            metrics.count("UploadsIgnored", 1);
            return Ok(());
        }
        let span = tracing::info_span!(
            "claim",
            function = Self::NAME,
            region = self.regions.here(),
            batch_id = %upload.batch_id(),
            attempt = tracing::field::Empty,
        );
        let claimed = async {
            let claimed = self.claim(&upload, active, metrics).await;
            claimed.inspect_err(|error| tracing::error!(error_type = error.error_type().as_str(), "{error}"))
        };
        claimed.instrument(span).await
    }

    async fn claim(&self, upload: &Upload, active: &ActiveRegion, metrics: &mut Metrics) -> Result<(), IntakeError> {
        metrics.property("batch_id", upload.batch_id().as_str());
        let dataset = self.datasets.for_key(&upload.key);
        let protocol = Protocol {
            batches: &self.batches,
            workflow: &self.workflow,
            clock: &self.clock,
            regions: &self.regions,
            limits: self.limits,
        };
        let outcome = match active {
            ActiveRegion::Active => protocol.take_in(dataset, upload).await?,
            ActiveRegion::Standby { active } => {
                metrics.count("BatchesSkipped", 1);
                protocol.announce(dataset, upload, active).await?
            }
        };
        let record = match &outcome {
            Outcome::Claimed(record) => {
                info!(key = upload.key, dataset, bytes = upload.size, "claimed");
                metrics.count("BatchesClaimed", 1);
                metrics.bytes("BytesIn", upload.size);
                record
            }
            Outcome::Started(record) => {
                info!("started a batch that was claimed before");
                metrics.count("BatchesStartedLate", 1);
                record
            }
            Outcome::TakenOver(record) => {
                info!("took over a batch that the other Region left open");
                metrics.count("BatchesTakenOver", 1);
                record
            }
            Outcome::Announced(record) => {
                info!(active = record.owner_region, "standing by; put down for the active Region");
                metrics.count("BatchesAnnounced", 1);
                record
            }
            Outcome::Known(record) => {
                info!(status = %record.status, owner_region = record.owner_region, "known already");
                metrics.count("BatchesKnown", 1);
                record
            }
        };
        Span::current().record("attempt", record.attempt.number());
        Ok(())
    }
}
