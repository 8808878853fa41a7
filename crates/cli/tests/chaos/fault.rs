//! What strikes a Region.

use tandem_local::admin::{RegionState, ReplicationSettings};

use crate::point::{Held, Point};
use crate::regions::{Regions, wait_for};
use crate::scenario::LOST;

/// A way in which a Region fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is cut off and not back until all is over.
    IsolatedForGood,
    /// It is cut off, and back as soon as the other has taken over.
    IsolatedThenHealed,
    /// Its function stops where it is, and goes on after the takeover: a zombie.
    FrozenThenThawed,
    /// Its function's processes are killed.
    Killed,
    /// It is cut off, and of the routing controls' five endpoints one is left.
    OneEndpointLeft,
    /// It is cut off, and nothing that it held was replicated.
    ReplicationPaused,
}

pub const FAULTS: [Fault; 6] = [
    Fault::IsolatedForGood,
    Fault::IsolatedThenHealed,
    Fault::FrozenThenThawed,
    Fault::Killed,
    Fault::OneEndpointLeft,
    Fault::ReplicationPaused,
];

/// Where the routing controls have their endpoints, but for the one that is left.
const ENDPOINTS: [&str; 4] = ["us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1"];

impl Fault {
    pub const fn name(self) -> &'static str {
        match self {
            Self::IsolatedForGood => "isolated_for_good",
            Self::IsolatedThenHealed => "isolated_then_healed",
            Self::FrozenThenThawed => "frozen_then_thawed",
            Self::Killed => "killed",
            Self::OneEndpointLeft => "one_endpoint_left",
            Self::ReplicationPaused => "replication_paused",
        }
    }

    /// Before the upload.
    pub fn prepare(self, regions: &Regions) {
        if self == Self::ReplicationPaused {
            replication(regions, true);
        }
    }

    /// Strikes the batch that stands still at a point.
    pub fn strike(self, regions: &Regions, point: Point) {
        match self {
            Self::IsolatedForGood | Self::IsolatedThenHealed | Self::ReplicationPaused => isolate(regions),
            Self::FrozenThenThawed => {
                regions.succeeds(&["function", "freeze", point.function(), "--region", LOST]);
            }
            Self::Killed => {
                regions.succeeds(&["function", "kill", point.function(), "--region", LOST]);
            }
            Self::OneEndpointLeft => {
                for endpoint in ENDPOINTS {
                    wait_for(regions.admin().set_arc_endpoint(endpoint, false)).unwrap();
                }
                isolate(regions);
            }
        }
    }

    /// What ends with the takeover.
    pub fn relent(self, regions: &Regions, point: Point, held: Held) {
        match self {
            // What was held is lost with the Region.
            Self::IsolatedForGood => {}
            Self::IsolatedThenHealed => heal(regions),
            Self::FrozenThenThawed => {
                held.release(regions);
                // It must be there still, or there was no zombie.
                regions.succeeds(&["function", "thaw", point.function(), "--region", LOST]);
                return;
            }
            Self::Killed => {}
            Self::OneEndpointLeft => {}
            Self::ReplicationPaused => {
                heal(regions);
                replication(regions, false);
            }
        }
        held.release(regions);
    }
}

/// Everything as it should be: the Region there, replication on, every endpoint in its place.
pub fn mend(regions: &Regions) {
    wait_for(regions.admin().clear_faults()).unwrap();
    for endpoint in ENDPOINTS {
        wait_for(regions.admin().set_arc_endpoint(endpoint, true)).unwrap();
    }
    heal(regions);
    replication(regions, false);
}

pub fn isolate(regions: &Regions) {
    regions.succeeds(&["region", "isolate", LOST]);
}

pub fn heal(regions: &Regions) {
    wait_for(regions.admin().set_region(LOST, RegionState::Reachable)).unwrap();
}

fn replication(regions: &Regions, paused: bool) {
    let settings = ReplicationSettings { paused: Some(paused), lag_seconds: None };
    wait_for(regions.admin().set_replication(settings)).unwrap();
}
