//! What says who should act is away or wrong, or the state table is: nothing is guessed, and nothing is lost.

use std::thread;
use std::time::{Duration, Instant};

use tandem_local::admin::{Fault, FaultAction};

use crate::Case;
use crate::fault::{isolate, mend};
use crate::point::Point;
use crate::regions::{Regions, wait_for};
use crate::scenario::{LEFT, LOST, Tally, delivered, end, fail_over, file, stopped};

pub const CASES: &[Case] = &[
    ("without_a_txt_record_events_end_in_the_queue_and_the_replay_delivers_them", no_record),
    ("a_txt_record_that_names_no_region_or_an_unknown_one_stops_intake_and_the_replay_delivers", wrong_record),
    ("a_region_that_cannot_reach_the_state_table_neither_claims_nor_delivers", no_table),
    ("an_input_whose_content_changed_is_reported_and_the_new_content_is_its_own_batch", changed_content),
    ("a_batch_whose_attempts_are_used_up_is_failed_and_its_owner_told_and_a_rerun_delivers_it", used_up),
    ("a_delivered_batch_is_mailed_again_on_request_only", resent),
];

/// Messages in the queues of events that intake gave up on.
fn given_up(regions: &Regions) -> usize {
    regions.events_given_up(LOST) + regions.events_given_up(LEFT)
}

fn comes_to_the_queue(regions: &Regions, text: Option<&str>, tally: &Tally) {
    wait_for(regions.admin().set_active(text)).unwrap();
    // What is cached may be used for as long as it says it lives.
    thread::sleep(Duration::from_secs(2));
    let before = given_up(regions);
    let key = regions.fresh_key("sales-orders");
    let batch_id = regions.put_and_leave(&key, file().0.as_bytes());
    let deadline = Instant::now() + Duration::from_secs(60);
    while given_up(regions) < before + 2 {
        assert!(Instant::now() < deadline, "the events of both Regions did not arrive in the queues");
        thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(regions.record(&batch_id), None, "a batch was claimed without knowing who is active");
    wait_for(regions.admin().clear_active()).unwrap();
    thread::sleep(Duration::from_secs(2));
    regions.succeeds(&["replay"]);
    delivered(regions, tally, &batch_id, 1);
    assert_eq!(given_up(regions), 0);
}

fn no_record(regions: &Regions, tally: &Tally) {
    comes_to_the_queue(regions, None, tally);
}

fn wrong_record(regions: &Regions, tally: &Tally) {
    for text in ["on", "eu-central-1"] {
        comes_to_the_queue(regions, Some(text), tally);
    }
}

fn no_table(regions: &Regions, tally: &Tally) {
    let away =
        Fault { service: Some("dynamodb".into()), region: Some(LOST.into()), ..Fault::new(FaultAction::LoseAnswer) };
    let refused = Fault {
        action: FaultAction::Fail { status: 503, error: "ServiceUnavailable".into(), message: String::new() },
        ..away
    };
    // Before the claim.
    let fault = wait_for(regions.admin().add_fault(&refused)).unwrap().id;
    let key = regions.fresh_key("sales-orders");
    let unclaimed = regions.put_and_leave(&key, file().0.as_bytes());
    was_met(regions, fault);
    assert!(regions.emails(&unclaimed).is_empty());
    let machine = &regions.state().outputs[&format!("{LOST}/tandem-local-batch")]["StateMachineArn"];
    let list = ["stepfunctions", "list-executions", "--state-machine-arn", machine];
    assert!(!regions.aws(LOST, &list).contains(&unclaimed), "it was started without a claim");
    mend(regions);
    // Otherwise its merge could be the one that is held.
    delivered(regions, tally, &unclaimed, 1);

    // Before the fence: after the last write of the work before it.
    let held = Point::InsideMerge.hold(regions);
    let key = regions.fresh_key("sales-orders");
    let unfenced = regions.put_and_leave(&key, file().0.as_bytes());
    held.wait(regions);
    stopped(regions, &unfenced, Point::InsideMerge);
    let fault = wait_for(regions.admin().add_fault(&refused)).unwrap().id;
    held.release(regions);
    was_met(regions, fault);
    assert!(regions.emails(&unfenced).is_empty(), "delivered without the fence");
    fail_over(regions, LEFT, &["--no-wait"]);
    delivered(regions, tally, &unfenced, 1);
    end(regions);
}

/// Waits until a fault has met some calls: an intake's or a deliverer's tries.
fn was_met(regions: &Regions, fault: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let met = || {
        let faults = wait_for(regions.admin().faults()).unwrap();
        faults.iter().find(|known| known.id == fault).map_or(0, |known| known.met)
    };
    while met() < 4 {
        assert!(Instant::now() < deadline, "the fault met only {} calls", met());
        thread::sleep(Duration::from_millis(100));
    }
}

fn changed_content(regions: &Regions, tally: &Tally) {
    let key = regions.fresh_key("sales-orders");
    let held = Point::InsideSplit.hold(regions);
    // Nothing of the first content reaches the other Region.
    regions.succeeds(&["replication", "pause"]);
    let first = regions.put_and_leave(&key, file().0.as_bytes());
    held.wait(regions);
    stopped(regions, &first, Point::InsideSplit);
    isolate(regions);
    fail_over(regions, LEFT, &["--no-wait"]);
    let second = format!("{}{}", file().0, crate::expected::row(100_000_000));
    let second = regions.put_as(&key, second.as_bytes());
    assert_eq!(second.text("status"), "DELIVERED");
    assert_ne!(second.batch_id(), first);
    let pass: serde_json::Value = serde_json::from_str(&regions.succeeds(&["reconcile", "--json"])).unwrap();
    assert!(pass.to_string().contains("\"changed\":[{") && pass.to_string().contains(&first), "{pass}");
    assert!(!regions.record(&first).unwrap()["status"].as_str().unwrap().contains("DELIVERED"));
    assert_eq!(regions.emails(second.batch_id()).len(), 1);
    // The first content arrives in the end, as a version below the second, and is delivered too.
    mend(regions);
    delivered(regions, tally, &first, 1);
    end(regions);
}

fn used_up(regions: &Regions, tally: &Tally) {
    let refused = Fault {
        service: Some("dynamodb".into()),
        operation: Some("BatchGetItem".into()),
        ..Fault::new(FaultAction::Fail { status: 400, error: "AccessDeniedException".into(), message: "no".into() })
    };
    wait_for(regions.admin().add_fault(&refused)).unwrap();
    let key = regions.fresh_key("sales-orders");
    let batch_id = regions.put_and_leave(&key, file().0.as_bytes());
    let deadline = Instant::now() + Duration::from_secs(120);
    while regions.record(&batch_id).is_none_or(|record| record["status"] != "FAILED") {
        assert!(Instant::now() < deadline, "it was never given up: {:?}", regions.record(&batch_id));
        regions.succeeds(&["reconcile"]);
        thread::sleep(Duration::from_millis(700));
    }
    let emails = regions.emails(&batch_id);
    assert!(emails.len() == 1 && emails[0].text.contains("not your file"), "{emails:?}");
    mend(regions);
    regions.succeeds(&["rerun", &batch_id]);
    delivered(regions, tally, &batch_id, 2);
}

fn resent(regions: &Regions, tally: &Tally) {
    let key = regions.fresh_key("sales-orders");
    let batch_id = regions.put_and_leave(&key, file().0.as_bytes());
    let before = delivered(regions, tally, &batch_id, 1);
    regions.succeeds(&["resend", &batch_id]);
    assert_eq!(regions.emails(&batch_id).len(), 2);
    // Intake may note the execution's name after the end.
    let but_its_name = |mut record: serde_json::Value| {
        record.as_object_mut().unwrap().remove("execution_arn");
        record
    };
    assert_eq!(but_its_name(regions.record(&batch_id).unwrap()), but_its_name(before));
    delivered(regions, tally, &batch_id, 2);
    let ran = regions.tandem(&["resend", "0123456789abcdef0123456789abcdef"]);
    assert_ne!(ran.code, 0);
}
