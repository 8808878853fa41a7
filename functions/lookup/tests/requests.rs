//! `lookup` on API Gateway requests, with a reference table in memory.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use lookup::Lookup;
use serde_json::{Value, json};
use tandem_aws::lambda::invoke;
use tandem_core::ports::ReferenceRecord;
use tandem_core::testing::{MemoryLookup, MemoryPause};

fn function() -> Lookup<MemoryLookup, MemoryPause> {
    let mut reference = MemoryLookup::default();
    reference.insert("orders", "123456789", ReferenceRecord::from([("unitPrice".into(), "9.33".into())]));
    let datasets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/datasets");
    let datasets = tandem_aws::datasets::from_directory(datasets.as_ref()).unwrap();
    Lookup { reference, pause: MemoryPause::default(), datasets }
}

/// Status and body of the answer to a request.
async fn ask(method: &str, dataset: &str, key: Option<&str>, body: Option<&str>) -> (i64, Value) {
    let mut parameters = json!({"dataset": dataset});
    if let Some(key) = key {
        parameters["key"] = key.into();
    }
    let request = json!({
        "resource": "/records", "path": "/records", "httpMethod": method, "headers": {}, "multiValueHeaders": {},
        "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": parameters,
        "stageVariables": null, "requestContext": {"httpMethod": method}, "body": body, "isBase64Encoded": false,
    });
    let answer = serde_json::to_value(invoke(&function(), "us-east-1", request).await.unwrap()).unwrap();
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (answer["statusCode"].as_i64().unwrap(), body)
}

#[tokio::test]
async fn one_record_is_answered_under_its_key() {
    let (status, body) = ask("GET", "sales-orders", Some("123456789"), None).await;
    assert_eq!((status, &body["record"]), (200, &json!({"unitPrice": "9.33"})));
}

#[tokio::test]
async fn an_unknown_key_or_dataset_is_404() {
    assert_eq!(ask("GET", "sales-orders", Some("999999999"), None).await.0, 404);
    let (status, body) = ask("GET", "nothing", Some("123456789"), None).await;
    assert_eq!(status, 404);
    assert!(body["message"].as_str().unwrap().contains("sales-orders"), "{body}");
}

#[tokio::test]
async fn a_key_that_no_record_can_have_is_400() {
    assert_eq!(ask("GET", "sales-orders", Some(""), None).await.0, 400);
    assert_eq!(ask("GET", "sales-orders", Some(&"9".repeat(2048 - "orders/".len() + 1)), None).await.0, 400);
}

#[tokio::test]
async fn many_keys_are_answered_with_what_was_found_and_what_was_not() {
    let body = r#"{"keys": ["123456789", "000000000", "123456789"]}"#;
    let (status, body) = ask("POST", "sales-orders", None, Some(body)).await;
    assert_eq!(status, 200);
    assert_eq!(body["records"]["123456789"]["unitPrice"], "9.33");
    assert_eq!(body["missing"], json!(["000000000"]));
}

#[tokio::test]
async fn a_body_that_is_no_list_of_keys_is_400() {
    for body in ["", "{", "[]", "{}", r#"{"keys": "123456789"}"#, r#"{"keys": [1]}"#, r#"{"keys": [], "more": 1}"#] {
        assert_eq!(ask("POST", "sales-orders", None, Some(body)).await.0, 400, "{body}");
    }
    assert_eq!(ask("POST", "sales-orders", None, None).await.0, 400);
}

#[tokio::test]
async fn one_hundred_keys_are_answered_and_one_more_is_413() {
    let keys = |count: usize| {
        let keys: Vec<String> = (0..count).map(|number| format!("{number:09}")).collect();
        json!({"keys": keys}).to_string()
    };
    assert_eq!(ask("POST", "sales-orders", None, Some(&keys(100))).await.0, 200);
    let (status, body) = ask("POST", "sales-orders", None, Some(&keys(101))).await;
    assert_eq!(status, 413);
    assert!(body["message"].as_str().unwrap().contains("100"), "{body}");
}

#[tokio::test]
async fn another_method_is_405() {
    assert_eq!(ask("DELETE", "sales-orders", Some("123456789"), None).await.0, 405);
}
