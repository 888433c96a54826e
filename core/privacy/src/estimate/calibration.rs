//! Calibration of stated confidences from noised bins.

use super::{Agreement, EstimateError, NoisedCounts, Z_95, require, require_shape};

/// What a calibration release says.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Items, as far as the noise lets one know.
    pub n: f64,
    /// Share of right answers of each bin; `None` where the bin has not enough data.
    pub accuracy: Vec<Option<Proportion>>,
    /// Expected calibration error Σ|right − confidence·n|/N, less the part that noise and
    /// sampling are estimated to have added. At least zero.
    pub error: f64,
    /// Standard deviation of `error`, bins taken as independent: within a fifth in simulation.
    pub error_deviation: f64,
    /// The uncorrected error that perfect confidences would show at this noise and size: an
    /// `error` far above this and `error_deviation` is real.
    pub error_if_perfect: f64,
}

/// A proportion with its 95 % interval, sampling and noise included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// The estimate, within `[0, 1]`.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Calibration from noised counts `[bins, 2]` of (wrong, right), row-major, in items.
///
/// `confidence` is the confidence that stands for each bin, in `[0, 1]`: its middle, since the
/// mean of the confidences in a bin would be one more release. This moves the error by at most
/// half a bin's width.
///
/// |x| of a noisy x is too large on average. The excess of each bin, E|X| − |x| for X normal
/// around the observed x with its known deviation, is subtracted: one step of bias correction,
/// in closed form, after A. Kumar, P. Liang, T. Ma, *Verified uncertainty calibration*,
/// NeurIPS 2019, section 5. It removes about half of the bias of bins that are perfect and all of
/// it of bins that are clearly off; `error_if_perfect` says how much there was.
///
/// # Errors
/// [`EstimateError::NotEnoughData`], [`EstimateError::Shape`], [`EstimateError::TooFew`] without
/// bins, [`EstimateError::Reference`] for a confidence outside `[0, 1]`.
pub fn calibration(
    counts: &NoisedCounts,
    confidence: &[f64],
) -> Result<Calibration, EstimateError> {
    if confidence.is_empty() {
        return Err(EstimateError::TooFew { got: 0, needed: 1 });
    }
    require_shape(counts, 2 * confidence.len())?;
    if let Some(bin) = confidence.iter().position(|c| !(0.0..=1.0).contains(c)) {
        return Err(EstimateError::Reference { bin, got: confidence[bin] });
    }
    let (v, cells) = (counts.variance(), counts.to_real());
    let n: f64 = cells.iter().sum();
    require(n, cells.len() as f64 * v)?;
    let mut result = Calibration {
        n,
        accuracy: Vec::with_capacity(confidence.len()),
        error: 0.0,
        error_deviation: 0.0,
        error_if_perfect: 0.0,
    };
    for (bin, c) in cells.chunks_exact(2).zip(confidence) {
        let (wrong, right) = (bin[0], bin[1]);
        let gap = (1.0 - c) * right - c * wrong;
        let noise = v * (c * c + (1.0 - c) * (1.0 - c));
        // Shrunk towards one half, so that an empty or noisy bin keeps a sampling variance.
        let share = (right.max(0.0) + 1.0) / (right.max(0.0) + wrong.max(0.0) + 2.0);
        let size = (wrong + right).max(0.0);
        let variance = noise + size * share * (1.0 - share);
        result.error += gap.abs() - (folded_mean(gap, variance.sqrt()) - gap.abs());
        result.error_deviation += variance;
        result.error_if_perfect += folded_mean(0.0, (noise + size * c * (1.0 - c)).sqrt());
        result.accuracy.push(proportion(wrong, right, v));
    }
    result.error = (result.error / n).max(0.0);
    result.error_deviation = result.error_deviation.sqrt() / n;
    result.error_if_perfect /= n;
    Ok(result)
}

/// The share of right answers R/N from noised counts `[bins, 2]` of (wrong, right), row-major, in
/// items: over all bins together, whatever the confidence was.
///
/// By the delta method the variance is p(1 − p)/N by sampling, and v·B·((1 − p)² + p²)/N² by noise of
/// variance v on each of the 2·B cells: R and N share the noise on the right ones.
///
/// # Errors
/// [`EstimateError::NotEnoughData`], [`EstimateError::Shape`] for an odd number of counts,
/// [`EstimateError::TooFew`] without any.
pub fn right_share(counts: &NoisedCounts) -> Result<Agreement, EstimateError> {
    let cells = counts.to_real();
    if cells.is_empty() {
        return Err(EstimateError::TooFew { got: 0, needed: 1 });
    }
    require_shape(counts, cells.len().next_multiple_of(2))?;
    let (v, bins) = (counts.variance(), cells.len() as f64 / 2.0);
    let n: f64 = cells.iter().sum();
    require(n, cells.len() as f64 * v)?;
    let right: f64 = cells.iter().skip(1).step_by(2).sum();
    let value = (right / n).clamp(0.0, 1.0);
    let noise = v * bins * ((1.0 - value).powi(2) + value * value) / (n * n);
    let deviation = (value * (1.0 - value) / n + noise).sqrt();
    let reach = Z_95 * deviation;
    let (low, high) = ((value - reach).max(0.0), (value + reach).min(1.0));
    Ok(Agreement { value, low, high, deviation, noise_deviation: noise.sqrt(), n })
}

/// right/(wrong + right) with its interval, by the delta method.
fn proportion(wrong: f64, right: f64, variance: f64) -> Option<Proportion> {
    let n = wrong + right;
    require(n, 2.0 * variance).ok()?;
    let value = (right / n).clamp(0.0, 1.0);
    let noise = variance * ((1.0 - value).powi(2) + value * value);
    let reach = Z_95 * (value * (1.0 - value) * n + noise).sqrt() / n;
    Some(Proportion { value, low: (value - reach).max(0.0), high: (value + reach).min(1.0) })
}

/// E|X| for X normal with this mean and deviation.
fn folded_mean(mean: f64, deviation: f64) -> f64 {
    if deviation <= 0.0 {
        return mean.abs();
    }
    let z = mean.abs() / (deviation * std::f64::consts::SQRT_2);
    deviation * (2.0 / std::f64::consts::PI).sqrt() * (-z * z).exp() + mean.abs() * erf(z)
}

/// The error function for x ≥ 0, to 1.5·10⁻⁷.
///
/// # Source
/// M. Abramowitz, I. Stegun, *Handbook of Mathematical Functions* (1964), 7.1.26.
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let coefficients =
        [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let polynomial = coefficients.into_iter().fold(0.0, |sum, c| sum * t + c) * t;
    1.0 - polynomial * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_noise_the_plain_error_comes_out_for_large_counts() {
        // Off by 0.1 and 0.2 with half of the items each.
        let counts = vec![300_000_i64, 700_000, 300_000, 700_000];
        let counts = NoisedCounts::with_variance(counts, 0.0).unwrap();
        let result = calibration(&counts, &[0.6, 0.9]).unwrap();
        assert!((result.error - 0.15).abs() < 1e-4, "{}", result.error);
        let accuracy = result.accuracy[0].unwrap();
        assert!(accuracy.low < 0.7 && accuracy.high > 0.7 && accuracy.high - accuracy.low < 2e-3);
        assert!(result.error_if_perfect < 1e-3);
    }

    #[test]
    fn the_share_of_right_answers_is_over_all_bins_and_knows_its_noise() {
        let counts =
            |variance| NoisedCounts::with_variance(vec![10, 290, 90, 110], variance).unwrap();
        let exact = right_share(&counts(0.0)).unwrap();
        assert!((exact.value - 0.8).abs() < 1e-12 && (exact.n - 500.0).abs() < 1e-12);
        assert!((exact.deviation - (0.16_f64 / 500.0).sqrt()).abs() < 1e-12);
        let noised = right_share(&counts(25.0)).unwrap();
        // 25 on each of two wrong and two right cells.
        let noise = 25.0 * 2.0 * (0.04 + 0.64) / 250_000.0;
        assert!((noised.noise_deviation.powi(2) - noise).abs() < 1e-12);
        assert!((noised.deviation.powi(2) - exact.deviation.powi(2) - noise).abs() < 1e-12);
        let few = NoisedCounts::with_variance(vec![10, 39], 0.0).unwrap();
        assert!(matches!(right_share(&few), Err(EstimateError::NotEnoughData { n: 49, .. })));
        let odd = NoisedCounts::with_variance(vec![100; 3], 0.0).unwrap();
        assert!(matches!(right_share(&odd), Err(EstimateError::Shape { got: 3, expected: 4 })));
    }

    #[test]
    fn error_function_and_folded_mean() {
        for (x, value) in
            [(0.0, 0.0), (0.5, 0.520_499_878), (1.0, 0.842_700_793), (2.0, 0.995_322_265)]
        {
            assert!((erf(x) - value).abs() < 2e-7);
        }
        assert!((folded_mean(0.0, 2.0) - 2.0 * 0.797_884_561).abs() < 1e-6);
        assert!((folded_mean(-50.0, 2.0) - 50.0).abs() < 1e-6);
        assert!((folded_mean(-3.0, 0.0) - 3.0).abs() < 1e-12);
    }

    #[test]
    fn bins_without_data_say_so() {
        let counts = NoisedCounts::with_variance(vec![-3, 5, 100, 900], 75.0).unwrap();
        let result = calibration(&counts, &[0.25, 0.75]).unwrap();
        assert!(result.accuracy[0].is_none() && result.accuracy[1].is_some());
        let few = NoisedCounts::with_variance(vec![-3, 5, 10, 90], 75.0).unwrap();
        assert_eq!(
            calibration(&few, &[0.25, 0.75]),
            Err(EstimateError::NotEnoughData { n: 102, needed: 174 })
        );
        assert!(calibration(&few, &[0.25, 1.1]).is_err());
        assert!(calibration(&few, &[]).is_err());
    }
}
