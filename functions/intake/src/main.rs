//! Claims an uploaded file for the active Region and starts its execution.
fn main() {}
