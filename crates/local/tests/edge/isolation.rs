//! Regions that are cut off.

use tandem_local::admin::{RegionState, ReplicationSettings};

use crate::setup::{Answer, EAST, Setup, WEST};

#[tokio::test]
async fn every_call_of_an_isolated_region_is_cut_and_never_reaches_the_emulator() {
    let setup = Setup::start().await;
    let (east, west) = (setup.options.bucket(EAST), setup.options.bucket(WEST));
    setup.admin.set_region(EAST, RegionState::Isolated).await.unwrap();
    assert_eq!(setup.json_call(EAST, "dynamodb", "UpdateItem", r#"{"TableName":"t"}"#).await, Answer::None);
    assert_eq!(setup.json_call(EAST, "states", "StartExecution", "{}").await, Answer::None);
    // Both ways: into the Region, and out of it.
    assert_eq!(setup.put(WEST, &east, "k").await, Answer::None);
    assert_eq!(setup.put(EAST, &west, "k").await, Answer::None);
    assert!(setup.nothing_arrived().await);
    let status = setup.admin.regions().await.unwrap();
    assert_eq!((status[EAST].state, status[EAST].calls_cut), (RegionState::Isolated, 4));
    assert!(setup.admin.counts().await.unwrap().is_empty(), "what is cut is no call");

    assert!(setup.json_call(WEST, "states", "StartExecution", "{}").await.is_ok());
    assert_eq!(setup.next_arrival().await, "POST /");
    setup.admin.set_region(EAST, RegionState::Reachable).await.unwrap();
    assert!(setup.json_call(EAST, "states", "StartExecution", "{}").await.is_ok());
}

#[tokio::test]
async fn the_access_point_fails_until_its_routes_lead_elsewhere() {
    let setup = Setup::start().await;
    assert!(setup.put_through_mrap("input/a.csv").await.is_ok());
    setup.next_arrival().await;
    let paused = ReplicationSettings { paused: Some(true), lag_seconds: None };
    setup.admin.set_replication(paused).await.unwrap();
    setup.admin.set_region(EAST, RegionState::Isolated).await.unwrap();
    assert_eq!(setup.put_through_mrap("input/b.csv").await, Answer::None);
    setup.route_to(WEST).await;
    assert!(setup.put_through_mrap("input/c.csv").await.is_ok());
    setup.admin.set_region(WEST, RegionState::Isolated).await.unwrap();
    setup.admin.set_region(EAST, RegionState::Reachable).await.unwrap();
    assert_eq!(setup.put_through_mrap("input/d.csv").await, Answer::None);
}

#[tokio::test]
async fn a_call_that_is_under_way_loses_its_answer() {
    let setup = Setup::start().await;
    setup.emulator_answers(false);
    let call = setup.json_call(EAST, "states", "StartExecution", "{}");
    let isolation = async {
        assert_eq!(setup.next_arrival().await, "POST /");
        setup.admin.set_region(EAST, RegionState::Isolated).await.unwrap();
    };
    assert_eq!(tokio::join!(call, isolation).0, Answer::None);
}

#[tokio::test]
async fn an_answer_that_is_being_given_breaks_off() {
    let setup = Setup::start().await;
    let call = setup.json_call(EAST, "lambda", "Invoke", "never ending");
    let isolation = async {
        setup.next_arrival().await;
        // Once it is counted among the cut ones the answer had begun or not: both end here.
        setup.admin.set_region(EAST, RegionState::Isolated).await.unwrap();
    };
    assert!(matches!(tokio::join!(call, isolation).0, Answer::None | Answer::BrokenOff));
}

#[tokio::test]
async fn a_write_that_waits_for_its_turn_when_its_region_is_isolated_is_not_made() {
    let setup = Setup::start().await;
    setup.edge.declare_strong(["t".to_owned()]);
    setup.emulator_answers(false);
    let first = setup.json_call(WEST, "dynamodb", "PutItem", r#"{"TableName":"t"}"#);
    let second = async {
        setup.next_arrival().await;
        let second = setup.json_call(EAST, "dynamodb", "PutItem", r#"{"TableName":"t"}"#);
        let isolation = async {
            while setup.admin.counts().await.unwrap().iter().all(|count| count.region.as_deref() != Some(EAST)) {}
            setup.admin.set_region(EAST, RegionState::Isolated).await.unwrap();
        };
        let (second, ()) = tokio::join!(second, isolation);
        setup.emulator_answers(true);
        second
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_ok());
    assert_eq!(second, Answer::None);
    assert!(setup.nothing_arrived().await);
}

#[tokio::test]
async fn only_the_two_regions_can_be_set_and_only_within_reason() {
    let setup = Setup::start().await;
    let error = setup.admin.set_region("eu-west-1", RegionState::Isolated).await.unwrap_err().to_string();
    assert!(error.contains("us-east-1, us-west-2"), "{error}");
    assert!(setup.admin.set_region(EAST, RegionState::Slow { milliseconds: 60_001 }).await.is_err());
    assert_eq!(setup.admin.regions().await.unwrap()[EAST].state, RegionState::Reachable);
}
