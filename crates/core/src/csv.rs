//! CSV as this system means it: RFC 4180, the way `csv-core` reads it with `\n` as the line end.
//!
//! A quote opens a field only at the field's start; `""` inside quotes is a quote; what follows a closing quote up to the
//! delimiter is taken as it stands. One `\r` before the `\n`, or at the end of the file, belongs to the line end. Lines with
//! nothing in them are blank and count for nothing. [`LineEnds`] finds where records end, [`Records`] cuts them out of
//! buffers, [`Fields`] takes them apart, [`Writer`] makes new ones.

mod fields;
mod formula;
mod records;
mod scan;
mod write;

pub use fields::{Fields, Record, Text};
pub use records::Records;
pub use scan::LineEnds;
pub use write::Writer;

/// The longest record, line end included, in bytes.
pub const MAX_RECORD: usize = 1024 * 1024;

/// A line without its line end.
pub(crate) fn strip_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
