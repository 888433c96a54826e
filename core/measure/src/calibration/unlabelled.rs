//! How well a model does where nobody labels, from its calibrated confidence alone.
//!
//! Valid as long as calibration holds: it sees covariate shift, and is blind to concept drift.
//! Source: J. Białek et al., *Estimating model performance under covariate shift without labels*
//! (2024), confidence-based performance estimation (CBPE).

use crate::input::{MeasureError, Undefined, same_length, within};
use crate::probabilities::Probabilities;

/// Expected performance of a two-class model. Ratios are `None` where they are 0/0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Expected true positives.
    pub true_positives: f64,
    /// Expected false positives.
    pub false_positives: f64,
    /// Expected false negatives.
    pub false_negatives: f64,
    /// Expected true negatives.
    pub true_negatives: f64,
    /// Area under the receiver operating curve, by the model's own order of items.
    pub roc_auc: Option<f64>,
}

impl Expected {
    /// Share of right predictions.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positives + self.true_negatives;
        ratio(right, right + self.false_positives + self.false_negatives)
    }

    /// Share of positive predictions that are right.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Share of positives that are found.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of negatives that are found.
    #[must_use]
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negatives, self.true_negatives + self.false_positives)
    }

    /// Harmonic mean of precision and recall.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        let twice = 2.0 * self.true_positives;
        ratio(twice, twice + self.false_positives + self.false_negatives)
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Expected performance of a two-class model from the calibrated probability of the positive
/// class, its raw score (which gives the order of items) and its prediction.
///
/// # Errors
/// [`MeasureError::Invalid`] if the lengths differ, a probability is outside [0, 1] or a score is not
/// finite; [`Undefined::NoData`] without items.
///
/// ```
/// use insitu_measure::calibration::expected_performance;
///
/// let scores = [0.9, 0.2];
/// let expected = expected_performance(&scores, &scores, &[true, false])?;
/// assert!((expected.accuracy().unwrap() - 0.85).abs() < 1e-12);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn expected_performance(
    calibrated: &[f64],
    scores: &[f64],
    predicted: &[bool],
) -> Result<Expected, MeasureError> {
    same_length("scores", calibrated.len(), scores.len())?;
    same_length("predicted", calibrated.len(), predicted.len())?;
    within("calibrated", calibrated, 0.0, 1.0)?;
    within("scores", scores, f64::MIN, f64::MAX)?;
    if calibrated.is_empty() {
        return Err(Undefined::NoData.into());
    }
    let mut sums = [0.0; 4];
    for (p, positive) in calibrated.iter().zip(predicted) {
        let at = if *positive { 0 } else { 2 };
        sums[at] += p;
        sums[at + 1] += 1.0 - p;
    }
    Ok(Expected {
        true_positives: sums[0],
        false_positives: sums[1],
        false_negatives: sums[2],
        true_negatives: sums[3],
        roc_auc: expected_roc_auc(calibrated, scores),
    })
}

/// Expected accuracy of a model with any number of classes: the mean probability of the likeliest.
///
/// # Errors
/// [`Undefined::NoData`] without items.
#[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
pub fn expected_accuracy(probabilities: Probabilities<'_>) -> Result<f64, Undefined> {
    if probabilities.items() == 0 {
        return Err(Undefined::NoData);
    }
    let top = probabilities.rows().map(|row| row.iter().copied().fold(0.0, f64::max));
    Ok(top.sum::<f64>() / probabilities.items() as f64)
}

/// Expected accuracy of a two-class model from a histogram of its calibrated probability over
/// equal bins of [0, 1], each taken at its middle. Counts may be noised; negative ones count as 0.
///
/// # Errors
/// [`MeasureError::Invalid`] if a count is not finite, [`Undefined::NoData`] if none is positive.
#[expect(clippy::cast_precision_loss, reason = "bins stay far below 2^53")]
pub fn expected_accuracy_of_bins(counts: &[f64]) -> Result<f64, MeasureError> {
    within("counts", counts, -1e300, 1e300)?;
    let (mut right, mut items) = (0.0, 0.0);
    for (bin, count) in counts.iter().enumerate() {
        let middle = (bin as f64 + 0.5) / counts.len() as f64;
        right += count.max(0.0) * middle.max(1.0 - middle);
        items += count.max(0.0);
    }
    ratio(right, items).ok_or(MeasureError::Undefined(Undefined::NoData))
}

/// Area under the expected curve, by trapezoids; items of equal score make one step.
fn expected_roc_auc(calibrated: &[f64], scores: &[f64]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut positives, mut negatives, mut area) = (0.0, 0.0, 0.0);
    for equal in order.chunk_by(|&a, &b| scores[a] <= scores[b]) {
        let rise: f64 = equal.iter().map(|&item| calibrated[item]).sum();
        let run: f64 = equal.iter().map(|&item| 1.0 - calibrated[item]).sum();
        area += run * (positives + 0.5 * rise);
        positives += rise;
        negatives += run;
    }
    ratio(area, positives * negatives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certain_and_right_is_perfect() {
        let p = [1.0, 0.0, 1.0];
        let expected = expected_performance(&p, &p, &[true, false, true]).unwrap();
        assert_eq!((expected.accuracy(), expected.roc_auc), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn ratios_without_a_whole_are_none() {
        let expected = expected_performance(&[1.0], &[1.0], &[true]).unwrap();
        assert_eq!((expected.specificity(), expected.roc_auc), (None, None));
        assert!(expected_accuracy_of_bins(&[-3.0, 0.0]).is_err());
        assert!(expected_performance(&[], &[], &[]).is_err());
    }
}
