//! `failover` on requests as the runbook and an operator make them, with the endpoints in memory.

#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use failover::Failover;
use serde_json::{Value, json};
use tandem_aws::clock::SystemClock;
use tandem_aws::lambda::{Function, invoke};
use tandem_aws::telemetry::Metrics;
use tandem_core::failover::{KeepRecord, Mode, Record, SwitchRegions, Switches};
use tandem_core::ports::ServiceError;

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

/// Switches behind three endpoints, the first few of which are gone.
struct Board {
    state: Mutex<Switches>,
    gone: usize,
}

impl Board {
    fn on(region: &str, gone: usize) -> Self {
        let state = [EAST, WEST].map(|known| (known.to_owned(), known == region));
        Self { state: Mutex::new(state.into()), gone }
    }

    fn reach(&self, endpoint: &str) -> Result<(), ServiceError> {
        let position = self.endpoints().iter().position(|known| known == endpoint).unwrap();
        if position < self.gone {
            return Err(ServiceError::Unavailable {
                operation: "call",
                message: "no answer".into(),
                source: "".into(),
            });
        }
        Ok(())
    }
}

impl SwitchRegions for &Board {
    fn endpoints(&self) -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    async fn read(&self, endpoint: &str) -> Result<Switches, ServiceError> {
        self.reach(endpoint)?;
        Ok(self.state.lock().unwrap().clone())
    }

    async fn set(&self, endpoint: &str, state: &Switches) -> Result<(), ServiceError> {
        self.reach(endpoint)?;
        *self.state.lock().unwrap() = state.clone();
        Ok(())
    }
}

/// A zone that holds the record, or does not answer.
struct Zone {
    record: Mutex<Option<Record>>,
    away: bool,
    /// Whether another failover is always a moment earlier.
    late: bool,
}

impl Zone {
    fn naming(region: &str) -> Self {
        Self { record: Mutex::new(Some(record(region))), away: false, late: false }
    }
}

fn record(region: &str) -> Record {
    Record { values: vec![format!("\"{region}\"")], ttl_seconds: 10 }
}

impl KeepRecord for &Zone {
    const SERVICE: &'static str = "Route 53";

    fn name(&self) -> &str {
        "active.example.com"
    }

    async fn read(&self) -> Result<Option<Record>, ServiceError> {
        if self.away {
            return Err(ServiceError::Throttled { operation: "route53:ListResourceRecordSets", source: "".into() });
        }
        Ok(self.record.lock().unwrap().clone())
    }

    async fn replace(&self, before: Option<&Record>, region: &str) -> Result<(), ServiceError> {
        let mut record_now = self.record.lock().unwrap();
        if self.late {
            *record_now = None;
        }
        if record_now.as_ref() != before {
            return Err(ServiceError::Refused { operation: "change", message: "other values".into() });
        }
        *record_now = Some(record(region));
        Ok(())
    }
}

type Wired<'a> = Failover<&'a Board, &'a Zone, &'a Board, SystemClock>;

fn function<'a>(controls: &'a Board, routes: &'a Board) -> Wired<'a> {
    by(Mode::Arc(controls), routes)
}

fn by<'a>(active: Mode<&'a Board, &'a Zone>, routes: &'a Board) -> Wired<'a> {
    Failover { active, routes, clock: SystemClock, regions: [EAST.to_owned(), WEST.to_owned()] }
}

async fn answer(controls: &Board, routes: &Board, event: Value) -> Result<Value, (String, String)> {
    answer_of(&function(controls, routes), event).await
}

async fn answer_of(function: &Wired<'_>, event: Value) -> Result<Value, (String, String)> {
    let answered = invoke(function, WEST, event).await;
    answered
        .map(|answer| serde_json::to_value(answer).unwrap())
        .map_err(|error| (error.error_type, error.error_message))
}

#[tokio::test]
async fn the_active_region_is_set_through_the_one_endpoint_that_is_left() {
    let (controls, routes) = (Board::on(EAST, 2), Board::on(EAST, 0));
    let set = answer(&controls, &routes, json!({"action": "set", "region": WEST})).await.unwrap();
    assert_eq!((&set["active"], &set["before"], &set["changed"]), (&json!(WEST), &json!(EAST), &json!(true)));
    assert_eq!(set["endpoint"], "c");
    assert_eq!(set["failed_endpoints"][1], json!({"endpoint": "b", "error": "call failed: no answer"}));
    let again = answer(&controls, &routes, json!({"action": "set", "region": WEST})).await.unwrap();
    assert_eq!((&again["active"], &again["changed"]), (&json!(WEST), &json!(false)));
}

#[tokio::test]
async fn routes_are_set_apart_from_the_active_region() {
    let (controls, routes) = (Board::on(EAST, 0), Board::on(EAST, 0));
    let set = answer(&controls, &routes, json!({"action": "route", "region": WEST})).await.unwrap();
    assert_eq!((&set["routed"], &set["before"]), (&json!([WEST]), &json!([EAST])));
    let read = answer(&controls, &routes, json!({"action": "read"})).await.unwrap();
    assert_eq!((&read["active"], &read["routed"]), (&json!(EAST), &json!([WEST])));
}

#[tokio::test]
async fn errors_have_the_names_that_the_runbook_shows() {
    let (controls, routes) = (Board::on(EAST, 3), Board::on(EAST, 0));
    let (name, message) = answer(&controls, &routes, json!({"action": "set", "region": WEST})).await.unwrap_err();
    assert_eq!(name, "NoEndpoint");
    assert!(message.contains("nothing was changed") && message.contains("a: call failed"), "{message}");
    assert_eq!(answer(&controls, &routes, json!({"action": "read"})).await.unwrap_err().0, "NoEndpoint");
    let (name, _) = answer(&controls, &routes, json!({"action": "set", "region": "eu-west-1"})).await.unwrap_err();
    assert_eq!(name, "UnknownRegion");
    assert!(answer(&controls, &routes, json!({"action": "toggle"})).await.is_err(), "there is nothing that toggles");
}

#[tokio::test]
async fn without_controls_the_record_is_read_and_set_by_the_same_requests() {
    let (mut zone, routes) = (Zone::naming(EAST), Board::on(EAST, 0));
    let first = set(&zone, &routes).await.unwrap();
    let expected =
        json!({"active": WEST, "before": EAST, "changed": true, "endpoint": "Route 53", "failed_endpoints": []});
    assert_eq!(first, expected);
    assert_eq!(set(&zone, &routes).await.unwrap()["changed"], false);
    let read = answer_of_zone(&zone, &routes, json!({"action": "read"})).await.unwrap();
    assert_eq!((&read["active"], &read["routed"]), (&json!(WEST), &json!([EAST])));
    *zone.record.lock().unwrap() = Some(record(EAST));
    zone.late = true;
    let (name, message) = set(&zone, &routes).await.unwrap_err();
    assert!(name == "Contested" && message.contains("does not exist now"), "{name} {message}");
    zone.away = true;
    let (name, message) = set(&zone, &routes).await.unwrap_err();
    assert!(
        name == "NoEndpoint" && message.contains("throttled") && message.contains("nothing was changed"),
        "{message}"
    );
}

async fn set(zone: &Zone, routes: &Board) -> Result<Value, (String, String)> {
    answer_of_zone(zone, routes, json!({"action": "set", "region": WEST})).await
}

async fn answer_of_zone(zone: &Zone, routes: &Board, event: Value) -> Result<Value, (String, String)> {
    answer_of(&by(Mode::Dns(zone), routes), event).await
}

#[tokio::test]
async fn what_changed_and_what_failed_is_counted() {
    let (controls, routes) = (Board::on(EAST, 1), Board::on(EAST, 3));
    let failover = function(&controls, &routes);
    let of = async |event: Value| {
        let mut metrics = Metrics::begin("failover", WEST);
        let task = serde_json::from_value(event).unwrap();
        let _counted_either_way = failover.handle(task, &mut metrics).await;
        ["ActiveRegionSet", "RoutesSet", "EndpointsFailed"].map(|name| metrics.value(name))
    };
    assert_eq!(of(json!({"action": "set", "region": WEST})).await, [Some(1.0), None, Some(1.0)]);
    assert_eq!(of(json!({"action": "set", "region": WEST})).await, [Some(0.0), None, Some(1.0)]);
    assert_eq!(of(json!({"action": "route", "region": WEST})).await, [None, None, Some(3.0)]);
    assert_eq!(of(json!({"action": "read"})).await, [None, None, Some(4.0)]);
}
