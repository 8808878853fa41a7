//! Wires `failover` to AWS.

use std::str::FromStr;

use failover::Failover;
use tandem_aws::arc::RoutingControls;
use tandem_aws::clock::SystemClock;
use tandem_aws::mrap_routes::MrapRoutes;
use tandem_aws::route53::TxtRecord;
use tandem_aws::{config, lambda, telemetry};
use tandem_core::failover::Mode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let sdk = config::sdk_config().await;
    let primary = config::required("TANDEM_PRIMARY_REGION")?;
    let standby = config::required("TANDEM_STANDBY_REGION")?;
    let mrap = config::parsed("TANDEM_MRAP_ARN", "the ARN of a Multi-Region Access Point")?;
    // Set in the local Regions only.
    let edge = match config::optional("AWS_ENDPOINT_URL") {
        Some(_) => Some(config::parsed("AWS_ENDPOINT_URL", "http://<host>:<port>")?),
        None => None,
    };
    let active = match config::parsed("TANDEM_ROUTING_MODE", "arc or dns")? {
        RoutingMode::Arc => Mode::Arc(RoutingControls::from_env(&sdk, [&primary, &standby])?),
        RoutingMode::Dns => Mode::Dns(TxtRecord::from_env(&sdk)?),
    };
    lambda::run(Failover {
        active,
        routes: MrapRoutes::new(&sdk, mrap, edge.as_ref()),
        clock: SystemClock,
        regions: [primary, standby],
    })
    .await
}

/// What the template's parameter of this name says.
enum RoutingMode {
    Arc,
    Dns,
}

impl FromStr for RoutingMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "arc" => Ok(Self::Arc),
            "dns" => Ok(Self::Dns),
            _ => Err(()),
        }
    }
}
