//! Reliability diagrams, expected calibration error and Brier score.

use crate::input::{InvalidInput, MeasureError, Undefined, at_most, same_length, within};

/// Most bins of a reliability diagram.
pub const BINS_MAX: usize = 10_000;

/// Confidence and correctness in bins.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    bins: Vec<Bin>,
}

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Items in the bin.
    pub count: f64,
    /// Correct items in the bin.
    pub correct: f64,
    /// Sum of their confidences.
    pub confidence: f64,
}

impl Reliability {
    /// Bins of equal width over [0, 1]: bin = min(⌊confidence · bins⌋, bins − 1).
    ///
    /// # Errors
    /// [`InvalidInput`] if the lengths differ, a confidence is outside [0, 1], or there are no
    /// bins or more than [`BINS_MAX`].
    ///
    /// ```
    /// use insitu_measure::calibration::Reliability;
    ///
    /// let diagram = Reliability::equal_width(10, &[0.95, 0.95], &[true, false])?;
    /// assert!((diagram.expected_calibration_error()? - 0.45).abs() < 1e-12);
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the confidence is in [0, 1] and the bins are few"
    )]
    pub fn equal_width(
        bins: usize,
        confidence: &[f64],
        correct: &[bool],
    ) -> Result<Self, InvalidInput> {
        check(bins, confidence, correct)?;
        let mut diagram = Self { bins: vec![Bin::default(); bins] };
        for (confidence, correct) in confidence.iter().zip(correct) {
            let bin = ((confidence * bins as f64) as usize).min(bins - 1);
            diagram.bins[bin].add(*confidence, *correct);
        }
        Ok(diagram)
    }

    /// Adaptive bins: each with the same number of items, within one. Equal confidences may be
    /// split.
    ///
    /// # Errors
    /// As [`Reliability::equal_width`].
    ///
    /// # Source
    /// J. Nixon et al., *Measuring calibration in deep learning* (2019).
    pub fn equal_count(
        bins: usize,
        confidence: &[f64],
        correct: &[bool],
    ) -> Result<Self, InvalidInput> {
        check(bins, confidence, correct)?;
        let mut order: Vec<usize> = (0..confidence.len()).collect();
        order.sort_by(|&a, &b| confidence[a].total_cmp(&confidence[b]));
        let mut diagram = Self { bins: vec![Bin::default(); bins] };
        for (rank, item) in order.into_iter().enumerate() {
            diagram.bins[rank * bins / confidence.len()].add(confidence[item], correct[item]);
        }
        Ok(diagram)
    }

    /// The bins, in ascending order of confidence.
    #[must_use]
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// Mean distance between confidence and accuracy over items, in [0, 1].
    ///
    /// # Errors
    /// [`Undefined::NoData`] without items.
    ///
    /// # Source
    /// M. P. Naeini, G. Cooper, M. Hauskrecht, *Obtaining well calibrated probabilities using
    /// Bayesian binning* (2015).
    pub fn expected_calibration_error(&self) -> Result<f64, Undefined> {
        let items: f64 = self.bins.iter().map(|bin| bin.count).sum();
        if items <= 0.0 {
            return Err(Undefined::NoData);
        }
        Ok(self.bins.iter().map(|bin| (bin.correct - bin.confidence).abs()).sum::<f64>() / items)
    }
}

impl Bin {
    fn add(&mut self, confidence: f64, correct: bool) {
        self.count += 1.0;
        self.correct += f64::from(u8::from(correct));
        self.confidence += confidence;
    }
}

/// Mean squared distance between confidence and correctness, in [0, 1].
///
/// # Errors
/// [`InvalidInput`] if the lengths differ or a confidence is outside [0, 1],
/// [`Undefined::NoData`] without items.
///
/// # Source
/// G. W. Brier, *Verification of forecasts expressed in terms of probability* (1950).
#[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
pub fn brier(confidence: &[f64], correct: &[bool]) -> Result<f64, MeasureError> {
    check(1, confidence, correct)?;
    if confidence.is_empty() {
        return Err(Undefined::NoData.into());
    }
    let square = |(p, right): (&f64, &bool)| (p - f64::from(u8::from(*right))).powi(2);
    Ok(confidence.iter().zip(correct).map(square).sum::<f64>() / confidence.len() as f64)
}

fn check(bins: usize, confidence: &[f64], correct: &[bool]) -> Result<(), InvalidInput> {
    at_most("bins", BINS_MAX, bins)?;
    same_length("bins", bins.max(1), bins)?;
    same_length("correct", confidence.len(), correct.len())?;
    within("confidence", confidence, 0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adaptive_bins_are_even() {
        let confidence: Vec<f64> = (0..10).map(|i| f64::from(i) / 10.0).collect();
        let diagram = Reliability::equal_count(4, &confidence, &[true; 10]).unwrap();
        let counts: Vec<f64> = diagram.bins().iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [3.0, 2.0, 3.0, 2.0]);
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(Reliability::equal_width(0, &[0.5], &[true]).is_err());
        assert!(Reliability::equal_width(5, &[1.5], &[true]).is_err());
        assert!(Reliability::equal_width(5, &[f64::NAN], &[true]).is_err());
        assert!(brier(&[], &[]).is_err());
        let empty = Reliability::equal_count(5, &[], &[]).unwrap();
        assert_eq!(empty.expected_calibration_error(), Err(Undefined::NoData));
    }
}
