//! Sets of small numbers in a fixed number of words, so that a decision is made of copies and not of allocations.

use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Sub};

/// A set of numbers below `64 * WORDS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Bits<WORDS> {
    pub(crate) const NONE: Self = Self([0; WORDS]);

    /// # Panics
    ///
    /// For a number that the set has no room for. Who compiles a snapshot counts first.
    pub(crate) fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    pub(crate) fn remove(&mut self, number: usize) {
        self.0[number / 64] &= !(1 << (number % 64));
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// The members, smallest first.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
                word &= word - 1;
                Some(at * 64 + bit)
            })
        })
    }

    fn zip(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|at| join(self.0[at], other.0[at])))
    }
}

impl<const WORDS: usize> Default for Bits<WORDS> {
    fn default() -> Self {
        Self::NONE
    }
}

impl<const WORDS: usize> BitOr for Bits<WORDS> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.zip(other, |own, theirs| own | theirs)
    }
}

impl<const WORDS: usize> BitAnd for Bits<WORDS> {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.zip(other, |own, theirs| own & theirs)
    }
}

/// What is in the first and not in the second.
impl<const WORDS: usize> Sub for Bits<WORDS> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.zip(other, |own, theirs| own & !theirs)
    }
}

impl<const WORDS: usize> BitOrAssign for Bits<WORDS> {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl<const WORDS: usize> BitAndAssign for Bits<WORDS> {
    fn bitand_assign(&mut self, other: Self) {
        *self = *self & other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[usize]) -> Bits<3> {
        let mut set = Bits::NONE;
        for number in numbers {
            set.insert(*number);
        }
        set
    }

    #[test]
    fn members_come_back_in_order_from_every_word() {
        let numbers = [0, 1, 63, 64, 127, 128, 191];
        let found = set(&numbers);
        assert_eq!(found.iter().collect::<Vec<_>>(), numbers);
        assert!(numbers.iter().all(|number| found.contains(*number)));
        assert!(!found.contains(2) && !found.contains(192), "a number without room is no member");
        assert!(!found.is_empty() && set(&[]).is_empty());
    }

    #[test]
    fn sets_are_joined_word_by_word() {
        let (left, right) = (set(&[1, 64, 190]), set(&[64, 130]));
        assert_eq!(left | right, set(&[1, 64, 130, 190]));
        assert_eq!(left & right, set(&[64]));
        assert_eq!(left - right, set(&[1, 190]));
        let mut less = left;
        less.remove(190);
        assert_eq!(less, set(&[1, 64]));
    }
}
