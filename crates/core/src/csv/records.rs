//! Cuts records out of buffers of any size.

use bytes::Bytes;

use super::{LineEnds, strip_line_end};

/// Records of a stream of buffers: push a buffer, take records until there are none, push the next; then finish.
///
/// A record that lies inside one buffer is handed out where it lies; only one that is cut by a buffer's end is copied.
#[derive(Debug)]
pub struct Records {
    ends: LineEnds,
    buffer: Bytes,
    at: usize,
    carry: Vec<u8>,
    /// The carried record was handed out and is to be forgotten.
    spent: bool,
}

impl Records {
    /// A reader at the start of a record.
    #[must_use]
    pub const fn new(delimiter: u8) -> Self {
        Self { ends: LineEnds::new(delimiter), buffer: Bytes::new(), at: 0, carry: Vec::new(), spent: false }
    }

    /// Gives the next buffer. The one before must be used up: [`Records::next`] has answered `None`.
    pub fn push(&mut self, buffer: Bytes) {
        self.forget();
        self.buffer = buffer;
        self.at = 0;
    }

    /// The next record that ends in this buffer, without its line end; blank lines are left out.
    #[allow(clippy::should_implement_trait, reason = "a record is borrowed from the reader, which no Iterator can say")]
    pub fn next(&mut self) -> Option<&[u8]> {
        self.forget();
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let Some(length) = self.ends.next(rest) else {
                self.carry.extend_from_slice(rest);
                self.at = self.buffer.len();
                return None;
            };
            let line = self.at..self.at + length;
            self.at = line.end;
            if !self.carry.is_empty() {
                self.carry.extend_from_slice(&self.buffer[line]);
                if strip_line_end(&self.carry).is_empty() {
                    self.carry.clear();
                    continue;
                }
                self.spent = true;
                return Some(strip_line_end(&self.carry));
            }
            if !strip_line_end(&self.buffer[line.clone()]).is_empty() {
                return Some(strip_line_end(&self.buffer[line]));
            }
        }
    }

    /// The last record, if the stream did not end with a line end.
    pub fn finish(&mut self) -> Option<&[u8]> {
        self.forget();
        self.spent = true;
        let record = strip_line_end(&self.carry);
        (!record.is_empty()).then_some(record)
    }

    fn forget(&mut self) {
        if self.spent {
            self.carry.clear();
            self.spent = false;
        }
    }
}
