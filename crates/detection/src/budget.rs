//! From evidence to a level, and the false-alarm budget that the user sets.
//!
//! An e-value exceeds `x` on at most one in `x` harmless identity-days (Markov). So with a budget of `b`
//! findings per 1,000 identities and day, evidence of `1000 / b` is where an alarm may begin: the levels move
//! with the budget. The model behind the evidence is estimated, so the promise is kept by counting, too: an
//! alarm that nothing else supports costs a token, and tokens come in at the budget's rate.

use countersign_model::finding::LearningState;
use countersign_model::risk::RiskLevel;

use crate::constants::LEVELS;

/// What a level is decided from, beside the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Something besides the sign-in's own properties supports it.
    pub corroborated: bool,
    /// The source is new to the identity.
    pub new_source: bool,
    /// It is not yet decided whether the new source replaces the old ones or is used beside them.
    pub undecided: bool,
    /// The identity can take over the tenant.
    pub tier_0: bool,
    /// The source is near the known ones, or in a range that peers use, and little else is new.
    pub near: bool,
    /// A person seems to use the identity by hand: interactive software, an access network of a known country,
    /// office hours.
    pub by_hand: bool,
    /// How far learning has got.
    pub learning: LearningState,
    /// No higher than this, as the detection itself says.
    pub most: RiskLevel,
}

impl Default for Circumstances {
    /// Nothing supports it, nothing speaks against it, and little is learnt.
    fn default() -> Self {
        Circumstances {
            corroborated: false,
            new_source: false,
            undecided: false,
            tier_0: false,
            near: false,
            by_hand: false,
            learning: LearningState::Cold,
            most: RiskLevel::High,
        }
    }
}

/// Findings per 1,000 identities and day that the user accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget(f64);

impl Budget {
    /// `None` unless it is more than 0 and at most 1,000.
    pub fn new(per_1000_and_day: f64) -> Option<Budget> {
        (per_1000_and_day > 0.0 && per_1000_and_day <= 1000.0).then_some(Budget(per_1000_and_day))
    }

    /// Findings per 1,000 identities and day.
    pub fn per_1000_and_day(self) -> f64 {
        self.0
    }

    /// The logarithms of evidence from which a finding is low, medium, high.
    pub fn thresholds(self) -> [f64; 3] {
        LEVELS.map(|level| (level / self.0).max(1.0).ln())
    }

    /// The level that evidence and circumstances give, before tokens are asked for.
    pub fn level(self, ln: f64, circumstances: &Circumstances) -> RiskLevel {
        let [low, medium, high] = self.thresholds();
        let by_evidence = match ln {
            ln if ln >= high => RiskLevel::High,
            ln if ln >= medium && circumstances.corroborated => RiskLevel::High,
            ln if ln >= medium => RiskLevel::Medium,
            ln if ln >= low && circumstances.tier_0 => RiskLevel::Medium,
            ln if ln >= low => RiskLevel::Low,
            _ => RiskLevel::None,
        };
        let most = match circumstances {
            // Deployments change everything but the source; alone they call nobody.
            Circumstances { corroborated: false, new_source: false, .. } => RiskLevel::Low,
            // Fail-overs, address changes and colleagues at the company's own exit look so.
            Circumstances { corroborated: false, near: true, .. } => RiskLevel::Low,
            Circumstances { learning: LearningState::Cold, .. } => RiskLevel::Medium,
            Circumstances { corroborated: false, undecided: true, .. } => RiskLevel::Medium,
            Circumstances { corroborated: false, by_hand: true, .. } => RiskLevel::Medium,
            _ => RiskLevel::High,
        };
        by_evidence.min(most).min(circumstances.most)
    }

    /// True when a finding of this level costs a token: nothing supports it, and its evidence alone did not make
    /// it high.
    pub fn costs_token(self, level: RiskLevel, circumstances: &Circumstances) -> bool {
        level == RiskLevel::Medium && !circumstances.corroborated
    }
}

impl Default for Budget {
    fn default() -> Self {
        Budget(1.0)
    }
}

/// What the user decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// False alarms accepted.
    pub budget: Budget,
}

/// Tokens of one tenant.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    available: f64,
}

/// Days of budget that may be saved up: one bad week must not use a month's.
const SAVED_DAYS_MAX: f64 = 7.0;

impl Default for Tokens {
    /// One token to begin with: a small tenant would wait for months otherwise.
    fn default() -> Self {
        Tokens { available: 1.0 }
    }
}

impl Tokens {
    /// Adds a day's budget for so many active identities.
    pub fn earn(&mut self, budget: Budget, active: u32) {
        let a_day = budget.0 * f64::from(active) / 1000.0;
        self.available = (self.available + a_day).min((a_day * SAVED_DAYS_MAX).max(1.0));
    }

    /// Takes one token if there is one.
    pub fn spend(&mut self) -> bool {
        // Daily shares add up to one but for rounding.
        let enough = self.available >= 1.0 - 1e-9;
        if enough {
            self.available -= 1.0;
        }
        enough
    }

    /// Gives a token back: the alarm turned out to be none.
    pub fn refund(&mut self) {
        self.available += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(evidence: f64, circumstances: Circumstances, expected: RiskLevel) {
        assert_eq!(
            Budget::default().level(evidence.ln(), &circumstances),
            expected,
            "{evidence}: {circumstances:?}"
        );
    }

    #[test]
    fn levels_follow_evidence_and_circumstances() {
        let learnt =
            Circumstances { new_source: true, learning: LearningState::Learnt, ..Circumstances::default() };
        check(99.0, learnt, RiskLevel::None);
        check(101.0, learnt, RiskLevel::Low);
        check(101.0, Circumstances { tier_0: true, ..learnt }, RiskLevel::Medium);
        check(1_001.0, learnt, RiskLevel::Medium);
        check(1_001.0, Circumstances { corroborated: true, ..learnt }, RiskLevel::High);
        check(100_001.0, learnt, RiskLevel::High);
        check(100_001.0, Circumstances { undecided: true, ..learnt }, RiskLevel::Medium);
        check(1e9, Circumstances { new_source: false, ..learnt }, RiskLevel::Low);
        check(1e9, Circumstances { near: true, ..learnt }, RiskLevel::Low);
        check(1e9, Circumstances { by_hand: true, ..learnt }, RiskLevel::Medium);
        check(
            1e9,
            Circumstances { learning: LearningState::Cold, corroborated: true, ..learnt },
            RiskLevel::Medium,
        );
    }

    #[test]
    fn a_smaller_budget_asks_for_more_evidence() {
        let learnt =
            Circumstances { new_source: true, learning: LearningState::Learnt, ..Circumstances::default() };
        let strict = Budget::new(0.1).unwrap();
        assert_eq!(strict.level(1_001_f64.ln(), &learnt), RiskLevel::Low);
        assert_eq!(strict.level(10_001_f64.ln(), &learnt), RiskLevel::Medium);
        assert!(Budget::new(0.0).is_none() && Budget::new(f64::NAN).is_none());
    }

    #[test]
    fn tokens_come_in_at_the_rate_of_the_budget() {
        let mut tokens = Tokens::default();
        assert!(tokens.spend() && !tokens.spend());
        for _ in 0..10 {
            tokens.earn(Budget::default(), 100);
        }
        assert!(tokens.spend() && !tokens.spend(), "ten days of 100 identities are one finding");
    }
}
