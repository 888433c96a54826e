//! Points in space: distances, seeding and k-means.

use crate::input::{InvalidInput, at_most, same_length, within};
use crate::random::Random;

/// Cluster of a point that is in none yet.
const NOWHERE: usize = usize::MAX;

/// A borrowed table of finite points, row-major.
#[derive(Clone, Copy, Debug)]
pub(super) struct Points<'a> {
    pub(super) dimensions: usize,
    values: &'a [f64],
}

impl<'a> Points<'a> {
    pub(super) fn new(dimensions: usize, values: &'a [f64]) -> Result<Self, InvalidInput> {
        let count = values.len().checked_div(dimensions).unwrap_or(0);
        same_length("points", count * dimensions, values.len())?;
        at_most("points", super::POINTS_MAX, count)?;
        within("points", values, -1e150, 1e150)?;
        Ok(Self { dimensions, values })
    }

    pub(super) fn count(&self) -> usize {
        self.values.len().checked_div(self.dimensions).unwrap_or(0)
    }

    pub(super) fn row(&self, point: usize) -> &'a [f64] {
        &self.values[point * self.dimensions..(point + 1) * self.dimensions]
    }

    pub(super) fn square(&self, a: usize, b: usize) -> f64 {
        square(self.row(a), self.row(b))
    }
}

/// Squared Euclidean distance, summed in lanes so that it is computed several terms at a time.
pub(super) fn square(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_lanes.remainder().iter().zip(b_lanes.remainder());
    let rest: f64 = rest.map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Chooses `count` different points, each with a chance proportional to `weights` times its
/// squared distance from those chosen so far (k-means++; D. Arthur, S. Vassilvitskii, 2007).
pub(super) fn seed(
    points: Points<'_>,
    weights: &[f64],
    count: usize,
    random: &mut Random,
) -> Vec<usize> {
    let mut nearest = vec![f64::INFINITY; points.count()];
    let mut chosen: Vec<usize> = Vec::new();
    let mut free = vec![true; points.count()];
    while chosen.len() < count.min(points.count()) {
        let chance = |at: usize| {
            let distance = if chosen.is_empty() { 1.0 } else { nearest[at] };
            if free[at] { weights[at] * distance } else { 0.0 }
        };
        let chances: Vec<f64> = (0..points.count()).map(chance).collect();
        let mut rest = random.unit() * chances.iter().sum::<f64>();
        let drawn = chances.iter().position(|chance| {
            rest -= chance;
            rest < 0.0
        });
        // All that is left lies on chosen points: take the first.
        let Some(next) = drawn.or_else(|| free.iter().position(|free| *free)) else { break };
        free[next] = false;
        chosen.push(next);
        for (at, nearest) in nearest.iter_mut().enumerate() {
            *nearest = nearest.min(points.square(at, next));
        }
    }
    chosen
}

/// Clusters and where their centres are.
#[derive(Clone, Debug)]
pub(super) struct Clusters {
    /// Cluster of each point.
    pub(super) of: Vec<usize>,
    /// Weighted mean of each cluster; the seed's place for one that is empty.
    pub(super) centres: Vec<Vec<f64>>,
}

/// `rounds` of Lloyd's algorithm from k-means++ seeds, each point with its weight.
pub(super) fn k_means(
    points: Points<'_>,
    weights: &[f64],
    count: usize,
    rounds: usize,
    random: &mut Random,
) -> Clusters {
    let seeds = seed(points, weights, count, random);
    let centres = seeds.iter().map(|&at| points.row(at).to_vec()).collect();
    let mut clusters = Clusters { of: vec![NOWHERE; points.count()], centres };
    for _ in 0..rounds {
        if clusters.centres.is_empty() || !clusters.assign(points) {
            break;
        }
        clusters.centre(points, weights);
    }
    clusters
}

impl Clusters {
    /// The points of each cluster, ascending.
    pub(super) fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.centres.len()];
        for (at, &own) in self.of.iter().enumerate() {
            // Without centres nothing is in a cluster.
            if let Some(members) = members.get_mut(own) {
                members.push(at);
            }
        }
        members
    }

    /// Takes every point to its nearest centre; whether any moved.
    fn assign(&mut self, points: Points<'_>) -> bool {
        let mut moved = false;
        for (at, own) in self.of.iter_mut().enumerate() {
            let (mut nearest, mut least) = (0, f64::INFINITY);
            for (cluster, centre) in self.centres.iter().enumerate() {
                let distance = square(points.row(at), centre);
                if distance < least {
                    (nearest, least) = (cluster, distance);
                }
            }
            moved |= nearest != *own;
            *own = nearest;
        }
        moved
    }

    /// Takes every centre to the mean of its points.
    fn centre(&mut self, points: Points<'_>, weights: &[f64]) {
        let mut sums = vec![(0.0, vec![0.0; points.dimensions]); self.centres.len()];
        for ((at, &own), weight) in self.of.iter().enumerate().zip(weights) {
            let (total, sum) = &mut sums[own];
            *total += weight;
            sum.iter_mut().zip(points.row(at)).for_each(|(sum, value)| *sum += weight * value);
        }
        for (centre, (total, sum)) in self.centres.iter_mut().zip(sums) {
            if total > 0.0 {
                *centre = sum.into_iter().map(|sum| sum / total).collect();
            }
        }
    }
}

/// One of each group in turn, until there are `count`: first each group's first, in the groups'
/// order, then each one's second, and so on.
pub(super) fn in_turn(groups: &[Vec<usize>], count: usize) -> Vec<usize> {
    let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| groups.iter().filter_map(move |g| g.get(turn)));
    turns.copied().take(count).collect()
}
