//! The runbook more than once: again, again after a step failed, back and forth, and two at a time.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::thread;

use tandem_local::admin::{Fault, FaultAction};

use crate::Case;
use crate::fault::{isolate, mend};
use crate::point::Point;
use crate::regions::{Regions, command, wait_for};
use crate::scenario::{LEFT, LOST, Tally, active, delivered, end, fail_over, file, note_rto, replicated, stopped};

pub const CASES: &[Case] = &[
    ("several_batches_are_taken_over_and_the_runbook_says_how_long_it_took", several_batches),
    ("a_target_that_is_active_already_is_said_to_be_and_reconciled", already_active),
    ("the_runbook_again_ends_in_the_same_place", again),
    ("the_runbook_after_each_of_its_steps_failed_ends_in_the_same_place", after_each_step),
    ("a_second_failover_while_the_first_still_runs", while_the_first_runs),
    ("without_any_endpoint_nothing_is_changed", no_endpoint),
    ("failing_over_and_back_and_over_delivers_once", back_and_forth),
];

fn upload(regions: &Regions) -> String {
    let key = regions.fresh_key("sales-orders");
    regions.put_and_leave(&key, file().0.as_bytes())
}

fn several_batches(regions: &Regions, tally: &Tally) {
    let held = Point::InsideEnrich.hold(regions);
    let batches: Vec<String> = (0..4).map(|_| upload(regions)).collect();
    held.wait(regions);
    batches.iter().for_each(|batch_id| stopped(regions, batch_id, Point::InsideEnrich));
    replicated(regions);
    isolate(regions);
    let report = fail_over(regions, LEFT, &[]);
    let taken = report["taken_over"].as_array().unwrap();
    for batch_id in &batches {
        assert!(taken.iter().any(|id| id == batch_id.as_str()), "{batch_id} was not taken over: {report}");
        delivered(regions, tally, batch_id, 1);
    }
    assert!(report["rto_seconds"]["first_started"].as_f64().unwrap() > 0.0, "{report}");
    let all = report["rto_seconds"]["all_delivered"].as_f64().unwrap();
    assert!(all >= report["rto_seconds"]["first_started"].as_f64().unwrap(), "{report}");
    note_rto(tally, &report);
    end(regions);
}

fn already_active(regions: &Regions, _: &Tally) {
    let report = fail_over(regions, LOST, &[]);
    assert_eq!(report["already_active"], true, "{report}");
    assert_eq!(report["status"], "succeeded");
    assert_eq!(active(regions), LOST);
}

fn again(regions: &Regions, tally: &Tally) {
    let held = Point::InsideSplit.hold(regions);
    let batch_id = upload(regions);
    held.wait(regions);
    stopped(regions, &batch_id, Point::InsideSplit);
    replicated(regions);
    isolate(regions);
    let first = fail_over(regions, LEFT, &[]);
    let second = fail_over(regions, LEFT, &[]);
    assert_eq!((&first["already_active"], &second["already_active"]), (&false.into(), &true.into()));
    assert_eq!(second["taken_over"], serde_json::json!([]));
    let record = delivered(regions, tally, &batch_id, 1);
    assert_eq!(record["attempt"], 2);
    end(regions);
}

/// Each step in turn finds its service away, and the runbook is run again.
fn after_each_step(regions: &Regions, tally: &Tally) {
    let away = |service: &str, operation: &str| Fault {
        service: Some(service.into()),
        operation: Some(operation.into()),
        ..Fault::new(FaultAction::Fail { status: 500, error: "InternalError".into(), message: "not now".into() })
    };
    let steps = [
        ("SetActive", away("route53-recovery-cluster", "UpdateRoutingControlStates")),
        ("RouteUploads", away("s3", "SubmitMultiRegionAccessPointRoutes")),
        // Without a single pass there is nothing to report.
        ("Report", away("dynamodb", "Query")),
    ];
    for (step, fault) in steps {
        let held = Point::InsideValidate.hold(regions);
        let batch_id = upload(regions);
        held.wait(regions);
        stopped(regions, &batch_id, Point::InsideValidate);
        replicated(regions);
        isolate(regions);
        let fault = wait_for(regions.admin().add_fault(&fault)).unwrap().id;
        let ran = regions.tandem(&["failover", "--to", LEFT, "--json", "--no-wait", "--pace", "0"]);
        assert_ne!(ran.code, 0, "{step} did not fail: {}", ran.stdout);
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let failed = report["steps"].as_array().unwrap().iter().find(|step| step["status"] == "failed");
        assert!(failed.is_some_and(|failed| failed["name"] == step), "{step}: {report}");
        wait_for(regions.admin().remove_fault(fault)).unwrap();
        fail_over(regions, LEFT, &[]);
        assert_eq!(active(regions), LEFT);
        delivered(regions, tally, &batch_id, 1);
        end(regions);
    }
}

fn while_the_first_runs(regions: &Regions, tally: &Tally) {
    let held = Point::InsideMerge.hold(regions);
    let batch_id = upload(regions);
    held.wait(regions);
    stopped(regions, &batch_id, Point::InsideMerge);
    replicated(regions);
    isolate(regions);
    let elsewhere = another_machine(regions);
    thread::scope(|scope| {
        scope.spawn(|| fail_over(regions, LEFT, &[]));
        scope.spawn(|| {
            let ran = command(&elsewhere, &["failover", "--to", LEFT]).output().unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        });
    });
    let record = delivered(regions, tally, &batch_id, 1);
    assert_eq!(record["attempt"], 2, "both took it: {record}");
    end(regions);
}

/// A project folder that knows the same Regions and no lock of the other: on one machine the second run would be refused.
fn another_machine(regions: &Regions) -> PathBuf {
    let root = regions.root().join("another-machine");
    fs::create_dir_all(root.join(".tandem")).unwrap();
    for shared in ["assets", "functions", "sam", "statemachines", ".tandem/local.json"] {
        symlink(regions.root().join(shared), root.join(shared)).unwrap();
    }
    root
}

fn no_endpoint(regions: &Regions, _: &Tally) {
    const ENDPOINTS: [&str; 5] = ["us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2"];
    for endpoint in ENDPOINTS {
        wait_for(regions.admin().set_arc_endpoint(endpoint, false)).unwrap();
    }
    let before = wait_for(regions.admin().status()).unwrap().routed;
    let ran = regions.tandem(&["failover", "--to", LEFT]);
    for endpoint in ENDPOINTS {
        wait_for(regions.admin().set_arc_endpoint(endpoint, true)).unwrap();
    }
    assert_ne!(ran.code, 0);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("endpoint") && said.contains("othing was changed"), "{said}");
    assert_eq!(active(regions), LOST);
    assert_eq!(wait_for(regions.admin().status()).unwrap().routed, before);
}

fn back_and_forth(regions: &Regions, tally: &Tally) {
    let held = Point::BeforeTheFence.hold(regions);
    let batch_id = upload(regions);
    held.wait(regions);
    replicated(regions);
    fail_over(regions, LEFT, &["--no-wait"]);
    fail_over(regions, LOST, &["--no-wait"]);
    fail_over(regions, LEFT, &["--no-wait"]);
    held.release(regions);
    let record = delivered(regions, tally, &batch_id, 1);
    assert!(record["attempt"].as_u64().unwrap() <= 4, "{record}");
    mend(regions);
    end(regions);
}
