//! Two Regions on one machine.
//!
//! The cloud is an emulator, a Python program in an environment of its own; in front of it stands the [`edge`], which every
//! call passes; beside it the [`dns`] names the active Region. [`deploy`] brings the deployed artefacts in as a user would,
//! and [`supervisor`] starts and ends it all. Files are under `.tandem/`, sockets on 127.0.0.1.

pub mod admin;
pub mod arc;
pub mod deploy;
pub mod dns;
pub mod edge;
mod emulator;
pub mod functions;
mod json_http;
mod mailbox;
mod options;
mod process;
mod python;
mod state;
pub mod supervisor;
mod xml;

pub use emulator::foreign_settings;
pub use mailbox::{Email, mailbox};
pub use options::{CANARY_REGION, Options, Paths, RoutingMode};
pub use process::ProcessId;
pub use state::{LocalState, Mrap};
pub use supervisor::{
    Interrupted, LocalStatus, Started, down, prepare, serve, serve_arguments, status, up_detached, up_foreground,
};
pub use tandem_deploy::progress::{self, Progress, Stage, StageProgress};
