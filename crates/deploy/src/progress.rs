//! The stages of a start or a deployment, reported to whoever draws them.

use serde::{Deserialize, Serialize};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// What the step is about, for example `emulator` or `tandem-local-storage us-east-1`.
    pub name: String,
    /// How far it is.
    pub progress: StageProgress,
}

/// How far a [`Stage`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StageProgress {
    /// It has begun.
    Started,
    /// It is done, after so many milliseconds.
    Done {
        /// Milliseconds since it began.
        milliseconds: u64,
    },
    /// It was not needed.
    Skipped,
    /// It failed; the error that ends the start says why.
    Failed,
}

/// Receives the stages as they happen, from several tasks at once.
pub trait Progress: Send + Sync {
    /// One stage begins or ends.
    fn stage(&self, stage: Stage);
}

impl<F: Fn(Stage) + Send + Sync> Progress for F {
    fn stage(&self, stage: Stage) {
        self(stage);
    }
}

/// Runs a step and reports its beginning and its end.
///
/// # Errors
/// The step's own.
pub async fn step<T, E>(progress: &dyn Progress, name: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let report = |progress_of| progress.stage(Stage { name: name.to_owned(), progress: progress_of });
    report(StageProgress::Started);
    let start = std::time::Instant::now();
    let result = work.await;
    report(match &result {
        Ok(_) => StageProgress::Done { milliseconds: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX) },
        Err(_) => StageProgress::Failed,
    });
    result
}
