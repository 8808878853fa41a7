//! Wires `validate` to AWS.

use tandem_aws::objects::S3Objects;
use tandem_aws::{config, datasets, lambda, telemetry};
use validate::Validate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    lambda::run(Validate { objects: S3Objects::new(&sdk), datasets: datasets::from_env()? }).await
}
