//! Application Recovery Controller: the routing controls that say which Region should act.
//!
//! A cluster has five endpoints in five Regions, any of which reads and sets the controls. Each has a client of its own
//! that tries once and waits briefly: while a Region is lost, the next endpoint is the better second try.

use aws_config::{Region, SdkConfig};
use aws_sdk_route53recoverycluster::Client;
use aws_sdk_route53recoverycluster::config::Builder;
use aws_sdk_route53recoverycluster::types::{RoutingControlState, UpdateRoutingControlStateEntry};
use futures::future::try_join_all;
use tandem_core::failover::{SwitchRegions, Switches};
use tandem_core::ports::ServiceError;

use crate::config::{ConfigError, one_of_several, pairs};
use crate::error::translate;
use crate::metering::Metered;

const ENDPOINTS: &str = "TANDEM_ARC_ENDPOINTS";
const CONTROLS: &str = "TANDEM_ARC_CONTROLS";

/// The routing controls of the two Regions, through any of the cluster's endpoints.
#[derive(Debug, Clone)]
pub struct RoutingControls {
    /// By endpoint, in the order in which they are tried.
    clients: Vec<(String, Client)>,
    /// Region and ARN of its control.
    controls: Vec<(String, String)>,
}

impl RoutingControls {
    /// The cluster's endpoints from `TANDEM_ARC_ENDPOINTS` (`us-east-1=https://...,us-west-2=https://...`), this Region's
    /// first, and the controls from `TANDEM_ARC_CONTROLS` (`us-east-1=arn:...,us-west-2=arn:...`).
    ///
    /// # Errors
    /// [`ConfigError`] when one of them is missing or has another form, or a Region has no control.
    pub fn from_env(config: &SdkConfig, regions: [&str; 2]) -> Result<Self, ConfigError> {
        let mut endpoints =
            pairs(ENDPOINTS, is_endpoint, "<Region>=https://<host>, five of them, separated by commas")?;
        let controls = pairs(CONTROLS, is_control, CONTROLS_FORM)?;
        check_controls(&controls, regions)?;
        let own = config.region().map(Region::as_ref).unwrap_or_default();
        endpoints.sort_by_key(|(region, _)| region != own);
        let clients =
            endpoints.into_iter().map(|(region, url)| (region.clone(), client(config, region, &url))).collect();
        Ok(Self { clients, controls })
    }

    fn client(&self, endpoint: &str) -> Result<&Client, ServiceError> {
        let known = self.clients.iter().find(|(name, _)| name == endpoint).map(|(_, client)| client);
        known.ok_or_else(|| ServiceError::NotFound { what: format!("ARC endpoint {endpoint}") })
    }
}

/// A client of one endpoint, which signs for the endpoint's Region.
fn client(config: &SdkConfig, region: String, url: &str) -> Client {
    let builder = Builder::from(&one_of_several(config, region)).endpoint_url(url);
    Client::from_conf(builder.interceptor(Metered::new()).build())
}

impl SwitchRegions for RoutingControls {
    fn endpoints(&self) -> Vec<String> {
        self.clients.iter().map(|(name, _)| name.clone()).collect()
    }

    async fn read(&self, endpoint: &str) -> Result<Switches, ServiceError> {
        let client = self.client(endpoint)?;
        let states = self.controls.iter().map(|(region, arn)| async move {
            let read = client.get_routing_control_state().routing_control_arn(arn).send().await;
            let read =
                read.map_err(|error| translate("route53-recovery-cluster:GetRoutingControlState", arn, error))?;
            Ok((region.clone(), *read.routing_control_state() == RoutingControlState::On))
        });
        Ok(try_join_all(states).await?.into_iter().collect())
    }

    async fn set(&self, endpoint: &str, state: &Switches) -> Result<(), ServiceError> {
        const OPERATION: &str = "route53-recovery-cluster:UpdateRoutingControlStates";
        let mut update = self.client(endpoint)?.update_routing_control_states();
        for (region, arn) in &self.controls {
            let on = state.get(region).copied().unwrap_or_default();
            let wanted = if on { RoutingControlState::On } else { RoutingControlState::Off };
            let entry = UpdateRoutingControlStateEntry::builder()
                .routing_control_arn(arn)
                .routing_control_state(wanted)
                .build();
            let entry =
                entry.map_err(|error| ServiceError::Refused { operation: OPERATION, message: error.to_string() })?;
            update = update.update_routing_control_state_entries(entry);
        }
        update.send().await.map_err(|error| translate(OPERATION, "the routing controls", error))?;
        Ok(())
    }
}

const CONTROLS_FORM: &str =
    "<Region>=<ARN of its routing control>, one for each of the two Regions, separated by a comma";

fn is_endpoint(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
}

fn is_control(text: &str) -> bool {
    text.starts_with("arn:") && text.contains(":route53-recovery-control::") && text.contains("/routingcontrol/")
}

fn check_controls(controls: &[(String, String)], regions: [&str; 2]) -> Result<(), ConfigError> {
    let has = |region: &&str| controls.iter().any(|(known, _)| known == region);
    if controls.len() == regions.len() && regions.iter().all(has) {
        return Ok(());
    }
    let value = controls.iter().map(|(region, _)| region.as_str()).collect::<Vec<_>>().join(", ");
    Err(ConfigError::Invalid { name: CONTROLS, value, expected: CONTROLS_FORM })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_control_and_an_endpoint_is_taken_for_one() {
        assert!(is_control(
            "arn:aws:route53-recovery-control::123456789012:controlpanel/0123456789abcdef0123456789abcdef/routingcontrol/0123456789abcdef"
        ));
        assert!(!is_control("arn:aws:route53-recovery-control::123456789012:cluster/0123"));
        assert!(is_endpoint("https://0a1b.route53-recovery-cluster.us-east-1.amazonaws.com/v1"));
        assert!(is_endpoint("http://127.0.0.1:4610/_arc/us-east-1/"));
        assert!(!is_endpoint("0a1b.route53-recovery-cluster.us-east-1.amazonaws.com"));
        assert!(!is_endpoint("https://"));
    }

    #[test]
    fn each_of_the_two_regions_needs_its_control_and_no_other_may_have_one() {
        let of = |regions: &[&str]| -> Vec<_> {
            regions.iter().map(|region| ((*region).to_owned(), String::new())).collect()
        };
        let both = ["us-east-1", "us-west-2"];
        assert!(check_controls(&of(&["us-west-2", "us-east-1"]), both).is_ok());
        assert!(check_controls(&of(&["us-east-1"]), both).is_err());
        assert!(check_controls(&of(&["us-east-1", "eu-west-1"]), both).is_err());
        assert!(check_controls(&of(&["us-east-1", "us-west-2", "eu-west-1"]), both).is_err());
    }
}
