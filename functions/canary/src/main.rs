//! Wires `canary` to AWS.

use canary::Canary;
use tandem_aws::access_point::MrapArn;
use tandem_aws::batches::StateTable;
use tandem_aws::clock::SystemClock;
use tandem_aws::config::{self, ConfigError};
use tandem_aws::invoke::{Functions, Reconciler};
use tandem_aws::objects::S3Objects;
use tandem_aws::reference::ReferenceTable;
use tandem_aws::{lambda, mrap, telemetry};
use tandem_core::canary::Observed;

type Region = Observed<S3Objects, StateTable, ReferenceTable, Reconciler>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    let mrap: MrapArn = config::parsed("TANDEM_MRAP_ARN", "the ARN of a Multi-Region Access Point")?;
    // Set in the local Regions only.
    let edge = match config::optional("AWS_ENDPOINT_URL") {
        Some(_) => Some(config::parsed("AWS_ENDPOINT_URL", "http://<host>:<port>")?),
        None => None,
    };
    let observed = |name, bucket| -> Result<Region, ConfigError> {
        let (name, bucket) = (config::required(name)?, config::required(bucket)?);
        let there = config::observed(&sdk, &name);
        let reconcile = config::required("TANDEM_RECONCILE_FUNCTION")?;
        Ok(Observed {
            name,
            bucket,
            objects: S3Objects::new(&there),
            batches: StateTable::new(&there, config::required("TANDEM_STATE_TABLE")?),
            reference: ReferenceTable::new(&there, config::required("TANDEM_REFERENCE_TABLE")?),
            functions: Reconciler::new(Functions::new(&there), reconcile),
        })
    };
    lambda::run(Canary {
        endpoint: mrap::objects(&sdk, edge),
        access_point: mrap.to_string(),
        regions: [
            observed("TANDEM_PRIMARY_REGION", "TANDEM_PRIMARY_BUCKET")?,
            observed("TANDEM_STANDBY_REGION", "TANDEM_STANDBY_BUCKET")?,
        ],
        time: SystemClock,
        here: config::region()?,
    })
    .await
}
