//! Wires `merge` to AWS.

use merge::Merge;
use tandem_aws::objects::S3Objects;
use tandem_aws::rejects::RejectsTable;
use tandem_aws::{config, datasets, lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    lambda::run(Merge {
        // Results only: what merge reads is named by its ETag, and is not sealed.
        objects: S3Objects::new(&sdk).sealing(config::optional("TANDEM_OUTPUT_KEY")),
        rejects: RejectsTable::new(&sdk, config::required("TANDEM_REJECTS_TABLE")?),
        datasets: datasets::from_env()?,
    })
    .await
}
