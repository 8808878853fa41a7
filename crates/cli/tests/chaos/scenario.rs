//! One run: a batch is stopped at a point, a fault strikes, the runbook is run, the fault is mended.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::expected::{HEADER, OUTPUT_HEADER, output_row, row};
use crate::fault::{self, Fault};
use crate::point::Point;
use crate::regions::{REFERENCE_ROWS, Regions};

/// The Region that is lost, and the one that takes over.
pub const LOST: &str = "us-east-1";
pub const LEFT: &str = "us-west-2";

const ROWS: u32 = 200;

/// What all runs came to.
#[derive(Default)]
pub struct Tally {
    /// E-mails of each batch that was delivered, and the most it may have had.
    emails: Mutex<BTreeMap<String, (usize, usize)>>,
    /// Seconds from the runbook's start until every batch that was taken over had been delivered.
    rto: Mutex<Vec<f64>>,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let emails = self.emails.lock().unwrap();
        let sent: usize = emails.values().map(|(sent, _)| sent).sum();
        let mut rto = self.rto.lock().unwrap().clone();
        rto.sort_by(f64::total_cmp);
        writeln!(formatter, "\n{} batches were delivered by {sent} e-mails", emails.len())?;
        let (Some(least), Some(most)) = (rto.first(), rto.last()) else { return Ok(()) };
        let median = rto[rto.len() / 2];
        write!(formatter, "RTO until all were delivered, in seconds: {least:.1} to {most:.1}, median {median:.1}")
    }
}

/// An input of [`ROWS`] rows, and what must come of it.
pub fn file() -> (String, String) {
    let keys = || (0..ROWS).map(|number| 100_000_000 + number % REFERENCE_ROWS);
    let input = std::iter::once(HEADER.to_owned()).chain(keys().map(row)).collect();
    let output = std::iter::once(OUTPUT_HEADER.to_owned()).chain(keys().map(output_row)).collect();
    (input, output)
}

/// Runs one point with one fault.
pub fn run(regions: &Regions, tally: &Tally, point: Point, fault: Fault) {
    begin(regions);
    fault.prepare(regions);
    let held = point.hold(regions);
    let key = regions.fresh_key("sales-orders");
    let batch_id = regions.put_and_leave(&key, file().0.as_bytes());
    held.wait(regions);
    stopped(regions, &batch_id, point);
    if fault != Fault::ReplicationPaused {
        replicated(regions);
    }
    fault.strike(regions, point);

    let report = fail_over(regions, LEFT, &["--no-wait"]);
    if fault == Fault::ReplicationPaused && point != Point::AfterTheUpload {
        let missing = report["missing"].as_array().unwrap();
        assert!(missing.iter().any(|item| item["key"] == key.as_str()), "{key} is not named: {report}");
    }
    fault.relent(regions, point, held);
    if fault == Fault::ReplicationPaused {
        // What was not replicated is delivered once it arrives; its event may have been given up meanwhile.
        arrives(regions, &batch_id);
    }
    delivered(regions, tally, &batch_id, point.most_emails());
    end(regions);
}

/// Waits until the batch's record is what it is at its point: the call that is held may be an earlier batch's, which is tried
/// again. A batch that has ended stands still no longer: what strikes then would strike nothing.
pub fn stopped(regions: &Regions, batch_id: &str, point: Point) {
    let deadline = Instant::now() + Duration::from_secs(90);
    let expected = match point {
        Point::AfterTheUpload => return,
        Point::AfterTheClaim | Point::AfterStartExecution => "CLAIMED",
        point if point.is_delivering() => "DELIVERING",
        _ => "RUNNING",
    };
    loop {
        let record = regions.record(batch_id);
        let status = record.as_ref().and_then(|record| record["status"].as_str());
        if status == Some(expected) {
            return;
        }
        let late = matches!(status, Some("DELIVERED" | "FAILED")) || Instant::now() > deadline;
        assert!(!late, "it is not at {}: {record:?}", point.name());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the other Region has everything: what it has not, nobody can take over.
pub fn replicated(regions: &Regions) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let pending = crate::regions::wait_for(regions.admin().replication()).unwrap().pending;
        if pending.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "not replicated: {pending:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The other Region's runbook, from the command; answers its report. Every run must succeed.
pub fn fail_over(regions: &Regions, to: &str, flags: &[&str]) -> Value {
    let ran = regions.tandem(&[&["failover", "--to", to, "--json"], flags].concat());
    assert_eq!(ran.code, 0, "failover to {to}:\n{}\n{}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

/// The Region to be lost is there and active, whatever an earlier run left behind.
pub fn begin(regions: &Regions) {
    fault::mend(regions);
    if active(regions) != LOST {
        fail_over(regions, LOST, &[]);
    }
}

/// Mends, and fails back: what comes next begins where this did.
pub fn end(regions: &Regions) {
    fault::mend(regions);
    fail_over(regions, LOST, &[]);
}

/// Which Region the TXT record names.
pub fn active(regions: &Regions) -> String {
    crate::regions::wait_for(regions.admin().active()).unwrap().unwrap_or_default()
}

/// Sees to a batch whose replica came late, or whose event was given up: what an operator does after the Region is back. Nobody
/// having taken it over, its own Region may be quicker and deliver it.
pub fn arrives(regions: &Regions, batch_id: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_seen_to = |record: Value| record["owner_region"] == LEFT || record["status"] == "DELIVERED";
    while !regions.record(batch_id).is_some_and(is_seen_to) {
        assert!(Instant::now() < deadline, "the late replica was not taken over: {:?}", regions.record(batch_id));
        thread::sleep(Duration::from_millis(500));
        regions.succeeds(&["replay"]);
        regions.succeeds(&["reconcile"]);
    }
}

/// Asserts that a batch is delivered, once, and what it holds.
pub fn delivered(regions: &Regions, tally: &Tally, batch_id: &str, most_emails: usize) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut pass = Instant::now();
    let record = loop {
        match regions.record(batch_id) {
            Some(record) if record["status"] == "DELIVERED" => break record,
            record => {
                assert!(Instant::now() < deadline, "batch {batch_id} was not delivered: {record:?}");
                // As the schedule does every few minutes.
                if pass.elapsed() > Duration::from_secs(4) {
                    regions.tandem(&["reconcile"]);
                    pass = Instant::now();
                }
            }
        }
        thread::sleep(Duration::from_millis(200));
    };
    let emails = regions.emails(batch_id).len();
    assert!((1..=most_emails).contains(&emails), "{emails} e-mails about batch {batch_id}: {record}");
    tally.emails.lock().unwrap().insert(batch_id.to_owned(), (emails, most_emails));
    assert_eq!(record["rows_out"], ROWS);
    let output = fetched(regions, batch_id);
    assert!(output == file().1.as_bytes(), "the output of {batch_id} is not the undisturbed run's");
    record
}

/// The output, once it is where the links lead.
fn fetched(regions: &Regions, batch_id: &str) -> Vec<u8> {
    let folder = regions.scratch(&format!("fetched/{batch_id}/x"), b"").parent().unwrap().to_owned();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let ran = regions.tandem(&["fetch", batch_id, "--force", "--output-dir", folder.to_str().unwrap()]);
        if ran.code == 0 {
            return std::fs::read(folder.join("output.csv")).unwrap();
        }
        assert!(Instant::now() < deadline, "the result of {batch_id} cannot be fetched: {}", ran.stderr);
        thread::sleep(Duration::from_millis(300));
    }
}

/// Notes how long a failover took.
pub fn note_rto(tally: &Tally, report: &Value) {
    if let Some(seconds) = report["rto_seconds"]["all_delivered"].as_f64() {
        tally.rto.lock().unwrap().push(seconds);
    }
}

/// In the end no execution runs, no batch is open, and no batch has had another e-mail since.
pub fn nothing_is_left(regions: &Regions, tally: &Tally) {
    fault::mend(regions);
    let deadline = Instant::now() + Duration::from_secs(300);
    for region in [LOST, LEFT] {
        let machine = regions.state().outputs[&format!("{region}/tandem-local-batch")]["StateMachineArn"].clone();
        let list = ["stepfunctions", "list-executions", "--state-machine-arn", &machine, "--status-filter", "RUNNING"];
        while regions.aws(region, &list).contains("executionArn") {
            assert!(Instant::now() < deadline, "executions still run in {region}");
            thread::sleep(Duration::from_secs(1));
        }
    }
    let answer: Value = serde_json::from_str(&regions.succeeds(&["reconcile", "--json"])).unwrap();
    for pass in answer["passes"].as_array().unwrap() {
        assert_eq!(pass["counts"]["seen"], 0, "batches are open: {pass}");
    }
    for (batch_id, (sent, most)) in &*tally.emails.lock().unwrap() {
        let now = regions.emails(batch_id).len();
        assert!(now == *sent && now <= *most, "{now} e-mails about batch {batch_id}, {sent} when it was delivered");
    }
}
