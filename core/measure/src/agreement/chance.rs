//! Agreement of any number of annotators, corrected for one of five ideas of chance.
//!
//! Source: K. L. Gwet, *Handbook of Inter-Rater Reliability* (2014), chapters 2–6, with the
//! variances that treat items as drawn from an infinite population.

use super::confusion::Interval;
use super::weights::Weights;
use crate::input::{MATRIX_CATEGORIES_MAX, MeasureError, Undefined, at_most, same_length, within};
use crate::ratings::{Rating, Ratings};

/// Largest annotators × categories for Conger's κ.
const ANNOTATORS_MAX: usize = 1 << 26;
/// Farthest position of a category: differences and their squares stay finite.
const POSITION_MAX: f64 = 1e150;

/// What agreement by chance would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chance {
    /// Gwet's AC1 and, with weights, AC2: chance only strikes where the choice is hard. Stays
    /// stable when one category dominates.
    Gwet,
    /// Fleiss' κ (with gaps): every annotator draws from the common shares.
    Fleiss,
    /// Conger's κ: every annotator draws from their own shares; for two, Cohen's κ.
    Conger,
    /// Brennan and Prediger: all categories are equally likely.
    BrennanPrediger,
    /// Krippendorff's α in Gwet's form, over items with two or more ratings.
    Krippendorff,
}

/// A chance-corrected coefficient of agreement.
#[derive(Clone, Debug, PartialEq)]
pub struct ChanceCorrected {
    /// The coefficient; 0 is chance, 1 is perfect.
    pub value: f64,
    /// Standard error over items.
    pub se: f64,
    /// Weighted share of agreement among pairs of ratings of an item.
    pub observed: f64,
    /// The same expected by chance.
    pub expected: f64,
    /// Share of each category, each item counting the same.
    pub shares: Vec<f64>,
    /// Items with a rating.
    pub items: usize,
    /// Items with two or more.
    pub paired: usize,
}

impl ChanceCorrected {
    /// Student's interval at confidence `level` in (0, 1), cut at 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
    pub fn interval(&self, level: f64) -> Interval {
        let interval = Interval::student(self.value, self.se, self.items as f64 - 1.0, level);
        Interval { high: interval.high.min(1.0), ..interval }
    }
}

/// The coefficient for one idea of chance and one set of weights, of categories at equal steps.
///
/// # Errors
/// [`MeasureError::Invalid`] if there are more than [`MATRIX_CATEGORIES_MAX`] categories;
/// [`Undefined::NoData`] if no item has two ratings, [`Undefined::TooFew`] for a single item,
/// [`Undefined::OneCategory`] if chance agreement is perfect.
///
/// ```
/// use insitu_measure::{Ratings, agreement::{Chance, Weights, chance_corrected}};
///
/// // 95 of 100 items are negative to both: κ despairs, AC1 does not.
/// let mut table = vec![Some(0); 190];
/// table.extend([Some(0), Some(1), Some(1), Some(0), Some(0), Some(1), Some(1), Some(1)]);
/// let ratings = Ratings::from_table(2, 2, &table)?;
/// let value = |chance| chance_corrected(&ratings, chance, Weights::Identity).map(|c| c.value);
/// assert!(value(Chance::Conger)? < 0.4 && value(Chance::Gwet)? > 0.9);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn chance_corrected(
    ratings: &Ratings,
    chance: Chance,
    weights: Weights,
) -> Result<ChanceCorrected, MeasureError> {
    at_most("categories", MATRIX_CATEGORIES_MAX, ratings.categories())?;
    #[expect(clippy::cast_precision_loss, reason = "at most a few thousand categories")]
    let steps: Vec<f64> = (0..ratings.categories()).map(|at| at as f64).collect();
    chance_corrected_at(ratings, chance, weights, &steps)
}

/// [`chance_corrected`] of categories that stand for numbers: how far two are apart is the
/// difference of their `positions`, of which there is one for each category.
///
/// # Errors
/// As [`chance_corrected`]; [`MeasureError::Invalid`] if there is not one position for each category
/// or one is not between ±10¹⁵⁰.
pub fn chance_corrected_at(
    ratings: &Ratings,
    chance: Chance,
    weights: Weights,
    positions: &[f64],
) -> Result<ChanceCorrected, MeasureError> {
    let k = ratings.categories();
    at_most("categories", MATRIX_CATEGORIES_MAX, k)?;
    let size = ratings.annotators().saturating_mul(k);
    at_most("annotators × categories", ANNOTATORS_MAX, size)?;
    same_length("positions", k, positions.len())?;
    within("positions", positions, -POSITION_MAX, POSITION_MAX)?;
    let matrix = weights.matrix(positions);
    let data = Data::new(ratings, matrix, chance)?;
    let expected = match chance {
        Chance::Gwet => data.gwet(),
        Chance::Fleiss | Chance::Krippendorff => data.common(),
        Chance::Conger => data.conger(),
        Chance::BrennanPrediger => Expectation::constant(k, data.mean_weight()),
    };
    data.corrected(&expected, chance)
}

struct Data<'a> {
    items: Vec<&'a [Rating]>,
    annotators: usize,
    matrix: Vec<f64>,
    shares: Vec<f64>,
    /// Mean number of ratings, by which Krippendorff weighs items; `None` for the others.
    mean_ratings: Option<f64>,
    paired: usize,
}

/// Agreement by chance, and what each rating adds to its item's part of it.
struct Expectation {
    total: f64,
    by_label: Vec<f64>,
    /// By annotator and label; only Conger's depends on the annotator.
    by_annotator: Option<Vec<f64>>,
    constant: f64,
}

impl Expectation {
    fn constant(categories: usize, total: f64) -> Self {
        Self { total, by_label: vec![total; categories], by_annotator: None, constant: 0.0 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "items and ratings stay far below 2^53")]
impl<'a> Data<'a> {
    fn new(ratings: &'a Ratings, matrix: Vec<f64>, chance: Chance) -> Result<Self, Undefined> {
        let least = if chance == Chance::Krippendorff { 2 } else { 1 };
        let items: Vec<_> = ratings.iter().filter(|item| item.len() >= least).collect();
        let paired = items.iter().filter(|item| item.len() > 1).count();
        if paired == 0 {
            return Err(Undefined::NoData);
        }
        if items.len() < 2 {
            return Err(Undefined::TooFew { what: "items", found: items.len(), needed: 2 });
        }
        let count = items.iter().map(|item| item.len()).sum::<usize>() as f64;
        let mean_ratings = (least == 2).then(|| count / items.len() as f64);
        let mut shares = vec![0.0; ratings.categories()];
        for item in &items {
            let whole = mean_ratings.unwrap_or(item.len() as f64) * items.len() as f64;
            item.iter().for_each(|rating| shares[rating.label as usize] += whole.recip());
        }
        Ok(Self { items, annotators: ratings.annotators(), matrix, shares, mean_ratings, paired })
    }

    fn mean_weight(&self) -> f64 {
        self.matrix.iter().sum::<f64>() / self.matrix.len() as f64
    }

    fn gwet(&self) -> Expectation {
        let k = self.shares.len() as f64;
        let scale = self.matrix.iter().sum::<f64>() / (k * (k - 1.0)).max(1.0);
        let hard: f64 = self.shares.iter().map(|share| share * (1.0 - share)).sum();
        Expectation {
            total: scale * hard,
            by_label: self.shares.iter().map(|share| scale * (1.0 - share)).collect(),
            by_annotator: None,
            constant: 0.0,
        }
    }

    fn common(&self) -> Expectation {
        let rows = self.matrix.chunks_exact(self.shares.len());
        let by_label: Vec<f64> = rows.map(|row| dot(row, &self.shares)).collect();
        let total = dot(&by_label, &self.shares);
        Expectation { total, by_label, by_annotator: None, constant: 0.0 }
    }

    fn conger(&self) -> Expectation {
        let (k, n) = (self.shares.len(), self.items.len() as f64);
        let mut own = vec![0.0; self.annotators * k];
        let mut given = vec![0.0; self.annotators];
        for rating in self.items.iter().copied().flatten() {
            own[rating.annotator as usize * k + rating.label as usize] += 1.0;
            given[rating.annotator as usize] += 1.0;
        }
        for (shares, given) in own.chunks_exact_mut(k).zip(&given) {
            shares.iter_mut().for_each(|share| *share /= f64::max(*given, 1.0));
        }
        // An annotator without ratings has no shares and no part in chance.
        let active = given.iter().filter(|given| **given > 0.0).count() as f64;
        let sums: Vec<f64> = (0..k).map(|c| own.iter().skip(c).step_by(k).sum()).collect();
        // Mean over pairs of different annotators of their chance to agree.
        let quadratic = |shares: &[f64]| -> f64 {
            self.matrix.chunks_exact(k).zip(shares).map(|(row, s)| s * dot(row, shares)).sum()
        };
        let alone: f64 = own.chunks_exact(k).map(quadratic).sum();
        let pairs = (active * (active - 1.0)).max(1.0);
        let total = (quadratic(&sums) - alone) / pairs;
        let mut by_annotator = Vec::with_capacity(own.len());
        let mut constant = 0.0;
        for (shares, given) in own.chunks_exact(k).zip(&given) {
            let others: Vec<f64> = sums.iter().zip(shares).map(|(sum, own)| sum - own).collect();
            let scale = n / given.max(1.0) / pairs;
            let slope: Vec<f64> =
                self.matrix.chunks_exact(k).map(|row| scale * dot(row, &others)).collect();
            let mean = dot(&slope, shares);
            constant += given / n * mean;
            by_annotator.extend(slope.iter().map(|slope| slope - mean));
        }
        Expectation { total, by_label: Vec::new(), by_annotator: Some(by_annotator), constant }
    }

    fn corrected(
        self,
        chance: &Expectation,
        kind: Chance,
    ) -> Result<ChanceCorrected, MeasureError> {
        let apart = 1.0 - chance.total;
        if apart <= 1e-12 {
            return Err(Undefined::OneCategory.into());
        }
        let (n, paired) = (self.items.len() as f64, self.paired as f64);
        let agreements: Vec<f64> = self.items.iter().map(|item| self.agreement(item)).collect();
        let raw = agreements.iter().sum::<f64>() / paired;
        let count: f64 = self.items.iter().map(|item| item.len() as f64).sum();
        // Krippendorff's correction for small samples.
        let small = if kind == Chance::Krippendorff { count.recip() } else { 0.0 };
        let observed = (1.0 - small) * raw + small;
        let centre = (raw - chance.total) / apart;
        let mut squares = 0.0;
        for (item, agreement) in self.items.iter().zip(&agreements) {
            let (own, by_chance) = match self.mean_ratings {
                Some(mean) => {
                    let more = (item.len() as f64 - mean) / mean;
                    let by_chance = self.by_chance(item, chance) * (1.0 + more);
                    (agreement - observed * more - chance.total, by_chance - chance.total * more)
                }
                None => {
                    let due = if item.len() > 1 { chance.total } else { 0.0 };
                    (n / paired * (agreement - due), self.by_chance(item, chance))
                }
            };
            let influence = own / apart - 2.0 * (1.0 - centre) * (by_chance - chance.total) / apart;
            squares += (influence - centre).powi(2);
        }
        Ok(ChanceCorrected {
            value: (observed - chance.total) / apart,
            se: (squares / (n * (n - 1.0))).sqrt(),
            observed,
            expected: chance.total,
            items: self.items.len(),
            paired: self.paired,
            shares: self.shares,
        })
    }

    /// Weighted agreement among the pairs of one item.
    fn agreement(&self, item: &[Rating]) -> f64 {
        let k = self.shares.len();
        let m = item.len() as f64;
        if m < 2.0 {
            return 0.0;
        }
        let weight = |a: &Rating, b: &Rating| self.matrix[a.label as usize * k + b.label as usize];
        let pairs: f64 = item.iter().map(|a| item.iter().map(|b| weight(a, b)).sum::<f64>()).sum();
        (pairs - m) / (self.mean_ratings.unwrap_or(m) * (m - 1.0))
    }

    /// One item's part in the agreement by chance.
    fn by_chance(&self, item: &[Rating], chance: &Expectation) -> f64 {
        let k = self.shares.len();
        match &chance.by_annotator {
            Some(table) => {
                let part = |r: &Rating| table[r.annotator as usize * k + r.label as usize];
                chance.constant + item.iter().map(part).sum::<f64>()
            }
            None => {
                let part = |rating: &Rating| chance.by_label[rating.label as usize];
                item.iter().map(part).sum::<f64>() / item.len() as f64
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_category_is_undefined() {
        let ratings = Ratings::from_table(2, 2, &[Some(0); 8]).unwrap();
        for chance in [Chance::Fleiss, Chance::Conger, Chance::Krippendorff] {
            let result = chance_corrected(&ratings, chance, Weights::Identity);
            assert_eq!(result, Err(Undefined::OneCategory.into()), "{chance:?}");
        }
        // To Gwet, a category that nobody doubts is no chance at all.
        let gwet = chance_corrected(&ratings, Chance::Gwet, Weights::Identity).unwrap();
        assert!((gwet.value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_rater_or_one_item_is_undefined() {
        let alone = Ratings::from_table(2, 1, &[Some(0), Some(1)]).unwrap();
        let result = chance_corrected(&alone, Chance::Gwet, Weights::Linear);
        assert_eq!(result, Err(Undefined::NoData.into()));
        let single = Ratings::from_table(2, 2, &[Some(0), Some(1)]).unwrap();
        let result = chance_corrected(&single, Chance::Gwet, Weights::Linear);
        assert!(matches!(result, Err(MeasureError::Undefined(Undefined::TooFew { .. }))));
    }

    /// Reference: irrCAC 0.4.4, on ratings of 1, 2 and 5.
    #[test]
    fn categories_stand_where_their_values_are() {
        let rows = "112 222 552 121 555 252 111 2-1 52- 151";
        let label = |c: char| "125".find(c).map(|at| u32::try_from(at).unwrap());
        let cells: Vec<Option<u32>> = rows.chars().filter(|c| *c != ' ').map(label).collect();
        let ratings = Ratings::from_table(3, 3, &cells).unwrap();
        for (weights, gwet, fleiss) in [
            (Weights::Linear, 0.329_886_246_122, 0.282_868_525_896),
            (Weights::Quadratic, 0.417_549_647_865, 0.358_490_566_038),
            (Weights::Ordinal, 0.405_891_575_212, 0.370_739_381_227),
        ] {
            let value = |chance| {
                chance_corrected_at(&ratings, chance, weights, &[1.0, 2.0, 5.0]).unwrap().value
            };
            assert!((value(Chance::Gwet) - gwet).abs() < 1e-9, "{weights:?}");
            assert!((value(Chance::Fleiss) - fleiss).abs() < 1e-9, "{weights:?}");
        }
        for positions in [&[1.0, 2.0][..], &[1.0, 2.0, f64::NAN]] {
            let result = chance_corrected_at(&ratings, Chance::Gwet, Weights::Linear, positions);
            assert!(matches!(result, Err(MeasureError::Invalid(_))));
        }
    }
}
