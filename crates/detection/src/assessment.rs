//! What a detection says of something it has judged: the evidence by name, the reasons, and the words from the same
//! numbers. Detections other than sign-ins are judged when they happen and make one of these each time; an incident
//! keeps the strongest.

use std::collections::BTreeSet;

use countersign_model::finding::Evidence;
use countersign_model::risk::RiskLevel;

use crate::constants::{ADJUSTER_LN, DAY_LN_MAX, DAY_LN_MIN};

/// The judgement of one occasion, and what earlier occasions of the same incident add to it.
#[derive(Clone, Debug)]
pub(crate) struct Assessment {
    /// The evidence by name; its sum is the evidence of this occasion.
    pub(crate) terms: Vec<Evidence>,
    /// Machine-readable reasons, as `UnfamiliarRequests`.
    pub(crate) reasons: BTreeSet<&'static str>,
    /// Something besides the events themselves supports it.
    pub(crate) corroborated: bool,
    /// No higher than this, whatever the evidence.
    pub(crate) most: RiskLevel,
    /// What the identity did, to follow its name: `read …`.
    pub(crate) action: String,
    /// The facts with their numbers.
    pub(crate) facts: Vec<String>,
    pub(crate) harmless_if: String,
    pub(crate) check_first: String,
    /// The day of the latest occasion, the most of its evidence, and the sum over the days before, each bounded.
    day: i64,
    day_ln: Option<f64>,
    earlier_days: f64,
    is_standing: bool,
}

impl Assessment {
    /// An assessment with nothing in it yet, of something that happened on a day since 1970.
    pub(crate) fn new(day: i64) -> Self {
        Assessment {
            terms: Vec::new(),
            reasons: BTreeSet::new(),
            corroborated: false,
            most: RiskLevel::High,
            action: String::new(),
            facts: Vec::new(),
            harmless_if: String::new(),
            check_first: String::new(),
            day,
            day_ln: None,
            earlier_days: 0.0,
            is_standing: false,
        }
    }

    /// As [`Assessment::new`], of what something is rather than does: it stands until another takes its place.
    pub(crate) fn standing(day: i64) -> Self {
        Assessment { is_standing: true, ..Assessment::new(day) }
    }

    /// Adds a term; one of no weight is left out.
    pub(crate) fn add(&mut self, dimension: &str, ln: f64) {
        if ln.abs() > 1e-3 {
            self.terms.push(Evidence { dimension: dimension.to_owned(), ln });
        }
    }

    /// Logarithm of the evidence of the strongest occasion alone.
    pub(crate) fn alone(&self) -> f64 {
        self.terms.iter().map(|term| term.ln).sum()
    }

    /// Logarithm of the evidence number. Daily evidence multiplies, each day bounded; what may be looked at on any
    /// day is adjusted for having been (`A(x) = sqrt(x) / 2`), so that waiting for a bad day gains nothing.
    pub(crate) fn ln(&self) -> f64 {
        let together = self.earlier_days + bounded(self.day_ln.unwrap_or(self.alone()));
        if self.is_standing { self.alone() } else { self.alone().max(together / 2.0 - ADJUSTER_LN) }
    }

    /// Takes in a later occasion of the same incident: the strongest one speaks, days add up, and what supports one
    /// of them supports the incident.
    pub(crate) fn join(&mut self, later: Assessment) {
        if self.is_standing {
            *self = later;
            return;
        }
        let so_far = self.day_ln.unwrap_or(self.alone());
        let (day, day_ln, earlier_days) = if later.day > self.day {
            (later.day, later.alone(), self.earlier_days + bounded(so_far))
        } else {
            (self.day, so_far.max(later.alone()), self.earlier_days)
        };
        let (corroborated, most) = (self.corroborated | later.corroborated, self.most.max(later.most));
        let mut reasons = std::mem::take(&mut self.reasons);
        reasons.extend(&later.reasons);
        if later.alone() > self.alone() {
            *self = later;
        }
        *self = Assessment {
            day,
            day_ln: Some(day_ln),
            earlier_days,
            corroborated,
            most,
            reasons,
            ..std::mem::replace(self, Assessment::new(day))
        };
    }
}

fn bounded(day: f64) -> f64 {
    day.clamp(DAY_LN_MIN, DAY_LN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(day: i64, ln: f64) -> Assessment {
        let mut assessment = Assessment::new(day);
        assessment.add("breadth", ln);
        assessment
    }

    #[test]
    fn several_days_are_stronger_than_one_and_one_alone_is_not_adjusted() {
        assert!((of(1, 6.0).ln() - 6.0).abs() < 1e-12);
        let mut week = of(1, 4.0);
        for day in 2..8 {
            week.join(of(day, 4.0));
        }
        // 7 days of 4: 28 / 2 - ln 2.
        assert!((week.ln() - (14.0 - 2_f64.ln())).abs() < 1e-9, "{}", week.ln());
    }

    #[test]
    fn within_a_day_the_stronger_occasion_speaks() {
        let mut day = of(1, 4.0);
        day.join(of(1, 3.0));
        day.join(of(1, 5.0));
        assert!((day.ln() - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_quiet_day_takes_little_away() {
        let mut quiet = of(1, 8.0);
        quiet.join(of(2, -50.0));
        assert!(quiet.ln() >= 8.0 - 1e-12);
    }
}
