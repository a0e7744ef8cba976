//! How often harmless days look like attacks: the measured side of the promise that evidence makes. An e-value of `x`
//! is reached on at most one in `x` harmless identity-days; here is how often it was.

use std::collections::HashMap;

/// What evidence rests on; each has its own calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Sign-ins.
    SignIns,
    /// Calls of directory APIs.
    ApiTraffic,
    /// Changes of the directory.
    Changes,
}

impl Family {
    /// How many there are.
    pub const COUNT: usize = 3;
    /// All of them, in the order of arrays.
    pub const ALL: [Family; Family::COUNT] = [Family::SignIns, Family::ApiTraffic, Family::Changes];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Family::SignIns => "sign-ins",
            Family::ApiTraffic => "API traffic",
            Family::Changes => "directory changes",
        }
    }
}

/// Evidence at which exceedance is counted: 10, 100, …, 1,000,000.
pub const CALIBRATION_LEVELS: [f64; 6] = [1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// The strongest evidence of one identity on one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayScore {
    /// Place of the identity among its tenant's.
    pub principal: u32,
    /// Days since 1970.
    pub day: i64,
    /// Logarithm of the evidence by [`Family`]; negative infinity where nothing had to be judged.
    pub ln: [f32; Family::COUNT],
    /// The events behind it, by [`Family`].
    pub events: [Events; Family::COUNT],
}

/// Events of one family that were judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// All.
    pub judged: u32,
    /// Those whose own evidence reached each of [`CALIBRATION_LEVELS`].
    pub reached: [u32; CALIBRATION_LEVELS.len()],
}

/// Identity-days, and how many of them reached each level.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// Days on which an identity did something.
    pub identity_days: u64,
    /// By family and level.
    pub reached: [[u64; CALIBRATION_LEVELS.len()]; Family::COUNT],
    /// Every day, for an evaluation; empty unless asked for.
    pub days: Vec<DayScore>,
    /// Keep every day.
    pub keeps_days: bool,
    /// Events of the days that are not over, by the identity's place; only while days are kept.
    today: HashMap<u32, [Events; Family::COUNT]>,
}

impl Calibration {
    /// Notes the evidence of one event, for an evaluation.
    pub(crate) fn event(&mut self, principal: u32, family: Family, ln: f64) {
        if !self.keeps_days {
            return;
        }
        let events = &mut self.today.entry(principal).or_default()[family as usize];
        events.judged += 1;
        for (reached, level) in events.reached.iter_mut().zip(CALIBRATION_LEVELS) {
            *reached += u32::from(ln >= level.ln());
        }
    }

    /// Notes the day of an identity.
    pub(crate) fn note(&mut self, principal: u32, day: i64, ln: [f32; Family::COUNT]) {
        self.identity_days += 1;
        for (reached, ln) in self.reached.iter_mut().zip(ln) {
            for (count, level) in reached.iter_mut().zip(CALIBRATION_LEVELS) {
                *count += u64::from(f64::from(ln) >= level.ln());
            }
        }
        if self.keeps_days {
            let events = self.today.remove(&principal).unwrap_or_default();
            self.days.push(DayScore { principal, day, ln, events });
        }
    }

    /// Adds another tenant's.
    pub(crate) fn add(&mut self, other: &Calibration) {
        self.identity_days += other.identity_days;
        for (own, other) in self.reached.iter_mut().zip(&other.reached) {
            for (own, other) in own.iter_mut().zip(other) {
                *own += other;
            }
        }
    }

    /// Families and levels that were reached more than twice as often as promised, with the ratio: the levels of these
    /// are not to be trusted in this tenant.
    pub fn broken(&self) -> impl Iterator<Item = (Family, f64, f64)> + '_ {
        Family::ALL.into_iter().flat_map(move |family| {
            CALIBRATION_LEVELS.into_iter().enumerate().filter_map(move |(level, evidence)| {
                let ratio = self.ratio(family, level)?;
                (ratio > 2.0).then_some((family, evidence, ratio))
            })
        })
    }

    /// How much oftener than promised a level of a family was reached: measured over nominal. Attacks are counted,
    /// too, so it is an upper bound. `None` where fewer than one day was to be expected.
    pub fn ratio(&self, family: Family, level: usize) -> Option<f64> {
        let expected = self.identity_days as f64 / CALIBRATION_LEVELS[level];
        (expected >= 1.0).then(|| self.reached[family as usize][level] as f64 / expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_reached_each_level() {
        let mut calibration = Calibration::default();
        for day in 0..1_000 {
            let ln = if day < 3 { 200_f32.ln() } else { f32::NEG_INFINITY };
            calibration.note(0, day, [ln, f32::NEG_INFINITY, 0.0]);
        }
        assert_eq!(calibration.reached[0][..3], [3, 3, 0]);
        assert_eq!(calibration.ratio(Family::SignIns, 1), Some(0.3));
        assert_eq!(calibration.ratio(Family::Changes, 0), Some(0.0));
        assert_eq!(
            calibration.ratio(Family::SignIns, 4),
            None,
            "a thousand days say nothing of one in 100,000"
        );
    }
}
