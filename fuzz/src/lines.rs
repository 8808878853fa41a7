//! Lines outside quotes, found one byte at a time: slow, short and obvious, beside the scanner that jumps.

use std::ops::Range;

/// The lines of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Lines {
    /// Each line with its line end; the last may have none.
    pub ranges: Vec<Range<usize>>,
    /// Whether the file ends inside quotes.
    pub open: bool,
    /// The last byte that stands outside quotes.
    pub last_outside: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    FieldStart,
    Plain,
    Quoted,
    BehindQuote,
}

/// Finds the lines of `file` from `start` on.
#[must_use]
pub fn lines(file: &[u8], start: usize, delimiter: u8) -> Lines {
    let (mut ranges, mut begun, mut at) = (Vec::new(), start, At::FieldStart);
    let mut last_outside = None;
    for (index, &byte) in file.iter().enumerate().skip(start) {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::BehindQuote,
            (At::Quoted, _) | (At::BehindQuote | At::FieldStart, b'"') => At::Quoted,
            (_, b'\n') => {
                ranges.push(begun..index + 1);
                begun = index + 1;
                At::FieldStart
            }
            (_, byte) if byte == delimiter => At::FieldStart,
            _ => At::Plain,
        };
        if matches!(at, At::FieldStart | At::Plain) {
            last_outside = Some(index);
        }
    }
    if begun < file.len() {
        ranges.push(begun..file.len());
    }
    Lines { ranges, open: at == At::Quoted, last_outside }
}

/// A line without its line end.
#[must_use]
pub fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Cuts bytes into buffers, some of them empty, in a way that depends on the seed alone; seed 0 gives one buffer.
pub fn buffers(bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut state) = (bytes, u32::from(seed));
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // The constants of any linear congruential generator would do.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let longest = if seed == 0 { rest.len() } else { (state >> 24) as usize % usize::from(seed) };
        let (buffer, behind) = rest.split_at(longest.min(rest.len()));
        rest = behind;
        Some(buffer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_outside_quotes_only() {
        let file = b"a,\"b\n\"\"c\"\nd\"\n\"";
        assert_eq!(
            lines(file, 0, b','),
            Lines { ranges: vec![0..10, 10..13, 13..14], open: true, last_outside: Some(12) }
        );
        assert_eq!(without_end(b"x\r\r\n"), b"x\r");
    }

    #[test]
    fn buffers_are_all_of_the_bytes_in_order() {
        let bytes: Vec<u8> = (0..=255).collect();
        for seed in 2..=255 {
            assert_eq!(buffers(&bytes, seed).flatten().copied().collect::<Vec<u8>>(), bytes);
        }
        assert_eq!(buffers(&bytes, 0).count(), 1);
    }
}
