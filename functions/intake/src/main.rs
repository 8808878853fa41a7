//! Wires `intake` to AWS.

use intake::Intake;
use tandem_aws::active_region::{Caching, TxtRecord};
use tandem_aws::batches::StateTable;
use tandem_aws::clock::SystemClock;
use tandem_aws::workflow::StateMachine;
use tandem_aws::{config, datasets, lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    let regions = config::regions()?;
    lambda::run(Intake {
        active_region: TxtRecord::from_env(&regions, Caching::ForTtl)?,
        batches: StateTable::new(&sdk, config::required("TANDEM_STATE_TABLE")?),
        workflow: StateMachine::new(&sdk, config::required("TANDEM_STATE_MACHINE_ARN")?),
        datasets: datasets::from_env()?,
        clock: SystemClock,
        regions,
        limits: config::limits()?,
    })
    .await
}
