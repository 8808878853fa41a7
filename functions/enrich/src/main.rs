//! Joins reference data to the valid rows of one chunk.
fn main() {}
