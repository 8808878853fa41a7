//! Wires `deliver` to AWS.

use std::time::Duration;

use deliver::Deliver;
use tandem_aws::batches::StateTable;
use tandem_aws::clock::SystemClock;
use tandem_aws::mail::SesMail;
use tandem_aws::mrap::{self, MrapLinks};
use tandem_aws::objects::S3Objects;
use tandem_aws::{config, datasets, lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    let lifetime: u64 = config::parsed("TANDEM_LINK_EXPIRY_SECONDS", "a number of seconds")?;
    let link_lifetime = Duration::from_secs(lifetime);
    let mrap_arn = config::parsed("TANDEM_MRAP_ARN", "the ARN of a Multi-Region Access Point")?;
    lambda::run(Deliver {
        batches: StateTable::new(&sdk, config::required("TANDEM_STATE_TABLE")?),
        presign: MrapLinks::new(mrap::client(&sdk, None), mrap_arn, link_lifetime),
        mail: SesMail::from_env(&sdk)?,
        objects: S3Objects::new(&sdk),
        clock: SystemClock,
        region: config::region()?,
        link_lifetime,
        lease: Duration::from_secs(config::parsed("TANDEM_MAIL_LEASE_SECONDS", "a number of seconds")?),
        silent: datasets::silent_from_env()?,
    })
    .await
}
