//! Intervals for any measure by resampling items.

use super::confusion::Interval;
use crate::input::{MeasureError, Undefined, at_most, within};
use crate::random::Random;

/// Most resamples.
pub const RESAMPLES_MAX: usize = 1_000_000;

/// Percentile interval of a measure at confidence `level` in (0, 1), from `resamples` samples of
/// `items` items drawn with replacement. Equal seeds give equal intervals.
///
/// `measure` gets the positions of the drawn items. Samples in which it is undefined are left
/// out, as long as they are fewer than half.
///
/// # Errors
/// [`MeasureError::Invalid`] if `level` is outside (0, 1) or there are more than [`RESAMPLES_MAX`]
/// resamples; [`Undefined`] without items or when most samples are undefined.
///
/// # Source
/// B. Efron, R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), section 13.3.
///
/// ```
/// use insitu_measure::agreement::{Confusion, Weights, bootstrap};
///
/// let (a, b) = ([0, 0, 1, 1, 0, 1, 0, 1], [0, 0, 1, 1, 0, 1, 1, 0]);
/// let interval = bootstrap(8, 500, 0.9, 1, |drawn| {
///     let pick = |from: &[u32]| drawn.iter().map(|&item| from[item]).collect::<Vec<_>>();
///     Confusion::from_labels(2, &pick(&a), &pick(&b)).ok()?.kappa(Weights::Identity).ok()
///         .map(|kappa| kappa.value)
/// })?;
/// assert!(interval.low < 0.5 && 0.5 < interval.high);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn bootstrap(
    items: usize,
    resamples: usize,
    level: f64,
    seed: u64,
    measure: impl Fn(&[usize]) -> Option<f64>,
) -> Result<Interval, MeasureError> {
    within("level", &[level], f64::MIN_POSITIVE, 1.0 - f64::EPSILON)?;
    at_most("resamples", RESAMPLES_MAX, resamples)?;
    if items == 0 || resamples == 0 {
        return Err(Undefined::NoData.into());
    }
    let mut random = Random::new(seed);
    let mut drawn = vec![0; items];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        drawn.iter_mut().for_each(|item| *item = random.below(items));
        values.extend(measure(&drawn).filter(|value| value.is_finite()));
    }
    if values.len() * 2 <= resamples {
        let (found, needed) = (values.len(), resamples / 2 + 1);
        return Err(Undefined::TooFew { what: "defined resamples", found, needed }.into());
    }
    values.sort_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - level);
    Ok(Interval { low: quantile(&values, tail), high: quantile(&values, 1.0 - tail) })
}

/// Quantile of ascending values, linear between neighbours.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions within a slice"
)]
fn quantile(ascending: &[f64], p: f64) -> f64 {
    let at = p * (ascending.len() as f64 - 1.0);
    let (below, part) = (at.floor() as usize, at.fract());
    let above = (below + 1).min(ascending.len() - 1);
    ascending[below] + part * (ascending[above] - ascending[below])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::InvalidInput;

    #[test]
    fn covers_the_mean_of_known_data() {
        let mean = |drawn: &[usize]| {
            Some(drawn.iter().map(|&i| i as f64).sum::<f64>() / drawn.len() as f64)
        };
        let interval = bootstrap(101, 2000, 0.95, 3, mean).unwrap();
        // Standard error of the mean of 0..=100 is 29.15/√101 = 2.9.
        assert!((interval.low - 44.3).abs() < 1.0 && (interval.high - 55.7).abs() < 1.0);
    }

    #[test]
    fn undefined_measures_have_no_interval() {
        assert!(matches!(bootstrap(5, 10, 0.9, 1, |_| None), Err(MeasureError::Undefined(_))));
        assert!(matches!(bootstrap(0, 10, 0.9, 1, |_| Some(1.0)), Err(MeasureError::Undefined(_))));
        let refused = bootstrap(5, 10, 1.0, 1, |_| Some(1.0));
        assert!(matches!(refused, Err(MeasureError::Invalid(InvalidInput::Range { .. }))));
    }
}
