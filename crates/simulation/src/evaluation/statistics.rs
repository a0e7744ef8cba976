//! Intervals over seeds.

/// A mean with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// Mean over the seeds.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom; beyond, the normal one.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// The interval of a mean over independent seeds, by Student's t. One value alone has no width that could be known.
pub fn interval(values: &[f64]) -> Interval {
    let n = values.len() as f64;
    if values.is_empty() {
        return Interval::default();
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return Interval { mean, low: mean, high: mean };
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = T.get(values.len() - 2).copied().unwrap_or(1.96) * (variance / n).sqrt();
    Interval { mean, low: mean - half, high: mean + half }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_four_values() {
        // Mean 2.5, standard deviation 1.29099, t(3) 3.182.
        let found = interval(&[1.0, 2.0, 3.0, 4.0]);
        assert!((found.mean - 2.5).abs() < 1e-12);
        assert!((found.high - (2.5 + 3.182 * 1.290_99 / 2.0)).abs() < 1e-4);
        assert!((interval(&[7.0]).low - 7.0).abs() < 1e-12);
    }
}
