//! Tandem's AWS adapters.
//!
//! One file for each service, each behind a Cargo feature, so that a function links only the SDKs that it uses. Adapters
//! translate between the ports of `tandem-core` and the SDKs and decide nothing.

pub mod access_point;
#[cfg(feature = "dns")]
pub mod active_region;
#[cfg(feature = "arc")]
pub mod arc;
#[cfg(feature = "dynamodb")]
pub mod batch_list;
#[cfg(feature = "dynamodb")]
pub mod batches;
pub mod clock;
pub mod config;
pub mod datasets;
pub mod error;
#[cfg(feature = "sfn")]
pub mod executions;
#[cfg(feature = "lambda")]
pub mod invoke;
pub mod lambda;
#[cfg(feature = "logs")]
pub mod log_lines;
#[cfg(feature = "lookup-api")]
pub mod lookup_api;
#[cfg(feature = "ses")]
pub mod mail;
pub mod metering;
#[cfg(feature = "s3")]
pub mod mrap;
#[cfg(feature = "s3control")]
pub mod mrap_routes;
#[cfg(feature = "s3")]
pub mod objects;
#[cfg(feature = "sqs")]
pub mod queue;
#[cfg(feature = "dynamodb")]
pub mod reference;
#[cfg(feature = "dynamodb")]
pub mod reference_load;
#[cfg(feature = "dynamodb")]
pub mod rejects;
#[cfg(feature = "route53")]
pub mod route53;
pub mod telemetry;
#[cfg(feature = "sfn")]
pub mod workflow;
