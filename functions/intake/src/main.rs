//! Wires `intake` to AWS.

use intake::Intake;
use tandem_aws::active_region::TxtRecord;
use tandem_aws::batches::StateTable;
use tandem_aws::clock::SystemClock;
use tandem_aws::workflow::StateMachine;
use tandem_aws::{config, datasets, lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    lambda::run(Intake {
        active_region: TxtRecord::from_env()?,
        batches: StateTable::new(&sdk, config::required("TANDEM_STATE_TABLE")?),
        workflow: StateMachine::new(&sdk, config::required("TANDEM_STATE_MACHINE_ARN")?),
        datasets: datasets::from_env()?,
        clock: SystemClock,
        region: config::region()?,
    })
    .await
}
