//! Probabilities of counts, and what turns them into evidence. Pure functions, and the pooled empirical tail.

use statrs::function::beta::beta_reg;

use crate::constants::{TAIL_EXCEEDANCES_MIN, TAIL_HALF_LIFE_HOURS};

/// Probability that a negative binomial count with this mean and shape `k` (variance `mean + mean² / k`) is `count`
/// or more.
pub(crate) fn negative_binomial(count: f64, mean: f64, k: f64) -> f64 {
    if count < 0.5 {
        return 1.0;
    }
    let mean = mean.max(1e-9);
    beta_reg(count, k, mean / (mean + k)).clamp(1e-300, 1.0)
}

/// The calibrator from a p-value to an e-value, `∫ ε p^(ε-1) dε` (Vovk, Wang 2021): a valid e-value without a
/// parameter to choose.
pub(crate) fn calibrate(p: f64) -> f64 {
    let p = p.clamp(1e-12, 1.0);
    // At 1 the formula is 0 / 0; its limit is 1/2.
    if p > 0.999 {
        return 0.5;
    }
    let ln = p.ln();
    (1.0 - p + p * ln) / (p * ln * ln)
}

/// Quantile of the standard normal distribution.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    let p = p.clamp(1e-12, 1.0 - 1e-12);
    -std::f64::consts::SQRT_2 * statrs::function::erf::erfc_inv(2.0 * p)
}

/// Bins of [`Tail`], half a unit of `-ln p` each.
const BINS: usize = 64;

/// How often scores (`-ln p`) of a group's hours were this high or higher: a parametric tail promises too little,
/// by a factor of hundreds at one in a million (design, 10).
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    bins: [f32; BINS],
}

impl Default for Tail {
    fn default() -> Self {
        Tail { bins: [0.0; BINS] }
    }
}

impl Tail {
    fn bin(score: f64) -> usize {
        ((score * 2.0) as usize).min(BINS - 1)
    }

    /// Notes the score of one hour.
    pub(crate) fn note(&mut self, score: f64) {
        self.bins[Self::bin(score)] += 1.0;
    }

    /// Hours that it rests on.
    pub(crate) fn hours(&self) -> f64 {
        self.bins.iter().map(|bin| f64::from(*bin)).sum()
    }

    /// Forgets by so many hours.
    pub(crate) fn forget(&mut self, hours: f64) {
        let factor = (-std::f64::consts::LN_2 * hours / TAIL_HALF_LIFE_HOURS).exp() as f32;
        self.bins.iter_mut().for_each(|bin| *bin *= factor);
    }

    /// Probability of a score this high or higher: as it was met; beyond what was met often, by an exponential fit to
    /// the highest exceedances. With fewer than can be fitted it is never below one in what was met.
    pub(crate) fn at(&self, score: f64) -> f64 {
        let total = self.hours();
        let above = |bin: usize| self.bins[bin..].iter().map(|bin| f64::from(*bin)).sum::<f64>();
        let bin = Self::bin(score);
        let met = above(bin);
        if met >= TAIL_EXCEEDANCES_MIN {
            return (met + 1.0) / (total + 1.0);
        }
        // The threshold: the highest bin with enough exceedances.
        let Some(threshold) = (0..bin).rev().find(|bin| above(*bin) >= TAIL_EXCEEDANCES_MIN) else {
            return (met + 1.0) / (total + 1.0);
        };
        let start = threshold as f64 / 2.0;
        let exceedances = above(threshold);
        let mean_excess = (threshold..BINS)
            .map(|bin| f64::from(self.bins[bin]) * (f64::midpoint(bin as f64, 0.5) - start))
            .sum::<f64>()
            / exceedances;
        let fitted = exceedances / total * (-(score - start) / mean_excess.max(0.25)).exp();
        fitted.max(met / (total + 1.0)).max(1e-12)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_negative_binomial_tail_is_right() {
        // k = 1 is geometric: P(X >= n) = q^n with q = m / (m + 1).
        assert!((negative_binomial(3.0, 4.0, 1.0) - 0.8_f64.powi(3)).abs() < 1e-9);
        // P(X >= 1) = 1 - (k / (m + k))^k.
        assert!((negative_binomial(1.0, 0.01, 0.5) - (1.0 - (0.5_f64 / 0.51).sqrt())).abs() < 1e-9);
        assert!((negative_binomial(0.0, 4.0, 1.0) - 1.0).abs() < 1e-12);
        assert!(negative_binomial(1e6, 10.0, 5.0) < 1e-200);
    }

    #[test]
    fn an_e_value_has_a_mean_of_one() {
        // Mean over uniform p by the midpoint rule; the mass near 0 that the rule misses is below 1 / ln(1/h).
        let steps = 1_000_000;
        let mean: f64 =
            (0..steps).map(|step| calibrate((f64::from(step) + 0.5) / f64::from(steps))).sum::<f64>()
                / f64::from(steps);
        assert!((0.85..1.0).contains(&mean), "{mean}");
        assert!(calibrate(1e-6) > 1e3 && calibrate(1.0) < 1.0);
    }

    #[test]
    fn quantiles_are_the_normal_ones() {
        assert!((normal_quantile(0.975) - 1.959_963_985).abs() < 1e-6);
        assert!((normal_quantile(0.5)).abs() < 1e-9);
    }

    #[test]
    fn a_tail_is_what_was_met_and_goes_on_beyond() {
        let mut tail = Tail::default();
        assert!((tail.at(30.0) - 1.0).abs() < 1e-9, "nothing is known yet");
        // Exponential scores: P(score >= s) = exp(-s).
        for step in 1..=100_000 {
            tail.note(-(f64::from(step) / 100_000.0).ln());
        }
        for score in [2.0, 5.0, 8.0] {
            let ratio = tail.at(score) / (-score).exp();
            assert!((0.5..2.0).contains(&ratio), "{score}: {ratio}");
        }
        assert!(tail.at(30.0) < 1e-9);
        let mut young = Tail::default();
        for _ in 0..50 {
            young.note(0.7);
        }
        assert!((young.at(30.0) - 1.0 / 51.0).abs() < 1e-9);
    }
}
