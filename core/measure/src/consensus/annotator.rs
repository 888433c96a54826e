//! Scores of annotators, with how sure they are.

use crate::agreement::Interval;
use crate::input::{InvalidInput, known, same_length, within};
use crate::ratings::Ratings;
use crate::special;

/// How often an annotator agrees with reference labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnnotatorScore {
    /// Ratings that equal the reference.
    pub right: u32,
    /// Ratings in all.
    pub ratings: u32,
}

impl AnnotatorScore {
    /// Share of ratings that equal the reference; `None` without ratings.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        (self.ratings > 0).then(|| f64::from(self.right) / f64::from(self.ratings))
    }

    /// The interval of the rate that holds `level` of belief after a prior without preference
    /// (Jeffreys); [0, 1] wide without ratings, never empty.
    ///
    /// # Errors
    /// [`InvalidInput::Range`] if `level` is outside (0, 1).
    pub fn interval(&self, level: f64) -> Result<Interval, InvalidInput> {
        beta_interval(f64::from(self.right), f64::from(self.ratings - self.right), level)
    }
}

/// The interval that holds `level` of belief about a rate after `right` successes and `wrong`
/// failures (which may be expected counts), from Jeffreys' prior Beta(½, ½).
///
/// # Errors
/// [`InvalidInput::Range`] if a count is negative or `level` outside (0, 1).
///
/// # Source
/// L. D. Brown, T. T. Cai, A. DasGupta, *Interval estimation for a binomial proportion*, Stat.
/// Sci. 16 (2001).
pub fn beta_interval(right: f64, wrong: f64, level: f64) -> Result<Interval, InvalidInput> {
    within("counts", &[right, wrong], 0.0, 1e15)?;
    within("level", &[level], f64::MIN_POSITIVE, 1.0 - f64::EPSILON)?;
    let (a, b, tail) = (right + 0.5, wrong + 0.5, 0.5 * (1.0 - level));
    let quantile = |p: f64| special::bisect(0.0, 1.0, |rate| special::beta_inc(a, b, rate) < p);
    let low = if right > 0.0 { quantile(tail) } else { 0.0 };
    let high = if wrong > 0.0 { quantile(1.0 - tail) } else { 1.0 };
    Ok(Interval { low, high })
}

/// Scores every annotator against reference labels: gold, or a consensus. Against the majority
/// vote this is "worker agreement with aggregate" (Wawa). A label that an annotator gave an item
/// more than once counts once.
///
/// # Errors
/// [`InvalidInput`] if there is not one known label for each item.
///
/// ```
/// use insitu_measure::{Ratings, consensus::agreement_with};
///
/// let ratings = Ratings::from_table(2, 2, &[Some(0), Some(0), Some(1), Some(0)])?;
/// let scores = agreement_with(&ratings, &[0, 1])?;
/// assert_eq!((scores[0].rate(), scores[1].rate()), (Some(1.0), Some(0.5)));
/// assert!(scores[0].interval(0.95)?.low < 0.5); // two ratings prove little
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
pub fn agreement_with(
    ratings: &Ratings,
    reference: &[u32],
) -> Result<Vec<AnnotatorScore>, InvalidInput> {
    same_length("reference", ratings.items(), reference.len())?;
    known("reference", reference, ratings.categories())?;
    let mut scores = vec![AnnotatorScore { right: 0, ratings: 0 }; ratings.annotators()];
    for (item, &label) in ratings.iter().zip(reference) {
        let mut distinct = item.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        for rating in distinct {
            let score = &mut scores[rating.annotator as usize];
            score.right += u32::from(rating.label == label);
            score.ratings += 1;
        }
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ratings_are_no_rate_and_the_widest_interval() {
        let score = AnnotatorScore { right: 0, ratings: 0 };
        assert_eq!(score.rate(), None);
        assert_eq!(score.interval(0.95).unwrap(), Interval { low: 0.0, high: 1.0 });
        assert!(score.interval(1.0).is_err());
    }
}
