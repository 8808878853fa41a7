//! Answers reference records over HTTP.
fn main() {}
