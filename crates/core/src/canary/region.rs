//! What can be said of one Region by itself.
//!
//! Four probes: its reconciler is asked how it stands, which takes a start of a function, its network and the TXT record; its
//! copy of the state table is read, consistently; its copy of the reference table must hold the canary's records; its bucket
//! must take a marker and give it back. So a standby whose permissions, tables, bucket or name lookup are broken is known
//! before it is needed.
//!
//! It does not say that the Region would process a file: its state machine, the other functions and the e-mail are tried only
//! while it is the active one, and the state table's writes by nothing that could be undone. Only a drill says that.

use std::future::Future;

use bytes::Bytes;

use super::global::read;
use super::{DATASET, Probe, Problem, REFERENCE, REFERENCE_FIELD, RegionReport, Run, Standing};
use crate::batch::BatchId;
use crate::dataset::RecordSource;
use crate::ports::{Batches, Clock, LookupRecords, LookupRequest, ObjectRef, ReadObjects, WriteObjects};
use crate::protocol::{seconds_since, time_text};

/// Asks a Region how it stands.
pub trait AskStanding: Send + Sync {
    /// Its reconciler's answer. Changes nothing.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    fn ask(&self) -> impl Future<Output = Result<Standing, String>> + Send;
}

/// One Region, as it is reached from outside.
#[derive(Debug)]
pub struct Observed<O, B, L, A> {
    /// Its name.
    pub name: String,
    /// Its bucket.
    pub bucket: String,
    /// Objects of its bucket.
    pub objects: O,
    /// Its copy of the state table.
    pub batches: B,
    /// Its copy of the reference table.
    pub reference: L,
    /// Its reconciler.
    pub functions: A,
}

impl<O: ReadObjects + WriteObjects, B: Batches, L: LookupRecords, A: AskStanding> Observed<O, B, L, A> {
    /// Makes all probes at once. How long each may take is its client's to bound.
    pub(super) async fn probe(&self, run: &Run, clock: &impl Clock) -> RegionReport {
        let began = time_text(clock.now());
        let (standing, state, reference, bucket) =
            futures::join!(self.standing(), self.state(run), self.reference(), self.marker(run));
        let problem = |probe, result: Result<(), String>| Some(Problem { probe, reason: result.err()? });
        let (standing, silent) = match standing {
            Ok(standing) => (Some(standing), Ok(())),
            Err(reason) => (None, Err(reason)),
        };
        let problems: Vec<Problem> = [
            problem(Probe::Function, silent),
            problem(Probe::StateTable, state),
            problem(Probe::ReferenceTable, reference),
            problem(Probe::Bucket, bucket),
        ]
        .into_iter()
        .flatten()
        .collect();
        let seconds = seconds_since(&began, clock.now());
        RegionReport { region: self.name.clone(), reachable: problems.is_empty(), seconds, standing, problems }
    }

    async fn standing(&self) -> Result<Standing, String> {
        let standing = self.functions.ask().await?;
        if standing.region == self.name {
            return Ok(standing);
        }
        Err(format!("its reconciler says that it is in {}", standing.region))
    }

    /// Whether there is such a record does not matter, only that the table says so.
    async fn state(&self, run: &Run) -> Result<(), String> {
        let asked = self.batches.get(&BatchId::of(&run.key(), "")).await;
        asked.map(drop).map_err(|error| error.to_string())
    }

    async fn reference(&self) -> Result<(), String> {
        let (keys, fields) = (REFERENCE.map(|(key, _)| key), [REFERENCE_FIELD.to_owned()]);
        let request = LookupRequest { source: &RecordSource::Table, table: DATASET, fields: &fields, keys: &keys };
        let answer = self.reference.lookup(&request).await.map_err(|error| error.to_string())?;
        if !answer.unprocessed.is_empty() {
            return Err(String::from("it left keys unprocessed: it is throttled"));
        }
        let mut right = 0;
        for (key, mut values) in answer.records.iter() {
            right += usize::from(REFERENCE.get(key).map(|(_, mark)| *mark) == values.next());
        }
        let all = REFERENCE.len();
        if right == all {
            return Ok(());
        }
        Err(format!(
            "of the canary's {all} records {right} are there as they should be: `tandem canary --prepare` loads them"
        ))
    }

    async fn marker(&self, run: &Run) -> Result<(), String> {
        let (key, content) = (format!("{DATASET}/{}.txt", self.name), format!("{run} {}\n", self.name));
        let written = self.objects.write(&self.bucket, &key, "text/plain", Bytes::from(content.clone())).await;
        let version_id = written.map_err(|error| error.to_string())?.version_id;
        let object = ObjectRef { bucket: self.bucket.clone(), key, etag: None, version_id };
        match read(&self.objects, &object).await {
            Ok(found) if found == content.as_bytes() => Ok(()),
            Ok(_) => Err(String::from("it gives another content back than it took")),
            Err(error) => Err(error.to_string()),
        }
    }
}
