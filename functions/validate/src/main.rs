//! Applies a dataset's rules to the rows of one chunk.
fn main() {}
