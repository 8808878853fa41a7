//! Replicas while a Region is isolated.

use tandem_local::admin::{RegionState, ReplicationSettings};

use crate::setup::{EAST, Setup, WEST};

#[tokio::test]
async fn replicas_wait_for_an_isolated_region_in_both_directions_and_come_when_it_is_back() {
    let setup = Setup::start().await;
    let (east, west) = (setup.options.bucket(EAST), setup.options.bucket(WEST));
    let paused = |paused| ReplicationSettings { paused: Some(paused), lag_seconds: None };
    setup.admin.set_replication(paused(true)).await.unwrap();
    assert!(setup.put(EAST, &east, "a").await.is_ok());
    assert_eq!(setup.next_arrival().await, format!("PUT /{east}/a"));
    setup.admin.set_region(EAST, RegionState::Isolated).await.unwrap();
    setup.admin.set_replication(paused(false)).await.unwrap();
    assert!(setup.put(WEST, &west, "b").await.is_ok());
    assert_eq!(setup.next_arrival().await, format!("PUT /{west}/b"));
    let status = setup.admin.replication().await.unwrap();
    assert_eq!(status.held_for, [EAST]);
    let pending: Vec<_> = status.pending.iter().map(|one| (one.key.as_str(), one.region.as_str())).collect();
    assert_eq!(pending, [("a", EAST), ("b", WEST)]);
    assert_eq!((status.pending[0].missing_in.as_str(), status.pending[1].missing_in.as_str()), (WEST, EAST));
    assert!(setup.nothing_arrived().await);
    setup.admin.set_region(EAST, RegionState::Reachable).await.unwrap();
    let mut made = [setup.next_arrival().await, setup.next_arrival().await];
    made.sort();
    assert_eq!(made, [format!("PUT /{east}/b"), format!("PUT /{west}/a")]);
}
