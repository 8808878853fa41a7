//! Where the TXT record is the switch itself: each answer that a zone can give, and two failovers at once.

use super::*;

const RECORD: &str = "active.example.com";

/// A zone that holds the record.
#[derive(Default)]
pub struct Zone {
    record: Mutex<Option<Record>>,
    writes: Mutex<u32>,
    /// What is answered to a read, in this order, before the record is.
    unread: Mutex<Vec<ServiceError>>,
    /// What happens to a change.
    change: Change,
}

#[derive(Default)]
enum Change {
    #[default]
    Made,
    /// It is made, and its answer lost.
    Mute,
    /// It is not made, and nobody knows.
    Lost,
    Refused,
    Throttled,
    /// Another failover is first, and leaves this behind.
    Late(Option<Record>),
    /// It is made, and another failover comes right after it.
    Overtaken(Record),
}

impl Zone {
    fn with(values: &[&str], change: Change) -> Self {
        Self { record: Mutex::new(Some(record(values))), change, ..Self::default() }
    }

    fn record(&self) -> Option<Record> {
        self.record.lock().unwrap().clone()
    }

    fn failover<'a>(&'a self, routes: &'a Board) -> Failover<'a, Board, Self, Board, Noon> {
        Failover { active: Mode::Dns(self), routes, clock: &Noon, regions: [EAST, WEST] }
    }

    fn set(&self, region: &str) -> Result<ActiveSet, FailoverError> {
        block_on(self.failover(&Board::with(only(EAST))).set(region))
    }

    fn read_state(&self) -> Result<RoutingState, FailoverError> {
        block_on(self.failover(&Board::with(only(EAST))).read())
    }

    fn writes(&self) -> u32 {
        *self.writes.lock().unwrap()
    }
}

fn record(values: &[&str]) -> Record {
    Record { values: values.iter().map(|value| format!("\"{value}\"")).collect(), ttl_seconds: 10 }
}

fn throttled() -> ServiceError {
    ServiceError::Throttled { operation: "route53:ListResourceRecordSets", source: "slow down".into() }
}

impl KeepRecord for Zone {
    const SERVICE: &'static str = "Route 53";

    fn name(&self) -> &str {
        RECORD
    }

    async fn read(&self) -> Result<Option<Record>, ServiceError> {
        match self.unread.lock().unwrap().pop() {
            Some(error) => Err(error),
            None => Ok(self.record()),
        }
    }

    async fn replace(&self, before: Option<&Record>, region: &str) -> Result<(), ServiceError> {
        *self.writes.lock().unwrap() += 1;
        let mut now = self.record.lock().unwrap();
        let refused = |message: &str| Err(ServiceError::Refused { operation: "change", message: message.into() });
        match &self.change {
            Change::Lost => return Err(no_answer()),
            Change::Refused => return refused("not permitted in the zone"),
            Change::Throttled => return Err(throttled()),
            Change::Late(other) => now.clone_from(other),
            Change::Made | Change::Mute | Change::Overtaken(_) => {}
        }
        if now.as_ref() != before {
            return refused("the values provided do not match the current values");
        }
        *now = Some(record(&[region]));
        match &self.change {
            Change::Mute => return Err(no_answer()),
            Change::Overtaken(other) => *now = Some(other.clone()),
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn the_record_is_replaced_once_and_what_is_so_already_is_not_written() {
    let zone = Zone::with(&[EAST], Change::Made);
    let set = zone.set(WEST).unwrap();
    assert_eq!((set.active.as_deref(), set.before.as_deref(), set.changed), (Some(WEST), Some(EAST), true));
    assert_eq!((set.endpoint.as_str(), zone.record()), ("Route 53", Some(record(&[WEST]))));
    let again = zone.set(WEST).unwrap();
    assert_eq!((again.before.as_deref(), again.changed, zone.writes()), (Some(WEST), false, 1));
}

#[test]
fn without_a_record_no_region_is_active_and_a_set_makes_one() {
    let zone = Zone::default();
    let state = zone.read_state().unwrap();
    assert_eq!(state.active, None);
    assert_eq!(state.failed_endpoints[0].to_string(), "Route 53: TXT active.example.com does not exist");
    let set = zone.set(EAST).unwrap();
    assert_eq!((set.before, set.changed, zone.record()), (None, true, Some(record(&[EAST]))));
}

#[test]
fn a_record_that_names_both_regions_is_no_active_region_and_a_set_mends_it() {
    let zone = Zone::with(&[EAST, WEST], Change::Made);
    let state = zone.read_state().unwrap();
    assert_eq!(state.active, None);
    assert!(state.failed_endpoints[0].error.ends_with(r#"says "us-east-1" and "us-west-2""#), "{state:?}");
    let set = zone.set(WEST).unwrap();
    assert_eq!((set.before, set.changed, zone.record()), (None, true, Some(record(&[WEST]))));
}

#[test]
fn a_record_that_says_anything_else_is_told_and_never_written_over() {
    for foreign in [&["eu-west-1"][..], &["v=spf1 -all"], &[""], &["US-EAST-1"], &[EAST, "eu-west-1"]] {
        let zone = Zone::with(foreign, Change::Made);
        let state = zone.read_state().unwrap();
        assert_eq!((state.active, state.failed_endpoints.len()), (None, 1), "{foreign:?}");
        let error = zone.set(WEST).unwrap_err();
        assert_eq!(error.error_type(), ErrorType::UnknownRegion);
        let message = error.to_string();
        assert!(message.contains(foreign[0]) && message.contains("us-east-1 and us-west-2 only"), "{message}");
        assert!(message.contains("nothing was changed") && message.contains("delete it by hand"), "{message}");
        assert_eq!((zone.writes(), zone.record()), (0, Some(record(foreign))));
    }
}

#[test]
fn a_region_that_is_not_one_of_the_two_is_refused_before_the_record_is_read() {
    let zone = Zone { unread: Mutex::new(vec![throttled()]), ..Zone::default() };
    assert_eq!(zone.set("eu-west-1").unwrap_err().error_type(), ErrorType::UnknownRegion);
    assert_eq!(zone.unread.lock().unwrap().len(), 1);
}

#[test]
fn a_service_that_does_not_answer_or_refuses_leaves_the_record_and_says_so() {
    let unread = Zone { unread: Mutex::new(vec![throttled(), throttled()]), ..Zone::with(&[EAST], Change::Made) };
    assert_eq!(unread.read_state().unwrap_err().error_type(), ErrorType::NoEndpoint);
    for (zone, said) in [
        (unread, "throttled"),
        (Zone::with(&[EAST], Change::Throttled), "throttled"),
        (Zone::with(&[EAST], Change::Refused), "not permitted in the zone"),
    ] {
        let error = zone.set(WEST).unwrap_err();
        assert_eq!(error.error_type(), ErrorType::NoEndpoint);
        let message = error.to_string();
        assert!(message.contains(said) && message.contains("nothing was changed"), "{message}");
        assert_eq!(zone.record(), Some(record(&[EAST])));
    }
}

#[test]
fn a_change_whose_answer_is_lost_is_believed_when_it_is_read_back() {
    let zone = Zone::with(&[EAST], Change::Mute);
    let set = zone.set(WEST).unwrap();
    assert_eq!((set.before.as_deref(), set.changed, zone.writes()), (Some(EAST), true, 1));
}

#[test]
fn a_change_that_nobody_confirms_is_not_said_to_have_changed_nothing() {
    let lost = Zone::with(&[EAST], Change::Lost);
    // The first read is well; the one after the change is not.
    let unread = Zone::with(&[EAST], Change::Made);
    let message = lost.set(WEST).unwrap_err().to_string();
    assert!(message.contains("may or may not have been made"), "{message}");
    let after = Failing { zone: &unread, reads: Mutex::new(0) };
    let routes = Board::with(only(EAST));
    let failover =
        Failover { active: Mode::<&Board, _>::Dns(&after), routes: &routes, clock: &Noon, regions: [EAST, WEST] };
    let error = block_on(failover.set(WEST)).unwrap_err();
    assert!(error.to_string().contains("may or may not have been made"), "{error}");
}

/// A zone that can be read once.
struct Failing<'a> {
    zone: &'a Zone,
    reads: Mutex<u32>,
}

impl KeepRecord for Failing<'_> {
    const SERVICE: &'static str = "Route 53";

    fn name(&self) -> &str {
        RECORD
    }

    async fn read(&self) -> Result<Option<Record>, ServiceError> {
        *self.reads.lock().unwrap() += 1;
        if *self.reads.lock().unwrap() > 1 { Err(no_answer()) } else { self.zone.read().await }
    }

    async fn replace(&self, before: Option<&Record>, region: &str) -> Result<(), ServiceError> {
        self.zone.replace(before, region).await
    }
}

#[test]
fn of_two_failovers_at_once_the_second_is_told_what_the_first_has_left() {
    for other in [Some(record(&[WEST])), None] {
        let zone = Zone::with(&[EAST, WEST], Change::Late(other.clone()));
        let error = zone.set(EAST).unwrap_err();
        assert_eq!(error.error_type(), ErrorType::Contested);
        assert!(error.to_string().contains("another failover changed TXT active.example.com"), "{error}");
        assert_eq!(zone.record(), other, "what the first has set stands");
    }
    // Both wanted the same: nobody needs to be told.
    let zone = Zone::with(&[EAST], Change::Late(Some(record(&[WEST]))));
    assert_eq!(zone.set(WEST).unwrap().active.as_deref(), Some(WEST));
}

#[test]
fn a_failover_that_is_overtaken_is_told_by_what_it_reads_back() {
    let zone = Zone::with(&[EAST], Change::Overtaken(record(&[EAST])));
    let error = zone.set(WEST).unwrap_err();
    assert!(
        matches!(error, FailoverError::Contested { .. }) && error.to_string().contains("\"us-east-1\" now"),
        "{error}"
    );
}
