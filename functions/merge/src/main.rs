//! Joins the parts of all chunks to one output and one rejects file.
fn main() {}
