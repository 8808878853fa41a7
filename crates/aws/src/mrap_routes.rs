//! S3 control: the routes of the Multi-Region Access Point.
//!
//! They are read and set in any of five Regions, whichever Regions the buckets are in. Each of the five has a client of its
//! own that tries once and waits briefly.

use aws_config::{Region, SdkConfig};
use aws_sdk_s3control::Client;
use aws_sdk_s3control::config::{Builder, SharedInterceptor};
use aws_sdk_s3control::types::MultiRegionAccessPointRoute;
use tandem_core::failover::{SwitchRegions, Switches};
use tandem_core::ports::ServiceError;

use crate::access_point::{Edge, MrapArn};
use crate::config::one_of_several;
use crate::error::translate;
use crate::metering::Metered;

/// The Regions in which routes can be read and set.
pub const ROUTE_REGIONS: [&str; 5] = ["us-east-1", "us-west-2", "ap-southeast-2", "ap-northeast-1", "eu-west-1"];

/// What a route's dial says: all of the traffic, or none. There is nothing between.
const ALL: i32 = 100;
const NONE: i32 = 0;

/// The routes of one Multi-Region Access Point.
#[derive(Debug, Clone)]
pub struct MrapRoutes {
    /// By Region, in the order in which they are tried.
    clients: Vec<(String, Client)>,
    mrap: MrapArn,
}

impl MrapRoutes {
    /// The routes of this access point, through this Region first if it is one of the five; through `edge`, if given.
    #[must_use]
    pub fn new(config: &SdkConfig, mrap: MrapArn, edge: Option<&Edge>) -> Self {
        let own = config.region().map(Region::as_ref).unwrap_or_default();
        let mut regions = ROUTE_REGIONS;
        regions.sort_by_key(|region| *region != own);
        let clients = regions.map(|region| (region.to_owned(), client(config, region, edge))).into();
        Self { clients, mrap }
    }

    fn client(&self, endpoint: &str) -> Result<&Client, ServiceError> {
        let known = self.clients.iter().find(|(name, _)| name == endpoint).map(|(_, client)| client);
        known.ok_or_else(|| ServiceError::NotFound { what: format!("S3 control in {endpoint}") })
    }
}

/// A client of one Region. Any endpoint override is left out: the SDK would put the account in front of its host.
fn client(config: &SdkConfig, region: &'static str, edge: Option<&Edge>) -> Client {
    let mut builder = Builder::from(&one_of_several(config, region.to_owned())).interceptor(Metered::new());
    builder.set_endpoint_url(None);
    if let Some(edge) = edge {
        builder.push_interceptor(SharedInterceptor::new(edge.clone()));
    }
    Client::from_conf(builder.build())
}

impl SwitchRegions for MrapRoutes {
    fn endpoints(&self) -> Vec<String> {
        self.clients.iter().map(|(name, _)| name.clone()).collect()
    }

    async fn read(&self, endpoint: &str) -> Result<Switches, ServiceError> {
        let read = self.client(endpoint)?.get_multi_region_access_point_routes();
        let read = read.account_id(self.mrap.account()).mrap(self.mrap.as_str()).send().await;
        let read = read.map_err(|error| translate("s3:GetMultiRegionAccessPointRoutes", self.mrap.as_str(), error))?;
        let state = |route: &MultiRegionAccessPointRoute| {
            Some((route.region()?.to_owned(), route.traffic_dial_percentage() != NONE))
        };
        Ok(read.routes().iter().filter_map(state).collect())
    }

    async fn set(&self, endpoint: &str, state: &Switches) -> Result<(), ServiceError> {
        const OPERATION: &str = "s3:SubmitMultiRegionAccessPointRoutes";
        let mut submit = self.client(endpoint)?.submit_multi_region_access_point_routes();
        for (region, on) in state {
            let dial = if *on { ALL } else { NONE };
            let route = MultiRegionAccessPointRoute::builder().region(region).traffic_dial_percentage(dial).build();
            let route =
                route.map_err(|error| ServiceError::Refused { operation: OPERATION, message: error.to_string() })?;
            submit = submit.route_updates(route);
        }
        let submitted = submit.account_id(self.mrap.account()).mrap(self.mrap.as_str()).send().await;
        submitted.map_err(|error| translate(OPERATION, self.mrap.as_str(), error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_config::BehaviorVersion;

    use super::*;

    fn endpoints_in(region: &'static str) -> Vec<String> {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(crate::config::http_client())
            .region(Region::new(region))
            .build();
        let mrap = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap".parse().unwrap();
        MrapRoutes::new(&config, mrap, None).endpoints()
    }

    #[test]
    fn this_regions_endpoint_is_tried_first_and_then_the_other_four() {
        let of_west = endpoints_in("us-west-2");
        assert_eq!(of_west, ["us-west-2", "us-east-1", "ap-southeast-2", "ap-northeast-1", "eu-west-1"]);
        assert_eq!(endpoints_in("eu-central-1"), ROUTE_REGIONS);
    }
}
