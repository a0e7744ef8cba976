//! The statistics of one dimension: novelty rate, class of novelty, likelihood ratio. Pure functions of counts.

use crate::constants::{
    ASSUMPTIONS, Assumptions, CLASS_RATE_MIN, CLASSES, Dimension, KNOWN_LN_MAX, NOVELTY_RATE_MIN,
    PEER_CLASSES, PEER_RUNS,
};

/// Decayed counts of one identity in one dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    /// Runs.
    pub(crate) runs: f32,
    /// Values met in one run only (Good–Turing's H1).
    pub(crate) singletons: f32,
    /// Novelties by class.
    pub(crate) classes: [f32; CLASSES],
}

/// What peers do in one dimension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prior {
    /// Share of runs that are new.
    pub(crate) novelty: f64,
    /// Share of each class among the new.
    pub(crate) classes: [f64; CLASSES],
}

/// Probability that the next run is new: Good–Turing, shrunk to the peers.
pub(crate) fn novelty_rate(dimension: Dimension, counts: &Counts, prior: &Prior) -> f64 {
    let rate =
        (PEER_RUNS * prior.novelty + f64::from(counts.singletons)) / (PEER_RUNS + f64::from(counts.runs));
    // Certainty that something new must come is no more to be had than that it never will.
    rate.clamp(NOVELTY_RATE_MIN[dimension.index()], 1.0 - 1e-6)
}

/// Upper end of the central 80 % of the novelty rate's Beta posterior, by its normal approximation.
pub(crate) fn novelty_rate_upper(dimension: Dimension, counts: &Counts, prior: &Prior) -> f64 {
    let mean = novelty_rate(dimension, counts, prior);
    let weight = PEER_RUNS + f64::from(counts.runs) + 1.0;
    mean + 1.2816 * (mean * (1.0 - mean) / weight).sqrt()
}

/// Probability of a class given a novelty: Dirichlet with the peers as prior.
pub(crate) fn class_rate(counts: &Counts, prior: &Prior, class: usize) -> f64 {
    let total: f32 = counts.classes.iter().sum();
    let rate = (f64::from(counts.classes[class]) + PEER_CLASSES * prior.classes[class])
        / (f64::from(total) + PEER_CLASSES);
    rate.max(CLASS_RATE_MIN)
}

/// Logarithm of the likelihood ratio of a new value: attack against habit.
pub(crate) fn novel(dimension: Dimension, class: usize, counts: &Counts, prior: &Prior) -> f64 {
    let Assumptions { attacker_new, attacker_class, .. } = &ASSUMPTIONS[dimension.index()];
    let habit = novelty_rate(dimension, counts, prior) * class_rate(counts, prior, class);
    (attacker_new * attacker_class[class].max(1e-3) / habit).ln()
}

/// Logarithm of the likelihood ratio of a known value with this share of the runs among `values` values: usual
/// values speak against an attack, rare ones a little for it.
pub(crate) fn known(dimension: Dimension, share: f64, values: usize, counts: &Counts, prior: &Prior) -> f64 {
    let attacker_new = ASSUMPTIONS[dimension.index()].attacker_new;
    let share = share.clamp(1e-3, 1.0);
    let attack = (1.0 - attacker_new) * (0.5 / values.max(1) as f64 + 0.5 * share);
    let habit = (1.0 - novelty_rate(dimension, counts, prior)) * share;
    (attack / habit).ln().min(KNOWN_LN_MAX)
}

/// True when a known source with this share of the runs cannot speak for an attack, whatever the peers do: the
/// likelihood ratio of [`known`] is at most 1 even if all that is not yet learnt were new.
pub(crate) fn is_frequent(share: f64, values: usize, counts: &Counts) -> bool {
    let attacker_new = ASSUMPTIONS[Dimension::Source.index()].attacker_new;
    let novelty_max = (PEER_RUNS + f64::from(counts.singletons)) / (PEER_RUNS + f64::from(counts.runs));
    let share = share.clamp(1e-3, 1.0);
    (1.0 - attacker_new) * (0.5 / values.max(1) as f64 + 0.5 * share) <= (1.0 - novelty_max) * share
}

/// The prior before any peer is known.
pub(crate) fn global_prior(dimension: Dimension) -> Prior {
    let Assumptions { benign_new, benign_class, .. } = &ASSUMPTIONS[dimension.index()];
    Prior { novelty: *benign_new, classes: *benign_class }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constants::{DIMENSIONS, USUAL_LN_MAX};

    fn counts(runs: f32, singletons: f32) -> Counts {
        Counts { runs, singletons, ..Counts::default() }
    }

    #[test]
    fn assumed_probabilities_add_up() {
        for assumptions in &ASSUMPTIONS {
            for classes in [assumptions.attacker_class, assumptions.benign_class] {
                assert!((classes.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn an_identity_that_is_always_new_is_not_surprising_when_new() {
        let prior = global_prior(Dimension::Source);
        let runner = Counts { classes: [190.0, 10.0, 0.0, 0.0, 0.0, 0.0], ..counts(200.0, 200.0) };
        let steady = counts(200.0, 0.0);
        assert!(novelty_rate(Dimension::Source, &runner, &prior) > 0.97);
        assert!(novel(Dimension::Source, 0, &runner, &prior) < 0.0);
        // (5 * 0.05 + 0) / 205
        assert!((novelty_rate(Dimension::Source, &steady, &prior) - 0.25 / 205.0).abs() < 1e-12);
        let ancient = counts(100_000.0, 0.0);
        assert!((novelty_rate(Dimension::Source, &ancient, &prior) - NOVELTY_RATE_MIN[0]).abs() < 1e-12);
        assert!(novel(Dimension::Source, 5, &steady, &prior) > 9.0);
    }

    #[test]
    fn a_usual_value_lowers_the_score_and_a_rare_one_lowers_it_less() {
        for dimension in DIMENSIONS {
            let prior = global_prior(dimension);
            let usual = known(dimension, 0.9, 2, &counts(100.0, 0.0), &prior);
            let rare = known(dimension, 0.01, 2, &counts(100.0, 0.0), &prior);
            assert!(usual < 0.0 && usual < rare && rare <= KNOWN_LN_MAX, "{dimension:?}");
        }
    }

    #[test]
    fn a_frequent_source_never_speaks_for_an_attack() {
        let mut frequent = 0;
        for (values, runs, singletons, share) in [1, 2, 7, 16].into_iter().flat_map(|values| {
            [3.0, 40.0, 400.0].into_iter().flat_map(move |runs| {
                [0.0, 0.5, 1.0].into_iter().flat_map(move |alone| {
                    [0.001, 0.01, 0.05, 0.3, 1.0].map(move |share| (values, runs, alone * runs, share))
                })
            })
        }) {
            let counts = counts(runs, singletons);
            if !is_frequent(share, values, &counts) {
                continue;
            }
            frequent += 1;
            for novelty in [0.0, 0.05, 0.5, 1.0] {
                let prior = Prior { novelty, ..global_prior(Dimension::Source) };
                let ln = known(Dimension::Source, share, values, &counts, &prior);
                assert!(ln <= 1e-9, "{values} values, {runs} runs, {singletons} alone, share {share}: {ln}");
            }
        }
        assert!(frequent > 40, "the rule must let most through: {frequent}");
    }

    #[test]
    fn an_event_with_a_frequent_source_and_known_values_stays_below_low() {
        let novel_hour = novel(Dimension::Time, 0, &counts(1e6, 0.0), &global_prior(Dimension::Time));
        let others = 3.0 * 0.5 * KNOWN_LN_MAX;
        assert!(others + 0.25 * novel_hour < USUAL_LN_MAX, "{novel_hour}");
        assert!(USUAL_LN_MAX < crate::constants::LEVELS[0].ln());
    }

    #[test]
    fn more_history_makes_the_rate_more_certain() {
        let prior = global_prior(Dimension::Source);
        let width = |runs| {
            let counts = counts(runs, 0.0);
            novelty_rate_upper(Dimension::Source, &counts, &prior)
                - novelty_rate(Dimension::Source, &counts, &prior)
        };
        assert!(width(200.0) < width(20.0) && width(20.0) < width(2.0));
    }
}
