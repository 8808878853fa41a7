//! Joins reference data to the valid rows of one chunk.
//!
//! It may read and write `work/`, read the reference table and call the lookup API. An unmatched key is an outcome that the dataset decides;
//! a lookup that fails is an error and is retried.

use std::time::Duration;

use tandem_aws::lambda::{Deadline, Function, describe_chunk, measure_chunk};
use tandem_aws::telemetry::Metrics;
use tandem_core::dataset::Datasets;
use tandem_core::enrich;
use tandem_core::payload::{ChunkTask, Done};
use tandem_core::ports::{InspectObjects, LookupRecords, Pause, ReadObjects, WriteObjects};
use tandem_core::validate::ChunkOutcome;
use tandem_core::work::WorkError;
use tracing::{Span, info};

/// What saying that the time is over may take: a function that Lambda ends is an error without a name.
const MARGIN: Duration = Duration::from_secs(2);

/// The function, with its ports.
pub struct Enrich<O, R, P> {
    /// Work files.
    pub objects: O,
    /// The reference records.
    pub reference: R,
    /// Waits where the reference table asks to slow down.
    pub pause: P,
    /// What is looked up, and what the output holds.
    pub datasets: Datasets,
}

impl<O: InspectObjects + ReadObjects + WriteObjects, R: LookupRecords, P: Pause> Function for Enrich<O, R, P> {
    const NAME: &'static str = "enrich";
    type Task = ChunkTask;
    type Answer = Done;
    type Error = WorkError;

    fn describe(task: &ChunkTask, span: &Span, metrics: &mut Metrics) {
        describe_chunk(task, span, metrics);
    }

    async fn handle(&self, task: ChunkTask, metrics: &mut Metrics) -> Result<Done, WorkError> {
        self.handle_until(task, Deadline::NONE, metrics).await
    }

    async fn handle_until(
        &self,
        task: ChunkTask,
        deadline: Deadline,
        metrics: &mut Metrics,
    ) -> Result<Done, WorkError> {
        let dataset = self.datasets.named(&task.batch.dataset)?;
        let work = enrich::run(&self.objects, &self.objects, &self.reference, &self.pause, dataset, &task);
        let outcome = tokio::select! {
            outcome = work => outcome?,
            () = deadline.nears(MARGIN) => return Err(WorkError::Stopped),
        };
        match outcome {
            ChunkOutcome::Reused => info!("reused"),
            ChunkOutcome::Worked(report) => {
                info!(rows_in = report.rows_in, rows_rejected = report.rows_rejected, "enriched");
                metrics.count("LookupCalls", report.asked.calls);
                metrics.count("KeysAsked", report.asked.keys);
                metrics.amount("ReadUnits", report.asked.read_units);
            }
        }
        measure_chunk(&outcome, metrics);
        Ok(Done {})
    }
}
