//! `canary` on a task as its schedule sends it: it answers and measures whatever happens.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use canary::{Canary, measured};
use serde_json::json;
use tandem_aws::lambda::invoke;
use tandem_core::canary::{AskStanding, Observed, Report, Standing};
use tandem_core::ports::{Clock, Pause};
use tandem_core::testing::{Faults, MemoryBatches, MemoryLookup, MemoryObjects};

const HERE: &str = "us-east-2";

struct Time;

impl Clock for Time {
    fn now(&self) -> time::OffsetDateTime {
        time::macros::datetime!(2026-01-02 12:00 UTC)
    }
}

impl Pause for Time {
    async fn pause(&self, _: Duration) {
        panic!("nothing is waited for once the upload has failed")
    }
}

struct Silent;

impl AskStanding for Silent {
    async fn ask(&self) -> Result<Standing, String> {
        Err("no answer".into())
    }
}

fn lost() -> Canary<MemoryObjects, MemoryObjects, MemoryBatches, MemoryLookup, Silent, Time> {
    let region = |name: &str| Observed {
        name: name.into(),
        bucket: format!("b-{name}"),
        objects: MemoryObjects::new(Faults::from(0)),
        batches: MemoryBatches::new(Faults::from(0)),
        reference: MemoryLookup::new(Faults::from(0)),
        functions: Silent,
    };
    Canary {
        endpoint: MemoryObjects::new(Faults::from(0)),
        access_point: "arn".into(),
        regions: [region("us-east-1"), region("us-west-2")],
        time: Time,
        here: HERE.into(),
    }
}

#[tokio::test]
async fn with_everything_lost_there_is_an_answer_and_no_error() {
    let report = invoke(&lost(), HERE, json!({"action": "check"})).await.unwrap();
    assert!(!report.is_well());
    let report: Report = serde_json::from_value(serde_json::to_value(&report).unwrap()).unwrap();
    assert!(report.regions.iter().all(|region| !region.reachable && region.problems.len() == 4));
}

#[tokio::test]
async fn the_endpoint_is_measured_under_the_canarys_region_and_each_region_under_its_own() {
    let report = invoke(&lost(), HERE, json!({"action": "check"})).await.unwrap();
    let documents: Vec<_> =
        measured(&report, HERE).iter().map(|(metrics, outcome)| metrics.document(outcome, 0)).collect();
    let said = |name: &str| documents.iter().map(|document| document[name].clone()).collect::<Vec<_>>();
    assert_eq!(said("region"), [HERE, "us-east-1", "us-west-2"]);
    assert_eq!(said("outcome"), ["upload", "unreachable", "unreachable"]);
    assert_eq!(documents[0]["CanarySuccess"], 0.0);
    assert!(documents[0]["CanarySeconds"].is_null(), "the time of a failure is no time of a delivery");
    assert_eq!(
        (&documents[1]["CanaryRegionReachable"], &documents[2]["CanaryRegionReachable"]),
        (&0.0.into(), &0.0.into())
    );
    assert!(documents[0]["reason"].as_str().unwrap().contains("s3:PutObject"));
}

#[tokio::test]
async fn what_is_well_has_its_seconds() {
    let mut report = invoke(&lost(), HERE, json!({"action": "check"})).await.unwrap();
    (report.global.ok, report.global.seconds, report.global.stage) = (true, 2.5, None);
    (report.regions[1].reachable, report.regions[1].seconds) = (true, 0.5);
    let measured = measured(&report, HERE);
    assert_eq!((measured[0].0.value("CanarySuccess"), measured[0].0.value("CanarySeconds")), (Some(1.0), Some(2.5)));
    assert_eq!((measured[2].0.value("CanaryRegionSeconds"), measured[2].1), (Some(0.5), "ok"));
    assert_eq!(measured[1].0.value("CanaryRegionReachable"), Some(0.0));
}

#[tokio::test]
async fn another_task_is_refused() {
    assert_eq!(invoke(&lost(), HERE, json!({"action": "chekc"})).await.unwrap_err().error_type, "Internal");
}
