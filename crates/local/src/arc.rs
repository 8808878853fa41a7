//! Routing controls: their names, and where the endpoints are that tell and set their states.
//!
//! As in a real account there is one cluster with five endpoints, one control panel with one control for each Region (On: the
//! Region should act), and one safety rule: at least one control is On.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::options::Options;

/// The Regions of a cluster's five endpoints.
pub const ENDPOINT_REGIONS: [&str; 5] = ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2", "ap-northeast-1"];

/// The control panel.
#[must_use]
pub fn control_panel_arn(account: &str) -> String {
    format!("arn:aws:route53-recovery-control::{account}:controlpanel/{}", digits("tandem", 32))
}

/// The control of a Region.
#[must_use]
pub fn control_arn(account: &str, region: &str) -> String {
    format!("{}/routingcontrol/{}", control_panel_arn(account), digits(region, 16))
}

/// The safety rule.
#[must_use]
pub fn safety_rule_arn(account: &str) -> String {
    format!("{}/safetyrule/{}", control_panel_arn(account), digits("at least one", 16))
}

/// The name of a Region's control.
#[must_use]
pub fn control_name(suffix: &str, region: &str) -> String {
    format!("tandem-{suffix}-{region}")
}

/// URL of each endpoint, by its Region.
#[must_use]
pub fn endpoints(options: &Options) -> BTreeMap<String, String> {
    let edge = options.endpoint();
    ENDPOINT_REGIONS.iter().map(|region| ((*region).to_owned(), format!("{edge}/_arc/{region}/"))).collect()
}

/// ARN of each Region's control, by Region.
#[must_use]
pub fn controls(options: &Options) -> BTreeMap<String, String> {
    options.regions.iter().map(|region| (region.clone(), control_arn(&options.account, region))).collect()
}

/// A map as the parameters of the batch template want it: `name=value,name=value`.
#[must_use]
pub fn parameter(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// Hexadecimal digits that are the same for the same name.
fn digits(name: &str, number: usize) -> String {
    let digest = Sha256::digest(name);
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()[..number].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_services_form_and_differ_by_region() {
        let arn = control_arn("123456789012", "us-east-1");
        let (panel, control) = arn.split_once("/routingcontrol/").unwrap_or_default();
        assert_eq!(panel, control_panel_arn("123456789012"));
        assert_eq!((panel.rsplit('/').next().map(str::len), control.len()), (Some(32), 16));
        assert_ne!(arn, control_arn("123456789012", "us-west-2"));
    }

    #[test]
    fn all_five_endpoints_and_both_controls_are_named_to_the_functions() {
        let options = Options::new("/nowhere");
        let endpoints = parameter(&endpoints(&options));
        assert_eq!(endpoints.split(',').count(), 5);
        assert!(endpoints.contains("us-west-2=http://127.0.0.1:4610/_arc/us-west-2/"));
        assert_eq!(parameter(&controls(&options)).split(',').count(), 2);
    }
}
