//! The joint distribution of given and true labels.

use crate::input::{
    InvalidInput, MATRIX_CATEGORIES_MAX, MeasureError, Undefined, at_most, known, same_length,
};
use crate::probabilities::{Probabilities, argmax};

/// A probability this close to its threshold counts as reaching it.
const SLACK: f64 = 1e-6;
const THRESHOLD_MIN: f64 = 2e-6;
/// No probability reaches the threshold of a class that no label names.
const THRESHOLD_OF_UNUSED: f64 = 2.0;
const RATE_MAX: f64 = 0.9999;
const PRIOR_MIN: f64 = 1e-6;

/// Given labels, a model's out-of-sample probabilities, and what they say about each other.
#[derive(Clone, Debug)]
pub struct ConfidentLearning<'a> {
    pub(super) labels: &'a [u32],
    pub(super) probabilities: Probabilities<'a>,
    pub(super) given: Vec<u64>,
    /// Items with a class likelier than the given one, ascending.
    pub(super) doubtful: Vec<u32>,
    thresholds: Vec<f64>,
    joint: Vec<u64>,
    calibrated: Vec<u64>,
    off_diagonal: Vec<u32>,
}

/// Rates of label noise, each matrix row-major with shape `[categories, categories]`.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseRates {
    /// Share of each true label.
    pub priors: Vec<f64>,
    /// P(given = row | true = column); columns sum to 1 where the true label occurs.
    pub given_if_true: Vec<f64>,
    /// P(true = row | given = column); columns sum to 1 where the given label occurs.
    pub true_if_given: Vec<f64>,
}

impl<'a> ConfidentLearning<'a> {
    /// Counts confident joint labels. An item counts for the likeliest class that reaches its
    /// threshold, the mean probability of the class among items that carry its label.
    ///
    /// # Errors
    /// [`MeasureError::Invalid`] if the labels do not fit the probabilities, there are more than
    /// [`MATRIX_CATEGORIES_MAX`] classes or more than 2³² items; [`Undefined::NoData`] without
    /// items.
    ///
    /// ```
    /// use insitu_measure::{Probabilities, label_errors::{ConfidentLearning, Filter}};
    ///
    /// let p = [0.9, 0.1, 0.8, 0.2, 0.1, 0.9, 0.2, 0.8, 0.05, 0.95];
    /// let fit = ConfidentLearning::new(&[0, 0, 1, 1, 0], Probabilities::new(2, &p)?)?;
    /// assert_eq!(fit.find(Filter::Confident), [4]);
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn new(labels: &'a [u32], probabilities: Probabilities<'a>) -> Result<Self, MeasureError> {
        let k = probabilities.categories();
        at_most("categories", MATRIX_CATEGORIES_MAX, k)?;
        at_most("items", u32::MAX as usize, labels.len())?;
        same_length("labels", probabilities.items(), labels.len())?;
        known("labels", labels, k)?;
        if labels.is_empty() {
            return Err(Undefined::NoData.into());
        }
        let (given, thresholds) = thresholds(labels, probabilities);
        let mut fit = Self {
            labels,
            probabilities,
            given,
            doubtful: Vec::new(),
            thresholds,
            joint: vec![0; k * k],
            calibrated: Vec::new(),
            off_diagonal: Vec::new(),
        };
        fit.count();
        fit.calibrate();
        Ok(fit)
    }

    /// The same with other calibrated counts, row-major, for example from more items than these;
    /// filters and rates follow them.
    ///
    /// # Errors
    /// [`InvalidInput::Length`] if there is not one count for each pair of classes.
    pub fn with_calibrated_joint(mut self, joint: Vec<u64>) -> Result<Self, InvalidInput> {
        same_length("joint", self.joint.len(), joint.len())?;
        self.calibrated = joint;
        Ok(self)
    }

    fn count(&mut self) {
        let k = self.probabilities.categories();
        let least: Vec<f64> = self.thresholds.iter().map(|threshold| threshold - SLACK).collect();
        for ((item, row), &label) in (0..).zip(self.probabilities.rows()).zip(self.labels) {
            let own = row[label as usize];
            // Without branches: nearly every item needs no more than these two counts.
            let (mut rivals, mut confident) = (0_u64, 0_u64);
            for (p, least) in row.iter().zip(&least) {
                rivals += u64::from(*p >= own);
                confident += u64::from(p >= least);
            }
            // The label is the only one as likely as itself.
            let top = if rivals == 1 { label as usize } else { argmax(row) };
            if row[top] > own {
                self.doubtful.push(item);
            }
            let truth = match confident {
                0 => continue,
                1 if row[top] < least[top] => only(row, &least),
                _ => top,
            };
            self.joint[label as usize * k + truth] += 1;
            if truth != label as usize {
                self.off_diagonal.push(item);
            }
        }
        // Every class keeps at least one item that is right.
        self.joint.iter_mut().step_by(k + 1).for_each(|count| *count = (*count).max(1));
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn calibrate(&mut self) {
        for (row, &given) in self.joint.chunks_exact(self.given.len()).zip(&self.given) {
            let scale = given as f64 / row.iter().sum::<u64>() as f64;
            let scaled: Vec<f64> = row.iter().map(|&count| count as f64 * scale).collect();
            self.calibrated.extend(whole(&scaled));
        }
    }

    /// Mean probability of each class among items that carry its label; 2 for an unused class.
    #[must_use]
    pub fn thresholds(&self) -> &[f64] {
        &self.thresholds
    }

    /// Confident counts by given label (row) and true label (column), row-major.
    #[must_use]
    pub fn confident_joint(&self) -> &[u64] {
        &self.joint
    }

    /// Items that count as confidently mislabeled, ascending.
    #[must_use]
    pub fn off_diagonal(&self) -> &[u32] {
        &self.off_diagonal
    }

    /// The counts scaled so that each given label has as many as there are, in whole items.
    #[must_use]
    pub fn calibrated_joint(&self) -> &[u64] {
        &self.calibrated
    }

    /// Estimated share of each pair of given (row) and true label (column), row-major.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn joint(&self) -> Vec<f64> {
        let total = self.calibrated.iter().sum::<u64>().max(1) as f64;
        self.calibrated.iter().map(|&count| count as f64 / total).collect()
    }

    /// Priors and noise rates that follow from the calibrated counts.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn noise_rates(&self) -> NoiseRates {
        let k = self.given.len();
        let joint: Vec<f64> = self.calibrated.iter().map(|&count| count as f64).collect();
        let mut given_if_true = joint.clone();
        let mut true_if_given: Vec<f64> = (0..k * k).map(|at| joint[at % k * k + at / k]).collect();
        normalise_columns(&mut given_if_true, k);
        normalise_columns(&mut true_if_given, k);
        let items = self.labels.len() as f64;
        let prior = |class: usize| {
            let (back, forth) = (true_if_given[class * (k + 1)], given_if_true[class * (k + 1)]);
            let ratio = if forth > 0.0 { back / forth } else { 0.0 };
            (ratio * self.given[class] as f64 / items).clamp(PRIOR_MIN, 1.0)
        };
        let mut priors: Vec<f64> = (0..k).map(prior).collect();
        let sum: f64 = priors.iter().sum();
        priors.iter_mut().for_each(|prior| *prior /= sum);
        for rates in [&mut given_if_true, &mut true_if_given] {
            let off = rates.iter_mut().enumerate().filter(|(at, _)| at % (k + 1) != 0);
            off.for_each(|(_, rate)| *rate = rate.min(RATE_MAX));
            normalise_columns(rates, k);
        }
        NoiseRates { priors, given_if_true, true_if_given }
    }
}

/// The one class that reaches its threshold.
fn only(row: &[f64], least: &[f64]) -> usize {
    row.iter().zip(least).position(|(p, least)| p >= least).unwrap_or(0)
}

fn thresholds(labels: &[u32], probabilities: Probabilities<'_>) -> (Vec<u64>, Vec<f64>) {
    let mut sums = vec![(0_u64, 0.0); probabilities.categories()];
    for (row, &label) in probabilities.rows().zip(labels) {
        let (count, sum) = &mut sums[label as usize];
        *count += 1;
        *sum += row[label as usize];
    }
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let mean = |(count, sum): &(u64, f64)| match count {
        0 => THRESHOLD_OF_UNUSED,
        _ => (sum / *count as f64).max(THRESHOLD_MIN),
    };
    (sums.iter().map(|(count, _)| *count).collect(), sums.iter().map(mean).collect())
}

/// Rounds a row to whole numbers with the same (rounded) sum, changing those that rounding
/// moved farthest; of equals, the last goes up and the first goes down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of items are small and never fall below zero"
)]
fn whole(row: &[f64]) -> Vec<u64> {
    let mut counts: Vec<f64> = row.iter().map(|x| x.round_ties_even()).collect();
    let target = row.iter().sum::<f64>().round_ties_even();
    loop {
        let missing = (target - counts.iter().sum::<f64>()).round();
        if missing.abs() < 0.5 || row.is_empty() {
            break;
        }
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| (row[a] - counts[a]).total_cmp(&(row[b] - counts[b])));
        if missing > 0.0 {
            order.reverse();
        }
        for &at in order.iter().take(missing.abs() as usize) {
            counts[at] += missing.signum();
        }
    }
    counts.into_iter().map(|count| count as u64).collect()
}

fn normalise_columns(matrix: &mut [f64], k: usize) {
    for column in 0..k {
        let sum: f64 = matrix.iter().skip(column).step_by(k).sum();
        if sum > 0.0 {
            matrix.iter_mut().skip(column).step_by(k).for_each(|value| *value /= sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_the_sum() {
        assert_eq!(whole(&[0.5, 0.5, 1.0]), [0, 1, 1]);
        assert_eq!(whole(&[1.5, 1.5]), [1, 2]);
        assert_eq!(whole(&[]), [0_u64; 0]);
    }

    #[test]
    fn an_unused_class_is_never_the_truth() {
        let p = [0.1, 0.1, 0.8, 0.2, 0.7, 0.1];
        let probabilities = Probabilities::new(3, &p).unwrap();
        let fit = ConfidentLearning::new(&[0, 1], probabilities).unwrap();
        assert_eq!(fit.confident_joint(), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
        let rates = fit.noise_rates();
        assert!(rates.priors.iter().all(|prior| prior.is_finite()), "{rates:?}");
        assert!((fit.thresholds()[2] - THRESHOLD_OF_UNUSED).abs() < 1e-12);
    }
}
