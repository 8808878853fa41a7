//! Numbers that look random and are the same for ever.
//!
//! A committed sample, and every figure measured with generated files, depend on these sequences. They are written out
//! here, because a library may change its own with any version.

/// `SplitMix64`: fast, and good enough for data that only has to look varied.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of one row: a function of seed and row number only, whatever was generated before.
    pub const fn of_row(seed: u64, row: u64) -> Self {
        Self(mix(seed.wrapping_add(mix(row))))
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is small against 2^64, so that the bias does not show.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next() as u128 * bound as u128) >> 64) as u64
    }

    /// One of `choices`, of which there is at least one.
    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// Spreads every bit of `value` over all of the result; a bijection.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Rounds of the network below; four make its result look random.
const ROUNDS: u64 = 4;

/// A bijection of `0..size` onto itself that looks random: unique numbers in any amount, without remembering one.
///
/// A Feistel network over the next even number of bits; a result beyond `size` is put in again until it falls inside,
/// which it does after fewer than four times on average.
#[derive(Debug, Clone)]
pub struct Scramble {
    seed: u64,
    size: u64,
    half: u32,
}

impl Scramble {
    /// The bijection of `0..size` that belongs to `seed`; `size` is at most 2^62.
    pub const fn new(seed: u64, size: u64) -> Self {
        let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
        let half = if bits < 2 { 1 } else { bits.div_ceil(2) };
        Self { seed, size, half }
    }

    /// Where `number`, which is below the size, goes.
    pub const fn apply(&self, number: u64) -> u64 {
        let mut result = self.network(number);
        while result >= self.size {
            result = self.network(result);
        }
        result
    }

    const fn network(&self, number: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (number >> self.half, number & mask);
        let mut round = 0;
        while round < ROUNDS {
            let scrambled = mix(self.seed.wrapping_add(mix(right ^ (round << 40)))) & mask;
            (left, right) = (right, left ^ scrambled);
            round += 1;
        }
        left << self.half | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_never_changes() {
        let mut random = Random::of_row(1, 2);
        assert_eq!([random.next(), random.next()], [9_793_979_767_479_580_297, 17_992_739_674_594_014_422]);
    }

    #[test]
    fn a_number_stays_below_its_bound_and_reaches_every_value() {
        let mut random = Random::of_row(7, 7);
        let mut seen = [false; 10];
        for _ in 0..1_000 {
            seen[usize::try_from(random.below(10)).unwrap_or(usize::MAX)] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn a_scramble_gives_every_number_exactly_once() {
        for size in [1, 2, 3, 10, 1_000, 65_536, 100_003] {
            for seed in [0, 42] {
                let scramble = Scramble::new(seed, size);
                let mut numbers: Vec<u64> = (0..size).map(|number| scramble.apply(number)).collect();
                numbers.sort_unstable();
                assert!(numbers.into_iter().eq(0..size), "size {size}, seed {seed}");
            }
        }
    }

    #[test]
    fn a_scramble_of_nine_digits_is_pinned_and_depends_on_the_seed() {
        let first = |seed| [0, 1, 99_999_999].map(|number| Scramble::new(seed, 1_000_000_000).apply(number));
        assert_eq!(first(1), [990_164_363, 651_853_673, 398_223_703]);
        assert_ne!(first(1), first(2));
    }
}
