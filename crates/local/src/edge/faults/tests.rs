#![allow(clippy::unwrap_used)]

use std::task::Poll;

use super::*;
use crate::edge::request::{ObjectPath, Place};

fn call(service: &str, operation: &str, region: &str) -> Facts {
    Facts {
        service: service.to_owned(),
        operation: operation.to_owned(),
        region: Some(region.to_owned()),
        object: None,
    }
}

fn rule(json: &str) -> Fault {
    serde_json::from_str(json).unwrap()
}

/// What a call suffers, if anything.
async fn suffered<'a>(faults: &'a Faults, facts: &Facts, body: &'static str) -> Option<Suffered<'a>> {
    let (suffered, given_back) = faults.take(facts, "/some/chunk-00002/path", Body::from(body)).await.unwrap();
    assert_eq!(given_back.collect().await.unwrap().to_bytes(), body);
    suffered
}

/// The answer that ends a call at once.
async fn ended(faults: &Faults, facts: &Facts) -> Option<Response<Body>> {
    match suffered(faults, facts, "").await {
        Some(suffered) => suffered.before(&facts.service).await,
        None => None,
    }
}

async fn is_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

const START_FAILS_TWICE: &str = r#"{"service":"states","operation":"StartExecution","region":"us-east-1","times":2,
    "action":{"fail":{"status":503,"error":"ServiceUnavailable"}}}"#;

#[tokio::test]
async fn the_next_calls_of_one_region_fail_and_the_one_after_them_does_not() {
    let faults = Faults::default();
    faults.add(rule(START_FAILS_TWICE));
    assert!(ended(&faults, &call("states", "StartExecution", "us-west-2")).await.is_none());
    assert!(ended(&faults, &call("states", "DescribeExecution", "us-east-1")).await.is_none());
    for _ in 0..2 {
        let answer = ended(&faults, &call("states", "StartExecution", "us-east-1")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["x-amzn-errortype"], "ServiceUnavailable");
    }
    assert!(ended(&faults, &call("states", "StartExecution", "us-east-1")).await.is_none());
    assert!(faults.all().is_empty());
}

#[tokio::test]
async fn a_rule_without_number_lasts_until_it_is_taken_away() {
    let faults = Faults::default();
    let fails = r#"{"service":"s3","action":{"fail":{"status":503,"error":"SlowDown"}}}"#;
    let id = faults.add(rule(fails)).id;
    let put = call("s3", "PutObject", "us-east-1");
    for _ in 0..5 {
        assert!(ended(&faults, &put).await.is_some());
    }
    assert_eq!(faults.all()[0].met, 5);
    assert!(!faults.remove(id + 1) && faults.remove(id) && !faults.remove(id));
    assert!(ended(&faults, &put).await.is_none());
    faults.add(rule(fails));
    faults.clear();
    assert!(ended(&faults, &put).await.is_none());
}

#[tokio::test]
async fn a_held_call_goes_on_when_its_rule_is_taken_away_and_not_before() {
    let faults = Faults::default();
    let other = faults.add(rule(r#"{"service":"s3","action":"hold"}"#)).id;
    let id = faults.add(rule(r#"{"service":"states","times":1,"action":"hold"}"#)).id;
    let taken = suffered(&faults, &call("states", "StartExecution", "us-east-1"), "").await.unwrap();
    let mut held = std::pin::pin!(taken.before("states"));
    assert!(is_pending(held.as_mut()).await);
    let of_rule = |id| faults.all().into_iter().find(|rule| rule.id == id).map(|rule| (rule.met, rule.held));
    assert_eq!((of_rule(other), of_rule(id)), (Some((0, 0)), Some((1, 1))));
    assert!(suffered(&faults, &call("states", "StartExecution", "us-east-1"), "").await.is_none());
    faults.remove(other);
    assert!(is_pending(held.as_mut()).await);
    faults.remove(id);
    assert!(held.await.is_none());
    assert!(faults.all().is_empty());
}

#[tokio::test]
async fn a_caller_that_gives_up_is_no_longer_held_and_its_rule_is_used_up() {
    let faults = Faults::default();
    faults.add(rule(r#"{"times":1,"action":"hold"}"#));
    let taken = suffered(&faults, &call("states", "StartExecution", "us-east-1"), "").await.unwrap();
    {
        let mut held = std::pin::pin!(taken.before("states"));
        assert!(is_pending(held.as_mut()).await);
        assert_eq!(faults.all()[0].held, 1);
    }
    assert_eq!(faults.all()[0].held, 0);
    drop(taken);
    assert!(faults.all().is_empty());
}

#[tokio::test]
async fn an_answer_is_held_or_lost_and_the_call_itself_goes_on() {
    let faults = Faults::default();
    let held = faults.add(rule(r#"{"service":"ses","action":"hold_answer"}"#)).id;
    faults.add(rule(r#"{"service":"states","times":1,"action":"lose_answer"}"#));
    let answer = || Response::new(Body::empty());
    let taken = suffered(&faults, &call("states", "StartExecution", "us-east-1"), "").await.unwrap();
    assert!(taken.before("states").await.is_none());
    assert_eq!(taken.after(answer()).await.unwrap_err(), Cut);
    let taken = suffered(&faults, &call("ses", "SendEmail", "us-east-1"), "").await.unwrap();
    assert!(taken.before("ses").await.is_none());
    let mut given = std::pin::pin!(taken.after(answer()));
    assert!(is_pending(given.as_mut()).await);
    assert_eq!(faults.all().iter().map(|rule| (rule.id, rule.held)).collect::<Vec<_>>(), [(held, 1)]);
    faults.remove(held);
    assert!(given.await.is_ok());
}

#[tokio::test]
async fn a_rule_can_single_out_a_call_by_its_body_or_path() {
    let faults = Faults::default();
    faults.add(rule(r#"{"service":"dynamodb","body_contains":"DELIVERING","action":"lose_answer"}"#));
    faults.add(rule(r#"{"service":"s3","path_contains":"chunk-00002/","action":"lose_answer"}"#));
    faults.add(rule(r#"{"service":"s3","path_contains":"chunk-00003/","action":"hold"}"#));
    let update = call("dynamodb", "UpdateItem", "us-east-1");
    assert!(suffered(&faults, &update, r#"{":s":{"S":"CLAIMED"}}"#).await.is_none());
    assert!(suffered(&faults, &update, r#"{":s":{"S":"DELIVERING"}}"#).await.is_some());
    let put = call("s3", "PutObject", "us-east-1");
    assert_eq!(suffered(&faults, &put, "").await.unwrap().action, FaultAction::LoseAnswer);
}

#[tokio::test]
async fn bodies_of_s3_are_never_read() {
    let faults = Faults::default();
    faults.add(rule(r#"{"body_contains":"x","action":"lose_answer"}"#));
    let object = ObjectPath { place: Place::Bucket("b".to_owned()), key: "k".to_owned() };
    let put = Facts { object: Some(object), ..call("s3", "PutObject", "us-east-1") };
    assert!(suffered(&faults, &put, "x").await.is_none());
    let too_long = Body::from(vec![b'x'; strong::LARGEST_WRITE + 1]);
    let refusal = faults.take(&call("states", "StartExecution", "us-east-1"), "/", too_long).await;
    assert_eq!(refusal.err().unwrap().status(), StatusCode::BAD_REQUEST);
}

#[test]
fn a_misspelt_rule_is_refused_and_one_in_force_reads_back_equal() {
    let misspelt = r#"{"servise":"s3","action":{"delay":{"milliseconds":1}}}"#;
    assert!(serde_json::from_str::<Fault>(misspelt).is_err());
    let in_force = Faults::default().add(rule(START_FAILS_TWICE));
    let text = serde_json::to_string(&in_force).unwrap();
    assert_eq!(serde_json::from_str::<FaultInForce>(&text).unwrap(), in_force);
}
