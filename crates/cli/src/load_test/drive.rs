//! Uploads the files and follows their batches, both at once.

use std::cell::RefCell;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use indicatif::ProgressBar;
use tandem_core::batch::{BatchId, BatchRecord, BatchStatus};
use tandem_core::error::Classified;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::data::Input;
use super::report::{Ending, FileReport, rounded};
use crate::deployment::Deployment;
use crate::exit::interruption;
use crate::terminal::files_bar;

/// Uploads in flight at once.
const UPLOADS: usize = 32;
/// Pause between two looks at the state table, each of which asks for a hundred batches in one call.
const LOOK: Duration = Duration::from_millis(400);

/// What is to be done.
pub struct Plan {
    /// The files.
    pub files: Vec<Input>,
    /// Time between the beginnings of two uploads.
    pub pause: Duration,
    /// Time from the beginning of an upload to the batch's end, at most.
    pub patience: Duration,
}

/// A file on its way.
#[derive(Debug, Clone, Default)]
struct Tracked {
    begun: Option<Instant>,
    batch_id: Option<BatchId>,
    record: Option<BatchRecord>,
    /// The last look that saw it not ended.
    open_at: Option<Instant>,
    ended: Option<Duration>,
    problem: Option<String>,
    given_up: bool,
}

impl Tracked {
    fn is_open(&self) -> bool {
        self.ended.is_none() && self.problem.is_none() && !self.given_up
    }

    /// Notes what a look saw.
    fn note(&mut self, record: BatchRecord, now: Instant) {
        let Some(begun) = self.begun.filter(|_| self.ended.is_none()) else { return };
        if record.status.has_ended() {
            let earliest = self.open_at.unwrap_or(begun) - begun;
            let latest = now - begun;
            // The table's time comes from another machine's clock: it counts as far as the looks bear it out.
            let said = latest.checked_sub(age(&record.updated)).unwrap_or_default();
            self.ended = Some(said.clamp(earliest, latest));
        } else {
            self.open_at = Some(now);
        }
        self.record = Some(record);
    }
}

/// How long ago a time in the state table was; none for what lies in the future.
fn age(updated: &str) -> Duration {
    let then = OffsetDateTime::parse(updated, &Rfc3339).ok();
    then.and_then(|then| (OffsetDateTime::now_utc() - then).try_into().ok()).unwrap_or_default()
}

/// What became of each file, and whether somebody interrupted.
pub async fn drive(deployment: &Deployment, plan: &Plan) -> (Vec<FileReport>, bool) {
    let bar = files_bar(plan.files.len() as u64);
    let start = Instant::now();
    let tracked = RefCell::new(vec![Tracked::default(); plan.files.len()]);
    let interrupted = {
        let mut uploads = std::pin::pin!(upload(deployment, plan, start, &tracked));
        let mut follow = std::pin::pin!(follow(deployment, plan, &tracked, &bar));
        let mut uploading = true;
        loop {
            tokio::select! {
                () = &mut uploads, if uploading => uploading = false,
                () = &mut follow => break false,
                () = interruption() => break true,
            }
        }
    };
    bar.finish_and_clear();
    let tracked = tracked.into_inner();
    let report = |(input, tracked): (&Input, Tracked)| file_report(input, tracked, start, interrupted);
    // What was never begun, because somebody interrupted, is no result.
    let begun = plan.files.iter().zip(tracked).filter(|(_, tracked)| tracked.begun.is_some());
    (begun.map(report).collect(), interrupted)
}

/// Begins an upload at each file's time, unless too many are in flight.
async fn upload(deployment: &Deployment, plan: &Plan, start: Instant, tracked: &RefCell<Vec<Tracked>>) {
    let uploader = deployment.uploader();
    let one = async |number: usize| {
        let input = &plan.files[number];
        tracked.borrow_mut()[number].begun = Some(Instant::now());
        let stored = uploader.upload(&input.path, &input.key, &|_| {}, std::future::pending()).await;
        let mut all = tracked.borrow_mut();
        match stored {
            Ok(stored) => all[number].batch_id = Some(BatchId::of(&input.key, &stored.etag)),
            Err(error) => all[number].problem = Some(error.to_string()),
        }
    };
    let mut in_flight = FuturesUnordered::new();
    for number in 0..plan.files.len() {
        let due = start + plan.pause * u32::try_from(number).unwrap_or(u32::MAX);
        while in_flight.len() >= UPLOADS {
            in_flight.next().await;
        }
        while tokio::time::timeout_at(due, next_or_never(&mut in_flight)).await.is_ok() {}
        in_flight.push(one(number));
    }
    while in_flight.next().await.is_some() {}
}

/// The next that is done; waits for ever where none is in flight.
async fn next_or_never<F: Future<Output = ()>>(in_flight: &mut FuturesUnordered<F>) {
    if in_flight.next().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Looks at the table until every file has come to an end.
async fn follow(deployment: &Deployment, plan: &Plan, tracked: &RefCell<Vec<Tracked>>, bar: &ProgressBar) {
    let table = deployment.records();
    loop {
        tokio::time::sleep(LOOK).await;
        let open: Vec<BatchId> =
            tracked.borrow().iter().filter(|file| file.is_open()).filter_map(|file| file.batch_id.clone()).collect();
        // The time before the call: what the answer shows as open was open then.
        let asked = Instant::now();
        let seen = table.named(&open).await;
        let mut files = tracked.borrow_mut();
        match seen {
            Ok(records) => note(&mut files, records, asked),
            Err(error) if error.is_retryable() => bar.set_message(format!("still trying: {error}")),
            Err(error) => give_up_with(&mut files, &error.to_string()),
        }
        give_up_late(&mut files, plan.patience);
        show(&files, bar);
        if files.iter().all(|file| !file.is_open()) {
            return;
        }
    }
}

fn note(files: &mut [Tracked], records: Vec<BatchRecord>, asked: Instant) {
    let now = Instant::now();
    for record in records {
        let file = files.iter_mut().find(|file| file.batch_id.as_ref() == Some(&record.batch_id));
        let at = if record.status.has_ended() { now } else { asked };
        if let Some(file) = file {
            file.note(record, at);
        }
    }
}

fn give_up_with(files: &mut [Tracked], problem: &str) {
    let open = files.iter_mut().filter(|file| file.is_open() && file.batch_id.is_some());
    open.for_each(|file| file.problem = Some(problem.to_owned()));
}

fn give_up_late(files: &mut [Tracked], patience: Duration) {
    let late = |file: &&mut Tracked| file.is_open() && file.begun.is_some_and(|begun| begun.elapsed() > patience);
    files.iter_mut().filter(late).for_each(|file| file.given_up = true);
}

fn show(files: &[Tracked], bar: &ProgressBar) {
    let count = |so: fn(&Tracked) -> bool| files.iter().filter(|file| so(file)).count();
    let uploaded = count(|file| file.batch_id.is_some());
    let lost = count(|file| file.problem.is_some() || file.given_up);
    bar.set_position(count(|file| !file.is_open()) as u64);
    bar.set_message(match lost {
        0 => format!("{uploaded} uploaded"),
        lost => format!("{uploaded} uploaded, {lost} given up"),
    });
}

fn file_report(input: &Input, tracked: Tracked, start: Instant, interrupted: bool) -> FileReport {
    let record = tracked.record.as_ref();
    let ending = match (record.map(|record| record.status), &tracked.batch_id) {
        (Some(BatchStatus::Delivered), _) => Ending::Delivered,
        (Some(BatchStatus::Failed), _) => Ending::Failed,
        (_, Some(_)) => Ending::NotEnded,
        (_, None) if interrupted => Ending::NotEnded,
        (_, None) => Ending::NotUploaded,
    };
    FileReport {
        key: input.key.clone(),
        batch_id: tracked.batch_id.clone(),
        uploaded_after: tracked.begun.map_or(0.0, |begun| rounded((begun - start).as_secs_f64())),
        seconds: tracked.ended.map(|ended| rounded(ended.as_secs_f64())),
        outcome: ending,
        attempt: record.map(|record| record.attempt.number()),
        rows: record.and_then(|record| record.rows_in),
        reason: tracked.problem.clone().or_else(|| record.and_then(|record| record.reason.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_time_counts_only_as_far_as_the_looks_bear_it_out() {
        let upload = tandem_core::event::Upload {
            bucket: "b".into(),
            key: "input/a.csv".into(),
            etag: "e".into(),
            version_id: None,
            size: 1,
        };
        let begun = Instant::now();
        let (open, now) = (begun + Duration::from_secs(10), begun + Duration::from_secs(12));
        let seconds = |updated: &str| {
            let mut file = Tracked { begun: Some(begun), open_at: Some(open), ..Tracked::default() };
            let mut record = upload.first_claim("sales-orders", "us-east-1", updated);
            record.status = BatchStatus::Delivered;
            file.note(record, now);
            file.ended.map(|ended| ended.as_secs())
        };
        assert_eq!(seconds("2000-01-01T00:00:00.000Z"), Some(10));
        assert_eq!(seconds("2999-01-01T00:00:00.000Z"), Some(12));
        assert_eq!(seconds("no time"), Some(12));
    }
}
