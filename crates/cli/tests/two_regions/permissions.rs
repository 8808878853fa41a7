//! Each function's role allows what it needs and no more: with one action taken away the work stops, and nothing is lost.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Case;
use crate::expected::{HEADER, row};
use crate::regions::Regions;

pub const CASES: &[Case] = &[("a_role_without_one_of_its_actions_stops_the_work", one_action_less)];

/// An action of each role, and the state that fails without it.
const ACTIONS: [(&str, &str, &str); 5] = [
    ("split", "s3:GetObjectVersion", "Split"),
    ("validate", "s3:PutObject", "ValidateOnly"),
    ("enrich", "dynamodb:BatchGetItem", "EnrichOnly"),
    ("merge", "s3:PutObject", "Merge"),
    ("deliver", "ses:SendEmail", "Deliver"),
];

fn one_action_less(regions: &Regions) {
    for (function, action, state) in ACTIONS {
        without(regions, function, action, state);
    }
    let put = regions.put("sales-orders", format!("{HEADER}{}", row(100_000_001)).as_bytes());
    put.delivered([1, 1, 0]);
}

fn without(regions: &Regions, function: &str, action: &str, state: &str) {
    let role = role_of(regions, function);
    let names = ["iam", "list-role-policies", "--role-name", &role, "--output", "json"];
    let names: Value = serde_json::from_str(&regions.aws("us-east-1", &names)).unwrap();
    let name = names["PolicyNames"][0].as_str().expect("the role has a policy").to_owned();
    let get = ["iam", "get-role-policy", "--role-name", &role, "--policy-name", &name, "--output", "json"];
    let policy: Value = serde_json::from_str(&regions.aws("us-east-1", &get)).unwrap();
    let document = policy["PolicyDocument"].to_string();
    let reduced = document.replace(&format!("\"{action}\""), "\"sqs:PurgeQueue\"");
    assert_ne!(reduced, document, "the role never had the action: {document}");

    set_policy(regions, &role, &name, &reduced);
    let batch_id =
        regions.put_and_leave(&regions.fresh_key("sales-orders"), format!("{HEADER}{}", row(100_000_000)).as_bytes());
    let record = interrupted(regions, &batch_id);
    set_policy(regions, &role, &name, &document);

    assert_eq!(record["failed_state"], state, "{function} without {action}: {record}");
    assert!(regions.emails(&batch_id).is_empty(), "it was not the file's fault: its owner hears nothing");
}

/// Name of a function's role.
fn role_of(regions: &Regions, function: &str) -> String {
    let name = format!("tandem-local-{function}");
    let get = ["lambda", "get-function-configuration", "--function-name", &name, "--output", "json"];
    let configuration: Value = serde_json::from_str(&regions.aws("us-east-1", &get)).unwrap();
    configuration["Role"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn set_policy(regions: &Regions, role: &str, name: &str, document: &str) {
    let put = ["iam", "put-role-policy", "--role-name", role, "--policy-name", name, "--policy-document", document];
    regions.aws("us-east-1", &put);
}

/// Waits until a batch is noted as interrupted; answers its record, which must be open.
fn interrupted(regions: &Regions, batch_id: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(record) = regions.record(batch_id) {
            let status = record["status"].as_str().unwrap();
            assert!(status != "DELIVERED" && status != "FAILED", "{record}");
            if record["failed_state"].is_string() {
                return record;
            }
        }
        assert!(Instant::now() < deadline, "batch {batch_id} was not interrupted");
        thread::sleep(Duration::from_millis(200));
    }
}
