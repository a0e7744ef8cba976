//! `suspiciousAPITraffic`: calls of directory APIs that this identity does not make. Three channels: how much in an
//! hour, against the season and a pooled empirical tail; how broad in a day, in new request templates and new classes
//! of the directory; how many fail. Volume alone is medium at most, breadth finds enumeration.

use countersign_model::risk::RiskLevel;

use crate::assessment::Assessment;
use crate::constants::{
    BREADTH_MIN, ELSEWHERE_ATTACK, ELSEWHERE_RATE_MIN, ELSEWHERE_TOKENS, ERROR_SHAPE, ERROR_WEIGHT,
    SENSITIVE_SHARE, SURGE, SURGE_SENSITIVE, VOLUME_SHARE,
};
use crate::hurdle::Rate;
use crate::tail::{Tail, calibrate, negative_binomial};

/// What one identity did in the hour and the day so far, beside what is usual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic<'t> {
    pub(crate) calls: u32,
    pub(crate) errors: u32,
    pub(crate) sensitive: u32,
    pub(crate) objects: f64,
    /// Expected calls of this hour, their shape, and the pooled tail of the volume scores.
    pub(crate) mean: f64,
    pub(crate) shape: f64,
    pub(crate) tail: &'t Tail,
    /// Days of the last month whose busiest hour was about as busy.
    pub(crate) days_as_busy: usize,
    pub(crate) hours_a_day: f64,
    pub(crate) usual_objects: f64,
    pub(crate) error_share: f64,
    /// New today, and the rates of it; in the first days, all classes asked for.
    pub(crate) new_templates: u32,
    pub(crate) new_classes: u32,
    pub(crate) template_rate: Rate,
    pub(crate) class_rate: Rate,
    pub(crate) is_cold: bool,
}

/// The evidence of one hour and its day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Score {
    /// Logarithms of the evidence of volume, breadth, errors; weighted.
    pub(crate) volume: f64,
    pub(crate) breadth: f64,
    pub(crate) errors: f64,
    /// Chance that an hour is this busy; of a day that brings so much that is new.
    pub(crate) volume_p: f64,
    pub(crate) breadth_p: f64,
}

impl Score {
    pub(crate) fn ln(&self) -> f64 {
        self.volume + self.breadth + self.errors
    }
}

/// Judges the traffic of an identity.
pub(crate) fn score(traffic: &Traffic<'_>) -> Score {
    let volume_p = if traffic.is_cold { 1.0 } else { volume(traffic) };
    let templates = if traffic.is_cold { 1.0 } else { traffic.template_rate.at_least(traffic.new_templates) };
    let classes = traffic.class_rate.at_least(traffic.new_classes);
    // The two overlap; the mean of e-values is one whatever their dependence.
    let breadth = f64::midpoint(calibrate(templates), calibrate(classes));
    let expected_errors = f64::from(traffic.calls) * traffic.error_share;
    let errors_p = negative_binomial(f64::from(traffic.errors), expected_errors, ERROR_SHAPE);
    let noisy = if traffic.is_sensitive() { 1.0 - VOLUME_SHARE } else { VOLUME_SHARE };
    let has_errors = traffic.errors > 0 && !traffic.is_cold;
    Score {
        // Who reads mail or files came for them; of other attackers one in five makes noise.
        volume: (1.0 - noisy + noisy * calibrate(volume_p)).ln(),
        breadth: breadth.max(BREADTH_MIN).ln(),
        // Errors alone are an expired permission; they count beside something else.
        errors: if has_errors {
            (ERROR_WEIGHT * calibrate(errors_p).ln()).clamp(0.0, ERRORS_LN_MAX)
        } else {
            0.0
        },
        volume_p,
        breadth_p: templates.min(classes),
    }
}

/// Most that failed calls may add: they tell probing from work, and an outage from neither.
const ERRORS_LN_MAX: f64 = 3.0;

/// Chance that a day has an hour as busy as this one.
fn volume(traffic: &Traffic<'_>) -> f64 {
    let of = |count: f64, mean: f64| {
        let model = negative_binomial(count, mean, traffic.shape);
        model.max(traffic.tail.at(-model.ln()))
    };
    let calls = of(f64::from(traffic.calls), traffic.mean);
    let objects = of(traffic.objects.round(), traffic.usual_objects.max(1.0));
    // Both count the same hour twice; half of the better one is no less than either's right.
    let hour = (2.0 * calls.min(objects)).min(1.0).max(calls.min(1.0) * 0.5);
    let day = 1.0 - (1.0 - hour).powf(traffic.hours_a_day);
    let times = (f64::from(traffic.calls) / traffic.mean.max(1.0))
        .max(traffic.objects / traffic.usual_objects.max(1.0));
    let day = day.max(surge(times, traffic.is_sensitive()));
    if traffic.days_as_busy > 0 { day.max((traffic.days_as_busy as f64 + 1.0) / 32.0) } else { day }
}

/// Chance that a day brings so many times the usual without any attack: scaling out, backfills, restores. What is
/// learnt of quiet months does not know them yet.
fn surge(times: f64, is_sensitive: bool) -> f64 {
    let rate = if is_sensitive { SURGE_SENSITIVE } else { SURGE };
    // Log-uniform from 3 to 100 times; one in twenty is larger, and the more the rarer.
    let within = 1.0 - 0.95 * ((times / 3.0).ln() / (100.0_f64 / 3.0).ln()).clamp(0.0, 1.0);
    rate * within * (100.0 / times.max(100.0))
}

impl Traffic<'_> {
    fn is_sensitive(&self) -> bool {
        f64::from(self.sensitive) >= SENSITIVE_SHARE * f64::from(self.calls)
    }
}

/// The highest level that such traffic may reach by itself.
pub(crate) fn most(traffic: &Traffic<'_>, score: &Score) -> RiskLevel {
    let is_volume_alone = score.breadth + score.errors <= 0.0;
    match (is_volume_alone, traffic.is_sensitive()) {
        (false, _) => RiskLevel::High,
        // Backfills, restores and month-ends are volume, too: of mail and files somebody should know, the rest is listed.
        (true, true) => RiskLevel::Medium,
        (true, false) => RiskLevel::Low,
    }
}

/// F1: a token is used in another network than the one it was issued to. `class_ln` is how much farther than a
/// harmless change the other network is, `tenant` how often tokens of the tenant are used elsewhere.
pub(crate) fn replay(
    assessment: &mut Assessment,
    tokens: f32,
    elsewhere: f32,
    tenant: f64,
    class_ln: f64,
) -> f64 {
    let rate = ((f64::from(elsewhere) + ELSEWHERE_TOKENS * tenant) / (f64::from(tokens) + ELSEWHERE_TOKENS))
        .max(ELSEWHERE_RATE_MIN);
    assessment.add("token", (ELSEWHERE_ATTACK / rate).ln());
    assessment.add("source", class_ln);
    assessment.reasons.insert("TokenReplay");
    rate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constants::{CLASS_DAYS, ELSEWHERE_RATE, TEMPLATE_DAYS};

    fn steady(tail: &Tail) -> Traffic<'_> {
        Traffic {
            calls: 40,
            errors: 0,
            sensitive: 0,
            objects: 1.0,
            mean: 40.0,
            shape: 8.0,
            tail,
            days_as_busy: 20,
            hours_a_day: 12.0,
            usual_objects: 1.0,
            error_share: 0.02,
            new_templates: 0,
            new_classes: 0,
            template_rate: TEMPLATE_DAYS.into(),
            class_rate: CLASS_DAYS.into(),
            is_cold: false,
        }
    }

    fn known_tail() -> Tail {
        let mut tail = Tail::default();
        for step in 1..=100_000 {
            tail.note(-(f64::from(step) / 100_000.0).ln());
        }
        tail
    }

    #[test]
    fn a_usual_hour_speaks_against_an_attack() {
        let tail = known_tail();
        assert!(score(&steady(&tail)).ln() < 0.0);
    }

    #[test]
    fn enumeration_is_broad_and_volume_alone_is_medium_at_most() {
        let tail = known_tail();
        let broad = Traffic { new_templates: 12, new_classes: 9, ..steady(&tail) };
        assert!(score(&broad).ln() > 1_000_f64.ln(), "{:?}", score(&broad));
        let loud = Traffic { calls: 40_000, days_as_busy: 0, ..steady(&tail) };
        let judged = score(&loud);
        assert!(judged.ln() > 0.0 && most(&loud, &judged) == RiskLevel::Low, "{judged:?}");
        let mail = Traffic { sensitive: 40_000, ..loud };
        assert!(score(&mail).ln() > 100_f64.ln() && most(&mail, &score(&mail)) == RiskLevel::Medium);
        let scaled_out = Traffic { calls: 400, sensitive: 400, days_as_busy: 0, ..steady(&tail) };
        assert!(score(&scaled_out).ln() < 100_f64.ln(), "{:?}", score(&scaled_out));
        let month_end = Traffic { days_as_busy: 1, ..mail };
        assert!(score(&month_end).ln() < 100_f64.ln(), "{:?}", score(&month_end));
    }

    #[test]
    fn one_new_feature_is_no_finding() {
        let tail = known_tail();
        let feature = Traffic { new_templates: 3, new_classes: 1, ..steady(&tail) };
        assert!(score(&feature).ln() < 100_f64.ln(), "{:?}", score(&feature));
    }

    #[test]
    fn a_first_replay_among_many_tokens_is_strong_and_a_split_tunnel_is_nothing() {
        let mut clean = Assessment::new(0);
        replay(&mut clean, 200.0, 0.0, ELSEWHERE_RATE, 0.0);
        assert!(clean.alone() > 1_000_f64.ln());
        let mut split = Assessment::new(0);
        replay(&mut split, 200.0, 150.0, ELSEWHERE_RATE, 0.0);
        assert!(split.alone() < 1.0);
    }
}
