//! Wires `reconcile` to AWS.

fn main() {}
