//! Decides which bytes are copied inside the service and which go through the function.

use crate::ports::ByteRange;

/// A range of one part: its index, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) part: usize,
    pub(super) range: ByteRange,
}

/// One part of the object to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Copied inside the service.
    Copy(Slice),
    /// Read and sent: small parts, and the head of the next one to fill the least size.
    Send(Vec<Slice>),
}

/// Plans an object from parts of these sizes, in order. Every piece but the last has at least `min_part` bytes, none that is
/// sent has more, and there are at most as many pieces as parts: each holds the end of at least one.
pub(super) fn plan(sizes: &[u64], min_part: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut buffer: Vec<Slice> = Vec::new();
    let mut buffered = 0;
    for (part, &size) in sizes.iter().enumerate() {
        let mut start = 0;
        if buffered > 0 {
            start = size.min(min_part - buffered);
            buffered += start;
            buffer.extend(slice(part, 0, start));
            if buffered == min_part {
                pieces.push(Piece::Send(std::mem::take(&mut buffer)));
                buffered = 0;
            }
        }
        let Some(rest) = slice(part, start, size) else { continue };
        if size - start >= min_part {
            pieces.push(Piece::Copy(rest));
        } else {
            buffered = size - start;
            buffer.push(rest);
        }
    }
    if !buffer.is_empty() {
        pieces.push(Piece::Send(buffer));
    }
    pieces
}

fn slice(part: usize, start: u64, end: u64) -> Option<Slice> {
    ByteRange::new(start, end).map(|range| Slice { part, range })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Piece, plan};

    proptest! {
        #[test]
        fn a_plan_tiles_all_parts_in_order_with_pieces_that_the_service_takes(
            sizes in prop::collection::vec(0..40_u64, 0..60),
            min_part in 1..20_u64,
        ) {
            let pieces = plan(&sizes, min_part);
            let mut at = Vec::new();
            for (index, piece) in pieces.iter().enumerate() {
                let slices = match piece {
                    Piece::Copy(slice) => std::slice::from_ref(slice),
                    Piece::Send(slices) => slices,
                };
                let bytes: u64 = slices.iter().map(|slice| slice.range.end() - slice.range.start()).sum();
                prop_assert!(bytes >= min_part || index + 1 == pieces.len());
                prop_assert!(bytes <= min_part || matches!(piece, Piece::Copy(_)));
                at.extend(slices.iter().flat_map(|slice| (slice.range.start()..slice.range.end()).map(|byte| (slice.part, byte))));
            }
            let all: Vec<(usize, u64)> =
                sizes.iter().enumerate().flat_map(|(part, &size)| (0..size).map(move |byte| (part, byte))).collect();
            prop_assert_eq!(at, all);
            prop_assert!(pieces.len() <= sizes.len());
        }
    }
}
