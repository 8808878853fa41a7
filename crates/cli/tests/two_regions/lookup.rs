//! The lookup interface, through API Gateway with IAM authorisation.

use std::process::Command;

use serde_json::{Value, json};

use crate::Case;
use crate::expected::HEADER;
use crate::regions::{ORDERS_BY_API, REFERENCE_ROWS, Regions, wait_for};

pub const CASES: &[Case] = &[
    ("one_record_or_many_are_answered_to_who_is_authorised", answered),
    ("an_unsigned_lookup_is_refused", unsigned),
    ("a_file_that_is_looked_up_in_the_api_is_delivered_as_from_the_table", by_api),
];

/// Sends one request, signed unless told otherwise; prints status and body. The AWS command line signs no plain requests.
const CLIENT: &str = r"
import sys, urllib.request, urllib.error
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
url, method, body, signed, account = sys.argv[1:]
request = AWSRequest(method=method, url=url, data=body or None, headers={'content-type': 'application/json'})
if signed == 'signed':
    SigV4Auth(Credentials(account, 'local'), 'execute-api', 'us-east-1').add_auth(request)
sent = urllib.request.Request(url, data=body.encode() or None, headers=dict(request.headers.items()), method=method)
try:
    answer = urllib.request.urlopen(sent, timeout=30)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
print(answer.read().decode())
";

/// Status and body of the answer.
fn ask(regions: &Regions, path: &str, body: &str, signed: &str) -> (u16, Value) {
    let state = regions.state();
    let api = &state.outputs["us-east-1/tandem-local-batch"]["ApiUrl"];
    let id = api.trim_start_matches("https://").split('.').next().unwrap();
    let url = format!("{}/_aws/execute-api/{id}/v1/records/{path}", state.endpoint());
    let method = if body.is_empty() { "GET" } else { "POST" };
    let output = Command::new(regions.python())
        .args(["-c", CLIENT, &url, method, body, signed, &state.account])
        .output()
        .expect("the client can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    let (status, body) = text.split_once('\n').unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (status.parse().unwrap(), serde_json::from_str(body.trim()).unwrap_or(Value::Null))
}

fn answered(regions: &Regions) {
    let (status, body) = ask(regions, "sales-orders/100000007", "", "signed");
    assert_eq!((status, &body["record"]["totalRevenue"]), (200, &json!("63")), "{body}");
    assert_eq!(ask(regions, "sales-orders/199999999", "", "signed").0, 404);
    let (status, body) = ask(regions, "sales-orders", r#"{"keys": ["100000001", "199999999"]}"#, "signed");
    assert_eq!((status, &body["missing"]), (200, &json!(["199999999"])), "{body}");
    assert_eq!(body["records"]["100000001"]["unitPrice"], "9.33");
    assert_eq!(ask(regions, "sales-orders", "{", "signed").0, 400);
    let keys: Vec<String> = (0..101).map(|key| key.to_string()).collect();
    assert_eq!(ask(regions, "sales-orders", &json!({"keys": keys}).to_string(), "signed").0, 413);
}

fn unsigned(regions: &Regions) {
    assert_eq!(ask(regions, "sales-orders/100000007", "", "unsigned").0, 403);
}

/// Rows of the file: all known keys, and more unknown ones than one request takes.
const ROWS: u32 = 260;

fn by_api(regions: &Regions) {
    let mut file = String::from(HEADER);
    for number in 0..ROWS {
        let key = if number % 2 == 0 { 100_000_000 + number % REFERENCE_ROWS } else { 300_000_000 + number };
        file.push_str(&format!("{key},Peru,Fruits,Online,H,1/2/2020,Americas,1/3/2020\n"));
    }
    let rows = [ROWS, ROWS / 2, ROWS / 2].map(u64::from);
    let (table, before) = (regions.put("sales-orders", file.as_bytes()), api_calls(regions));
    let api = regions.put(ORDERS_BY_API, file.as_bytes());
    assert_eq!(api_calls(regions) - before, 2, "135 different keys are two requests");
    table.delivered(rows);
    api.delivered(rows);
    assert!(regions.fetch(table.batch_id()) == regions.fetch(api.batch_id()), "another result than from the table");
}

/// Calls of APIs that the edge has counted.
fn api_calls(regions: &Regions) -> u64 {
    let counts = wait_for(regions.admin().counts()).unwrap();
    counts.iter().filter(|count| count.service == "execute-api").map(|count| count.calls).sum()
}
