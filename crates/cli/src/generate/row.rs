//! One row being made: fields as bytes, so that a row can also hold what is no text.

use std::fmt;
use std::io::{self, Write};

/// The fields of a row. Its buffers are used again for the next row.
#[derive(Debug, Default)]
pub struct Row {
    fields: Vec<Vec<u8>>,
    used: usize,
}

impl Row {
    /// Forgets every field.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Appends a field.
    pub fn push(&mut self, value: impl fmt::Display) {
        let field = self.next();
        // Writing to a Vec cannot fail.
        let _ = write!(field, "{value}");
    }

    /// Takes the last field away.
    pub fn pop(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// The field at this position, to be changed.
    pub fn field_mut(&mut self, position: usize) -> Option<&mut Vec<u8>> {
        self.fields[..self.used].get_mut(position)
    }

    /// The fields.
    pub fn fields(&self) -> &[Vec<u8>] {
        &self.fields[..self.used]
    }

    fn next(&mut self) -> &mut Vec<u8> {
        if self.used == self.fields.len() {
            self.fields.push(Vec::with_capacity(32));
        }
        let field = &mut self.fields[self.used];
        field.clear();
        self.used += 1;
        field
    }

    /// Writes the row as one CSV record, with quotes where they are necessary.
    pub fn write(&self, out: &mut impl Write, delimiter: u8) -> io::Result<()> {
        for (position, field) in self.fields().iter().enumerate() {
            if position > 0 {
                out.write_all(&[delimiter])?;
            }
            write_field(out, field, delimiter)?;
        }
        out.write_all(b"\n")
    }
}

fn write_field(out: &mut impl Write, field: &[u8], delimiter: u8) -> io::Result<()> {
    let special = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\r' | b'\n');
    if !field.iter().any(special) {
        return out.write_all(field);
    }
    out.write_all(b"\"")?;
    for piece in field.split_inclusive(|byte| *byte == b'"') {
        out.write_all(piece)?;
        if piece.ends_with(b"\"") {
            out.write_all(b"\"")?;
        }
    }
    out.write_all(b"\"")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_field_is_quoted_only_where_it_must_be() {
        let mut row = Row::default();
        row.push("plain");
        row.push("a;b");
        row.push("say \"so\"");
        row.push("two\nlines");
        row.push("");
        let mut out = Vec::new();
        row.write(&mut out, b';').unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "plain;\"a;b\";\"say \"\"so\"\"\";\"two\nlines\";\n");
    }

    #[test]
    fn a_cleared_row_holds_nothing_of_the_one_before() {
        let mut row = Row::default();
        row.push("long enough to show");
        row.clear();
        row.push("x");
        assert_eq!(row.fields(), [b"x".to_vec()]);
    }
}
