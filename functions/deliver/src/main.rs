//! Fences, mails the links, and ends a batch.
fn main() {}
