//! What every function does around its work: decode the task, open a span, measure, name the error.

mod deadline;
mod wrapper;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tandem_core::error::{Classified, ErrorType};
use tandem_core::payload::{BatchInput, ChunkTask};
use tandem_core::validate::ChunkOutcome;
use tracing::{Instrument, Span, error, info};

use crate::config::{ConfigError, region};
use crate::metering::meter;
use crate::telemetry::Metrics;

pub use deadline::Deadline;

/// A function's work, apart from how it is called.
pub trait Function {
    /// Folder, package, binary and metric dimension.
    const NAME: &'static str;
    /// What it is called with.
    type Task: DeserializeOwned;
    /// What it answers.
    type Answer: Serialize;
    /// What can go wrong.
    type Error: Classified;

    /// Says in the span and in the metrics what the unit of work is about.
    fn describe(task: &Self::Task, span: &Span, metrics: &mut Metrics);

    /// Does the work.
    fn handle(
        &self,
        task: Self::Task,
        metrics: &mut Metrics,
    ) -> impl Future<Output = Result<Self::Answer, Self::Error>>;

    /// Does the work, told when the invocation ends: for work that leaves something to put in order before that.
    fn handle_until(
        &self,
        task: Self::Task,
        _deadline: Deadline,
        metrics: &mut Metrics,
    ) -> impl Future<Output = Result<Self::Answer, Self::Error>> {
        self.handle(task, metrics)
    }
}

/// Serves a function until Lambda ends the process, within the wrapper that a layer brings, if one is named.
///
/// # Errors
/// [`lambda_runtime::Error`] when that cannot be started, the Region is unknown or the runtime's interface fails.
pub async fn run<F: Function>(function: F) -> Result<(), lambda_runtime::Error> {
    // Said here: what ends `main` is printed as a structure, without its message.
    wrapper::enter().inspect_err(|error| error!("{error}"))?;
    let region = region()?;
    let (function, region) = (&function, region.as_str());
    let serve = move |event: LambdaEvent<Value>| {
        let deadline = Deadline::at(event.context.deadline());
        invoked(function, region, event.payload, deadline)
    };
    lambda_runtime::run(service_fn(serve)).await
}

/// One invocation with its type erased: an SDK's futures nest deeper than the compiler lays out at once.
fn invoked<'a, F: Function>(
    function: &'a F,
    region: &'a str,
    event: Value,
    deadline: Deadline,
) -> Pin<Box<Invocation<'a, F::Answer>>> {
    Box::pin(invoke_until(function, region, event, deadline))
}

type Invocation<'a, A> = dyn Future<Output = Result<A, Diagnostic>> + 'a;

/// One invocation: from the event to the answer, or to the name under which it failed.
///
/// # Errors
/// A [`Diagnostic`] whose type is one of [`ErrorType`]'s names.
pub async fn invoke<F: Function>(function: &F, region: &str, event: Value) -> Result<F::Answer, Diagnostic> {
    invoke_until(function, region, event, Deadline::NONE).await
}

/// The same, with an end.
///
/// # Errors
/// As [`invoke`].
pub async fn invoke_until<F: Function>(
    function: &F,
    region: &str,
    event: Value,
    deadline: Deadline,
) -> Result<F::Answer, Diagnostic> {
    let mut metrics = Metrics::begin(F::NAME, region);
    // What came after the invocation before, or before the first, belongs to none.
    drop(meter().take());
    let span = tracing::info_span!(
        "work",
        function = F::NAME,
        region,
        batch_id = tracing::field::Empty,
        attempt = tracing::field::Empty,
        chunk = tracing::field::Empty,
    );
    let worked = async {
        let task = serde_json::from_value(event).map_err(|error| diagnostic(ErrorType::Internal, &error))?;
        F::describe(&task, &span, &mut metrics);
        // A panic is an error of this invocation: it is logged and measured as any other, and the process goes on.
        let work = AssertUnwindSafe(function.handle_until(task, deadline, &mut metrics)).catch_unwind().await;
        let done = work.map_err(|_| panicked())?;
        done.map_err(|error| diagnostic(error.error_type(), &error))
    }
    .instrument(span.clone())
    .await;
    let _entered = span.enter();
    match &worked {
        Ok(_) => {
            info!("done");
            metrics.emit("ok", &meter().take());
        }
        Err(failed) => {
            error!(error_type = failed.error_type, "{}", failed.error_message);
            metrics.emit(&failed.error_type, &meter().take());
        }
    }
    worked
}

/// What a panic is to Step Functions: a bug. Its message may hold a row's content, so it goes no further.
fn panicked() -> Diagnostic {
    let error_message = String::from("the function panicked");
    Diagnostic { error_type: ErrorType::Internal.as_str().to_owned(), error_message }
}

/// An error with its name, its message, and the messages of its sources.
fn diagnostic(error_type: ErrorType, error: &dyn std::error::Error) -> Diagnostic {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    Diagnostic { error_type: error_type.as_str().to_owned(), error_message: message }
}

impl From<ConfigError> for Diagnostic {
    fn from(error: ConfigError) -> Self {
        diagnostic(ErrorType::Internal, &error)
    }
}

/// Puts a batch's identity into the span and the metrics of a unit of work.
pub fn describe_batch(batch: &BatchInput, span: &Span, metrics: &mut Metrics) {
    span.record("batch_id", batch.batch_id.as_str());
    span.record("attempt", batch.attempt.number());
    metrics.property("batch_id", batch.batch_id.as_str());
    metrics.property("attempt", batch.attempt.number());
    metrics.property("dataset", batch.dataset.as_str());
}

/// Puts a chunk's identity into the span and the metrics of a unit of work.
pub fn describe_chunk(task: &ChunkTask, span: &Span, metrics: &mut Metrics) {
    describe_batch(&task.batch, span, metrics);
    span.record("chunk", task.chunk.chunk);
    metrics.property("chunk", task.chunk.chunk);
}

/// What came of a chunk, as metrics.
pub fn measure_chunk(outcome: &ChunkOutcome, metrics: &mut Metrics) {
    let ChunkOutcome::Worked(report) = outcome else {
        metrics.count("ChunksReused", 1);
        return;
    };
    metrics.count("ChunkRowsIn", report.rows_in);
    metrics.count("ChunkRowsRejected", report.rows_rejected);
    metrics.bytes("ChunkBytesIn", report.bytes_in);
    metrics.bytes("ChunkBytesOut", report.bytes_out);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use tandem_core::ports::ServiceError;
    use tracing_subscriber::EnvFilter;

    use super::*;
    use crate::telemetry::subscriber;

    /// Logs, and then does what its task's key says.
    struct Chunked;

    impl Function for Chunked {
        const NAME: &'static str = "chunked";
        type Task = ChunkTask;
        type Answer = ();
        type Error = ServiceError;

        fn describe(task: &ChunkTask, span: &Span, metrics: &mut Metrics) {
            describe_chunk(task, span, metrics);
        }

        async fn handle(&self, task: ChunkTask, _metrics: &mut Metrics) -> Result<(), ServiceError> {
            info!("working");
            match task.batch.key.as_str() {
                "panic" => panic!("row content"),
                "fail" => Err(ServiceError::Denied { operation: "s3:GetObject", message: "no".into() }),
                _ => Ok(()),
            }
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn task(key: &str) -> Value {
        json!({
            "batch": {
                "batch_id": "0123456789abcdef0123456789abcdef", "attempt": 3, "bucket": "b", "key": key, "etag": "e",
                "version_id": null, "size": 1, "dataset": "d",
            },
            "split": {"work_prefix": "w/", "layout": {"columns": 1, "positions": [0]}, "version_id": null},
            "chunk": {"chunk": 7, "start": 0, "end": 1, "first_row": 1, "rows": 1},
        })
    }

    /// The outcome of an invocation, and the lines that it logged.
    fn invoked(key: &str) -> (Result<(), Diagnostic>, Vec<Value>) {
        let lines = Lines::default();
        let writer = lines.clone();
        let logs = subscriber(EnvFilter::new("info"), move || writer.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome =
            tracing::subscriber::with_default(logs, || runtime.block_on(invoke(&Chunked, "us-east-1", task(key))));
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        (outcome, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    #[test]
    fn every_line_of_a_unit_of_work_says_which_it_is() {
        for key in ["work", "fail", "panic"] {
            let (_, lines) = invoked(key);
            assert!(lines.len() >= 2, "{lines:?}");
            for line in lines {
                let span = &line["span"];
                assert_eq!(
                    (&span["batch_id"], &span["attempt"], &span["chunk"], &span["region"]),
                    (&json!("0123456789abcdef0123456789abcdef"), &json!(3), &json!(7), &json!("us-east-1")),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn a_chunk_that_is_reused_counts_as_that_and_none_of_its_rows_do() {
        let mut metrics = Metrics::begin("validate", "us-east-1");
        measure_chunk(&ChunkOutcome::Reused, &mut metrics);
        assert_eq!((metrics.value("ChunksReused"), metrics.value("ChunkRowsIn")), (Some(1.0), None));
        let report = tandem_core::validate::ChunkReport { rows_in: 3, ..Default::default() };
        let mut metrics = Metrics::begin("validate", "us-east-1");
        measure_chunk(&ChunkOutcome::Worked(report), &mut metrics);
        assert_eq!((metrics.value("ChunksReused"), metrics.value("ChunkRowsIn")), (None, Some(3.0)));
    }

    #[test]
    fn an_error_keeps_its_stable_name_and_a_panic_is_internal_without_its_message() {
        assert_eq!(invoked("fail").0.unwrap_err().error_type, "Denied");
        let panicked = invoked("panic").0.unwrap_err();
        assert_eq!(panicked.error_type, "Internal");
        assert!(!panicked.error_message.contains("row content"));
    }
}
