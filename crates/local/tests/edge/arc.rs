//! The routing controls' endpoints, and what the TXT record says.

use serde_json::{Value, json};
use tandem_local::admin::RegionState;
use tandem_local::arc;

use crate::setup::{Answer, EAST, Setup, WEST};

fn activate(setup: &Setup, on: &str) -> String {
    let entries: Vec<Value> = [EAST, WEST]
        .into_iter()
        .map(|region| {
            let state = if region == on { "On" } else { "Off" };
            json!({ "RoutingControlArn": arc::control_arn(&setup.options.account, region), "RoutingControlState": state })
        })
        .collect();
    json!({ "UpdateRoutingControlStateEntries": entries }).to_string()
}

#[tokio::test]
async fn any_endpoint_sets_the_one_state_and_the_record_follows() {
    let setup = Setup::start().await;
    for (endpoint, active) in arc::ENDPOINT_REGIONS.into_iter().zip([WEST, WEST, EAST, WEST, EAST]) {
        assert!(setup.arc_call(endpoint, "UpdateRoutingControlStates", &activate(&setup, active)).await.is_ok());
        assert_eq!(setup.admin.active().await.unwrap().as_deref(), Some(active));
        let control = json!({ "RoutingControlArn": arc::control_arn(&setup.options.account, active) }).to_string();
        let told = setup.arc_call(WEST, "GetRoutingControlState", &control).await.text();
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["RoutingControlState"], "On");
    }
    assert!(setup.nothing_arrived().await);
}

#[tokio::test]
async fn endpoints_that_are_away_or_isolated_give_no_answer_and_the_others_do() {
    let setup = Setup::start().await;
    setup.admin.set_arc_endpoint("eu-west-1", false).await.unwrap();
    setup.admin.set_region(EAST, RegionState::Isolated).await.unwrap();
    for endpoint in arc::ENDPOINT_REGIONS {
        let answer = setup.arc_call(endpoint, "ListRoutingControls", "{}").await;
        assert_eq!(answer == Answer::None, ["eu-west-1", EAST].contains(&endpoint), "{endpoint}: {answer:?}");
    }
    setup.admin.set_region(EAST, RegionState::Reachable).await.unwrap();
    let status = setup.admin.set_arc_endpoint("eu-west-1", true).await.unwrap();
    assert!(status.endpoints.values().all(|available| *available));
    assert!(setup.arc_call("eu-west-1", "ListRoutingControls", "{}").await.is_ok());
    assert!(setup.admin.set_arc_endpoint("eu-central-1", false).await.is_err());
}

#[tokio::test]
async fn the_record_can_be_overridden_until_that_is_cleared() {
    let setup = Setup::start().await;
    for text in [Some("nonsense"), None] {
        setup.admin.set_active(text).await.unwrap();
        assert!(setup.arc_call(WEST, "UpdateRoutingControlStates", &activate(&setup, WEST)).await.is_ok());
        let status = setup.admin.status().await.unwrap();
        assert_eq!((status.active.as_deref(), status.active_overridden), (text, true));
    }
    setup.admin.clear_active().await.unwrap();
    let status = setup.admin.status().await.unwrap();
    assert_eq!((status.active.as_deref(), status.active_overridden), (Some(WEST), false));
    assert!(status.arc.controls[WEST]);
}
