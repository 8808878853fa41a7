//! Faults of single calls.

use tandem_local::admin::{Fault, FaultAction, RegionState};

use crate::setup::{Answer, EAST, Setup, WEST};

/// The fence of a delivery.
const FENCE: &str = r#"{"TableName":"t","ExpressionAttributeValues":{":s":{"S":"DELIVERING"}}}"#;

fn fence(action: FaultAction) -> Fault {
    Fault { service: Some("dynamodb".to_owned()), body_contains: Some("DELIVERING".to_owned()), ..Fault::new(action) }
}

#[tokio::test]
async fn an_answer_can_be_lost_of_a_write_that_is_made_all_the_same() {
    let setup = Setup::start().await;
    setup.admin.add_fault(&Fault { times: Some(1), ..fence(FaultAction::LoseAnswer) }).await.unwrap();
    assert!(setup.json_call(EAST, "dynamodb", "UpdateItem", r#"{"TableName":"t"}"#).await.is_ok());
    setup.next_arrival().await;
    assert_eq!(setup.json_call(EAST, "dynamodb", "UpdateItem", FENCE).await, Answer::None);
    assert_eq!(setup.next_arrival().await, "POST /");
    assert!(setup.json_call(EAST, "dynamodb", "UpdateItem", FENCE).await.is_ok());
}

#[tokio::test]
async fn a_held_answer_is_given_when_its_fault_is_taken_away() {
    let setup = Setup::start().await;
    let other = setup.admin.add_fault(&fence(FaultAction::HoldAnswer)).await.unwrap();
    let held = Fault { service: Some("states".to_owned()), ..Fault::new(FaultAction::HoldAnswer) };
    let held = setup.admin.add_fault(&held).await.unwrap();
    let call = setup.json_call(EAST, "states", "StartExecution", "{}");
    let release = async {
        is_held(&setup, held.id).await;
        assert_eq!(setup.next_arrival().await, "POST /");
        setup.admin.remove_fault(held.id).await.unwrap();
        setup.admin.remove_fault(held.id).await.unwrap();
    };
    assert!(tokio::join!(call, release).0.is_ok());
    let left: Vec<u64> = setup.admin.faults().await.unwrap().iter().map(|fault| fault.id).collect();
    assert_eq!(left, [other.id]);
}

#[tokio::test]
async fn what_a_fault_holds_is_cut_with_its_region() {
    let setup = Setup::start().await;
    for action in [FaultAction::Hold, FaultAction::HoldAnswer] {
        setup.admin.set_region(EAST, RegionState::Reachable).await.unwrap();
        let fault = setup.admin.add_fault(&Fault { times: Some(1), ..fence(action) }).await.unwrap();
        let call = setup.json_call(EAST, "dynamodb", "UpdateItem", FENCE);
        let isolation = async {
            is_held(&setup, fault.id).await;
            setup.admin.set_region(WEST, RegionState::Slow { milliseconds: 1 }).await.unwrap();
            setup.admin.set_region(EAST, RegionState::Isolated).await.unwrap();
        };
        assert_eq!(tokio::join!(call, isolation).0, Answer::None);
    }
    assert_eq!(setup.next_arrival().await, "POST /");
    assert!(setup.nothing_arrived().await, "only the second was carried out");
    assert!(setup.admin.faults().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_call_is_singled_out_by_its_path() {
    let setup = Setup::start().await;
    let path_contains = Some("/chunk-00002/".to_owned());
    setup.admin.add_fault(&Fault { path_contains, ..Fault::new(FaultAction::LoseAnswer) }).await.unwrap();
    let bucket = setup.options.bucket(EAST);
    assert!(setup.put(EAST, &bucket, "work/b/chunk-00001/output.csv").await.is_ok());
    assert_eq!(setup.put(EAST, &bucket, "work/b/chunk-00002/output.csv").await, Answer::None);
}

async fn is_held(setup: &Setup, id: u64) {
    let held =
        |faults: Vec<tandem_local::admin::FaultInForce>| faults.iter().any(|fault| fault.id == id && fault.held == 1);
    while !held(setup.admin.faults().await.unwrap()) {}
}
