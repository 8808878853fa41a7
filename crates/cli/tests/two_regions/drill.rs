//! Drills: the experiments of docs/CHAOS.md on the local Regions, and what they ask of them first.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tandem_local::admin::{Fault, FaultAction, RegionState};

use crate::Case;
use crate::expected::{HEADER, row};
use crate::regions::{Regions, command, wait_for};

pub const CASES: &[Case] = &[
    ("a_drill_loses_the_active_region_and_holds_every_file_against_what_is_promised", region_loss),
    ("a_drill_whose_region_goes_on_waits_and_finds_every_file_delivered", state_stays),
    ("a_drill_of_every_other_experiment_passes", others),
    ("a_drill_whose_failover_fails_mends_and_judges_all_the_same", failover_fails),
    ("a_drill_tells_an_e_mail_that_came_again_from_one_that_should_not_have", told_again),
    ("a_drill_that_nobody_reads_goes_on_and_mends", nobody_reads),
    ("a_drill_begins_only_where_nothing_is_struck_already", begins_undisturbed),
];

/// A drill that must pass; answers its report.
fn passes(regions: &Regions, arguments: &[&str]) -> Value {
    let report = regions.succeeds(&[&["drill", "--json"], arguments].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    let checks = report["checks"].as_array().unwrap();
    assert!(report["passed"] == true && checks.iter().all(|check| check["passed"] == true), "{report}");
    report
}

fn region_loss(regions: &Regions) {
    let report = passes(regions, &["region-loss", "--rows", "500"]);
    assert_eq!(report["failover"]["region"], "us-west-2");
    assert!(!report["failover"]["taken_over"].as_array().unwrap().is_empty(), "nothing was half way: {report}");
    assert!(report["rto_seconds"]["all_delivered"].is_number(), "{report}");
    assert_eq!(wait_for(regions.admin().active()).unwrap().as_deref(), Some("us-east-1"), "it did not fail back");
}

fn state_stays(regions: &Regions) {
    let report = passes(regions, &["function-errors", "--rows", "500", "--hold", "5"]);
    assert!(report["failover"].is_null(), "{report}");
    let status = wait_for(regions.admin().status()).unwrap();
    assert!(!status.replication.paused && status.faults.is_empty(), "a drill left something struck");
}

/// Those that no other test carries out.
fn others(regions: &Regions) {
    for experiment in ["state-table", "function-delay", "subnets-s3", "subnets-dynamodb", "subnets-all"] {
        let begun = Instant::now();
        let report = passes(regions, &[experiment, "--rows", "500", "--hold", "4"]);
        assert_eq!(
            (&report["experiment"], report["failover"].is_null()),
            (&json!(experiment), experiment != "state-table")
        );
        println!("{experiment}: {:.0} s", begun.elapsed().as_secs_f64());
    }
}

/// Nothing of the Region that is to take over answers the operator. The drill fails, says so, and gives back what it took: then
/// the Region that was lost delivers every file.
fn failover_fails(regions: &Regions) {
    let mut drill = Followed::start(regions, &["drill", "region-loss", "--rows", "500"]);
    drill.until("an undisturbed run");
    let silent = FaultAction::Fail { status: 503, error: "ServiceUnavailable".into(), message: "away".into() };
    let silent = Fault { service: Some("lambda".into()), region: Some("us-west-2".into()), ..Fault::new(silent) };
    wait_for(regions.admin().add_fault(&silent)).unwrap();
    let story = drill.end(1);
    let wrong: Vec<&str> = story.lines().filter(|line| line.contains("FAILED")).collect();
    assert!(wrong.len() == 1 && wrong[0].contains("us-west-2 has taken over by the runbook"), "{story}");
    assert!(wrong[0].contains("`tandem failover") && story.contains("each file was delivered: 3 of 3"), "{story}");
    assert_eq!(wait_for(regions.admin().active()).unwrap().as_deref(), Some("us-east-1"));
}

/// The mail service's answer about one file is lost, so deliver must send again: allowed. Another one's e-mail is sent again
/// without need: found, and named. Nothing else is wrong.
fn told_again(regions: &Regions) {
    let mut drill = Followed::start(regions, &["drill", "bucket-replication", "--rows", "500", "--hold", "45"]);
    // By then it has seen that nothing is struck, and the file has not even been made.
    drill.until("an undisturbed run");
    let answer_lost = Fault {
        service: Some(String::from("ses")),
        operation: Some(String::from("SendEmail")),
        body_contains: Some(String::from("-before-2.csv")),
        times: Some(1),
        ..Fault::new(FaultAction::LoseAnswer)
    };
    wait_for(regions.admin().add_fault(&answer_lost)).unwrap();
    let uploaded = drill.until("-before-1.csv");
    let resent = delivered(regions, uploaded.split(' ').find(|word| word.ends_with("-before-1.csv")).unwrap());
    regions.succeeds(&["resend", &resent]);
    while !wait_for(regions.admin().faults()).unwrap().is_empty() {
        thread::sleep(Duration::from_millis(50));
    }
    let story = drill.end(1);
    assert!(story.contains("were held back") && story.contains("Failed."), "{story}");
    let wrong: Vec<&str> = story.lines().filter(|line| line.contains("FAILED")).collect();
    let seen =
        format!("4 of 5, and 1 more after a delivery that broke off; {resent}: 2 e-mails, 0 deliveries broke off");
    assert!(wrong.len() == 1 && wrong[0].contains(&seen), "{story}");
}

/// Who reads along may stop: that neither ends it nor leaves anything struck.
fn nobody_reads(regions: &Regions) {
    let mut drill = Followed::start(regions, &["drill", "bucket-replication", "--rows", "500", "--hold", "3"]);
    drill.until("is struck");
    drill.story = None;
    assert_eq!(drill.child.wait().unwrap().code(), Some(0));
    assert!(!wait_for(regions.admin().status()).unwrap().replication.paused, "it left replication paused");
}

/// A drill whose story is read line by line, and that has ended before anything else begins.
struct Followed {
    child: Child,
    story: Option<BufReader<ChildStdout>>,
    read: String,
}

impl Followed {
    fn start(regions: &Regions, arguments: &[&str]) -> Self {
        let mut child =
            command(regions.root(), arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let story = child.stdout.take().map(BufReader::new);
        Self { child, story, read: String::new() }
    }

    /// Reads on to the line that holds this, and answers it.
    fn until(&mut self, part: &str) -> String {
        loop {
            let begun = self.read.len();
            let read = self.story.as_mut().unwrap().read_line(&mut self.read).unwrap();
            assert!(read > 0, "it ended without {part:?}:\n{}", self.read);
            if self.read[begun..].contains(part) {
                return self.read[begun..].trim_end().to_owned();
            }
        }
    }

    /// Waits for the end, which must have this status; answers the whole story.
    fn end(mut self, code: i32) -> String {
        let mut story = self.read.clone();
        self.story.as_mut().unwrap().read_to_string(&mut story).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(code), "{story}");
        story
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        // Whatever was asserted in vain meanwhile: what is struck is mended before the next test.
        self.child.wait().unwrap();
    }
}

/// Waits until the file of this key is delivered; answers its batch.
fn delivered(regions: &Regions, key: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let records: Value = serde_json::from_str(&regions.succeeds(&["status", "--json"])).unwrap();
        let ours = |record: &&Value| record["status"] == "DELIVERED" && record["key"] == key;
        if let Some(record) = records.as_array().unwrap().iter().find(ours) {
            return record["batch_id"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{key} was not delivered: {records}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn begins_undisturbed(regions: &Regions) {
    // So that there is a process to freeze.
    regions.put("sales-orders", format!("{HEADER}{}", row(100_000_000)).as_bytes()).delivered([1, 1, 0]);
    wait_for(regions.admin().set_region("us-west-2", RegionState::Slow { milliseconds: 1 })).unwrap();
    regions.succeeds(&["function", "freeze", "merge", "--region", "us-east-1"]);
    refuses(regions, &["tandem region heal us-west-2", "tandem function thaw merge --region us-east-1"]);
    regions.succeeds(&["function", "thaw", "merge", "--region", "us-east-1"]);
    wait_for(regions.admin().set_region("us-west-2", RegionState::Reachable)).unwrap();
    let (service, operation) = (Some("states".into()), Some("StartExecution".into()));
    let held = Fault { service, operation, ..Fault::new(FaultAction::Hold) };
    wait_for(regions.admin().add_fault(&held)).unwrap();
    let key = regions.fresh_key("sales-orders");
    let open = regions.put_and_leave(&key, format!("{HEADER}{}", row(100_000_001)).as_bytes());
    while regions.record(&open).is_none() {
        thread::sleep(Duration::from_millis(100));
    }
    refuses(regions, &["DELETE faults", "batches are open"]);
    wait_for(regions.admin().clear_faults()).unwrap();
    assert_eq!(regions.ended(&open)["status"], "DELIVERED");
    assert_eq!(regions.tandem(&["--target", "aws", "drill"]).code, 2);
}

/// A drill that does not begin, and says all of this.
fn refuses(regions: &Regions, remedies: &[&str]) {
    let ran = regions.tandem(&["drill"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(remedies.iter().all(|remedy| ran.stderr.contains(remedy)), "{}", ran.stderr);
}
