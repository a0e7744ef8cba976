//! `investigationsThreatIntelligence`: activity that matches an indicator, weighed by how new it is for this
//! identity. A Tor exit that an identity always uses is worth nothing.

use countersign_model::source::{IndicatorKind, IndicatorMatch};
use countersign_model::time::Timestamp;

use crate::constants::{INDICATOR_APP_LN, INDICATOR_ODDS_MAX, RETRO_MATCH};

/// Logarithm of the odds that the matches mean what their feeds say, at most [`INDICATOR_ODDS_MAX`] and never
/// below 1: a weak feed does not speak for innocence.
pub(crate) fn odds_ln(matches: &[IndicatorMatch]) -> f64 {
    let all_wrong: f64 =
        matches.iter().map(|found| 1.0 - f64::from(found.precision.clamp(0.0, 1.0))).product();
    ((1.0 - all_wrong) / all_wrong.max(1e-9)).clamp(1.0, INDICATOR_ODDS_MAX).ln()
}

/// Logarithm of the evidence number of an event that matches indicators. `source_ln` and `agent_ln` are the
/// unweighted logarithms of how new source and agent are; `None` before anything is learnt.
pub(crate) fn score(matches: &[IndicatorMatch], source_ln: Option<f64>, agent_ln: Option<f64>) -> f64 {
    let names = |kind| matches.iter().any(|found| found.kind == kind);
    let novelty = if names(IndicatorKind::AppId) {
        INDICATOR_APP_LN
    } else if names(IndicatorKind::UserAgent) && matches.len() == 1 {
        agent_ln.unwrap_or(0.0)
    } else {
        source_ln.unwrap_or(0.0)
    };
    novelty + odds_ln(matches)
}

/// True when the event happened before the indicator was published, within the time for which that counts.
pub(crate) fn is_retro_match(found: &IndicatorMatch, time: Timestamp) -> bool {
    found.valid_from.is_some_and(|from| (1..=RETRO_MATCH).contains(&from.since(time)))
}

/// Drops indicators that were published too long after the event.
pub(crate) fn within_window(matches: &[IndicatorMatch], time: Timestamp) -> Vec<IndicatorMatch> {
    let is_in_time =
        |found: &&IndicatorMatch| found.valid_from.is_none_or(|from| from.since(time) <= RETRO_MATCH);
    matches.iter().filter(is_in_time).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_model::time::DAY;

    fn found(kind: IndicatorKind, precision: f32, valid_from: Option<Timestamp>) -> IndicatorMatch {
        IndicatorMatch {
            kind,
            value: "192.0.2.1".to_owned(),
            feed: "feed".to_owned(),
            precision,
            valid_from,
            description: String::new(),
        }
    }

    #[test]
    fn a_match_on_what_is_usual_for_the_identity_is_worth_nothing() {
        let tor = [found(IndicatorKind::Address, 0.9, None)];
        assert!(score(&tor, Some(-3.0), None) < 0.0);
        assert!(score(&tor, Some(7.0), None) > 100_f64.ln());
        assert!(score(&tor, None, None) < 100_f64.ln(), "nor before anything is learnt");
    }

    #[test]
    fn odds_are_bounded_and_combine() {
        let weak = found(IndicatorKind::Address, 0.3, None);
        assert!(odds_ln(std::slice::from_ref(&weak)).abs() < 1e-9, "below even odds counts as even");
        assert!(odds_ln(&[weak.clone(), weak.clone(), weak]) > 0.0);
        assert!(
            (odds_ln(&[found(IndicatorKind::Address, 1.0, None)]) - INDICATOR_ODDS_MAX.ln()).abs() < 1e-9
        );
    }

    #[test]
    fn an_indicator_is_held_against_the_90_days_before_it() {
        let published = Timestamp(1000 * DAY);
        let indicator = found(IndicatorKind::Address, 0.9, Some(published));
        assert!(is_retro_match(&indicator, published.plus(-DAY)));
        assert!(!is_retro_match(&indicator, published.plus(DAY)));
        assert!(within_window(&[indicator], published.plus(-91 * DAY)).is_empty());
    }
}
