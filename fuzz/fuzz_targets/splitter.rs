//! `splitter`, as cargo-fuzz runs it: docs/DEVELOPMENT.md says how.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tandem_fuzz::splitter::run(data));
