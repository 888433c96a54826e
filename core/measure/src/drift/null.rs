//! How large a distance between histograms gets without any drift.

use super::histogram::Histograms;
use crate::input::{MeasureError, Undefined, at_most, within};
use crate::random::Random;

/// Most simulated pairs of histograms.
pub const DRAWS_MAX: usize = 1_000_000;

/// The population stability index that two samples of the sizes of `both`, from the shares that
/// they have in common, exceed with probability `alarm` in (0, 1).
///
/// A fixed rule such as "above 0.2" raises false alarms on small samples and misses drift in
/// large ones; this threshold does neither. Counts are simulated as Poisson; equal seeds give
/// equal thresholds, and 10,000 `draws` are plenty for 1 %.
///
/// # Errors
/// [`MeasureError::Invalid`] if `alarm` is out of range or there are more than [`DRAWS_MAX`] draws;
/// [`Undefined::NoData`] without draws.
///
/// ```
/// use insitu_measure::drift::{Histograms, psi_threshold};
///
/// let small = Histograms::new(&[20.0; 10], &[15.0, 25.0, 18.0, 22.0, 20.0, 20.0, 17.0, 23.0, 20.0, 20.0])?;
/// let threshold = psi_threshold(&small, 0.01, 2_000, 1)?;
/// assert!(threshold > 0.15 && small.psi() < threshold);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions among the draws"
)]
pub fn psi_threshold(
    both: &Histograms,
    alarm: f64,
    draws: usize,
    seed: u64,
) -> Result<f64, MeasureError> {
    within("alarm", &[alarm], f64::MIN_POSITIVE, 1.0 - f64::EPSILON)?;
    at_most("draws", DRAWS_MAX, draws)?;
    let mut random = Random::new(seed);
    let (reference, current) = both.expected();
    let mut draw =
        |means: &[f64]| means.iter().map(|&mean| random.poisson(mean)).collect::<Vec<_>>();
    let mut values: Vec<f64> = (0..draws)
        .filter_map(|_| Histograms::new(&draw(&reference), &draw(&current)).ok())
        .map(|drawn| drawn.psi())
        .collect();
    if values.is_empty() {
        return Err(Undefined::NoData.into());
    }
    let rank = ((1.0 - alarm) * values.len() as f64).ceil() as usize;
    let at = rank.saturating_sub(1).min(values.len() - 1);
    Ok(*values.select_nth_unstable_by(at, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special;

    #[test]
    fn large_samples_follow_the_chi_square_limit() {
        let both = Histograms::new(&[10_000.0; 10], &[5_000.0; 10]).unwrap();
        let threshold = psi_threshold(&both, 0.05, 20_000, 2).unwrap();
        // PSI · nm/(n + m) is χ² with 9 degrees of freedom: 5 % are above 16.919.
        let scaled = threshold / (1e-5 + 2e-5);
        let p = special::chi_square_sf(scaled, 9.0);
        assert!((p - 0.05).abs() < 0.005, "{p}");
    }
}
