//! What every function does around its work: decode the task, open a span, measure, name the error.

use std::future::Future;
use std::pin::Pin;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tandem_core::error::{Classified, ErrorType};
use tandem_core::payload::{BatchInput, ChunkTask};
use tracing::{Instrument, Span, error, info};

use crate::config::{ConfigError, region};
use crate::telemetry::Metrics;

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
}

/// Serves a function until Lambda ends the process.
///
/// # Errors
/// [`lambda_runtime::Error`] when the Region is unknown or the runtime's interface fails.
pub async fn run<F: Function>(function: F) -> Result<(), lambda_runtime::Error> {
    let region = region()?;
    let (function, region) = (&function, region.as_str());
    let serve = move |event: LambdaEvent<Value>| invoked(function, region, event.payload);
    lambda_runtime::run(service_fn(serve)).await
}

/// One invocation with its type erased: an SDK's futures nest deeper than the compiler lays out at once.
fn invoked<'a, F: Function>(function: &'a F, region: &'a str, event: Value) -> Pin<Box<Invocation<'a, F::Answer>>> {
    Box::pin(invoke(function, region, event))
}

type Invocation<'a, A> = dyn Future<Output = Result<A, Diagnostic>> + 'a;

/// One invocation: from the event to the answer, or to the name under which it failed.
///
/// # Errors
/// A [`Diagnostic`] whose type is one of [`ErrorType`]'s names.
pub async fn invoke<F: Function>(function: &F, region: &str, event: Value) -> Result<F::Answer, Diagnostic> {
    let mut metrics = Metrics::begin(F::NAME, region);
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
        function.handle(task, &mut metrics).await.map_err(|error| diagnostic(error.error_type(), &error))
    }
    .instrument(span.clone())
    .await;
    let _entered = span.enter();
    match &worked {
        Ok(_) => {
            info!("done");
            metrics.emit("ok");
        }
        Err(failed) => {
            error!(error_type = failed.error_type, "{}", failed.error_message);
            metrics.emit(&failed.error_type);
        }
    }
    worked
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
