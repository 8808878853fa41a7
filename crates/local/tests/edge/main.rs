//! The edge in front of an emulator that is made up: what reaches it, and what callers get.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admission;
mod arc;
mod faults;
mod isolation;
mod range;
mod replication;
mod setup;
