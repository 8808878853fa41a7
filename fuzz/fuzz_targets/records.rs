//! `cargo +nightly fuzz run records`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tandem_fuzz::records::run(data));
