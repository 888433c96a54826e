//! Confusion matrices and Cohen's κ.

use super::weights::Weights;
use crate::input::{
    COUNT_MAX, InvalidInput, MATRIX_CATEGORIES_MAX, Undefined, at_most, known, same_length, within,
};
use crate::special;

/// Disagreement by chance below which the squares in the standard errors vanish.
const CHANCE_MIN: f64 = 1e-150;

/// How often the first annotator said the row's category and the second the column's.
///
/// Row-major, shape `[categories, categories]`, unit = items. Counts may be fractional, so that
/// expected counts and weighted items fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    categories: usize,
    counts: Vec<f64>,
}

/// Cohen's κ with its standard errors. Dimensionless, in [-1, 1]: 0 is chance, 1 is perfect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kappa {
    /// The estimate.
    pub value: f64,
    /// Standard error, for intervals.
    pub se: f64,
    /// Standard error if the true κ is 0, for tests against chance.
    pub se_null: f64,
    /// Weighted share of agreement, in [0, 1].
    pub observed: f64,
    /// Weighted share of agreement expected by chance, in [0, 1].
    pub expected: f64,
}

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Confusion {
    /// A matrix of non-negative counts, row-major.
    ///
    /// # Errors
    /// [`InvalidInput`] if there are more than [`MATRIX_CATEGORIES_MAX`] categories, the length is
    /// not their square, or a count is negative or above 10¹⁵.
    pub fn new(categories: usize, counts: Vec<f64>) -> Result<Self, InvalidInput> {
        at_most("categories", MATRIX_CATEGORIES_MAX, categories)?;
        same_length("counts", categories * categories, counts.len())?;
        within("counts", &counts, 0.0, COUNT_MAX)?;
        Ok(Self { categories, counts })
    }

    /// A matrix of whole counts, row-major.
    ///
    /// # Errors
    /// As [`Confusion::new`].
    #[expect(clippy::cast_precision_loss, reason = "counts of items stay far below 2^53")]
    pub fn from_counts(categories: usize, counts: &[u64]) -> Result<Self, InvalidInput> {
        Self::new(categories, counts.iter().map(|&count| count as f64).collect())
    }

    /// Counts the pairs of two annotators' labels for the same items, in the same order.
    ///
    /// # Errors
    /// [`InvalidInput`] if the lengths differ, a label is not below `categories`, or there are
    /// more than [`MATRIX_CATEGORIES_MAX`] categories.
    pub fn from_labels(
        categories: usize,
        first: &[u32],
        second: &[u32],
    ) -> Result<Self, InvalidInput> {
        at_most("categories", MATRIX_CATEGORIES_MAX, categories)?;
        same_length("second", first.len(), second.len())?;
        known("first", first, categories)?;
        known("second", second, categories)?;
        let mut counts = vec![0.0; categories * categories];
        for (&row, &column) in first.iter().zip(second) {
            counts[row as usize * categories + column as usize] += 1.0;
        }
        Ok(Self { categories, counts })
    }

    /// Adds another site's or window's counts.
    ///
    /// # Errors
    /// [`InvalidInput::Length`] if the categories differ.
    pub fn add(&mut self, other: &Self) -> Result<(), InvalidInput> {
        same_length("categories", self.categories, other.categories)?;
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        Ok(())
    }

    /// Number of categories.
    #[must_use]
    pub const fn categories(&self) -> usize {
        self.categories
    }

    /// The counts, row-major.
    #[must_use]
    pub fn counts(&self) -> &[f64] {
        &self.counts
    }

    /// Number of items.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// Share of items on which both agree.
    ///
    /// # Errors
    /// [`Undefined::NoData`] without items.
    pub fn agreement(&self) -> Result<f64, Undefined> {
        let total = self.total();
        if total <= 0.0 {
            return Err(Undefined::NoData);
        }
        Ok(self.counts.iter().step_by(self.categories + 1).sum::<f64>() / total)
    }

    /// Cohen's κ, weighted or not.
    ///
    /// # Errors
    /// [`Undefined::NoData`] without items, [`Undefined::OneCategory`] if both annotators used one
    /// and the same category throughout (κ is 0/0).
    ///
    /// # Source
    /// J. Cohen, *Weighted kappa*, Psychol. Bull. 70 (1968); standard errors: J. L. Fleiss,
    /// J. Cohen, B. S. Everitt, *Large sample standard errors of kappa and weighted kappa*,
    /// Psychol. Bull. 72 (1969).
    ///
    /// ```
    /// use insitu_measure::agreement::{Confusion, Weights};
    ///
    /// let kappa = Confusion::from_counts(2, &[20, 5, 10, 15])?.kappa(Weights::Identity)?;
    /// assert!((kappa.value - 0.4).abs() < 1e-12); // 0.7 observed, 0.5 by chance
    /// assert!(kappa.interval(0.95).low > 0.1);
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn kappa(&self, weights: Weights) -> Result<Kappa, Undefined> {
        let (k, n) = (self.categories, self.total());
        if n <= 0.0 {
            return Err(Undefined::NoData);
        }
        let (rows, columns) = self.margins(n);
        // Sums of disagreement are exactly zero when they should be; 1 − agreement is not.
        let (mut apart, mut apart_by_chance) = (0.0, 0.0);
        let (mut row_mean, mut column_mean) = (vec![0.0; k], vec![0.0; k]);
        for i in 0..k {
            for j in 0..k {
                let weight = weights.agreement(k, i, j);
                apart += (1.0 - weight) * self.counts[i * k + j] / n;
                apart_by_chance += (1.0 - weight) * rows[i] * columns[j];
                row_mean[i] += weight * columns[j];
                column_mean[j] += weight * rows[i];
            }
        }
        if apart_by_chance < CHANCE_MIN {
            return Err(Undefined::OneCategory);
        }
        let (observed, expected) = (1.0 - apart, 1.0 - apart_by_chance);
        // Squared distances from the mean, which square − mean² would lose when they are all 0.
        let centre = observed * expected - 2.0 * expected + observed;
        let (mut square, mut square_null) = (0.0, 0.0);
        for i in 0..k {
            for j in 0..k {
                let (weight, means) = (weights.agreement(k, i, j), row_mean[i] + column_mean[j]);
                let influence = weight * apart_by_chance - means * apart;
                square += self.counts[i * k + j] / n * (influence - centre).powi(2);
                square_null += rows[i] * columns[j] * (weight - means + expected).powi(2);
            }
        }
        Ok(Kappa {
            value: 1.0 - apart / apart_by_chance,
            se: (square / n).sqrt() / apart_by_chance.powi(2),
            se_null: (square_null / n).sqrt() / apart_by_chance,
            observed,
            expected,
        })
    }

    fn margins(&self, total: f64) -> (Vec<f64>, Vec<f64>) {
        let (mut rows, mut columns) = (vec![0.0; self.categories], vec![0.0; self.categories]);
        for (row, counts) in rows.iter_mut().zip(self.counts.chunks_exact(self.categories)) {
            for (column, count) in columns.iter_mut().zip(counts) {
                *row += count / total;
                *column += count / total;
            }
        }
        (rows, columns)
    }
}

impl Kappa {
    /// The normal interval at confidence `level` in (0, 1). It is not cut at ±1.
    #[must_use]
    pub fn interval(&self, level: f64) -> Interval {
        Interval::normal(self.value, self.se, level)
    }
}

impl Interval {
    /// `centre` ± z·`se` at confidence `level` in (0, 1).
    #[must_use]
    pub fn normal(centre: f64, se: f64, level: f64) -> Self {
        Self::around(centre, se * special::normal_quantile(0.5 + 0.5 * level))
    }

    /// `centre` ± t·`se` at confidence `level` in (0, 1), for `degrees` > 0 of freedom.
    #[must_use]
    pub fn student(centre: f64, se: f64, degrees: f64, level: f64) -> Self {
        Self::around(centre, se * special::student_quantile(0.5 + 0.5 * level, degrees))
    }

    fn around(centre: f64, reach: f64) -> Self {
        Self { low: centre - reach, high: centre + reach }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_category_is_undefined_not_perfect() {
        let same = Confusion::from_labels(2, &[0, 0, 0], &[0, 0, 0]).unwrap();
        assert_eq!(same.kappa(Weights::Identity), Err(Undefined::OneCategory));
        assert_eq!(same.agreement(), Ok(1.0));
        let nearly = Confusion::new(2, vec![1.0, 1e-320, 1e-320, 1e-320]).unwrap();
        assert_eq!(nearly.kappa(Weights::Identity), Err(Undefined::OneCategory));
    }

    #[test]
    fn a_constant_annotator_agrees_by_chance_without_error() {
        let first = [1; 10];
        let second = [1, 2, 0, 1, 1, 1, 2, 2, 2, 0];
        let kappa = Confusion::from_labels(3, &first, &second).unwrap();
        let kappa = kappa.kappa(Weights::Identity).unwrap();
        assert!(kappa.value.abs() < 1e-12 && kappa.se < 1e-12 && kappa.se_null < 1e-12);
    }

    #[test]
    fn no_items_and_no_categories_are_undefined() {
        for categories in [0, 1, 3] {
            let empty = Confusion::from_labels(categories, &[], &[]).unwrap();
            assert_eq!(empty.kappa(Weights::Linear), Err(Undefined::NoData));
            assert_eq!(empty.agreement(), Err(Undefined::NoData));
        }
    }

    #[test]
    fn bad_counts_are_refused() {
        assert!(Confusion::new(2, vec![1.0, f64::NAN, 0.0, 0.0]).is_err());
        assert!(Confusion::new(2, vec![1.0, -1.0, 0.0, 0.0]).is_err());
        assert!(Confusion::new(2, vec![1.0]).is_err());
        assert!(Confusion::new(1_000_000, vec![]).is_err());
        assert!(Confusion::from_labels(2, &[0, 2], &[0, 1]).is_err());
        assert!(Confusion::from_labels(2, &[0], &[0, 1]).is_err());
    }
}
