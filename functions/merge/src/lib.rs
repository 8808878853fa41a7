//! Joins the parts of all chunks to one output and one rejects file, in input order.
//!
//! It may read `work/`, write `output/` and write the rejects table. Parts of 5 MiB and more are copied inside S3.

use tandem_aws::lambda::{Function, describe_batch};
use tandem_aws::telemetry::Metrics;
use tandem_core::dataset::Datasets;
use tandem_core::merge::{self, MergeSettings};
use tandem_core::payload::{MergeOutput, MergeTask};
use tandem_core::ports::{AssembleObjects, ReadObjects, StoreRejects, WriteObjects};
use tandem_core::work::WorkError;
use tracing::{Span, info};

/// The function, with its ports.
pub struct Merge<O, R> {
    /// Work files and output.
    pub objects: O,
    /// The rejects table.
    pub rejects: R,
    /// What the output's header is.
    pub datasets: Datasets,
}

impl<O: ReadObjects + WriteObjects + AssembleObjects, R: StoreRejects> Function for Merge<O, R> {
    const NAME: &'static str = "merge";
    type Task = MergeTask;
    type Answer = MergeOutput;
    type Error = WorkError;

    fn describe(task: &MergeTask, span: &Span, metrics: &mut Metrics) {
        describe_batch(&task.batch, span, metrics);
    }

    async fn handle(&self, task: MergeTask, metrics: &mut Metrics) -> Result<MergeOutput, WorkError> {
        let dataset = self.datasets.named(&task.batch.dataset)?;
        let output = merge::run(&self.objects, &self.rejects, &MergeSettings::default(), dataset, &task).await?;
        info!(rows_in = output.rows_in, rows_out = output.rows_out, rows_rejected = output.rows_rejected, "merged");
        metrics.count("MergedRows", output.rows_out);
        metrics.bytes("MergedBytes", output.bytes_out);
        Ok(output)
    }
}
