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
    /// Read and sent: small parts, and as much of the next one as there must be.
    Send(Vec<Slice>),
}

/// Plans an object from parts of these sizes, in order. Every piece but the last has at least `min_part` bytes, none that is
/// sent has twice as many, and there are at most as many pieces as parts: each holds the end of at least one.
///
/// A part from `min_part` on is copied whole, unless small ones stand before it: they are topped up from its head, and what is
/// left of it is copied if that is enough for a piece, else sent with them. The part behind it is touched in neither case.
pub(super) fn plan(sizes: &[u64], min_part: u64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut buffer: Vec<Slice> = Vec::new();
    let mut buffered = 0;
    for (part, &size) in sizes.iter().enumerate() {
        let total = buffered + size;
        if total < min_part || (buffered > 0 && total < min_part.saturating_mul(2)) {
            buffer.extend(slice(part, 0, size));
            buffered = total;
        } else {
            let head = if buffered > 0 { min_part - buffered } else { 0 };
            buffer.extend(slice(part, 0, head));
            buffered += head;
            pieces.extend(flush(&mut buffer, &mut buffered));
            pieces.extend(slice(part, head, size).map(Piece::Copy));
        }
        if buffered >= min_part {
            pieces.extend(flush(&mut buffer, &mut buffered));
        }
    }
    pieces.extend(flush(&mut buffer, &mut buffered));
    pieces
}

/// What is buffered as a piece, if anything is.
fn flush(buffer: &mut Vec<Slice>, buffered: &mut u64) -> Option<Piece> {
    *buffered = 0;
    let slices = std::mem::take(buffer);
    (!slices.is_empty()).then_some(Piece::Send(slices))
}

/// All bytes of parts of these sizes.
pub(super) fn everything(sizes: &[u64]) -> Vec<Slice> {
    sizes.iter().enumerate().filter_map(|(part, &size)| slice(part, 0, size)).collect()
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
                prop_assert!(bytes < 2 * min_part || matches!(piece, Piece::Copy(_)));
                at.extend(slices.iter().flat_map(|slice| (slice.range.start()..slice.range.end()).map(|byte| (slice.part, byte))));
            }
            let all: Vec<(usize, u64)> =
                sizes.iter().enumerate().flat_map(|(part, &size)| (0..size).map(move |byte| (part, byte))).collect();
            prop_assert_eq!(at, all);
            prop_assert!(pieces.len() <= sizes.len());
            for (part, &size) in sizes.iter().enumerate() {
                let copied = pieces.iter().any(|piece| matches!(piece, Piece::Copy(slice) if slice.part == part));
                let follows_small = part > 0 && sizes[..part].iter().rev().find(|&&size| size > 0).is_some_and(|&size| size < min_part);
                prop_assert!(copied || size < min_part || (follows_small && size < 2 * min_part), "part {part}");
            }
        }
    }
}
