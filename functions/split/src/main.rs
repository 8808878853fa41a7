//! Finds the record-aligned chunks of an input and writes their manifest.
fn main() {}
