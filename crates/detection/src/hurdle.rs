//! How many new things a day brings: mostly none, and when some, then often several, because deployments come in one
//! piece. A hurdle model: the chance that a day brings any, and a geometric number beyond the first.

use crate::constants::{HURDLE_DAYS, HURDLE_THINGS, Rare};

/// Decayed counts of days and of what was new on them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hurdle {
    days: f32,
    days_with: f32,
    /// New things beyond the first of each day.
    further: f32,
}

/// Chance of any on a day, and of one more when there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    any: f64,
    more: f64,
}

impl From<Rare> for Rate {
    fn from(rare: Rare) -> Self {
        Rate { any: rare.any, more: rare.more }
    }
}

impl Hurdle {
    /// Notes a day with so many new things.
    pub(crate) fn note(&mut self, new: u32) {
        self.days += 1.0;
        if new > 0 {
            self.days_with += 1.0;
            self.further += new as f32 - 1.0;
        }
    }

    /// Notes a day of which only whether it brought anything counts: the first days of an identity.
    pub(crate) fn note_any(&mut self, any: bool) {
        self.days += 1.0;
        self.days_with += f32::from(u8::from(any));
    }

    /// Forgets by a factor.
    pub(crate) fn scale(&mut self, factor: f32) {
        self.days *= factor;
        self.days_with *= factor;
        self.further *= factor;
    }

    /// Its rate, shrunk to a wider group's.
    pub(crate) fn rate(&self, wider: Rate) -> Rate {
        let [days, with, further] = [self.days, self.days_with, self.further].map(f64::from);
        Rate {
            any: (with + HURDLE_DAYS * wider.any) / (days + HURDLE_DAYS),
            more: (further + HURDLE_THINGS * wider.more) / (further + with + HURDLE_THINGS),
        }
    }
}

impl Rate {
    /// Probability that a day brings `new` or more.
    pub(crate) fn at_least(self, new: u32) -> f64 {
        if new == 0 { 1.0 } else { self.any * self.more.powi(new as i32 - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RARE: Rare = Rare { any: 0.01, more: 0.5 };

    #[test]
    fn nothing_learnt_is_what_is_assumed() {
        let rate = Hurdle::default().rate(RARE.into());
        assert!((rate.at_least(0) - 1.0).abs() < 1e-12);
        assert!((rate.at_least(1) - 0.01).abs() < 1e-9 && (rate.at_least(4) - 0.01 / 8.0).abs() < 1e-9);
    }

    #[test]
    fn who_brings_something_new_every_day_surprises_nobody_by_it() {
        let mut hurdle = Hurdle::default();
        for _ in 0..200 {
            hurdle.note(5);
        }
        let rate = hurdle.rate(RARE.into());
        assert!(rate.at_least(1) > 0.9 && rate.at_least(5) > 0.35, "{rate:?}");
        let mut steady = Hurdle::default();
        for _ in 0..200 {
            steady.note(0);
        }
        assert!(steady.rate(RARE.into()).at_least(1) < 0.001);
    }
}
