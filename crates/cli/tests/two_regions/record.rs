//! Routing mode `dns`: a Region is lost, and the TXT record in its zone is what is changed. On Regions of its own.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tandem_local::admin::{Fault, FaultAction};

use crate::Case;
use crate::expected::{HEADER, row};
use crate::regions::{Ran, Regions, wait_for};

pub const CASES: &[Case] =
    &[("without_arc_a_failover_replaces_the_record_and_of_two_at_once_one_is_told", without_arc)];

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

fn without_arc(_others: &Regions) {
    let regions = Regions::start_with("target/two-regions-dns", &["--routing", "dns"]);
    let story = catch_unwind(AssertUnwindSafe(|| {
        a_region_is_lost(&regions);
        without_route_53_nothing_is_changed(&regions);
        of_two_at_once_one_is_told(&regions);
        the_endpoints_of_arc_are_not_offered(&regions);
    }));
    regions.stop();
    story.unwrap_or_else(|panic| resume_unwind(panic));
}

fn a_region_is_lost(regions: &Regions) {
    assert_eq!(uploaded(regions), EAST);
    regions.succeeds(&["region", "isolate", EAST]);
    let done: Value = serde_json::from_str(&regions.succeeds(&["failover", "--json", "--no-wait"])).unwrap();
    assert_eq!(done["endpoint"], "Route 53", "{done}");
    assert_eq!(active(regions).as_deref(), Some(WEST));
    assert_eq!(uploaded(regions), WEST);
    regions.succeeds(&["region", "heal", EAST]);
    let again = regions.succeeds(&["failover", "--to", WEST, "--json", "--no-wait"]);
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap()["already_active"], true, "{again}");
}

fn without_route_53_nothing_is_changed(regions: &Regions) {
    let action = FaultAction::Fail { status: 503, error: "ServiceUnavailable".into(), message: "not now".into() };
    let away = Fault { service: Some("route53".into()), ..Fault::new(action) };
    wait_for(regions.admin().add_fault(&away)).unwrap();
    let ran = fail_over(regions, EAST);
    wait_for(regions.admin().clear_faults()).unwrap();
    assert!(ran.code != 0 && ran.stdout.contains("nothing was changed"), "{}", ran.stdout);
    assert_eq!(active(regions).as_deref(), Some(WEST));
    assert_eq!(fail_over(regions, EAST).code, 0);
    assert_eq!(active(regions).as_deref(), Some(EAST));
}

/// Two that want different Regions can only have read the same record if it named neither: somebody has deleted it.
fn of_two_at_once_one_is_told(regions: &Regions) {
    delete_record(regions);
    assert_eq!(active(regions), None);
    // The first to come gives up after 20 s: on a slow machine the second may be later.
    let met = (0..5).find_map(|_| {
        let met = at_once(regions);
        if met.is_none() {
            delete_record(regions);
        }
        met
    });
    let both = met.expect("the two meet");
    let won = both.iter().position(|answer| answer["changed"] == true).expect("one of them wins");
    let told = both.iter().find(|answer| answer["errorType"] == "Contested").expect("the other is told");
    let says = told["errorMessage"].as_str().unwrap();
    assert!(says.contains(&format!("\"{}\" now", [EAST, WEST][won])), "{says}");
    assert_eq!(active(regions).as_deref(), Some([EAST, WEST][won]));
    assert_eq!(uploaded(regions), [EAST, WEST][won]);
}

/// What two calls answer that stand at their change of the record together; nothing if they did not meet.
fn at_once(regions: &Regions) -> Option<[Value; 2]> {
    let held = Fault {
        service: Some("route53".into()),
        operation: Some("ChangeResourceRecordSets".into()),
        ..Fault::new(FaultAction::Hold)
    };
    let held = wait_for(regions.admin().add_fault(&held)).unwrap().id;
    let have_met = || wait_for(regions.admin().faults()).unwrap().iter().any(|fault| fault.held >= 2);
    thread::scope(|scope| {
        let both = [EAST, WEST].map(|region| scope.spawn(move || set_active(regions, region)));
        let deadline = Instant::now() + Duration::from_secs(15);
        while !have_met() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        let met = have_met();
        wait_for(regions.admin().remove_fault(held)).unwrap();
        let both = both.map(|one| one.join().unwrap());
        met.then_some(both)
    })
}

/// The function's answer in the Region that is to act. Two commands would not both begin on one machine.
fn set_active(regions: &Regions, region: &str) -> Value {
    let task = serde_json::json!({ "action": "set", "region": region }).to_string();
    let task = format!("fileb://{}", regions.scratch(&format!("set-{region}.json"), task.as_bytes()).display());
    let answer = regions.scratch(&format!("set-{region}.answer.json"), b"");
    let invoke = ["lambda", "invoke", "--function-name", "tandem-local-failover", "--payload", &task];
    regions.aws(region, &[&invoke[..], &[answer.to_str().unwrap()]].concat());
    serde_json::from_slice(&std::fs::read(answer).unwrap()).unwrap()
}

fn the_endpoints_of_arc_are_not_offered(regions: &Regions) {
    let ran = regions.tandem(&["arc", "status"]);
    assert!(ran.code == 2 && ran.stderr.contains("routing mode dns"), "{}", ran.stderr);
}

fn fail_over(regions: &Regions, to: &str) -> Ran {
    regions.tandem(&["failover", "--to", to, "--json", "--no-wait"])
}

fn active(regions: &Regions) -> Option<String> {
    wait_for(regions.admin().status()).unwrap().active
}

/// The Region that delivers an upload.
fn uploaded(regions: &Regions) -> String {
    // What is cached may be used for as long as it says it lives.
    thread::sleep(Duration::from_secs(2));
    let put = regions.put("sales-orders", format!("{HEADER}{}", row(100_000_000)).as_bytes());
    put.delivered([1, 1, 0]).text("region").to_owned()
}

/// What a person may do, whom no safety rule stops.
fn delete_record(regions: &Regions) {
    let stack = &regions.state().outputs[&format!("{EAST}/tandem-local-routing-dns")];
    let zone = ["--hosted-zone-id", &stack["HostedZoneId"], "--output", "json"];
    let list = [&["route53", "list-resource-record-sets"][..], &zone].concat();
    let list: Value = serde_json::from_str(&regions.aws(EAST, &list)).unwrap();
    let sets = list["ResourceRecordSets"].as_array().unwrap();
    let set = sets.iter().find(|set| set["Type"] == "TXT").expect("the zone holds the record");
    let batch = serde_json::json!({ "Changes": [{ "Action": "DELETE", "ResourceRecordSet": set }] }).to_string();
    let change = [&["route53", "change-resource-record-sets", "--change-batch", &batch][..], &zone].concat();
    regions.aws(EAST, &change);
}
