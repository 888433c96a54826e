//! What the best possible attack on Gaussian noise reaches: the exact ε, not an upper bound of it.

use std::f64::consts::FRAC_1_SQRT_2;

use super::{BISECTIONS, EPSILON_MAX};
use crate::loss::{Delta, Rho};
use crate::noise::GaussianScale;

/// Standard deviations beyond which the noise is left out: there it has probability below 10⁻⁴⁰.
const REACH: f64 = 14.0;

/// The exact ε at `delta` of continuous Gaussian noise that costs `rho`: the root of
/// δ(ε) = Φ(μ/2 − ε/μ) − e^ε·Φ(−μ/2 − ε/μ) with μ = √(2ρ).
///
/// Discrete Gaussian noise of a scale of many steps has the same to all digits shown; for small
/// scales see [`discrete_gaussian_epsilon`].
///
/// # Source
/// B. Balle, Y.-X. Wang, *Improving the Gaussian mechanism for differential privacy*, ICML 2018,
/// theorem 8.
///
/// ```
/// # use insitu_privacy::{Delta, Rho, audit::gaussian_epsilon, epsilon};
/// let (rho, delta) = (Rho::from_nano(500_000_000), Delta::new(1e-6)?);
/// let exact = gaussian_epsilon(rho, delta);
/// assert!(exact < epsilon(rho, delta).get() && exact > 4.0);
/// # Ok::<(), insitu_privacy::LossError>(())
/// ```
pub fn gaussian_epsilon(rho: Rho, delta: Delta) -> f64 {
    let mu = (2.0 * rho.as_f64()).sqrt();
    if mu <= 0.0 {
        return 0.0;
    }
    let beyond = |epsilon: f64| {
        let likelier = normal_below(0.5 * mu - epsilon / mu);
        let rarer = normal_below(-0.5 * mu - epsilon / mu);
        likelier - epsilon.exp() * rarer
    };
    smallest(|epsilon| beyond(epsilon) <= delta.get())
}

/// The exact ε at `delta` of discrete Gaussian noise of `scale` on counts, when one subject adds 1
/// to each of `cells` cells (or takes 1 away: the noise is symmetric).
///
/// The likelihood ratio depends on the sum over those cells alone, whose distribution is computed by
/// convolution; δ(ε) = Σ max(0, P(t − cells) − e^ε·P(t)).
pub fn discrete_gaussian_epsilon(scale: GaussianScale, cells: u32, delta: Delta) -> f64 {
    let one = weights(scale);
    let mut sum = vec![1.0];
    for _ in 0..cells {
        sum = convolve(&sum, &one);
    }
    let shift = cells as usize;
    let absent = |t: usize| sum.get(t).copied().unwrap_or(0.0);
    let present = |t: usize| t.checked_sub(shift).map_or(0.0, absent);
    let beyond = |epsilon: f64| -> f64 {
        let factor = epsilon.exp();
        (0..sum.len() + shift).map(|t| (present(t) - factor * absent(t)).max(0.0)).sum()
    };
    smallest(|epsilon| beyond(epsilon) <= delta.get())
}

/// P\[X ≤ x\] of a standard normal X.
pub(super) fn normal_below(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// Probabilities of the discrete Gaussian from `-reach` to `reach`.
pub(super) fn weights(scale: GaussianScale) -> Vec<f64> {
    let s = scale.as_f64();
    let reach = reach(scale);
    let weight = |x: i64| (-(x as f64).powi(2) / (2.0 * s * s)).exp();
    let all: Vec<f64> = (-reach..=reach).map(weight).collect();
    let mass: f64 = all.iter().sum();
    all.into_iter().map(|weight| weight / mass).collect()
}

/// The largest value that [`weights`] holds.
#[expect(clippy::cast_possible_truncation, reason = "a scale is at most 2^40")]
pub(super) fn reach(scale: GaussianScale) -> i64 {
    (scale.as_f64() * REACH).ceil() as i64
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; a.len() + b.len() - 1];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            sum[i + j] += x * y;
        }
    }
    sum
}

/// The smallest ε from which on `holds`.
fn smallest(holds: impl Fn(f64) -> bool) -> f64 {
    if holds(0.0) {
        return 0.0;
    }
    let (mut below, mut above) = (0.0, EPSILON_MAX);
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (below + above);
        if holds(middle) {
            above = middle;
        } else {
            below = middle;
        }
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::epsilon;

    fn delta(value: f64) -> Delta {
        Delta::new(value).unwrap()
    }

    /// Balle and Wang's formula by hand: at mu = 1 and epsilon = 1, delta = .126937.
    #[test]
    fn the_gaussian_curve_passes_through_known_points() {
        let rho = Rho::from_nano(500_000_000);
        assert!((gaussian_epsilon(rho, delta(0.126_936_738)) - 1.0).abs() < 1e-6);
        assert!(gaussian_epsilon(rho, delta(0.383)).abs() < 1e-2); // total variation 2Φ(1/2) − 1
        assert!(gaussian_epsilon(Rho::ZERO, delta(1e-6)).abs() < 1e-12);
    }

    #[test]
    fn the_exact_curve_lies_below_the_one_that_is_charged() {
        for nano in [6_640_000, 125_000_000, 500_000_000, 2_000_000_000] {
            for small in [1e-6, 1e-3, 0.05] {
                let rho = Rho::from_nano(nano);
                assert!(gaussian_epsilon(rho, delta(small)) < epsilon(rho, delta(small)).get());
            }
        }
    }

    #[test]
    fn discrete_and_continuous_noise_agree_at_large_scales() {
        let scale = GaussianScale::from_steps(40 * 1024).unwrap();
        for cells in [1, 2, 5] {
            let rho = scale.rho(crate::noise::SquaredSensitivity::new(u64::from(cells)));
            for small in [1e-6, 0.001] {
                let exact = discrete_gaussian_epsilon(scale, cells, delta(small));
                let smooth = gaussian_epsilon(rho, delta(small));
                assert!((exact / smooth - 1.0).abs() < 5e-3, "{cells} {small}: {exact} {smooth}");
            }
        }
    }

    /// Scale 1, one cell: the best attack says "in" from 2 on.
    #[test]
    fn a_discrete_curve_by_hand() {
        let weight = |x: i32| (-f64::from(x * x) / 2.0).exp();
        let mass: f64 = (-30..=30).map(weight).sum();
        let from = |x: i32| (x..=30).map(weight).sum::<f64>() / mass;
        let expected = ((from(1) - 0.05) / from(2)).ln();
        let found =
            discrete_gaussian_epsilon(GaussianScale::from_steps(1024).unwrap(), 1, delta(0.05));
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
}
