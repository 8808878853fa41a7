//! The five endpoints of the routing controls, under `/_arc/<Region>/`, and the state that all five share.
//!
//! They speak the JSON protocol of the cluster's data plane. Each endpoint can be taken away, and is away while its Region
//! is isolated; the state does not depend on any of them. What the TXT record says follows from it as from Route 53's health
//! checks and failover pair. A caller must have signed, but whether its role may call is not checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::{Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request::Facts;
use crate::arc;
use crate::options::Options;

/// The service, as in a signature's scope.
pub const SERVICE: &str = "route53-recovery-cluster";

/// The largest request that is read; the real ones have some hundred bytes.
const LARGEST_REQUEST: usize = 64 << 10;

/// How the routing controls and their endpoints stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArcStatus {
    /// Whether the control of each Region is On.
    pub controls: BTreeMap<String, bool>,
    /// Whether the endpoint of each Region is there. One of an isolated Region is not reached either.
    pub endpoints: BTreeMap<String, bool>,
}

/// The controls' state.
pub struct Routing {
    account: String,
    suffix: String,
    regions: [String; 2],
    state: Mutex<State>,
}

struct State {
    on: BTreeSet<String>,
    away: BTreeSet<String>,
}

/// An error of the service: status, name, message.
struct Refusal(StatusCode, &'static str, String);

impl Routing {
    /// The primary Region's control is On, the other Off, all endpoints are there.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            account: options.account.clone(),
            suffix: options.suffix.clone(),
            regions: options.regions.clone(),
            state: Mutex::new(State { on: [options.primary().to_owned()].into(), away: BTreeSet::new() }),
        }
    }

    /// How all of it stands.
    #[must_use]
    pub fn status(&self) -> ArcStatus {
        let state = self.state();
        ArcStatus {
            controls: self.regions.iter().map(|region| (region.clone(), state.on.contains(region))).collect(),
            endpoints: arc::ENDPOINT_REGIONS
                .iter()
                .map(|region| ((*region).to_owned(), !state.away.contains(*region)))
                .collect(),
        }
    }

    /// Takes an endpoint away or gives it back. `false`: there is no such endpoint.
    pub fn set_endpoint(&self, region: &str, available: bool) -> bool {
        let known = arc::ENDPOINT_REGIONS.contains(&region);
        if known && available {
            self.state().away.remove(region);
        } else if known {
            self.state().away.insert(region.to_owned());
        }
        known
    }

    /// Whether an endpoint is there.
    #[must_use]
    pub fn has_endpoint(&self, region: &str) -> bool {
        arc::ENDPOINT_REGIONS.contains(&region) && !self.state().away.contains(region)
    }

    /// The Region that Route 53 would answer with: of the failover pair the first whose control is On. With none On all
    /// count as healthy, so it is the primary one.
    #[must_use]
    pub fn text(&self) -> String {
        let state = self.state();
        let first_on = self.regions.iter().find(|region| state.on.contains(*region));
        first_on.unwrap_or(&self.regions[0]).clone()
    }

    /// Answers a request to an endpoint.
    pub async fn answer(&self, facts: &Facts, body: Body) -> Response<Body> {
        if facts.service != SERVICE {
            let message = "the request is not signed for route53-recovery-cluster".to_owned();
            return refused(&Refusal(StatusCode::FORBIDDEN, "AccessDeniedException", message));
        }
        let read = Limited::new(body, LARGEST_REQUEST).collect().await;
        let input = read.ok().and_then(|body| serde_json::from_slice::<Value>(&body.to_bytes()).ok());
        let done = input.ok_or_else(|| invalid("the request is no JSON"));
        let done = done.and_then(|input| self.run(&facts.operation, &input));
        match done {
            Ok(output) => json_answer(StatusCode::OK, &output),
            Err(refusal) => refused(&refusal),
        }
    }

    fn run(&self, operation: &str, input: &Value) -> Result<Value, Refusal> {
        match operation {
            "GetRoutingControlState" => self.get(input),
            "ListRoutingControls" => self.list(input),
            "UpdateRoutingControlState" => self.update(input, std::slice::from_ref(input)),
            "UpdateRoutingControlStates" => {
                let entries = input["UpdateRoutingControlStateEntries"].as_array();
                self.update(input, entries.ok_or_else(|| invalid("UpdateRoutingControlStateEntries is missing"))?)
            }
            other => Err(Refusal(StatusCode::NOT_FOUND, "UnknownOperationException", format!("no operation {other}"))),
        }
    }

    fn get(&self, input: &Value) -> Result<Value, Refusal> {
        let region = self.region_of(input)?;
        let state = self.state();
        Ok(json!({
            "RoutingControlArn": input["RoutingControlArn"],
            "RoutingControlName": arc::control_name(&self.suffix, region),
            "RoutingControlState": word(state.on.contains(region)),
        }))
    }

    fn list(&self, input: &Value) -> Result<Value, Refusal> {
        let panel = arc::control_panel_arn(&self.account);
        if !input["ControlPanelArn"].is_null() && input["ControlPanelArn"] != panel.as_str() {
            return Err(unknown(&input["ControlPanelArn"]));
        }
        let state = self.state();
        let controls = self.regions.iter().map(|region| {
            json!({
                "ControlPanelArn": panel,
                "ControlPanelName": format!("tandem-{}", self.suffix),
                "RoutingControlArn": arc::control_arn(&self.account, region),
                "RoutingControlName": arc::control_name(&self.suffix, region),
                "RoutingControlState": word(state.on.contains(region)),
                "Owner": self.account,
            })
        });
        Ok(json!({ "RoutingControls": controls.collect::<Vec<_>>() }))
    }

    /// All entries or none.
    fn update(&self, input: &Value, entries: &[Value]) -> Result<Value, Refusal> {
        let mut state = self.state();
        let mut on = state.on.clone();
        for entry in entries {
            let region = self.region_of(entry)?;
            match entry["RoutingControlState"].as_str() {
                Some("On") => on.insert(region.to_owned()),
                Some("Off") => on.remove(region),
                _ => return Err(invalid("RoutingControlState is neither On nor Off")),
            };
        }
        let overridden = input["SafetyRulesToOverride"].as_array().into_iter().flatten();
        let rule = arc::safety_rule_arn(&self.account);
        if on.is_empty() && !overridden.into_iter().any(|given| *given == rule.as_str()) {
            let message = "the safety rule wants at least one routing control On; nothing was changed".to_owned();
            return Err(Refusal(StatusCode::CONFLICT, "ConflictException", message));
        }
        state.on = on;
        Ok(json!({}))
    }

    fn region_of(&self, input: &Value) -> Result<&str, Refusal> {
        let arn = &input["RoutingControlArn"];
        let named = self.regions.iter().find(|region| *arn == arc::control_arn(&self.account, region).as_str());
        named.map(String::as_str).ok_or_else(|| unknown(arn))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The Region of the endpoint that a path leads to.
#[must_use]
pub fn endpoint_region(path: &str) -> Option<&str> {
    path.strip_prefix("/_arc/").map(|rest| rest.split('/').next().unwrap_or_default())
}

fn word(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}

fn invalid(message: &str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "ValidationException", message.to_owned())
}

fn unknown(arn: &Value) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "ResourceNotFoundException", format!("there is no {arn}"))
}

fn refused(Refusal(status, name, message): &Refusal) -> Response<Body> {
    let mut body = json!({ "__type": name, "message": message });
    match *name {
        "ResourceNotFoundException" | "ConflictException" => {
            body["resourceId"] = json!("");
            body["resourceType"] = json!("AWS::Route53RecoveryControl::RoutingControl");
        }
        _ => {}
    }
    json_answer(*status, &body)
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const EAST: &str = "us-east-1";
    const WEST: &str = "us-west-2";

    fn routing() -> Routing {
        Routing::new(&Options::new("/nowhere"))
    }

    fn facts(service: &str, operation: &str) -> Facts {
        Facts { service: service.to_owned(), operation: operation.to_owned(), region: None, object: None }
    }

    fn entry(region: &str, state: &str) -> Value {
        json!({ "RoutingControlArn": arc::control_arn("123456789012", region), "RoutingControlState": state })
    }

    async fn ask(routing: &Routing, operation: &str, input: Value) -> (StatusCode, Value) {
        let answer = routing.answer(&facts(SERVICE, operation), Body::from(input.to_string())).await;
        let (parts, body) = answer.into_parts();
        (parts.status, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap())
    }

    async fn set(routing: &Routing, entries: &[Value]) -> (StatusCode, Value) {
        let input = json!({ "UpdateRoutingControlStateEntries": entries });
        ask(routing, "UpdateRoutingControlStates", input).await
    }

    #[tokio::test]
    async fn one_request_sets_both_controls_and_the_record_follows() {
        let routing = routing();
        assert_eq!(routing.text(), EAST);
        for _ in 0..2 {
            assert_eq!(set(&routing, &[entry(WEST, "On"), entry(EAST, "Off")]).await.0, StatusCode::OK);
            assert_eq!(routing.text(), WEST);
        }
        let (_, state) = ask(&routing, "GetRoutingControlState", entry(EAST, "")).await;
        assert_eq!(state["RoutingControlState"], "Off");
        let (_, list) = ask(&routing, "ListRoutingControls", json!({})).await;
        let states: Vec<_> = list["RoutingControls"].as_array().unwrap().iter().collect();
        assert_eq!((states.len(), &states[1]["RoutingControlState"]), (2, &json!("On")));
    }

    #[tokio::test]
    async fn the_last_control_stays_on_unless_the_rule_is_overridden() {
        let routing = routing();
        let (status, refusal) = ask(&routing, "UpdateRoutingControlState", entry(EAST, "Off")).await;
        assert_eq!((status, &refusal["__type"]), (StatusCode::CONFLICT, &json!("ConflictException")));
        assert_eq!(set(&routing, &[entry(WEST, "Off"), entry(EAST, "Off")]).await.0, StatusCode::CONFLICT);
        assert!(routing.status().controls[EAST]);
        let mut overriding = entry(EAST, "Off");
        overriding["SafetyRulesToOverride"] = json!([arc::safety_rule_arn("123456789012")]);
        assert_eq!(ask(&routing, "UpdateRoutingControlState", overriding).await.0, StatusCode::OK);
        assert!(!routing.status().controls[EAST]);
        // Nobody is healthy, so everybody counts as healthy.
        assert_eq!(routing.text(), EAST);
    }

    #[tokio::test]
    async fn an_unknown_control_is_refused_and_nothing_is_changed() {
        let routing = routing();
        let mut other = entry(EAST, "Off");
        other["RoutingControlArn"] = json!(arc::control_arn("123456789012", "eu-west-1"));
        let (status, refusal) = set(&routing, &[entry(WEST, "On"), other.clone()]).await;
        assert_eq!((status, &refusal["__type"]), (StatusCode::NOT_FOUND, &json!("ResourceNotFoundException")));
        assert!(!routing.status().controls[WEST]);
        assert_eq!(ask(&routing, "GetRoutingControlState", other).await.0, StatusCode::NOT_FOUND);
        assert_eq!(set(&routing, &[entry(EAST, "on")]).await.1["__type"], "ValidationException");
    }

    #[tokio::test]
    async fn an_unsigned_request_is_refused() {
        let answer = routing().answer(&facts("", "ListRoutingControls"), Body::from("{}")).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn each_endpoint_is_taken_away_and_given_back_alone() {
        let routing = routing();
        assert!(routing.set_endpoint("eu-west-1", false) && routing.set_endpoint("eu-west-1", false));
        assert!(!routing.has_endpoint("eu-west-1") && routing.has_endpoint(EAST));
        assert_eq!(routing.status().endpoints.values().filter(|there| !**there).count(), 1);
        assert!(routing.set_endpoint("eu-west-1", true) && routing.has_endpoint("eu-west-1"));
        assert!(!routing.set_endpoint("eu-central-1", false) && !routing.has_endpoint("eu-central-1"));
        assert_eq!(endpoint_region("/_arc/eu-west-1/"), Some("eu-west-1"));
        assert_eq!(endpoint_region("/input/_arc/x"), None);
    }
}
