//! Which items stand for many, before there is a model.
//!
//! Source: G. Hacohen, A. Dekel, D. Weinshall, *Active learning on a budget: opposite strategies
//! suit high and low budgets* (`TypiClust`, 2022).

use super::clusters::{Points, in_turn, k_means};
use crate::input::{InvalidInput, MeasureError, Undefined, at_most};
use crate::random::Random;

/// Neighbours by which typicality is judged within a cluster.
const NEIGHBOURS: usize = 20;
const ROUNDS: usize = 50;

/// How typical each point is: one over the mean distance from its `neighbours` nearest others.
/// `points` is row-major, shape `[items, dimensions]`. A point that has that many equals is as
/// typical as can be, `f64::MAX`.
///
/// # Errors
/// [`MeasureError::Invalid`] as [`k_center`](super::k_center); [`Undefined::TooFew`] if there are
/// not more than `neighbours` ≥ 1 points.
#[expect(clippy::cast_precision_loss, reason = "neighbours stay far below 2^53")]
pub fn typicality(
    dimensions: usize,
    points: &[f64],
    neighbours: usize,
) -> Result<Vec<f64>, MeasureError> {
    let points = Points::new(dimensions, points)?;
    if neighbours == 0 || points.count() <= neighbours {
        let (found, needed) = (points.count(), neighbours.max(1) + 1);
        return Err(Undefined::TooFew { what: "points", found, needed }.into());
    }
    let typical = |at: usize| {
        let others = (0..points.count()).filter(|&other| other != at);
        let mut distances: Vec<f64> = others.map(|other| points.square(at, other)).collect();
        distances.select_nth_unstable_by(neighbours - 1, f64::total_cmp);
        let sum: f64 = distances[..neighbours].iter().map(|square| square.sqrt()).sum();
        if sum > 0.0 { neighbours as f64 / sum } else { f64::MAX }
    };
    Ok((0..points.count()).map(typical).collect())
}

/// Chooses `count` items to begin with: the most typical of each of as many clusters (but at most
/// [`CLUSTERS_MAX`](super::CLUSTERS_MAX), of which then every one gives several), largest cluster
/// first. Equal seeds give equal choices.
///
/// # Errors
/// [`InvalidInput`] as [`k_center`](super::k_center), or if there are fewer than `count` points.
///
/// ```
/// use insitu_measure::sampling::typical_seeds;
///
/// let points = [0.0, 0.1, 0.2, 9.0, 9.1];
/// let mut seeds = typical_seeds(1, &points, 2, 1)?;
/// seeds.sort_unstable();
/// assert_eq!(seeds[0], 1); // the middle of the larger cluster
/// # Ok::<(), insitu_measure::InvalidInput>(())
/// ```
pub fn typical_seeds(
    dimensions: usize,
    points: &[f64],
    count: usize,
    random_seed: u64,
) -> Result<Vec<usize>, InvalidInput> {
    let points = Points::new(dimensions, points)?;
    at_most("seeds", points.count(), count)?;
    let labeled = vec![false; points.count()];
    Ok(typical_beside(points, &labeled, count, &mut Random::new(random_seed)))
}

/// Chooses up to `count` items that are not labeled yet from clusters with as few labeled ones as
/// possible, the larger first, and from each the most typical.
pub(super) fn typical_beside(
    points: Points<'_>,
    labeled: &[bool],
    count: usize,
    random: &mut Random,
) -> Vec<usize> {
    let done = labeled.iter().filter(|labeled| **labeled).count();
    let clusters = done.saturating_add(count).min(super::CLUSTERS_MAX);
    let weights = vec![1.0; points.count()];
    let mut members = k_means(points, &weights, clusters, ROUNDS, random).members();
    members.sort_by_cached_key(|members| {
        let done = members.iter().filter(|&&at| labeled[at]).count();
        (done, std::cmp::Reverse(members.len()))
    });
    let open = members.iter().map(|members| {
        let typical = most_typical_first(points, members);
        typical.into_iter().filter(|&at| !labeled[at]).collect()
    });
    in_turn(&open.collect::<Vec<_>>(), count)
}

/// The members by mean distance from their nearest fellow members, least first.
fn most_typical_first(points: Points<'_>, members: &[usize]) -> Vec<usize> {
    let near = NEIGHBOURS.min(members.len().saturating_sub(1));
    let spread = |at: usize| {
        let mut distances: Vec<f64> = members
            .iter()
            .filter(|&&other| other != at)
            .map(|&other| points.square(at, other).sqrt())
            .collect();
        if near > 0 && near < distances.len() {
            distances.select_nth_unstable_by(near - 1, f64::total_cmp);
        }
        distances.iter().take(near).sum::<f64>()
    };
    let mut spreads: Vec<(f64, usize)> = members.iter().map(|&at| (spread(at), at)).collect();
    spreads.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    spreads.into_iter().map(|(_, at)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_points_are_each_chosen_once() {
        let mut seeds = typical_seeds(1, &[1.0; 5], 4, 3).unwrap();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 4);
        assert_eq!(typical_seeds(1, &[], 0, 3), Ok(Vec::new()));
        assert!(typical_seeds(1, &[1.0], 2, 3).is_err());
    }

    #[test]
    fn clusters_without_labels_come_first() {
        let values = [0.0, 0.1, 0.2, 0.3, 9.0, 9.1, 9.2];
        let points = Points::new(1, &values).unwrap();
        let mut labeled = [false; 7];
        labeled[1] = true;
        let chosen = typical_beside(points, &labeled, 1, &mut Random::new(5));
        assert_eq!(chosen, [5]);
    }
}
