//! Takes over unfinished batches and reports inputs that are missing.
