//! Finds the record-aligned chunks of an input and writes their manifest.
//!
//! The first state of an execution, and the only one that can find the file itself at fault. It may read `input/` and read and
//! write `work/`. It copies nothing: memory is constant, time is the download's.

use tandem_aws::lambda::{Function, describe_batch};
use tandem_aws::telemetry::Metrics;
use tandem_core::dataset::Datasets;
use tandem_core::payload::{SplitOutput, SplitTask};
use tandem_core::ports::{InspectObjects, ReadObjects, WriteObjects};
use tandem_core::split::{self, SplitError, SplitSettings};
use tracing::{Span, info};

/// The function, with its ports.
pub struct Split<O> {
    /// Input and work files.
    pub objects: O,
    /// What the columns must be.
    pub datasets: Datasets,
    /// How large a chunk may be.
    pub settings: SplitSettings,
}

impl<O: InspectObjects + ReadObjects + WriteObjects> Function for Split<O> {
    const NAME: &'static str = "split";
    type Task = SplitTask;
    type Answer = SplitOutput;
    type Error = SplitError;

    fn describe(task: &SplitTask, span: &Span, metrics: &mut Metrics) {
        describe_batch(&task.batch, span, metrics);
    }

    async fn handle(&self, task: SplitTask, metrics: &mut Metrics) -> Result<SplitOutput, SplitError> {
        let dataset = self.datasets.named(&task.batch.dataset)?;
        let split::Split { output, reused } =
            split::run(&self.objects, &self.objects, &self.settings, dataset, &task).await?;
        if reused {
            info!(chunks = output.chunks, rows = output.rows, "reused");
            metrics.count("SplitReused", 1);
            return Ok(output);
        }
        info!(chunks = output.chunks, rows = output.rows, bytes = task.batch.size, "split");
        metrics.count("Chunks", output.chunks.into());
        metrics.count("RowsSplit", output.rows);
        metrics.bytes("BytesSplit", task.batch.size);
        Ok(output)
    }
}
