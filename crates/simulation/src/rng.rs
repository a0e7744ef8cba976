//! The only source of chance: `SplitMix64`, seeded by what it is used for.
//!
//! Written out here because the bytes of a simulation must never change under a dependency's update.
//! Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 17.
//! Integers only: no floating-point function decides a byte.

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of `SplitMix64`: a bijection that spreads every input bit.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// One number out of several, order-sensitive.
pub(crate) fn mix_all(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |hash, part| mix(hash.wrapping_add(GOLDEN_GAMMA) ^ mix(*part)))
}

/// One number out of a name, for ids that tests can predict.
pub(crate) fn mix_text(text: &str) -> u64 {
    text.bytes().fold(text.len() as u64, |hash, byte| mix(hash.wrapping_add(GOLDEN_GAMMA) ^ u64::from(byte)))
}

impl Rng {
    /// The stream that belongs to `parts`: a seed, a purpose, an index. Streams do not influence each other, so
    /// that one more draw in one place leaves all other places as they were.
    pub(crate) fn of(parts: &[u64]) -> Self {
        Rng(mix_all(parts))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// A number under `bound`; 0 when `bound` is 0. The bias of multiply-and-shift is below 2^-32 here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).max(0) as u64 + 1) as i64
    }

    /// True in `share` of 1,000 cases.
    pub(crate) fn per_mille(&mut self, share: u32) -> bool {
        self.below(1_000) < u64::from(share)
    }

    /// One of `items`, which must not be empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// An index drawn in proportion to `weights`; the last one when all are 0.
    pub(crate) fn weighted(&mut self, weights: &[u32]) -> usize {
        let total = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut left = self.below(total);
        for (index, weight) in weights.iter().enumerate() {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return index,
            }
        }
        weights.len().saturating_sub(1)
    }

    /// Thousandths rounded to a whole number at random, so that the mean is kept.
    pub(crate) fn rounded(&mut self, thousandths: u64) -> u64 {
        thousandths / 1_000 + u64::from(self.below(1_000) < thousandths % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_splitmix64() {
        // First outputs for seed 1234567, as published with the reference implementation.
        let mut rng = Rng(1_234_567);
        let outputs: Vec<u64> = (0..3).map(|_| rng.next()).collect();
        assert_eq!(
            outputs,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn bounds_hold() {
        let mut rng = Rng::of(&[1, 2]);
        assert!((0..1_000).all(|_| (3..=5).contains(&rng.between(3, 5))));
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.weighted(&[0, 0]), 1);
        assert!((0..100).all(|_| rng.weighted(&[0, 3, 0]) == 1));
    }
}
