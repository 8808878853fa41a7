#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;
use time::OffsetDateTime;

use self::zone::Zone;
use super::*;

mod zone;

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";
const ENDPOINTS: [&str; 5] = ["us-west-2", "us-east-1", "eu-west-1", "ap-southeast-2", "ap-northeast-1"];

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn only(region: &str) -> Switches {
    [EAST, WEST].map(|known| (known.to_owned(), known == region)).into()
}

/// Switches behind five endpoints.
struct Board {
    state: Mutex<Switches>,
    calls: Mutex<Vec<String>>,
    /// Endpoints that cannot be reached.
    gone: BTreeSet<&'static str>,
    /// Endpoints that take a change and whose answer to it is lost.
    mute: BTreeSet<&'static str>,
    /// Endpoints that refuse a change.
    refusing: BTreeSet<&'static str>,
    /// Endpoints that say that they took a change, and did not.
    forgetful: BTreeSet<&'static str>,
}

impl Board {
    fn with(state: Switches) -> Self {
        Self {
            state: Mutex::new(state),
            calls: Mutex::default(),
            gone: BTreeSet::new(),
            mute: BTreeSet::new(),
            refusing: BTreeSet::new(),
            forgetful: BTreeSet::new(),
        }
    }

    fn state(&self) -> Switches {
        self.state.lock().unwrap().clone()
    }

    /// The endpoints that were asked to change something.
    fn writes(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter_map(|call| call.strip_prefix("set ")).map(str::to_owned).collect()
    }

    fn called(&self, call: &str, endpoint: &str) -> Result<(), ServiceError> {
        self.calls.lock().unwrap().push(format!("{call} {endpoint}"));
        if self.gone.contains(endpoint) { Err(no_answer()) } else { Ok(()) }
    }

    fn failover<'a>(&'a self, routes: &'a Self) -> Failover<'a, Self, Zone, Self, Noon> {
        Failover { active: Mode::Arc(self), routes, clock: &Noon, regions: [EAST, WEST] }
    }

    fn set(&self, region: &str) -> Result<ActiveSet, FailoverError> {
        block_on(self.failover(self).set(region))
    }
}

fn no_answer() -> ServiceError {
    ServiceError::Unavailable { operation: "call", message: "no answer".into(), source: "no answer".into() }
}

impl SwitchRegions for Board {
    fn endpoints(&self) -> Vec<String> {
        ENDPOINTS.map(str::to_owned).to_vec()
    }

    async fn read(&self, endpoint: &str) -> Result<Switches, ServiceError> {
        self.called("read", endpoint)?;
        Ok(self.state())
    }

    async fn set(&self, endpoint: &str, state: &Switches) -> Result<(), ServiceError> {
        self.called("set", endpoint)?;
        if self.refusing.contains(endpoint) {
            return Err(ServiceError::Refused { operation: "call", message: "conflict".into() });
        }
        if !self.forgetful.contains(endpoint) {
            *self.state.lock().unwrap() = state.clone();
        }
        if self.mute.contains(endpoint) { Err(no_answer()) } else { Ok(()) }
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> OffsetDateTime {
        time::macros::datetime!(2026-01-02 12:00 UTC)
    }
}

fn names(failed: &[FailedEndpoint]) -> Vec<&str> {
    failed.iter().map(|failed| failed.endpoint.as_str()).collect()
}

#[test]
fn any_one_endpoint_that_is_left_suffices() {
    for left in ENDPOINTS {
        let mut board = Board::with(only(EAST));
        board.gone = ENDPOINTS.into_iter().filter(|endpoint| *endpoint != left).collect();
        let set = board.set(WEST).unwrap();
        assert_eq!((set.active.as_deref(), set.before.as_deref(), set.changed), (Some(WEST), Some(EAST), true));
        assert_eq!(set.endpoint, left);
        let tried_before = ENDPOINTS.iter().take_while(|endpoint| **endpoint != left).copied().collect::<Vec<_>>();
        assert_eq!(names(&set.failed_endpoints), tried_before, "each that failed is named");
        assert_eq!(board.state(), only(WEST));
        assert_eq!(board.writes(), [left]);
    }
}

#[test]
fn with_all_endpoints_gone_nothing_is_changed_and_each_is_named_with_its_error() {
    let mut board = Board::with(only(EAST));
    board.gone = ENDPOINTS.into();
    let error = board.set(WEST).unwrap_err();
    assert_eq!(error.error_type(), ErrorType::NoEndpoint);
    let message = error.to_string();
    for endpoint in ENDPOINTS {
        assert!(message.contains(&format!("{endpoint}: call failed: no answer")), "{message}");
    }
    assert!(message.contains("nothing was changed"), "{message}");
    assert_eq!((board.state(), board.writes().len()), (only(EAST), 0));
}

#[test]
fn setting_twice_changes_once() {
    let board = Board::with(only(EAST));
    assert!(board.set(WEST).unwrap().changed);
    let again = board.set(WEST).unwrap();
    assert_eq!((again.active.as_deref(), again.before.as_deref(), again.changed), (Some(WEST), Some(WEST), false));
    assert_eq!(board.writes().len(), 1, "what is so already is not written");
}

#[test]
fn a_change_whose_answer_is_lost_is_sent_again_through_the_next_endpoint_and_confirmed_there() {
    let mut board = Board::with(only(EAST));
    board.mute = ["us-west-2"].into();
    let set = board.set(WEST).unwrap();
    assert_eq!(board.writes(), ["us-west-2", "us-east-1"]);
    assert_eq!(set.endpoint, "us-east-1");
    assert_eq!((set.before.as_deref(), set.changed), (Some(EAST), true), "as it was before the first try");
    assert_eq!(names(&set.failed_endpoints), ["us-west-2"]);
    assert_eq!(board.state(), only(WEST));
}

#[test]
fn a_change_that_nobody_confirms_is_not_said_to_have_changed_nothing() {
    let mut board = Board::with(only(EAST));
    board.mute = ENDPOINTS.into();
    let error = board.set(WEST).unwrap_err();
    let message = error.to_string();
    assert_eq!(error.error_type(), ErrorType::NoEndpoint);
    assert!(message.contains("may or may not have been made") && !message.contains("nothing was changed"), "{message}");
}

#[test]
fn a_change_that_all_endpoints_refuse_changes_nothing() {
    let mut board = Board::with(only(EAST));
    board.refusing = ENDPOINTS.into();
    let message = board.set(WEST).unwrap_err().to_string();
    assert!(message.contains("conflict") && message.contains("nothing was changed"), "{message}");
    assert_eq!(board.state(), only(EAST));
}

#[test]
fn an_answer_is_read_back_and_not_taken_on_trust() {
    let mut board = Board::with(only(EAST));
    board.forgetful = ["us-west-2"].into();
    let set = board.set(WEST).unwrap();
    assert_eq!(set.endpoint, "us-east-1");
    assert_eq!(set.failed_endpoints[0].error, "set, but it still says us-east-1 on, us-west-2 off");
    assert_eq!(board.state(), only(WEST));
}

#[test]
fn a_region_that_is_not_one_of_the_two_is_refused_before_anything_is_asked() {
    let board = Board::with(only(EAST));
    for region in ["eu-west-1", "", "US-WEST-2"] {
        let error = board.set(region).unwrap_err();
        assert_eq!(error.error_type(), ErrorType::UnknownRegion);
        assert!(error.to_string().contains("us-east-1 or us-west-2"), "{error}");
        assert!(matches!(block_on(board.failover(&board).route(region)), Err(FailoverError::UnknownRegion { .. })));
    }
    assert!(board.calls.lock().unwrap().is_empty());
}

#[test]
fn both_on_and_both_off_are_no_active_region_and_a_set_mends_them() {
    for on in [true, false] {
        let board = Board::with([EAST, WEST].map(|region| (region.to_owned(), on)).into());
        assert_eq!(block_on(board.failover(&board).read()).unwrap().active, None);
        let set = board.set(EAST).unwrap();
        assert_eq!((set.before, set.changed), (None, true));
        assert_eq!(board.state(), only(EAST));
    }
}

#[test]
fn routes_that_lead_to_both_regions_are_set_to_one() {
    let routes = Board::with([EAST, WEST].map(|region| (region.to_owned(), true)).into());
    let board = Board::with(only(EAST));
    let set = block_on(board.failover(&routes).route(WEST)).unwrap();
    assert_eq!((set.routed, set.before, set.changed), (vec![WEST.to_owned()], vec![EAST.into(), WEST.into()], true));
    assert_eq!((routes.state(), board.state()), (only(WEST), only(EAST)), "routes and active Region are set apart");
}

#[test]
fn the_state_can_be_read_without_the_routes_but_not_without_arc() {
    let board = Board::with(only(EAST));
    let mut routes = Board::with(only(EAST));
    routes.gone = ENDPOINTS.into();
    let state = block_on(board.failover(&routes).read()).unwrap();
    assert_eq!((state.active.as_deref(), state.routed.len(), state.endpoint.as_str()), (Some(EAST), 0, "us-west-2"));
    assert_eq!(state.failed_endpoints.len(), ENDPOINTS.len());
    assert_eq!(state.failed_endpoints[0].endpoint, "routes us-west-2");
    assert!(block_on(routes.failover(&board).read()).is_err());
}

#[test]
fn tasks_and_answers_keep_their_form() {
    let task: FailoverTask = serde_json::from_value(json!({"action": "set", "region": WEST})).unwrap();
    assert_eq!(task, FailoverTask::Set { region: WEST.into() });
    assert_eq!(serde_json::from_value::<FailoverTask>(json!({"action": "read"})).unwrap(), FailoverTask::Read);
    assert!(serde_json::from_value::<FailoverTask>(json!({"action": "toggle"})).is_err());
    let board = Board::with(only(EAST));
    let answer = FailoverAnswer::State(block_on(board.failover(&board).read()).unwrap());
    let expected = json!({"active": EAST, "routed": [EAST], "endpoint": "us-west-2", "failed_endpoints": [],
        "at": "2026-01-02T12:00:00.000Z"});
    assert_eq!(serde_json::to_value(answer).unwrap(), expected);
    let answer = FailoverAnswer::Set(board.set(EAST).unwrap());
    let expected =
        json!({"active": EAST, "before": EAST, "changed": false, "endpoint": "us-west-2", "failed_endpoints": []});
    assert_eq!(serde_json::to_value(answer).unwrap(), expected);
    let answer = FailoverAnswer::Routed(block_on(board.failover(&board).route(EAST)).unwrap());
    let expected =
        json!({"routed": [EAST], "before": [EAST], "changed": false, "endpoint": "us-west-2", "failed_endpoints": []});
    assert_eq!(serde_json::to_value(answer).unwrap(), expected);
}
