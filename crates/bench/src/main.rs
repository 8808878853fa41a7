//! Measures Tandem beside what its users would pick instead, and draws what it measured.

fn main() {}
