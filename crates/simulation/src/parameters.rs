//! What a simulated tenant is made from.

use countersign_model::time::{DAY, Timestamp};

use crate::archetypes::Shares;

/// Monday 2 March 2026, midnight UTC: four weeks before summer time begins in Europe, six days before it does in
/// America, so that default simulations meet both shifts.
pub const DEFAULT_START: Timestamp = Timestamp(1_772_409_600_000_000);

/// How many principals are attacked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attacks {
    /// None: all days are benign.
    None,
    /// This share of the principals, each once; at least one when there are 20 principals or more.
    Share(f64),
}

/// Parameters of a [`Simulation`](crate::Simulation). The same parameters give the same bytes on every machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Workload identities, managed identities included.
    pub principals: u32,
    /// Days from `start`, ten years at most.
    pub days: u32,
    /// Seed of all chance.
    pub seed: u64,
    /// First day; the time of day is ignored.
    pub start: Timestamp,
    /// How many principals are attacked. Attacks begin after half of the days.
    pub attacks: Attacks,
    /// Whether benign episodes that resemble attacks happen. Without them the archetypes' own variety remains.
    pub look_alikes: bool,
    /// Sign-ins a day of every principal, spread over the day, in place of the archetypes' own rhythm: for
    /// benchmarks that need an exact amount.
    pub sign_ins_per_principal_day: Option<f64>,
    /// How many calls of directory APIs are made, relative to what 200 principals with a few hundred thousand in two
    /// months make; 0 for none.
    pub calls: f64,
    /// Thousandths of records that are delivered more than once.
    pub duplicates_per_mille: u32,
    /// How common each archetype is.
    pub shares: Shares,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            principals: 200,
            days: 90,
            seed: 1,
            start: DEFAULT_START,
            attacks: Attacks::Share(0.06),
            look_alikes: true,
            sign_ins_per_principal_day: None,
            calls: 1.0,
            duplicates_per_mille: 30,
            shares: Shares::default(),
        }
    }
}

impl Parameters {
    /// Day number, since 1970-01-01, of the first day. Kept between 1970 and the year 9000: later dates do not
    /// fit the log's four-digit years.
    pub(crate) fn first_day(&self) -> i64 {
        const LAST_DAY: i64 = 2_567_000;
        (self.start.0.div_euclid(DAY)).clamp(0, LAST_DAY)
    }

    /// Principals to attack.
    pub(crate) fn attacked(&self) -> u32 {
        let Attacks::Share(share) = self.attacks else { return 0 };
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let count = (f64::from(self.principals) * share) as u32;
        if share > 0.0 && self.principals >= 20 { count.max(1) } else { count }
    }

    /// Factor of all amounts of calls, in thousandths.
    pub(crate) fn calls_per_mille(&self) -> u64 {
        const FACTOR_MAX: f64 = 100.0;
        if self.calls.is_finite() { (self.calls.clamp(0.0, FACTOR_MAX) * 1_000.0) as u64 } else { 0 }
    }

    /// The override of the archetypes' rhythm, in thousandths of a sign-in a day.
    pub(crate) fn sign_ins_per_mille(&self) -> Option<u64> {
        const SIGN_INS_PER_DAY_MAX: f64 = 100_000.0;
        let wanted = self.sign_ins_per_principal_day.filter(|wanted| wanted.is_finite())?;
        Some((wanted.clamp(0.0, SIGN_INS_PER_DAY_MAX) * 1_000.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_start_is_the_second_of_march_2026() {
        assert_eq!(DEFAULT_START.date(), "2026-03-02");
        assert_eq!(DEFAULT_START.0 % DAY, 0);
    }

    #[test]
    fn at_least_one_principal_of_twenty_is_attacked() {
        let parameters = |principals, attacks| Parameters { principals, attacks, ..Parameters::default() };
        assert_eq!(parameters(20, Attacks::Share(0.01)).attacked(), 1);
        assert_eq!(parameters(19, Attacks::Share(0.01)).attacked(), 0);
        assert_eq!(parameters(1_000, Attacks::Share(0.06)).attacked(), 60);
        assert_eq!(parameters(1_000, Attacks::None).attacked(), 0);
        assert_eq!(parameters(1_000, Attacks::Share(f64::NAN)).attacked(), 0);
    }
}
