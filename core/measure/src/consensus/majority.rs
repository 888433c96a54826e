//! Majority vote.

use super::posterior::Posterior;
use crate::input::{MeasureError, Undefined, at_most};
use crate::ratings::Ratings;

/// Largest items × categories for which beliefs are kept (2 GiB of `f64`).
pub(crate) const BELIEFS_MAX: usize = 1 << 28;

/// Share of each item's ratings in each category; even shares for an item without ratings.
///
/// # Errors
/// [`Undefined::NoData`] without items or categories, [`MeasureError::Invalid`] if there are more
/// than 2²⁸ pairs of them.
///
/// ```
/// use insitu_measure::{Ratings, consensus::majority};
///
/// let ratings = Ratings::from_table(2, 3, &[Some(1), Some(1), Some(0)])?;
/// assert_eq!(majority(&ratings)?.labels(), [1]);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
#[expect(clippy::cast_precision_loss, reason = "ratings of an item stay far below 2^53")]
pub fn majority(ratings: &Ratings) -> Result<Posterior, MeasureError> {
    let categories = ratings.categories();
    check(ratings)?;
    let mut values = vec![0.0; ratings.items() * categories];
    for (item, row) in ratings.iter().zip(values.chunks_exact_mut(categories)) {
        if item.is_empty() {
            row.fill(1.0 / categories as f64);
        }
        for rating in item {
            row[rating.label as usize] += 1.0 / item.len() as f64;
        }
    }
    Ok(Posterior::new(categories, values))
}

/// Whether beliefs about these ratings' items can be kept at all.
pub(crate) fn check(ratings: &Ratings) -> Result<(), MeasureError> {
    let beliefs = ratings.items().saturating_mul(ratings.categories());
    at_most("items × categories", BELIEFS_MAX, beliefs)?;
    if beliefs == 0 { Err(Undefined::NoData.into()) } else { Ok(()) }
}
