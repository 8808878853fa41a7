//! Finds line ends outside quotes at the speed of memory, in a stream cut anywhere.

use memchr::{memchr, memchr2};

/// Finds the line ends that end records. Its state is one byte: buffers may be cut anywhere, also between a closing quote
/// and the quote that would double it.
#[derive(Debug, Clone)]
pub struct LineEnds {
    delimiter: u8,
    state: State,
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

impl LineEnds {
    /// A scanner at the start of a record.
    #[must_use]
    pub const fn new(delimiter: u8) -> Self {
        Self { delimiter, state: State::FieldStart }
    }

    /// Length of the input up to and with the next line end outside quotes, or `None` when the input holds none: then all
    /// of it was taken, and the next call goes on behind it.
    pub fn next(&mut self, input: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < input.len() {
            match self.state {
                State::FieldStart | State::Unquoted => {
                    at = self.outside(input, at)?;
                    if self.state == State::FieldStart {
                        return Some(at);
                    }
                }
                State::Quoted => {
                    at += memchr(b'"', &input[at..])? + 1;
                    self.state = State::Closing;
                }
                State::Closing => {
                    self.state = self.after_quote(input[at]);
                    at += 1;
                    if input[at - 1] == b'\n' && self.state == State::FieldStart {
                        return Some(at);
                    }
                }
            }
        }
        None
    }

    /// Goes to behind the next line end, which leaves [`State::FieldStart`], or behind the next quote.
    fn outside(&mut self, input: &[u8], at: usize) -> Option<usize> {
        let Some(found) = memchr2(b'\n', b'"', &input[at..]) else {
            let ends_field = input[input.len() - 1] == self.delimiter;
            self.state = if ends_field { State::FieldStart } else { State::Unquoted };
            return None;
        };
        let at_start =
            if found == 0 { self.state == State::FieldStart } else { input[at + found - 1] == self.delimiter };
        self.state = match (input[at + found], at_start) {
            (b'\n', _) => State::FieldStart,
            (_, true) => State::Quoted,
            (_, false) => State::Unquoted,
        };
        Some(at + found + 1)
    }

    fn after_quote(&self, byte: u8) -> State {
        match byte {
            b'"' => State::Quoted,
            b'\n' => State::FieldStart,
            byte if byte == self.delimiter => State::FieldStart,
            _ => State::Unquoted,
        }
    }

    /// Whether the input so far ends inside quotes. A closing quote at the very end closes.
    #[must_use]
    pub fn in_quotes(&self) -> bool {
        self.state == State::Quoted
    }
}
