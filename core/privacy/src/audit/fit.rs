//! Whether residuals look like the noise that a release promises.

use super::tight::{normal_below, reach, weights};
use crate::noise::GaussianScale;

/// Below this scale the distribution is tabulated; from it on the normal distribution, with the
/// half step that makes it continuous, agrees to more digits than any sample shows.
const TABLE_SCALE: f64 = 64.0;

/// How a sample of residuals compares with discrete Gaussian noise of a scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Residuals.
    pub count: usize,
    /// Standard deviation found, in units of the one promised.
    pub sigma_ratio: f64,
    /// The squared deviation from 1 of the variance, in standard errors.
    pub variance_z: f64,
    /// The mean, in standard errors.
    pub mean_z: f64,
    /// The largest distance between the distribution functions (Kolmogorov–Smirnov).
    pub distance: f64,
    /// The chance of at least this distance, at most: the noise is discrete, which makes the test
    /// conservative.
    pub distance_p: f64,
}

impl Fit {
    /// Compares `residuals` with noise of `scale`. All neutral when there are none.
    ///
    /// # Source
    /// Kolmogorov's limit with the correction for finite samples of M. Stephens, *Use of the
    /// Kolmogorov–Smirnov, Cramér–von Mises and related statistics without extensive tables*,
    /// J. R. Stat. Soc. B 32 (1970).
    pub fn of(residuals: &[i64], scale: GaussianScale) -> Self {
        if residuals.is_empty() {
            return Self {
                count: 0,
                sigma_ratio: 1.0,
                variance_z: 0.0,
                mean_z: 0.0,
                distance: 0.0,
                distance_p: 1.0,
            };
        }
        let count = residuals.len() as f64;
        let variance = scale.variance();
        let mean = residuals.iter().map(|x| *x as f64).sum::<f64>() / count;
        // About zero: the noise is centred, and a shift is a fault as well.
        let second = residuals.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / count;
        let distance = distance(residuals, scale);
        Self {
            count: residuals.len(),
            sigma_ratio: (second / variance).sqrt(),
            variance_z: (second / variance - 1.0) / (2.0 / count).sqrt(),
            mean_z: mean / (variance / count).sqrt(),
            distance,
            distance_p: kolmogorov(distance, count),
        }
    }
}

/// The correlation of two series of equal length, in standard errors; zero when it is not defined.
/// A series against itself shifted by one is its autocorrelation.
pub fn correlation_z(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len().min(b.len()) as f64;
    let pairs = || a.iter().zip(b);
    let (mean_a, mean_b) = (
        pairs().map(|(x, _)| x).sum::<f64>() / count,
        pairs().map(|(_, y)| y).sum::<f64>() / count,
    );
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        pairs().map(|(x, y)| f(x - mean_a, y - mean_b)).sum()
    };
    let (aa, bb, ab) = (sum(&|x, _| x * x), sum(&|_, y| y * y), sum(&|x, y| x * y));
    let z = ab / (aa * bb).sqrt() * count.sqrt();
    if z.is_finite() { z } else { 0.0 }
}

/// The largest difference between the share of residuals up to a value and its probability.
fn distance(residuals: &[i64], scale: GaussianScale) -> f64 {
    let mut sorted = residuals.to_vec();
    sorted.sort_unstable();
    let below = distribution(scale);
    let count = sorted.len() as f64;
    let mut seen = 0_usize;
    let mut largest = 0.0_f64;
    for run in sorted.chunk_by(|a, b| a == b) {
        let value = run[0];
        largest = largest.max((seen as f64 / count - below(value - 1)).abs());
        seen += run.len();
        largest = largest.max((seen as f64 / count - below(value)).abs());
    }
    largest
}

/// P\[noise ≤ x\].
fn distribution(scale: GaussianScale) -> Box<dyn Fn(i64) -> f64> {
    let s = scale.as_f64();
    if s >= TABLE_SCALE {
        return Box::new(move |x| normal_below((x as f64 + 0.5) / s));
    }
    let reach = reach(scale);
    let mut sum = 0.0;
    let table: Vec<f64> = weights(scale)
        .into_iter()
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect();
    Box::new(move |x| match usize::try_from(x + reach) {
        Ok(place) => table.get(place).copied().unwrap_or(1.0),
        Err(_) => 0.0,
    })
}

fn kolmogorov(distance: f64, count: f64) -> f64 {
    let root = count.sqrt();
    let scaled = (root + 0.12 + 0.11 / root) * distance;
    let term = |j: i32| {
        let sign = if j % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * f64::from(j * j) * scaled * scaled).exp()
    };
    // For small distances the series converges slowly, and its sum is 1 to all digits.
    if scaled < 0.2 { 1.0 } else { (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::add_noise;

    fn noise(steps: u64, count: usize) -> (Vec<i64>, GaussianScale) {
        let scale = GaussianScale::from_steps(steps).unwrap();
        (add_noise(&vec![0; count], scale).unwrap(), scale)
    }

    #[test]
    fn the_samplers_noise_fits_and_other_noise_does_not() {
        for steps in [1_024, 4_639, 40_000, 600_000] {
            let (residuals, scale) = noise(steps, 20_000);
            let fit = Fit::of(&residuals, scale);
            assert!(fit.variance_z.abs() < 5.5 && fit.mean_z.abs() < 5.5, "{fit:?}");
            assert!(fit.distance_p > 1e-7, "{fit:?}");
            let half = GaussianScale::from_steps(steps / 2).unwrap();
            let fit = Fit::of(&residuals, half);
            assert!(fit.sigma_ratio > 1.8 && fit.distance_p < 1e-20, "{fit:?}");
            let shifted: Vec<i64> =
                residuals.iter().map(|x| x + 1 + steps as i64 / 8_192).collect();
            assert!(Fit::of(&shifted, scale).mean_z > 8.0);
        }
    }

    #[test]
    fn variance_alone_does_not_make_a_gaussian() {
        // Two points of the right variance.
        let scale = GaussianScale::from_steps(10 * 1024).unwrap();
        let residuals: Vec<i64> = (0..2_000).map(|i| if i % 2 == 0 { 10 } else { -10 }).collect();
        let fit = Fit::of(&residuals, scale);
        assert!((fit.sigma_ratio - 1.0).abs() < 1e-9 && fit.mean_z.abs() < 1e-9);
        assert!(fit.distance_p < 1e-20, "{fit:?}");
    }

    #[test]
    fn published_kolmogorov_values() {
        // K(1.3581) = .95 and K(1.6276) = .99, in the limit.
        assert!((kolmogorov(1.3581 / 1e6, 1e12) - 0.05).abs() < 1e-4);
        assert!((kolmogorov(1.6276 / 1e6, 1e12) - 0.01).abs() < 1e-4);
        assert!((kolmogorov(0.0, 100.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn correlation_finds_what_is_the_same_and_nothing_else() {
        let (residuals, _) = noise(10_240, 10_000);
        let series: Vec<f64> = residuals.iter().map(|x| *x as f64).collect();
        assert!((correlation_z(&series, &series) - 100.0).abs() < 1e-9);
        assert!(correlation_z(&series[1..], &series[..9_999]).abs() < 5.5);
        assert!(correlation_z(&[], &[]).abs() < 1e-12);
        assert!(correlation_z(&[1.0, 1.0], &[2.0, 3.0]).abs() < 1e-12);
    }
}
