//! How many different objects were touched, in 64 bytes: `HyperLogLog` (Flajolet et al. 2007) with 64 registers, and
//! linear counting while few are set. Standard error 13 %.

const REGISTERS: usize = 64;

/// A sketch of a set of hashes.
#[derive(Clone, Debug)]
pub(crate) struct Distinct([u8; REGISTERS]);

impl Default for Distinct {
    fn default() -> Self {
        Distinct([0; REGISTERS])
    }
}

impl Distinct {
    /// Takes in a hash.
    pub(crate) fn insert(&mut self, hash: u64) {
        let register = &mut self.0[(hash >> 58) as usize];
        *register = (*register).max((hash << 6 | 1 << 5).leading_zeros() as u8 + 1);
    }

    /// About how many different ones there were.
    pub(crate) fn count(&self) -> f64 {
        const ALPHA: f64 = 0.709;
        let registers = REGISTERS as f64;
        let empty = self.0.iter().filter(|register| **register == 0).count();
        let raw = ALPHA * registers * registers
            / self.0.iter().map(|register| (-f64::from(*register)).exp2()).sum::<f64>();
        if raw <= 2.5 * registers && empty > 0 { registers * (registers / empty as f64).ln() } else { raw }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::hash64;

    #[test]
    fn counts_within_four_standard_errors_and_repetition_adds_nothing() {
        for many in [1_u64, 10, 50, 400, 20_000] {
            let mut sketch = Distinct::default();
            for number in (0..many).chain(0..many) {
                sketch.insert(hash64(&number.to_le_bytes()));
            }
            let error = (sketch.count() - many as f64).abs() / many as f64;
            assert!(error < 0.52, "{many}: {}", sketch.count());
        }
        assert!(Distinct::default().count() < 1e-9);
    }
}
