//! Tandem's domain and its ports.
//!
//! Everything that decides something lives here: what a CSV record is, which rows are rejected, who owns a batch, what the
//! e-mail says. Nothing here knows an SDK, an environment variable, a clock or a socket: those arrive through [`ports`].
//! Functions and the command call into this crate; adapters in `tandem-aws` translate for it and decide nothing.

pub mod batch;
pub mod canary;
pub mod csv;
pub mod dataset;
pub mod delivery;
pub mod email;
pub mod enrich;
pub mod error;
pub mod event;
pub mod failover;
pub mod merge;
pub mod ownership;
pub mod payload;
pub mod ports;
pub mod protocol;
pub mod reconcile;
pub mod regions;
pub mod split;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod validate;
pub mod work;
