//! Wires `split` to AWS.

use split::Split;
use tandem_aws::objects::S3Objects;
use tandem_aws::{config, datasets, lambda, telemetry};
use tandem_core::split::SplitSettings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    lambda::run(Split {
        objects: S3Objects::new(&sdk),
        datasets: datasets::from_env()?,
        settings: SplitSettings {
            chunk_rows: config::parsed("TANDEM_CHUNK_ROWS", "a number of rows above 0")?,
            chunk_bytes: config::parsed("TANDEM_CHUNK_BYTES", "a number of bytes above 0")?,
            ..SplitSettings::default()
        },
    })
    .await
}
