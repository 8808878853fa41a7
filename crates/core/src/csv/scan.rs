//! Finds line ends outside quotes at the speed of memory, in a stream cut anywhere.
//!
//! Bytes are taken in blocks. In a block in which every quote opens or closes a field, or doubles another, what lies inside
//! quotes follows from the number of quotes before it; any other block is read byte by byte.

mod block;

use block::{BLOCK, parity, places};
use memchr::memchr;

/// Finds the line ends that end records. Its state is small: buffers may be cut anywhere, also between a closing quote
/// and the quote that would double it.
#[derive(Debug, Clone)]
pub struct LineEnds {
    delimiter: u8,
    /// Behind the last byte that was looked at.
    state: State,
    /// Bytes that were looked at ahead of where the next call begins, and the line ends among them.
    ahead: usize,
    found: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a field, where a quote opens.
    FieldStart,
    /// Inside a field that is not quoted, or behind a closing quote: a quote is a byte like any other.
    Unquoted,
    /// Inside quotes.
    Quoted,
    /// Behind a quote inside quotes: it closes the field, unless another follows.
    Closing,
}

impl State {
    /// The state behind a byte.
    #[inline]
    fn behind(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Closing,
            (Self::Quoted, _) | (Self::FieldStart | Self::Closing, b'"') => Self::Quoted,
            (_, b'\n') => Self::FieldStart,
            (_, byte) if byte == delimiter => Self::FieldStart,
            _ => Self::Unquoted,
        }
    }
}

impl LineEnds {
    /// A scanner at the start of a record.
    #[must_use]
    pub const fn new(delimiter: u8) -> Self {
        Self { delimiter, state: State::FieldStart, ahead: 0, found: 0 }
    }

    /// Length of the input up to and with the next line end outside quotes, or `None` when the input holds none: then all
    /// of it was taken, and the next call goes on behind it. After a line end, the next call is given what follows it.
    #[inline]
    pub fn next(&mut self, input: &[u8]) -> Option<usize> {
        let mut start = 0;
        while self.found == 0 {
            start += self.ahead;
            self.ahead = 0;
            let rest = input.get(start..).filter(|rest| !rest.is_empty())?;
            self.look_ahead(rest);
        }
        let length = self.found.trailing_zeros() as usize + 1;
        self.found = self.found >> (length - 1) >> 1;
        self.ahead -= length;
        Some(start + length)
    }

    /// Looks at the next block.
    #[inline]
    fn look_ahead(&mut self, input: &[u8]) {
        if let Some(block) = input.first_chunk() {
            return self.look_at(block, BLOCK);
        }
        let mut block = [0; BLOCK];
        block[..input.len()].copy_from_slice(input);
        self.look_at(&block, input.len());
    }

    /// Looks at the first `length` bytes of a block; there is at least one.
    #[inline]
    fn look_at(&mut self, block: &[u8; BLOCK], length: usize) {
        let bytes = u64::MAX >> (BLOCK - length);
        let (ends, quotes) = (places(block, b'\n') & bytes, places(block, b'"') & bytes);
        self.ahead = length;
        let inside = parity(quotes) ^ if self.state == State::Quoted { u64::MAX } else { 0 };
        if quotes & inside != 0 && !self.all_open(block, quotes & inside, quotes | ends) {
            return self.look_at_each(&block[..length]);
        }
        self.found = ends & !inside;
        self.state = match block[length - 1] {
            _ if inside >> (length - 1) & 1 == 1 => State::Quoted,
            b'"' => State::Closing,
            last => State::Unquoted.behind(last, self.delimiter),
        };
    }

    /// Whether each of these quotes stands where one opens a field, or opens it again because it doubles the one before.
    #[inline]
    fn all_open(&self, block: &[u8; BLOCK], opening: u64, quotes_and_ends: u64) -> bool {
        let first = u64::from(matches!(self.state, State::FieldStart | State::Closing));
        let before = (quotes_and_ends | places(block, self.delimiter)) << 1 | first;
        opening & !before == 0
    }

    #[cold]
    fn look_at_each(&mut self, bytes: &[u8]) {
        self.found = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            self.state = self.state.behind(byte, self.delimiter);
            self.found |= u64::from(byte == b'\n' && self.state == State::FieldStart) << at;
        }
    }

    /// Whether the input so far ends inside quotes. A closing quote at the very end closes.
    #[must_use]
    pub fn in_quotes(&self) -> bool {
        self.state == State::Quoted
    }

    /// Whether in an input without a line end any byte from `from` on stands outside quotes. Takes nothing of the input.
    pub(crate) fn leaves_quotes(&self, input: &[u8], from: usize) -> bool {
        if self.state == State::Quoted && self.ahead == 0 && memchr(b'"', input).is_none() {
            return false;
        }
        // The scanner is ahead only behind a line end.
        let mut state = if self.ahead > 0 { State::FieldStart } else { self.state };
        input.iter().enumerate().any(|(at, &byte)| {
            state = state.behind(byte, self.delimiter);
            at >= from && matches!(state, State::FieldStart | State::Unquoted)
        })
    }
}
