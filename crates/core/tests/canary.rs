//! The canary notices what is wrong, says at which stage, and always comes to an end.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Mutex;
use std::time::Duration;

use tandem_core::batch::{BatchStatus, Ending};
use tandem_core::canary::{AskStanding, Canary, DATASET, Observed, REFERENCE, REFERENCE_FIELD, ROWS, Report, Run};
use tandem_core::canary::{Probe, Stage, Standing};
use tandem_core::event;
use tandem_core::ownership;
use tandem_core::payload::MergeOutput;
use tandem_core::ports::{Clock, Owner, Pause};
use tandem_core::testing::{Faults, MemoryBatches, MemoryLookup, MemoryObjects};
use time::OffsetDateTime;

const ENDPOINT: &str = "the access point";

/// Time that passes only while somebody waits, and what happens while the canary does.
struct Time<'a> {
    now: Mutex<OffsetDateTime>,
    meanwhile: Box<dyn Fn() + Send + Sync + 'a>,
}

impl Clock for Time<'_> {
    fn now(&self) -> OffsetDateTime {
        *self.now.lock().unwrap()
    }
}

impl Pause for Time<'_> {
    async fn pause(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
        (self.meanwhile)();
        // Others run while somebody waits.
        tokio::task::yield_now().await;
    }
}

/// A reconciler that answers, or not.
struct Says(Result<Standing, String>);

impl AskStanding for Says {
    async fn ask(&self) -> Result<Standing, String> {
        self.0.clone()
    }
}

type Region = Observed<MemoryObjects, MemoryBatches, MemoryLookup, Says>;

/// Two Regions and the endpoint. Each test breaks something of it.
struct World {
    run: Run,
    endpoint: MemoryObjects,
    batches: MemoryBatches,
    regions: [Region; 2],
    output: String,
    rejects: String,
    rows: (u64, u64),
}

impl World {
    fn new() -> Self {
        let (run, batches) = (Run::new(start(), 7), MemoryBatches::default());
        let region = |name: &str| Observed {
            name: name.to_owned(),
            bucket: format!("b-{name}"),
            objects: MemoryObjects::default(),
            batches: batches.clone(),
            reference: reference(&REFERENCE),
            functions: Says(Ok(standing(name))),
        };
        let regions = [region("east"), region("west")];
        let (output, rejects) = (run.output(), run.rejects());
        Self { run, endpoint: MemoryObjects::default(), batches, regions, output, rejects, rows: ROWS }
    }

    /// What the active Region makes of the canary's file: a claim, and an end.
    fn processed(&self, ending: &dyn Fn(MergeOutput) -> Ending) {
        let Some(content) = self.endpoint.content(ENDPOINT, &self.run.key()) else { return };
        let key = self.run.key();
        // As `MemoryObjects` makes them: the same content, the same ETag.
        let etag = self.endpoint.put(ENDPOINT, "elsewhere", content).etag;
        let upload = event::Upload { bucket: "b-east".into(), key, etag, version_id: None, size: 1 };
        let record = upload.first_claim(DATASET, "east", "2026-01-02T03:04:05.000Z");
        if self.batches.all().iter().any(|known| known.status.has_ended()) {
            return;
        }
        let owner = Owner { batch_id: record.batch_id.clone(), attempt: record.attempt, region: "east".into() };
        let fenced = ownership::delivering(&record, &owner, "t").unwrap();
        let output = self.endpoint.put(ENDPOINT, "output/canary/x/output.csv", self.output.clone());
        let rejects = self.endpoint.put(ENDPOINT, "output/canary/x/rejects.csv", self.rejects.clone());
        let merged = MergeOutput {
            output_key: "output/canary/x/output.csv".into(),
            output_version: output.version_id,
            rejects_key: "output/canary/x/rejects.csv".into(),
            rejects_version: rejects.version_id,
            rows_in: self.rows.0 + self.rows.1,
            rows_out: self.rows.0,
            rows_rejected: self.rows.1,
            bytes_out: 1,
            reasons: Vec::new(),
        };
        self.batches.put(ownership::ended(&fenced, &owner, &ending(merged), "t").unwrap());
    }

    fn check(&self, meanwhile: impl Fn() + Send + Sync, stop: impl Future<Output = ()>) -> Report {
        let time = Time { now: Mutex::new(start()), meanwhile: Box::new(meanwhile) };
        let canary = Canary {
            endpoint: &self.endpoint,
            access_point: ENDPOINT,
            regions: &self.regions,
            time: &time,
            patience: Duration::from_secs(200),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(canary.check(&self.run, stop))
    }

    /// A run during which the file is processed.
    fn delivered(&self) -> Report {
        self.check(|| self.processed(&Ending::Delivered), std::future::pending())
    }

    /// Where and why a run fails during which the file is processed.
    fn fails(&self) -> (Stage, String) {
        let global = self.delivered().global;
        assert!(!global.ok);
        (global.stage.unwrap(), global.reason.unwrap())
    }
}

fn start() -> OffsetDateTime {
    time::macros::datetime!(2026-01-02 03:04:05 UTC)
}

fn standing(region: &str) -> Standing {
    Standing { region: region.to_owned(), active: region == "east", record: "east".to_owned() }
}

fn reference(records: &[(&str, &str)]) -> MemoryLookup {
    let mut lookup = MemoryLookup::default();
    for (key, mark) in records {
        lookup.insert(DATASET, key, [(REFERENCE_FIELD.to_owned(), (*mark).to_owned())].into());
    }
    lookup
}

fn silent() -> MemoryBatches {
    MemoryBatches::default().reached_with(Faults::from(0))
}

#[test]
fn a_file_that_comes_through_and_two_regions_that_answer_are_well() {
    let report = World::new().delivered();
    assert!(report.is_well(), "{report:?}");
    assert_eq!((report.global.region.as_deref(), report.global.stage), (Some("east"), None));
    assert!(report.global.batch_id.is_some() && report.global.seconds > 0.0);
    let standing: Vec<bool> = report.regions.iter().map(|region| region.standing.as_ref().unwrap().active).collect();
    assert_eq!(standing, [true, false]);
}

#[test]
fn a_wrong_content_is_noticed_with_its_file_and_line() {
    let mut world = World::new();
    world.output = world.output.replacen("north", "nirth", 1);
    let (stage, reason) = world.fails();
    assert_eq!(stage, Stage::Content);
    assert!(reason.starts_with("output.csv: line 2 is not \"C-0001,north,"), "{reason}");
    assert!(!reason.contains("nirth"), "what stands there could be anybody's: {reason}");
    let mut world = World::new();
    world.rejects.push_str("12,id,pattern,x\n");
    let (_, reason) = world.fails();
    assert_eq!(reason, "rejects.csv: line 7 is not the end");
    let mut world = World::new();
    world.output.truncate(world.output.len() - 1);
    assert_eq!(world.fails().1, "output.csv: line 10 is not the end");
    let mut world = World::new();
    world.rows = (8, 4);
    assert_eq!(world.fails().1, "the record counts 8 rows delivered and 4 rejected instead of 7 and 5");
}

#[test]
fn another_runs_result_is_not_taken_for_this_ones() {
    let mut world = World::new();
    let other = Run::new(start(), 8);
    (world.output, world.rejects) = (other.output(), other.rejects());
    assert_eq!(world.fails().0, Stage::Content);
}

#[test]
fn reference_records_that_are_not_loaded_are_said_to_be_that() {
    let mut world = World::new();
    world.rejects.push_str("1,id,unmatched,x\n");
    assert!(world.fails().1.contains("tandem canary --prepare"), "{}", world.fails().1);
}

#[test]
fn an_upload_that_is_refused_fails_at_once_and_the_regions_are_told_of_all_the_same() {
    let mut world = World::new();
    world.endpoint = MemoryObjects::new(Faults::from(0));
    let report = world.delivered();
    assert_eq!(report.global.stage, Some(Stage::Upload));
    assert!(report.global.reason.unwrap().contains("s3:PutObject"));
    assert!(report.regions.iter().all(|region| region.reachable));
}

#[test]
fn a_file_that_nobody_claims_or_delivers_fails_when_patience_is_over() {
    let world = World::new();
    let global = world.check(|| (), std::future::pending()).global;
    assert_eq!((global.stage, global.reason.as_deref()), (Some(Stage::Claim), Some("not over after 200 s")));
    let world = World::new();
    let claimed = || {
        world.processed(&Ending::Delivered);
        let mut record = world.batches.all().remove(0);
        record.status = BatchStatus::Running;
        world.batches.put(record);
    };
    let global = world.check(claimed, std::future::pending()).global;
    assert_eq!((global.stage, global.region.as_deref()), (Some(Stage::Delivery), Some("east")));
}

#[test]
fn a_batch_that_fails_is_told_with_its_reason() {
    let world = World::new();
    let failed = |_| Ending::Failed { failed_state: "Split".into(), reason: "The file is empty.".into() };
    let global = world.check(|| world.processed(&failed), std::future::pending()).global;
    assert_eq!(global.stage, Some(Stage::Delivery));
    assert_eq!(global.reason.as_deref(), Some("the batch is FAILED, at Split: The file is empty."));
}

#[test]
fn whoever_stops_the_check_hears_how_far_it_had_come() {
    let global = World::new().check(|| (), std::future::ready(())).global;
    assert_eq!((global.ok, global.stage, global.seconds), (false, Some(Stage::Claim), 0.5));
    assert!(global.reason.unwrap().starts_with("not over after"));
}

#[test]
fn a_region_that_is_away_is_named_and_does_not_fail_the_global_check() {
    let mut world = World::new();
    world.regions[0].objects = MemoryObjects::new(Faults::from(0));
    world.regions[0].batches = silent();
    world.regions[0].reference = MemoryLookup::new(Faults::from(0));
    world.regions[0].functions = Says(Err("no answer".into()));
    let report = world.delivered();
    assert!(report.global.ok, "{report:?}");
    let [east, west] = &report.regions[..] else { panic!("{report:?}") };
    assert!(!east.reachable && west.reachable && !report.is_well());
    let probes: Vec<Probe> = east.problems.iter().map(|problem| problem.probe).collect();
    assert_eq!(probes, [Probe::Function, Probe::StateTable, Probe::ReferenceTable, Probe::Bucket]);
    assert_eq!(east.problems[0].reason, "no answer");
}

#[test]
fn a_standby_with_other_reference_records_or_another_name_is_known_before_it_is_needed() {
    let mut world = World::new();
    world.regions[1].reference = reference(&[("C-0001", "north"), ("C-0002", "wrong"), ("C-0003", "3")]);
    world.regions[0].functions = Says(Ok(standing("west")));
    let report = world.delivered();
    let reasons: Vec<&str> =
        report.regions.iter().flat_map(|region| &region.problems).map(|problem| problem.reason.as_str()).collect();
    assert_eq!(reasons[0], "its reconciler says that it is in west");
    assert!(reasons[1].starts_with("of the canary's 4 records 2 are there"), "{reasons:?}");
    assert_eq!(reasons.len(), 2);
}

#[test]
fn without_any_region_to_ask_the_last_answer_is_told() {
    let mut world = World::new();
    world.regions.iter_mut().for_each(|region| region.batches = silent());
    let (stage, reason) = world.fails();
    assert_eq!(stage, Stage::Claim);
    assert!(reason.contains("not over after 200 s; the last answer was: dynamodb:GetItem"), "{reason}");
}
