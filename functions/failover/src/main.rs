//! Wires `failover` to AWS.

fn main() {}
