//! Krippendorff's α.
//!
//! Source: K. Krippendorff, *Computing Krippendorff's alpha-reliability* (2011).

use crate::input::{
    COUNT_MAX, InvalidInput, MATRIX_CATEGORIES_MAX, MeasureError, Undefined, at_most, same_length,
    within,
};
use crate::ratings::Ratings;

/// What differences between categories mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale<'a> {
    /// Categories are equal or not.
    Nominal,
    /// Categories are ranks, in the order of their numbers.
    Ordinal,
    /// Categories have values; the squared difference counts.
    Interval(&'a [f64]),
    /// Categories have values; the squared difference relative to the squared sum counts.
    Ratio(&'a [f64]),
}

/// Krippendorff's α of any number of annotators with gaps, in (-∞, 1]: 0 is chance.
///
/// Nominal, ordinal and interval scales take any number of categories: they need no matrix.
///
/// # Errors
/// [`Undefined::NoData`] if no item has two ratings, [`Undefined::OneCategory`] if all those are
/// in one category (or in categories of equal value), [`Undefined::SignOfValues`] for a ratio
/// scale with values of both signs; [`InvalidInput`] if the values are not one finite number for
/// each category, or a ratio scale has more than [`MATRIX_CATEGORIES_MAX`] of them.
///
/// ```
/// use insitu_measure::{Ratings, agreement::{Scale, alpha}};
///
/// let ratings = Ratings::from_table(2, 2, &[Some(0), Some(0), Some(1), Some(1)])?;
/// assert_eq!(alpha(&ratings, Scale::Nominal)?, 1.0);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn alpha(ratings: &Ratings, scale: Scale<'_>) -> Result<f64, MeasureError> {
    let totals = totals(ratings);
    let pairable: f64 = totals.iter().sum();
    if pairable <= 0.0 {
        return Err(Undefined::NoData.into());
    }
    let ratio = match scale {
        Scale::Nominal => {
            let apart = nominal_observed(ratings);
            let squares: f64 = totals.iter().map(|total| total * total).sum();
            quotient(apart, (pairable * pairable - squares) / (pairable - 1.0))?
        }
        Scale::Ordinal => {
            let apart = square_observed(ratings, &midranks(&totals));
            quotient(apart, square_expected(&totals, &midranks(&totals)))?
        }
        Scale::Interval(values) => {
            check_values(values, totals.len())?;
            let apart = square_observed(ratings, values);
            quotient(apart, square_expected(&totals, values))?
        }
        Scale::Ratio(values) => {
            check_values(values, totals.len())?;
            at_most("categories", MATRIX_CATEGORIES_MAX, totals.len())?;
            check_signs(values, &totals)?;
            quotient(ratio_observed(ratings, values), ratio_expected(&totals, values))?
        }
    };
    Ok(1.0 - ratio)
}

/// How often two ratings of one item fell into the row's and the column's category.
///
/// Row-major, shape `[categories, categories]`, symmetric; an item with m ratings adds m in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Coincidences {
    categories: usize,
    counts: Vec<f64>,
}

impl Coincidences {
    /// A matrix of non-negative coincidences, row-major. It is made symmetric.
    ///
    /// # Errors
    /// [`InvalidInput`] if there are more than [`MATRIX_CATEGORIES_MAX`] categories, the length
    /// is not their square, or a count is negative or above 10¹⁵.
    pub fn new(categories: usize, counts: &[f64]) -> Result<Self, InvalidInput> {
        at_most("categories", MATRIX_CATEGORIES_MAX, categories)?;
        same_length("counts", categories * categories, counts.len())?;
        within("counts", counts, 0.0, COUNT_MAX)?;
        let pair = |i: usize| (i / categories, i % categories);
        let mirrored = |i| counts[pair(i).1 * categories + pair(i).0];
        let counts = (0..counts.len()).map(|i| 0.5 * (counts[i] + mirrored(i))).collect();
        Ok(Self { categories, counts })
    }

    /// Counts the coincidences among ratings.
    ///
    /// # Errors
    /// [`InvalidInput::TooMany`] if there are more than [`MATRIX_CATEGORIES_MAX`] categories.
    #[expect(clippy::cast_precision_loss, reason = "ratings of an item stay far below 2^53")]
    pub fn from_ratings(ratings: &Ratings) -> Result<Self, InvalidInput> {
        let categories = ratings.categories();
        at_most("categories", MATRIX_CATEGORIES_MAX, categories)?;
        let mut counts = vec![0.0; categories * categories];
        let mut tally = Tally::new(categories);
        for item in ratings.iter().filter(|item| item.len() > 1) {
            let pairs = item.len() as f64 - 1.0;
            tally.count(item.iter().map(|rating| rating.label), |tallied| {
                for &(row, n_row) in tallied {
                    for &(column, n_column) in tallied {
                        let same = f64::from(u8::from(row == column));
                        let at = row as usize * categories + column as usize;
                        counts[at] += n_row * (n_column - same) / pairs;
                    }
                }
            });
        }
        Ok(Self { categories, counts })
    }

    /// Number of categories.
    #[must_use]
    pub const fn categories(&self) -> usize {
        self.categories
    }

    /// The coincidences, row-major.
    #[must_use]
    pub fn counts(&self) -> &[f64] {
        &self.counts
    }

    /// Krippendorff's α.
    ///
    /// # Errors
    /// As [`alpha`].
    ///
    /// ```
    /// use insitu_measure::agreement::{Coincidences, Scale};
    ///
    /// let alpha = Coincidences::new(2, &[8.0, 1.0, 1.0, 0.0])?.alpha(Scale::Nominal)?;
    /// assert!(alpha.abs() < 1e-12); // high agreement, but no better than chance
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn alpha(&self, scale: Scale<'_>) -> Result<f64, MeasureError> {
        let k = self.categories;
        let totals: Vec<f64> = self.counts.chunks_exact(k.max(1)).map(|r| r.iter().sum()).collect();
        let n: f64 = totals.iter().sum();
        if n <= 1.0 {
            return Err(Undefined::NoData.into());
        }
        let ranks = midranks(&totals);
        let distance = match scale {
            Scale::Nominal => Distance::Nominal,
            Scale::Ordinal => Distance::Square(&ranks),
            Scale::Interval(values) => Distance::Square(values),
            Scale::Ratio(values) => Distance::Ratio(values),
        };
        if let Scale::Interval(values) | Scale::Ratio(values) = scale {
            check_values(values, k)?;
        }
        if let Scale::Ratio(values) = scale {
            check_signs(values, &totals)?;
        }
        let (mut observed, mut expected) = (0.0, 0.0);
        for i in 0..k {
            for j in (0..k).filter(|&j| j != i) {
                let apart = distance.between(i, j);
                observed += self.counts[i * k + j] * apart;
                expected += totals[i] * totals[j] / (n - 1.0) * apart;
            }
        }
        Ok(1.0 - quotient(observed, expected)?)
    }
}

enum Distance<'a> {
    Nominal,
    Square(&'a [f64]),
    Ratio(&'a [f64]),
}

impl Distance<'_> {
    fn between(&self, i: usize, j: usize) -> f64 {
        match self {
            Self::Nominal => 1.0,
            Self::Square(values) => (values[i] - values[j]).powi(2),
            Self::Ratio(values) => relative(values[i], values[j]),
        }
    }
}

/// ((a − b)/(a + b))²; 0 for equal values, also for two zeros.
fn relative(a: f64, b: f64) -> f64 {
    let apart = a - b;
    if apart.abs() <= 0.0 { 0.0 } else { (apart / (a + b)).powi(2) }
}

fn quotient(observed: f64, expected: f64) -> Result<f64, Undefined> {
    if expected > 0.0 { Ok(observed / expected) } else { Err(Undefined::OneCategory) }
}

fn check_values(values: &[f64], categories: usize) -> Result<(), InvalidInput> {
    same_length("values", categories, values.len())?;
    // Bounded so that no square or product of differences overflows.
    within("values", values, -1e100, 1e100)
}

fn check_signs(values: &[f64], totals: &[f64]) -> Result<(), Undefined> {
    let used = || values.iter().zip(totals).filter(|(_, total)| **total > 0.0).map(|(v, _)| *v);
    let mixed = used().any(|value| value < 0.0) && used().any(|value| value > 0.0);
    if mixed { Err(Undefined::SignOfValues) } else { Ok(()) }
}

/// Ratings of each category that can be paired with another of the same item.
fn totals(ratings: &Ratings) -> Vec<f64> {
    let mut totals = vec![0.0; ratings.categories()];
    for item in ratings.iter().filter(|item| item.len() > 1) {
        for rating in item {
            totals[rating.label as usize] += 1.0;
        }
    }
    totals
}

/// Mean rank of each category's ratings. With them the ordinal metric, the squared number of
/// ratings between two categories, is the squared difference of ranks.
fn midranks(totals: &[f64]) -> Vec<f64> {
    let mut before = 0.0;
    let rank = |total: &f64| {
        before += total;
        before - total / 2.0
    };
    totals.iter().map(rank).collect()
}

/// Σ over items of Σ_c n_c (m − n_c)/(m − 1).
#[expect(clippy::cast_precision_loss, reason = "ratings of an item stay far below 2^53")]
fn nominal_observed(ratings: &Ratings) -> f64 {
    let mut tally = Tally::new(ratings.categories());
    let mut sum = 0.0;
    for item in ratings.iter().filter(|item| item.len() > 1) {
        let m = item.len() as f64;
        let first = item[0].label;
        if item.iter().all(|rating| rating.label == first) {
            continue;
        }
        tally.count(item.iter().map(|rating| rating.label), |tallied| {
            let apart: f64 = tallied.iter().map(|(_, n)| n * (m - n)).sum();
            sum += apart / (m - 1.0);
        });
    }
    sum
}

/// Σ over items of Σ over ordered pairs (x − y)²/(m − 1), by way of the item's spread about its
/// first value, which keeps it exact for large values.
#[expect(clippy::cast_precision_loss, reason = "ratings of an item stay far below 2^53")]
fn square_observed(ratings: &Ratings, values: &[f64]) -> f64 {
    let mut sum = 0.0;
    for item in ratings.iter().filter(|item| item.len() > 1) {
        let m = item.len() as f64;
        let origin = values[item[0].label as usize];
        let (mut first, mut second) = (0.0, 0.0);
        for rating in item {
            let apart = values[rating.label as usize] - origin;
            first += apart;
            second += apart * apart;
        }
        sum += 2.0 * (m * second - first * first) / (m - 1.0);
    }
    sum
}

fn square_expected(totals: &[f64], values: &[f64]) -> f64 {
    let n: f64 = totals.iter().sum();
    let mean = totals.iter().zip(values).map(|(total, value)| total * value).sum::<f64>() / n;
    let spread: f64 = totals.iter().zip(values).map(|(t, value)| t * (value - mean).powi(2)).sum();
    // One value throughout may leave rounding errors of the mean behind.
    let used = || totals.iter().zip(values).filter(|(total, _)| **total > 0.0).map(|(_, v)| *v);
    let (low, high) = used().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if low < high { 2.0 * n * spread / (n - 1.0) } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "ratings of an item stay far below 2^53")]
fn ratio_observed(ratings: &Ratings, values: &[f64]) -> f64 {
    let mut tally = Tally::new(ratings.categories());
    let mut sum = 0.0;
    for item in ratings.iter().filter(|item| item.len() > 1) {
        tally.count(item.iter().map(|rating| rating.label), |tallied| {
            sum += ratio_pairs(tallied, values) / (item.len() as f64 - 1.0);
        });
    }
    sum
}

fn ratio_expected(totals: &[f64], values: &[f64]) -> f64 {
    let used: Vec<(u32, f64)> =
        (0..).zip(totals.iter().copied()).filter(|(_, total)| *total > 0.0).collect();
    ratio_pairs(&used, values) / (totals.iter().sum::<f64>() - 1.0)
}

fn ratio_pairs(tallied: &[(u32, f64)], values: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (at, &(row, n_row)) in tallied.iter().enumerate() {
        for &(column, n_column) in &tallied[at + 1..] {
            sum += 2.0 * n_row * n_column * relative(values[row as usize], values[column as usize]);
        }
    }
    sum
}

/// Counts an item's labels without clearing a counter for each category every time.
struct Tally {
    counts: Vec<u32>,
    tallied: Vec<(u32, f64)>,
}

impl Tally {
    fn new(categories: usize) -> Self {
        Self { counts: vec![0; categories], tallied: Vec::new() }
    }

    fn count(&mut self, labels: impl Iterator<Item = u32>, then: impl FnOnce(&[(u32, f64)])) {
        self.tallied.clear();
        for label in labels {
            let count = &mut self.counts[label as usize];
            if *count == 0 {
                self.tallied.push((label, 0.0));
            }
            *count += 1;
        }
        for (label, count) in &mut self.tallied {
            *count = f64::from(std::mem::take(&mut self.counts[*label as usize]));
        }
        then(&self.tallied);
    }
}
