//! Batches that cover the data.

use super::clusters::{Points, in_turn, k_means, square};
use super::uncertainty::{Uncertainty, most, uncertainty};
use crate::input::{InvalidInput, known, same_length};
use crate::probabilities::{Probabilities, argmax};
use crate::random::Random;

/// For each item wanted, so many of the most doubtful are looked at.
const CANDIDATES: usize = 5;
const ROUNDS: usize = 10;

/// A chosen point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Its position.
    pub item: usize,
    /// How far it was from all that was chosen or labeled before; infinite if nothing was.
    pub radius: f64,
}

/// Chooses `count` points one after the other, each the farthest from all labeled and chosen ones;
/// of equals the first. `points` is row-major, shape `[items, dimensions]`.
///
/// # Errors
/// [`InvalidInput`] if there is no whole number of rows, more than
/// [`POINTS_MAX`](super::POINTS_MAX), a number beyond ±1e150, or a labeled item that does not
/// exist.
///
/// # Source
/// O. Sener, S. Savarese, *Active learning for convolutional neural networks: a core-set
/// approach* (2018).
///
/// ```
/// use insitu_measure::sampling::k_center;
///
/// let chosen = k_center(1, &[0.0, 1.0, 2.0, 10.0], &[0], 2)?;
/// assert_eq!(chosen.iter().map(|c| c.item).collect::<Vec<_>>(), [3, 2]);
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
pub fn k_center(
    dimensions: usize,
    points: &[f64],
    labeled: &[u32],
    count: usize,
) -> Result<Vec<Choice>, InvalidInput> {
    let points = Points::new(dimensions, points)?;
    known("labeled", labeled, points.count())?;
    let mut cover = Cover {
        points,
        nearest: vec![f64::INFINITY; points.count()],
        free: vec![true; points.count()],
    };
    labeled.iter().for_each(|&item| cover.take(item as usize));
    let mut chosen = Vec::new();
    while let Some(choice) = cover.farthest().filter(|_| chosen.len() < count) {
        chosen.push(choice);
        cover.take(choice.item);
    }
    Ok(chosen)
}

/// Squared distance of each point from all that is taken.
struct Cover<'a> {
    points: Points<'a>,
    nearest: Vec<f64>,
    free: Vec<bool>,
}

impl Cover<'_> {
    fn take(&mut self, item: usize) {
        self.free[item] = false;
        for (at, nearest) in self.nearest.iter_mut().enumerate() {
            *nearest = nearest.min(self.points.square(at, item));
        }
    }

    fn farthest(&self) -> Option<Choice> {
        let farther =
            |a: &usize, b: &usize| self.nearest[*a].total_cmp(&self.nearest[*b]).then(b.cmp(a));
        let item = (0..self.free.len()).filter(|&at| self.free[at]).max_by(farther)?;
        Some(Choice { item, radius: self.nearest[item].sqrt() })
    }
}

/// Chooses `count` doubtful items that differ: the three times as many of smallest margin fall
/// into `count` clusters by k-means, weighed by their doubt, and of each cluster comes the item
/// nearest to its centre (of more than [`CLUSTERS_MAX`](super::CLUSTERS_MAX) clusters' worth, the
/// second nearest, and so on). Clusters come in the order of their most doubtful item. Equal seeds
/// give equal choices.
///
/// # Errors
/// [`InvalidInput`] if items and points differ in number, or as [`k_center`].
///
/// # Source
/// F. Zhdanov, *Diverse mini-batch active learning* (2019).
pub fn diverse_margin(
    probabilities: Probabilities<'_>,
    dimensions: usize,
    points: &[f64],
    count: usize,
    random_seed: u64,
) -> Result<Vec<usize>, InvalidInput> {
    let points = Points::new(dimensions, points)?;
    same_length("points", probabilities.items(), points.count())?;
    let open: Vec<usize> = (0..points.count()).collect();
    diverse_among(probabilities, points, &open, count, &mut Random::new(random_seed))
}

/// The same among the items `open` only.
pub(super) fn diverse_among(
    probabilities: Probabilities<'_>,
    points: Points<'_>,
    open: &[usize],
    count: usize,
    random: &mut Random,
) -> Result<Vec<usize>, InvalidInput> {
    let doubt = uncertainty(probabilities, Uncertainty::Margin);
    let open_doubt: Vec<f64> = open.iter().map(|&item| doubt[item]).collect();
    let candidates = most(&open_doubt, count.saturating_mul(CANDIDATES));
    let near: Vec<f64> = candidates.iter().flat_map(|&at| points.row(open[at])).copied().collect();
    let weights: Vec<f64> = candidates.iter().map(|&at| open_doubt[at]).collect();
    let near = Points::new(points.dimensions, &near)?;
    let clusters = k_means(near, &weights, count.min(super::CLUSTERS_MAX), ROUNDS, random);
    let mut groups = clusters.members();
    // Candidates come by doubt, so a group's first member is its most doubtful.
    groups.sort_by_key(|members| members.first().copied());
    let off: Vec<f64> = (0..near.count())
        .map(|at| square(near.row(at), &clusters.centres[clusters.of[at]]))
        .collect();
    for members in &mut groups {
        members.sort_by(|&a, &b| off[a].total_cmp(&off[b]));
    }
    let chosen = in_turn(&groups, count);
    Ok(chosen.into_iter().map(|at| open[candidates[at]]).collect())
}

/// Gradient of each item's loss in the head if the likeliest class were right: (p − onehot) ⊗
/// features, row-major, class by class. Long and different gradients make a good batch.
///
/// # Errors
/// [`InvalidInput`] if items and features differ in number, or as [`k_center`].
///
/// # Source
/// J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal, *Deep batch active learning by
/// diverse, uncertain gradient lower bounds* (BADGE, 2020).
pub fn gradient_embedding(
    probabilities: Probabilities<'_>,
    dimensions: usize,
    features: &[f64],
) -> Result<Vec<f64>, InvalidInput> {
    let features = Points::new(dimensions, features)?;
    same_length("features", probabilities.items(), features.count())?;
    let mut embedding = Vec::with_capacity(probabilities.values().len() * dimensions);
    for (item, row) in probabilities.rows().enumerate() {
        let top = argmax(row);
        for (class, p) in row.iter().enumerate() {
            let slope = if class == top { p - 1.0 } else { *p };
            embedding.extend(features.row(item).iter().map(|feature| slope * feature));
        }
    }
    Ok(embedding)
}
