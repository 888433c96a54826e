//! Which items stand for many, before there is a model.
//!
//! Source: G. Hacohen, A. Dekel, D. Weinshall, *Active learning on a budget: opposite strategies
//! suit high and low budgets* (`TypiClust`, 2022).

use super::clusters::{Points, k_means};
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

/// Chooses `count` items to begin with: the most typical of each of as many clusters, largest
/// cluster first. Equal seeds give equal choices.
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
    let cluster = k_means(points, count, ROUNDS, &mut Random::new(random_seed));
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); count];
    cluster.iter().enumerate().for_each(|(at, &own)| members[own].push(at));
    members.sort_by_key(|members| std::cmp::Reverse(members.len()));
    let mut chosen: Vec<usize> =
        members.iter().filter_map(|members| most_typical(points, members)).collect();
    // Equal points leave clusters empty: fill up with what is left.
    let rest: Vec<usize> = (0..points.count()).filter(|at| !chosen.contains(at)).collect();
    chosen.extend(rest.into_iter().take(count.saturating_sub(chosen.len())));
    Ok(chosen)
}

/// The member with the least mean distance from its nearest fellow members.
fn most_typical(points: Points<'_>, members: &[usize]) -> Option<usize> {
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
    let spreads: Vec<f64> = members.iter().map(|&at| spread(at)).collect();
    let best = (0..members.len()).min_by(|&a, &b| spreads[a].total_cmp(&spreads[b]))?;
    Some(members[best])
}
