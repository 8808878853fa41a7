//! `cargo +nightly fuzz run splitter`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tandem_fuzz::splitter::run(data));
