//! `tandem put`: uploads a file through the Multi-Region Access Point and, if asked to, waits for its result.

mod file;
mod wait;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use tandem_aws::mrap::UploadError;
use tandem_core::batch::{BatchId, BatchRecord, BatchStatus};
use tandem_core::canary;
use tandem_core::dataset::{DEFAULT_DATASET, Datasets, folder_of_no_dataset};
use tandem_core::event::{INPUT_PREFIX, Upload};
use tandem_core::ports::StoredObject;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::deployment::{Deployment, Which};
use crate::exit::{GoesOn, Interrupted, LOST, Status, interruption, status_of, usage};
use crate::links::{self, Links};
use crate::status;
use crate::terminal::{bytes_bar, coloured, grouped, one_line};

/// Longest key that S3 takes, in bytes.
const LONGEST_KEY: usize = 1024;

/// Arguments of `put`.
#[derive(Debug, Clone, Args)]
pub struct PutArgs {
    /// The file to upload
    pub file: PathBuf,
    /// Dataset whose rules apply; the file goes to input/<DATASET>/<file name>
    #[arg(long, default_value = DEFAULT_DATASET)]
    pub dataset: String,
    /// Upload under exactly this key, below input/ and ending in .csv; its first folder names the dataset
    #[arg(long = "as", value_name = "KEY", conflicts_with = "dataset")]
    pub key: Option<String>,
    /// Wait for the result, and show the stages as they happen
    #[arg(long)]
    pub wait: bool,
    /// Give up waiting after so many seconds; the batch goes on
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub timeout: u64,
    /// Print one JSON object about the batch
    #[arg(long)]
    pub json: bool,
}

/// Uploads, and waits if asked to.
///
/// # Errors
/// When the file was not uploaded or, with `--wait`, the batch was not delivered; see [`crate::exit`].
pub async fn run(args: &PutArgs, which: &Which) -> anyhow::Result<()> {
    let size = file::size_of(&args.file)?;
    if args.key.is_none() {
        check_dataset(&args.dataset, which.datasets().ok().as_ref())?;
    }
    let key = key_of(args)?;
    let deployment = which.find().await?;
    let (begun, since) = (Instant::now(), OffsetDateTime::now_utc());
    let stored = upload(&deployment, args, &key, size).await?;
    let mut outcome = Outcome::of(BatchId::of(&key, &stored.etag), key);
    if !args.wait {
        outcome.print(args);
        return Ok(());
    }
    let patience = Duration::from_secs(args.timeout);
    let waited = tokio::select! {
        waited = wait::until_ended(&deployment, &outcome.batch_id, begun, patience, !args.json) => waited,
        () = interruption() => Err(left(&outcome.batch_id).into()),
    };
    let ended = match waited {
        Ok((record, at_once)) => {
            outcome.ended_before = at_once && is_older(&record, since);
            Ok(record)
        }
        Err(given_up) => Err((wait::look_once(&deployment, &outcome.batch_id).await, given_up)),
    };
    outcome.seconds = ended.is_ok().then(|| begun.elapsed().as_secs_f64());
    outcome.conclude(args, &deployment, ended).await
}

/// What is said to whom stops waiting.
fn left(batch_id: &BatchId) -> GoesOn {
    GoesOn(format!("interrupted: the batch goes on, and `tandem status {batch_id}` follows it"))
}

/// Whether a batch was claimed before this moment.
fn is_older(record: &BatchRecord, moment: OffsetDateTime) -> bool {
    OffsetDateTime::parse(&record.created, &Rfc3339).is_ok_and(|created| created < moment)
}

/// Whether a dataset is one of those of the project, where there is one: files of any other become sales orders, and fail as such.
fn check_dataset(dataset: &str, known: Option<&Datasets>) -> anyhow::Result<()> {
    let Some(known) = known.filter(|known| known.named(dataset).is_err()) else { return Ok(()) };
    // The canary's files are its own: whoever asks what there is has none for it.
    let names = known.iter().map(|dataset| dataset.name.as_str()).filter(|name| *name != canary::DATASET);
    let names = names.collect::<Vec<_>>().join(", ");
    Err(usage(format!(
        "There is no dataset {dataset:?}; name one of: {names}. If it is deployed all the same: --as {INPUT_PREFIX}{dataset}/<name>.csv"
    )))
}

/// The key to upload under.
fn key_of(args: &PutArgs) -> anyhow::Result<String> {
    let key = match &args.key {
        Some(key) => key.clone(),
        None => default_key(&args.dataset, &args.file)?,
    };
    checked(key)
}

/// A key that an upload may have.
fn checked(key: String) -> anyhow::Result<String> {
    let upload = Upload { bucket: String::new(), key, etag: String::new(), version_id: None, size: 0 };
    if !upload.is_input() {
        let remedy = "name one with --as input/<dataset>/<name>.csv";
        return Err(usage(format!(
            "the key {:?} would start nothing, because it is not below {INPUT_PREFIX} or does not end in .csv: {remedy}",
            upload.key
        )));
    }
    if upload.key.len() > LONGEST_KEY {
        return Err(usage(format!("the key has {} bytes, but S3 takes {LONGEST_KEY} at most", upload.key.len())));
    }
    Ok(upload.key)
}

fn default_key(dataset: &str, file: &Path) -> anyhow::Result<String> {
    let name = file.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| usage(format!("{} has no name that can be a key: give one with --as", file.display())))?;
    if dataset.is_empty() || dataset.contains('/') {
        return Err(usage(format!("{dataset:?} is no dataset's name")));
    }
    Ok(format!("{INPUT_PREFIX}{dataset}/{name}"))
}

/// The key of a file that is uploaded under a name alone.
///
/// # Errors
/// When the name is none, would lead elsewhere, or start nothing; the message says what to do.
pub fn key_of_name(dataset: &str, name: &str) -> anyhow::Result<String> {
    let elsewhere = |letter: char| letter.is_control() || matches!(letter, '/' | '\\');
    if name.is_empty() || name.contains(elsewhere) || Path::new(name).file_name() != Some(name.as_ref()) {
        return Err(usage(format!("{:?} can be no file's name in a key: rename the file", one_line(name))));
    }
    file::check_name(name)?;
    checked(default_key(dataset, Path::new(name))?)
}

async fn upload(deployment: &Deployment, args: &PutArgs, key: &str, size: u64) -> anyhow::Result<StoredObject> {
    let bar = bytes_bar(size, "uploading");
    let stored = deployment.uploader().upload(&args.file, key, &|bytes| bar.inc(bytes), interruption()).await;
    bar.finish_and_clear();
    let error = match stored {
        Ok(stored) => return Ok(stored),
        // Its id is made of the answer that did not come.
        Err(UploadError::Interrupted) => {
            let told = "the upload was given up; if the file arrived all the same, `tandem status` shows its batch";
            return Err(anyhow::Error::from(Interrupted).context(told));
        }
        // By itself it is found in the chain, and decides the exit status.
        Err(UploadError::Service(error)) => anyhow::Error::from(error),
        Err(error) => error.into(),
    };
    let remedy = if status_of(&error) == Status::Unreachable { format!(" ({LOST})") } else { String::new() };
    Err(error.context(format!("{} was not uploaded{remedy}", args.file.display())))
}

/// What became of the upload.
struct Outcome {
    batch_id: BatchId,
    key: String,
    record: Option<BatchRecord>,
    links: Option<Links>,
    seconds: Option<f64>,
    /// Whether the batch had ended before this upload began, which changed nothing then.
    ended_before: bool,
}

impl Outcome {
    /// Of an upload of which no more is known.
    fn of(batch_id: BatchId, key: String) -> Self {
        Self { batch_id, key, record: None, links: None, seconds: None, ended_before: false }
    }

    /// Prints the outcome, and answers with the error that decides the exit status.
    async fn conclude(
        mut self,
        args: &PutArgs,
        deployment: &Deployment,
        ended: Result<BatchRecord, (Option<BatchRecord>, anyhow::Error)>,
    ) -> anyhow::Result<()> {
        let (record, given_up) = match ended {
            Ok(record) => (Some(record), None),
            Err((record, given_up)) => (record, Some(given_up)),
        };
        self.record = record;
        let mut given_up = given_up;
        if let Some(record) = self.record.as_ref().filter(|record| record.status == BatchStatus::Delivered) {
            match links::of(&deployment.links(), record).await {
                Ok(links) => self.links = Some(links),
                // The batch is told of all the same.
                Err(error) => given_up = given_up.or(Some(error)),
            }
        }
        self.print(args);
        match (given_up, self.record) {
            (Some(given_up), _) => Err(given_up),
            (None, Some(record)) if record.status == BatchStatus::Failed => {
                let reason = record.reason.as_deref().unwrap_or("no reason was recorded");
                anyhow::bail!("the batch failed: {}{}", one_line(reason), read_as(&record))
            }
            (None, _) => Ok(()),
        }
    }

    fn print(&self, args: &PutArgs) {
        if args.json {
            outln!("{}", self.json(args));
        } else {
            out!("{}", self.text());
        }
    }

    fn json(&self, args: &PutArgs) -> Value {
        let record = self.record.as_ref();
        let assumed = || args.key.is_none().then_some(args.dataset.as_str());
        json!({
            "batch_id": self.batch_id,
            "key": self.key,
            "dataset": record.map(|record| record.dataset.as_str()).or_else(assumed),
            "status": record.map_or("UPLOADED", |record| record.status.as_str()),
            "region": record.map(|record| &record.owner_region),
            "attempt": record.map(|record| record.attempt),
            "rows_in": record.and_then(|record| record.rows_in),
            "rows_out": record.and_then(|record| record.rows_out),
            "rows_rejected": record.and_then(|record| record.rows_rejected),
            "seconds": self.seconds.map(|seconds| (seconds * 1000.0).round() / 1000.0),
            "output_link": self.links.as_ref().map(|links| &links.output),
            "rejects_link": self.links.as_ref().and_then(|links| links.rejects.as_ref()),
            "reason": record.and_then(|record| record.reason.as_ref()),
            "failed_state": record.and_then(|record| record.failed_state.as_ref()),
            "ended_before": self.ended_before,
        })
    }

    fn text(&self) -> String {
        let Some(record) = &self.record else {
            let id = &self.batch_id;
            return format!(
                "uploaded as {}\nbatch {id}\nsee how it goes with: tandem status {id}\n",
                one_line(&self.key)
            );
        };
        let mut text = format!("batch {} {} in {}", record.batch_id, coloured(record.status), record.owner_region);
        if let Some(seconds) = self.seconds.filter(|_| !self.ended_before) {
            text += &format!(" after {seconds:.2} s");
        }
        text += "\n";
        if self.ended_before {
            text += &already(record);
        }
        if let (Some(rows_in), Some(out), Some(rejected)) = (record.rows_in, record.rows_out, record.rows_rejected) {
            text +=
                &format!("{} rows in, {} delivered, {} rejected\n", grouped(rows_in), grouped(out), grouped(rejected));
        }
        if let Some(links) = &self.links {
            text += &format!("output: {}\n", links.output);
            if let Some(rejects) = &links.rejects {
                text += &format!("rejects: {rejects}\n");
            }
        }
        if let Some(way) = status::why_rejected(record) {
            text += &format!("why: {way}\n");
        }
        text
    }
}

/// That a file was read as another dataset's than its folder seems to say, which may be why it is at fault.
fn read_as(record: &BatchRecord) -> String {
    let dataset = &record.dataset;
    let folder = folder_of_no_dataset(&record.key, dataset).filter(|_| !record.gives_up);
    folder.map_or_else(String::new, |folder| {
        format!(" (its folder {} named no dataset when it came, so it was read as one of {dataset})", one_line(folder))
    })
}

/// That the same file came under the same key before, and what does its work again.
fn already(record: &BatchRecord) -> String {
    let ended = if record.status == BatchStatus::Delivered { "delivered" } else { "failed" };
    let (at, id) = (&record.updated, &record.batch_id);
    format!(
        "this file was {ended} already under this key, at {at}: nothing was done again; `tandem rerun {id}` does it again\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_whose_folder_named_no_dataset_is_said_to_have_been_read_as_one_of_the_default() {
        let read = |key: &str| {
            let upload = Upload { bucket: "b".into(), key: key.into(), etag: "e".into(), version_id: None, size: 1 };
            upload.first_claim("sales-orders", "us-east-1", "2026-01-01T00:00:00.000Z")
        };
        let mut record = read("input/loans/a.csv");
        assert!(read_as(&record).contains("its folder loans named no dataset"));
        // The file is not at fault.
        record.gives_up = true;
        assert_eq!(read_as(&record), "");
        for key in ["input/sales-orders/a.csv", "input/a.csv", "input//a.csv"] {
            assert_eq!(read_as(&read(key)), "", "{key}");
        }
    }

    fn args(file: &str, key: Option<&str>) -> PutArgs {
        PutArgs {
            file: file.into(),
            dataset: "price-list".into(),
            key: key.map(str::to_owned),
            wait: false,
            timeout: 1,
            json: false,
        }
    }

    #[test]
    fn a_file_goes_below_its_dataset_under_its_own_name() {
        assert_eq!(key_of(&args("/tmp/a b+%€.csv", None)).unwrap(), "input/price-list/a b+%€.csv");
    }

    #[test]
    fn a_name_that_is_a_path_or_holds_what_nobody_types_is_refused() {
        assert_eq!(key_of_name("price-list", "a b+%€.csv").unwrap(), "input/price-list/a b+%€.csv");
        let long = format!("{}.csv", "x".repeat(1024));
        assert!(key_of_name("price-list", "a.xlsx").unwrap_err().to_string().contains("export it as CSV"));
        for name in ["", ".", "..", "../x.csv", "a/b.csv", "/x.csv", "a\\b.csv", "a\nb.csv", "a\0.csv", "x.txt", &long]
        {
            assert_eq!(status_of(&key_of_name("price-list", name).unwrap_err()), Status::Usage, "{name:?}");
        }
        for dataset in ["", "a/b", "../x"] {
            assert!(key_of_name(dataset, "x.csv").is_err(), "{dataset:?}");
        }
    }

    #[test]
    fn a_dataset_that_is_none_of_the_projects_is_wrong_use() {
        let definition = include_str!("../../../assets/datasets/sales-orders.json");
        let datasets = Datasets::load([("sales-orders", definition), (canary::DATASET, definition)]).unwrap();
        for name in ["sales-orders", canary::DATASET] {
            assert!(check_dataset(name, Some(&datasets)).is_ok());
        }
        // Outside a project, nobody knows which there are.
        assert!(check_dataset("loans", None).is_ok());
        let error = check_dataset("loans", Some(&datasets)).unwrap_err();
        assert_eq!(status_of(&error), Status::Usage);
        let message = error.to_string();
        assert!(
            message.contains("one of: sales-orders. If") && message.contains("--as input/loans/<name>.csv"),
            "{message}"
        );
    }

    #[test]
    fn a_key_that_is_given_is_used_exactly() {
        for key in ["input/a.csv", "input/../x.csv", "input/a//b c.csv", "input/%2e.csv"] {
            assert_eq!(key_of(&args("x", Some(key))).unwrap(), key);
        }
    }

    #[test]
    fn a_key_that_would_start_nothing_is_refused_as_wrong_use() {
        let long = format!("input/{}.csv", "x".repeat(1024));
        for key in ["output/a.csv", "a.csv", "input/a.txt", "/input/a.csv", "input/a.CSV", &long] {
            assert_eq!(status_of(&key_of(&args("x", Some(key))).unwrap_err()), Status::Usage, "{key}");
        }
        for file in ["notes.txt", "/", ".."] {
            assert_eq!(status_of(&key_of(&args(file, None)).unwrap_err()), Status::Usage, "{file}");
        }
    }

    #[test]
    fn what_is_printed_as_json_has_every_field_whatever_is_known() {
        let batch_id = BatchId::of("input/a.csv", "e");
        let outcome = Outcome::of(batch_id, "input/a.csv".into());
        let object = outcome.json(&args("a.csv", None));
        for field in [
            "batch_id",
            "key",
            "dataset",
            "status",
            "region",
            "attempt",
            "rows_in",
            "rows_out",
            "rows_rejected",
            "seconds",
            "output_link",
            "rejects_link",
            "reason",
            "failed_state",
            "ended_before",
        ] {
            assert!(object.get(field).is_some(), "{field}");
        }
        assert_eq!(object["status"], "UPLOADED");
        assert_eq!(object["dataset"], "price-list");
    }

    fn delivered(updated: &str) -> Outcome {
        let upload =
            Upload { bucket: "b".into(), key: "input/a.csv".into(), etag: "e".into(), version_id: None, size: 1 };
        let mut record = upload.first_claim("sales-orders", "us-east-1", "2026-01-01T00:00:00.000Z");
        record.status = BatchStatus::Delivered;
        record.updated = updated.into();
        let outcome = Outcome::of(record.batch_id.clone(), record.key.clone());
        Outcome { record: Some(record), seconds: Some(0.03), ..outcome }
    }

    #[test]
    fn a_file_that_was_delivered_before_is_told_with_the_time_and_what_does_it_again() {
        console::set_colors_enabled(false);
        let updated = "2026-01-01T00:00:05.000Z";
        let mut outcome = delivered(updated);
        assert!(outcome.text().contains("DELIVERED in us-east-1 after 0.03 s\n"), "{}", outcome.text());
        assert_eq!(outcome.json(&args("a.csv", None))["ended_before"], false);
        outcome.ended_before = true;
        let text = outcome.text();
        let remedy = format!("`tandem rerun {}`", outcome.batch_id);
        assert!(text.contains(updated) && text.contains("nothing was done again") && text.contains(&remedy), "{text}");
        assert!(!text.contains("after 0.03 s"), "{text}");
        assert_eq!(outcome.json(&args("a.csv", None))["ended_before"], true);
    }

    #[test]
    fn only_a_batch_that_was_claimed_before_the_upload_is_an_older_one() {
        let record = delivered("2026-01-01T00:00:05.000Z").record.unwrap();
        assert!(is_older(&record, time::macros::datetime!(2026-01-01 00:00:01 UTC)));
        assert!(!is_older(&record, time::macros::datetime!(2025-12-31 23:59:59 UTC)));
    }

    #[test]
    fn who_stops_waiting_is_told_that_the_batch_goes_on() {
        let outcome = delivered("");
        let error = anyhow::Error::from(left(&outcome.batch_id));
        assert_eq!(status_of(&error), Status::GivenUp);
        let remedy = format!("goes on, and `tandem status {}`", outcome.batch_id);
        assert!(error.to_string().contains(&remedy), "{error}");
    }
}
