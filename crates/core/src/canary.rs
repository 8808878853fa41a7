//! The canary: does a file come through, and would the other Region take it?
//!
//! From a third Region it sends a small file through the global endpoint as any user would, waits until the state table says
//! that it was delivered, and compares what was delivered with what must be, byte for byte. Nobody is e-mailed.
//!
//! Only one of the two Regions processes files, so of each Region by itself there is less to say: [`region`] says what, and
//! what that leaves open. A Region that is away neither holds up nor fails the check of the endpoint; what does not come to
//! its end is a failure at a named stage, and never an error without a report.

mod content;
mod global;
mod region;
mod report;
mod sample;

use std::future::Future;
use std::time::Duration;

use futures::future::{join, join_all};

pub use region::{AskStanding, Observed};
pub use report::{Global, Probe, Problem, RegionReport, Report, Stage, Standing};
pub use sample::{DATASET, REFERENCE, REFERENCE_FIELD, ROWS, Run};

use crate::ports::{Batches, Clock, LookupRecords, Pause, ReadObjects, WriteObjects};
use crate::protocol::{seconds_since, time_text};

/// The check, with what it needs.
#[derive(Debug)]
pub struct Canary<'a, E, O, B, L, A, T> {
    /// Objects behind the global endpoint.
    pub endpoint: &'a E,
    /// What stands for a bucket there: the access point's ARN.
    pub access_point: &'a str,
    /// The two Regions.
    pub regions: &'a [Observed<O, B, L, A>],
    /// Tells the time, and waits.
    pub time: &'a T,
    /// How long the file may take to its checked result. No call is begun after that.
    pub patience: Duration,
}

impl<E, O, B, L, A, T> Canary<'_, E, O, B, L, A, T>
where
    E: ReadObjects + WriteObjects,
    O: ReadObjects + WriteObjects,
    B: Batches,
    L: LookupRecords,
    A: AskStanding,
    T: Clock + Pause,
{
    /// Checks the endpoint and each Region. The endpoint's check is given up when `stop` is ready.
    pub async fn check(&self, run: &Run, stop: impl Future<Output = ()>) -> Report {
        let began = time_text(self.time.now());
        let regions = join_all(self.regions.iter().map(|region| region.probe(run, self.time)));
        let (global, regions) = join(self.endpoint_until(run, stop), regions).await;
        Report { run: run.to_string(), began, global, regions }
    }

    fn seconds(&self, since: &str) -> f64 {
        seconds_since(since, self.time.now())
    }
}
