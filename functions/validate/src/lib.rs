//! Applies a dataset's rules to the rows of one chunk.
//!
//! It may read `input/` and write `work/`. A row that fails a rule is an outcome, never an error: nothing that happens to
//! this function can turn a valid row into a rejected one.

use tandem_aws::lambda::{Function, describe_chunk, measure_chunk};
use tandem_aws::telemetry::Metrics;
use tandem_core::dataset::Datasets;
use tandem_core::payload::{ChunkTask, Done};
use tandem_core::ports::{InspectObjects, ReadObjects, WriteObjects};
use tandem_core::validate::{self, ChunkOutcome};
use tandem_core::work::WorkError;
use tracing::{Span, info};

/// The function, with its ports.
pub struct Validate<O> {
    /// Input and work files.
    pub objects: O,
    /// What the rules are.
    pub datasets: Datasets,
}

impl<O: InspectObjects + ReadObjects + WriteObjects> Function for Validate<O> {
    const NAME: &'static str = "validate";
    type Task = ChunkTask;
    type Answer = Done;
    type Error = WorkError;

    fn describe(task: &ChunkTask, span: &Span, metrics: &mut Metrics) {
        describe_chunk(task, span, metrics);
    }

    async fn handle(&self, task: ChunkTask, metrics: &mut Metrics) -> Result<Done, WorkError> {
        let dataset = self.datasets.named(&task.batch.dataset)?;
        let outcome = validate::run(&self.objects, &self.objects, dataset, &task).await?;
        match outcome {
            ChunkOutcome::Reused => info!("reused"),
            ChunkOutcome::Worked(report) => {
                info!(rows_in = report.rows_in, rows_rejected = report.rows_rejected, "validated");
            }
        }
        measure_chunk(&outcome, metrics);
        Ok(Done {})
    }
}
