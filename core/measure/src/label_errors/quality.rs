//! How believable each label is.

use crate::input::{InvalidInput, known, same_length};
use crate::probabilities::Probabilities;

const LEAST: f64 = 1e-6;

/// A score of label quality; lower is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quality {
    /// Probability of the given label, in [0, 1].
    SelfConfidence,
    /// (that − the greatest other probability + 1) / 2, in [0, 1].
    NormalizedMargin,
    /// ln(1 + x)/x of the normalised entropy over the probability of the given label, in [0, 1].
    ConfidenceWeightedEntropy,
}

/// The quality of each label by a model's out-of-sample probabilities.
///
/// # Errors
/// [`InvalidInput`] if the labels do not fit the probabilities.
///
/// ```
/// use insitu_measure::{Probabilities, label_errors::{Quality, label_quality, ranked}};
///
/// let model = Probabilities::new(2, &[0.9, 0.1, 0.9, 0.1])?;
/// let quality = label_quality(&[0, 1], model, Quality::SelfConfidence)?;
/// assert_eq!(ranked(&quality), [1, 0]); // look at item 1 first
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
pub fn label_quality(
    labels: &[u32],
    probabilities: Probabilities<'_>,
    quality: Quality,
) -> Result<Vec<f64>, InvalidInput> {
    same_length("labels", probabilities.items(), labels.len())?;
    known("labels", labels, probabilities.categories())?;
    let score = |(row, &label): (&[f64], &u32)| score(row, label as usize, quality);
    Ok(probabilities.rows().zip(labels).map(score).collect())
}

/// Items by ascending score; of equals the first.
#[must_use]
pub fn ranked(scores: &[f64]) -> Vec<usize> {
    let mut items: Vec<usize> = (0..scores.len()).collect();
    items.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    items
}

#[expect(clippy::cast_precision_loss, reason = "categories stay far below 2^53")]
fn score(row: &[f64], label: usize, quality: Quality) -> f64 {
    let own = row[label];
    match quality {
        Quality::SelfConfidence => own,
        Quality::NormalizedMargin => {
            let others = row.iter().enumerate().filter(|(class, _)| *class != label);
            let top = others.map(|(_, p)| *p).fold(0.0, f64::max);
            (own - top + 1.0) / 2.0
        }
        Quality::ConfidenceWeightedEntropy => {
            let terms = row.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln());
            let entropy = terms.sum::<f64>() / (row.len().max(2) as f64).ln();
            let weighted = entropy / own.max(LEAST);
            weighted.ln_1p() / weighted.max(LEAST)
        }
    }
}
