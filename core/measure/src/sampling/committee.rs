//! How much an ensemble of heads disagrees.

use super::uncertainty::entropy;
use crate::input::{InvalidInput, MeasureError, Undefined, same_length};
use crate::probabilities::{Probabilities, argmax};

/// Disagreement about one item, each in nats and at least 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disagreement {
    /// BALD: what the label would tell about the heads. Entropy of the mean less mean entropy,
    /// which is also the mean divergence of the heads from their mean.
    pub mutual_information: f64,
    /// Entropy of the heads' votes.
    pub vote_entropy: f64,
}

/// Disagreement of the heads of a committee about each item.
///
/// # Errors
/// [`MeasureError::Invalid`] if the heads' shapes differ, [`Undefined::NoData`] without heads.
///
/// # Source
/// N. Houlsby, F. Huszár, Z. Ghahramani, M. Lengyel, *Bayesian active learning for classification
/// and preference learning* (2011).
///
/// ```
/// use insitu_measure::{Probabilities, sampling::disagreement};
///
/// // Both heads are unsure of the first item; they contradict each other about the second.
/// let heads = [[0.5, 0.5, 1.0, 0.0], [0.5, 0.5, 0.0, 1.0]];
/// let heads = [Probabilities::new(2, &heads[0])?, Probabilities::new(2, &heads[1])?];
/// let found = disagreement(&heads)?;
/// assert!(found[0].mutual_information < 1e-12 && found[1].mutual_information > 0.6);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
#[expect(clippy::cast_precision_loss, reason = "heads stay far below 2^53")]
pub fn disagreement(heads: &[Probabilities<'_>]) -> Result<Vec<Disagreement>, MeasureError> {
    let first = heads.first().ok_or(Undefined::NoData)?;
    for head in heads {
        same_shape(first, head)?;
    }
    let (k, count) = (first.categories(), heads.len() as f64);
    let about = |item: usize| {
        let (mut mean, mut votes, mut alone) = (vec![0.0; k], vec![0.0; k], 0.0);
        for head in heads {
            let row = head.row(item);
            mean.iter_mut().zip(row).for_each(|(sum, p)| *sum += p / count);
            votes[argmax(row)] += 1.0 / count;
            alone += entropy(row) / count;
        }
        Disagreement {
            mutual_information: (entropy(&mean) - alone).max(0.0),
            vote_entropy: entropy(&votes),
        }
    };
    Ok((0..first.items()).map(about).collect())
}

fn same_shape(a: &Probabilities<'_>, b: &Probabilities<'_>) -> Result<(), InvalidInput> {
    same_length("head categories", a.categories(), b.categories())?;
    same_length("head items", a.items(), b.items())
}
