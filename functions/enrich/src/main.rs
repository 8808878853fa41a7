//! Wires `enrich` to AWS.

use enrich::Enrich;
use tandem_aws::clock::SystemClock;
use tandem_aws::lookup_api::{LookupApi, TableOrApi};
use tandem_aws::objects::S3Objects;
use tandem_aws::reference::ReferenceTable;
use tandem_aws::{config, datasets, lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    lambda::run(Enrich {
        objects: S3Objects::new(&sdk),
        reference: TableOrApi {
            table: ReferenceTable::new(&sdk, config::required("TANDEM_REFERENCE_TABLE")?),
            api: LookupApi::new(&sdk, &config::required("TANDEM_LOOKUP_API")?)?,
        },
        pause: SystemClock,
        datasets: datasets::from_env()?,
    })
    .await
}
