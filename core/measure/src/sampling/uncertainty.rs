//! How unsure a model is of single items.

use crate::probabilities::{Probabilities, argmax};

/// A measure of doubt. For each, greater is more doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Uncertainty {
    /// Entropy in nats, in [0, ln K].
    Entropy,
    /// One minus the distance of the two likeliest classes, in [0, 1].
    Margin,
    /// One minus the greatest probability, in [0, 1).
    LeastConfidence,
}

/// The doubt about each item.
///
/// # Source
/// B. Settles, *Active learning literature survey* (2009), section 3.1.
///
/// ```
/// use insitu_measure::{Probabilities, sampling::{Uncertainty, most, uncertainty}};
///
/// let model = Probabilities::new(2, &[0.9, 0.1, 0.6, 0.4])?;
/// let doubt = uncertainty(model, Uncertainty::Margin);
/// assert_eq!(most(&doubt, 1), [1]);
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
#[must_use]
pub fn uncertainty(probabilities: Probabilities<'_>, measure: Uncertainty) -> Vec<f64> {
    let doubt = |row: &[f64]| match measure {
        Uncertainty::Entropy => entropy(row),
        Uncertainty::Margin => 1.0 - margin(row),
        Uncertainty::LeastConfidence => 1.0 - row[argmax(row)],
    };
    probabilities.rows().map(doubt).collect()
}

/// The `count` positions of greatest score, greatest first; of equals the first.
#[must_use]
pub fn most(scores: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let by_score = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
    if count < order.len() && count > 0 {
        order.select_nth_unstable_by(count - 1, by_score);
    }
    order.truncate(count);
    order.sort_unstable_by(by_score);
    order
}

/// Entropy in nats.
pub(super) fn entropy(row: &[f64]) -> f64 {
    row.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum()
}

/// Distance of the two greatest values; the only value if there is one.
pub(super) fn margin(row: &[f64]) -> f64 {
    let (mut first, mut second) = (0.0, 0.0);
    for &p in row {
        if p > first {
            (first, second) = (p, first);
        } else if p > second {
            second = p;
        }
    }
    first - second
}
