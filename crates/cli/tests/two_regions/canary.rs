//! The canary, from its third Region: what it says while all is well, while a Region is lost, and after the failover.

use serde_json::Value;

use crate::Case;
use crate::regions::{Ran, Regions, wait_for};

pub const CASES: &[Case] = &[("the_canary_tells_a_lost_endpoint_from_a_lost_region_and_mails_nobody", lost_and_found)];

fn lost_and_found(regions: &Regions) {
    let mails = all_mails(regions);
    let first = well(regions, "us-east-1", &["canary", "--prepare", "--json"]);
    let batch_id = first["global"]["batch_id"].as_str().unwrap();
    let record = regions.record(batch_id).unwrap();
    assert_eq!(
        (&record["status"], &record["dataset"], &record["attempt"]),
        (&"DELIVERED".into(), &"canary".into(), &1.into())
    );
    assert!(record["output_key"].as_str().unwrap().starts_with("output/canary/"), "{record}");
    let resend = regions.tandem(&["resend", batch_id]);
    assert_eq!(resend.code, 1, "{}", resend.stderr);
    assert!(resend.stderr.contains("nobody is told"), "{}", resend.stderr);

    // A Region that stands by and is broken is known before it is needed.
    regions.succeeds(&["region", "isolate", "us-west-2"]);
    let (ran, report) = check(regions, &["canary", "--json"]);
    assert_eq!((ran.code, &report["global"]["ok"]), (1, &true.into()), "{report}");
    assert_eq!(reachable(&report), [true, false], "{report}");
    regions.succeeds(&["region", "heal", "us-west-2"]);

    regions.succeeds(&["region", "isolate", "us-east-1"]);
    let (ran, report) = check(regions, &["canary", "--json"]);
    assert_eq!((ran.code, &report["global"]["stage"]), (1, &"upload".into()), "{report}");
    assert_eq!(reachable(&report), [false, true], "{report}");
    assert_eq!(report["regions"][0]["problems"].as_array().unwrap().len(), 4, "{report}");
    assert!(ran.stderr.contains("did not come through, and us-east-1 did not answer"), "{}", ran.stderr);

    regions.succeeds(&["failover", "--to", "us-west-2", "--no-wait"]);
    let (_, report) = check(regions, &["canary", "--json"]);
    assert_eq!((&report["global"]["ok"], &report["global"]["region"]), (&true.into(), &"us-west-2".into()), "{report}");
    assert_eq!(reachable(&report), [false, true], "{report}");

    regions.succeeds(&["region", "heal", "us-east-1"]);
    regions.succeeds(&["failover", "--to", "us-east-1", "--no-wait"]);
    well(regions, "us-east-1", &["canary", "--json"]);
    assert_eq!(all_mails(regions), mails, "the canary mails nobody");
}

/// A check that finds everything well; answers its report.
fn well(regions: &Regions, active: &str, arguments: &[&str]) -> Value {
    let (ran, report) = check(regions, arguments);
    assert_eq!(ran.code, 0, "{}\n{report}", ran.stderr);
    assert_eq!((&report["global"]["ok"], &report["global"]["region"]), (&true.into(), &active.into()), "{report}");
    assert_eq!(reachable(&report), [true, true]);
    for region in report["regions"].as_array().unwrap() {
        assert_eq!(region["standing"]["record"], active, "{report}");
    }
    report
}

fn check(regions: &Regions, arguments: &[&str]) -> (Ran, Value) {
    let ran = regions.tandem(arguments);
    let report =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", ran.stdout, ran.stderr));
    (ran, report)
}

fn reachable(report: &Value) -> Vec<bool> {
    report["regions"].as_array().unwrap().iter().map(|region| region["reachable"].as_bool().unwrap()).collect()
}

fn all_mails(regions: &Regions) -> usize {
    wait_for(tandem_local::mailbox(regions.state())).unwrap().len()
}
