//! Blocks of bytes as bit masks, in plain arithmetic that compilers turn into vector instructions on any machine.

/// Bytes in a block: one for each bit of a mask.
pub(super) const BLOCK: usize = 64;

/// For each byte of a block the bit that stands for its line, where a block is eight lines of eight bytes.
const LINE_BITS: [u8; BLOCK] = {
    let (mut bits, mut at) = ([0; BLOCK], 0);
    while at < BLOCK {
        bits[at] = 1 << (at / 8);
        at += 1;
    }
    bits
};

/// Where in a block a byte stands: bit n for its n-th byte.
#[inline(always)]
pub(super) fn places(block: &[u8; BLOCK], byte: u8) -> u64 {
    let hit = |at: usize| u8::from(block[at] == byte).wrapping_neg() & LINE_BITS[at];
    // Without branches and 16 bytes wide, this is four comparisons of vectors.
    let mut laid = [0; 16];
    for (at, laid) in laid.iter_mut().enumerate() {
        *laid = hit(at) | hit(at + 16) | hit(at + 32) | hit(at + 48);
    }
    let laid = u128::from_le_bytes(laid);
    transposed((laid | laid >> 64) as u64)
}

/// A square of 8 by 8 bits, its lines and columns exchanged.
#[inline]
const fn transposed(mut square: u64) -> u64 {
    let exchanged = (square ^ (square >> 7)) & 0x00AA_00AA_00AA_00AA;
    square ^= exchanged ^ (exchanged << 7);
    let exchanged = (square ^ (square >> 14)) & 0x0000_CCCC_0000_CCCC;
    square ^= exchanged ^ (exchanged << 14);
    let exchanged = (square ^ (square >> 28)) & 0x0000_0000_F0F0_F0F0;
    square ^ exchanged ^ (exchanged << 28)
}

/// For each bit whether the bits up to and with it are odd in number.
#[inline]
pub(super) const fn parity(mut mask: u64) -> u64 {
    mask ^= mask << 1;
    mask ^= mask << 2;
    mask ^= mask << 4;
    mask ^= mask << 8;
    mask ^= mask << 16;
    mask ^ (mask << 32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn masks_are_those_of_a_plain_loop(bytes in prop::collection::vec(0..4_u8, BLOCK), mask in any::<u64>()) {
            let block: [u8; BLOCK] = bytes.try_into().unwrap();
            let expected = (0..BLOCK).filter(|&at| block[at] == 3).fold(0, |mask, at| mask | 1_u64 << at);
            prop_assert_eq!(places(&block, 3), expected);
            let odd = |bit: &u32| (mask << (63 - bit)).count_ones() % 2 == 1;
            prop_assert_eq!(parity(mask), (0..64).filter(odd).fold(0, |odd, bit| odd | 1 << bit));
        }
    }
}
