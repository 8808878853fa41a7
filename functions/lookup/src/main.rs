//! Wires `lookup` to AWS.

use lookup::Lookup;
use tandem_aws::clock::SystemClock;
use tandem_aws::reference::ReferenceTable;
use tandem_aws::{config, datasets, lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    lambda::run(Lookup {
        reference: ReferenceTable::new(&sdk, config::required("TANDEM_REFERENCE_TABLE")?),
        pause: SystemClock,
        datasets: datasets::from_env()?,
    })
    .await
}
