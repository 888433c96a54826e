//! Sets of labels that contain the right one with a given probability.
//!
//! Source: M. Sadinle, J. Lei, L. Wasserman, *Least ambiguous set-valued classifiers with bounded
//! error levels*, JASA 114 (2019); split conformal calibration.

use crate::input::{InvalidInput, known, same_length, within};
use crate::probabilities::Probabilities;

/// A calibrated rule for label sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelSets {
    /// A label is in the set if one minus its probability is at most this. `None`: the
    /// calibration sample is too small to exclude anything.
    pub score_max: Option<f64>,
    /// Rank of that score among the calibration scores, from 1; above their number if `None`.
    pub rank: usize,
}

impl LabelSets {
    /// Calibrates so that the right label is missing with probability at most `miss_max` in
    /// (0, 1).
    ///
    /// # Errors
    /// [`InvalidInput`] if the labels do not fit the probabilities or `miss_max` is out of range.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ranks are positive and stay far below 2^53"
    )]
    pub fn calibrate(
        probabilities: Probabilities<'_>,
        labels: &[u32],
        miss_max: f64,
    ) -> Result<Self, InvalidInput> {
        same_length("labels", probabilities.items(), labels.len())?;
        known("labels", labels, probabilities.categories())?;
        within("miss_max", &[miss_max], f64::MIN_POSITIVE, 1.0 - f64::EPSILON)?;
        let score = |(row, &label): (&[f64], &u32)| 1.0 - row[label as usize];
        let mut scores: Vec<f64> = probabilities.rows().zip(labels).map(score).collect();
        scores.sort_by(f64::total_cmp);
        // Rounding must not lift a whole number to the next.
        let rank = ((scores.len() as f64 + 1.0) * (1.0 - miss_max) - 1e-9).ceil().max(1.0) as usize;
        Ok(Self { score_max: scores.get(rank - 1).copied(), rank })
    }

    /// The labels in the set for one item's probabilities, ascending.
    #[must_use]
    pub fn labels(&self, row: &[f64]) -> Vec<u32> {
        let inside = |p: f64| self.score_max.is_none_or(|most| 1.0 - p <= most);
        (0..).zip(row).filter(|(_, p)| inside(**p)).map(|(label, _)| label).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_items_exclude_nothing() {
        let probabilities = Probabilities::new(2, &[0.9, 0.1]).unwrap();
        let sets = LabelSets::calibrate(probabilities, &[0], 0.05).unwrap();
        assert_eq!(sets.labels(&[0.99, 0.01]), [0, 1]);
    }
}
