//! The whole path of a file over in-memory ports: split, validate, enrich, merge.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bad_files;
mod canary;
mod csv_semantics;
mod definitions;
mod extremes;
mod formulas;
mod laws;
mod merging;
mod resuming;
mod rows;
mod support;
mod work_format;
