//! Fuzz targets: what must hold for any bytes whatever.
//!
//! Each target takes bytes and panics where a promise is broken. The same functions are run by `tests/short`, on stable Rust
//! with the corpus and a fixed number of its mutations, and by cargo-fuzz, guided by coverage, for as long as one likes; the
//! commands for that are in docs/DEVELOPMENT.md.

#![allow(clippy::expect_used, clippy::panic, reason = "a target that cannot go on has found what it looks for")]

pub mod datasets;
pub mod events;
pub mod lines;
pub mod records;
pub mod splitter;

/// A target: its name, which is that of its corpus, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 4] =
    [("splitter", splitter::run), ("records", records::run), ("datasets", datasets::run), ("events", events::run)];
