//! Wires `reconcile` to AWS.

use reconcile::Reconcile;
use tandem_aws::active_region::{Caching, TxtRecord};
use tandem_aws::batches::StateTable;
use tandem_aws::clock::SystemClock;
use tandem_aws::objects::S3Objects;
use tandem_aws::workflow::StateMachine;
use tandem_aws::{config, lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    let regions = config::regions()?;
    lambda::run(Reconcile {
        active_region: TxtRecord::from_env(&regions, Caching::Never)?,
        batches: StateTable::new(&sdk, config::required("TANDEM_STATE_TABLE")?),
        workflow: StateMachine::new(&sdk, config::required("TANDEM_STATE_MACHINE_ARN")?),
        objects: S3Objects::new(&sdk),
        clock: SystemClock,
        regions,
        limits: config::limits()?,
    })
    .await
}
