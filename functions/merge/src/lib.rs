//! Joins the parts of all chunks to one output and one rejects file, in input order.
//!
//! It may read `work/`, write `output/` and write the rejects table. Parts of 5 MiB and more are copied inside S3. Shortly before
//! Lambda would end it, it gives up by itself, so that no upload stays open.

use std::time::Duration;

use tandem_aws::lambda::{Deadline, Function, describe_batch};
use tandem_aws::telemetry::Metrics;
use tandem_core::dataset::Datasets;
use tandem_core::merge::{self, MergeSettings};
use tandem_core::payload::{MergeOutput, MergeTask};
use tandem_core::ports::{AssembleObjects, ReadObjects, StoreRejects, WriteObjects};
use tandem_core::work::WorkError;
use tracing::{Span, info};

/// What aborting two uploads may take, with repeats.
const MARGIN: Duration = Duration::from_secs(20);

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
        self.handle_until(task, Deadline::NONE, metrics).await
    }

    async fn handle_until(
        &self,
        task: MergeTask,
        deadline: Deadline,
        metrics: &mut Metrics,
    ) -> Result<MergeOutput, WorkError> {
        let dataset = self.datasets.named(&task.batch.dataset)?;
        let (settings, stop) = (MergeSettings::default(), deadline.nears(MARGIN));
        let output = merge::run_until(&self.objects, &self.rejects, &settings, dataset, &task, stop).await?;
        info!(rows_in = output.rows_in, rows_out = output.rows_out, rows_rejected = output.rows_rejected, "merged");
        metrics.count("MergedRows", output.rows_out);
        metrics.bytes("MergedBytes", output.bytes_out);
        Ok(output)
    }
}
