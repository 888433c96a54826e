//! Points in space: distances, seeding and k-means.

use crate::input::{InvalidInput, at_most, same_length, within};
use crate::random::Random;

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

/// Squared Euclidean distance.
pub(super) fn square(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
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

/// Cluster of each point after `rounds` of Lloyd's algorithm from k-means++ seeds.
pub(super) fn k_means(
    points: Points<'_>,
    count: usize,
    rounds: usize,
    random: &mut Random,
) -> Vec<usize> {
    let seeds = seed(points, &vec![1.0; points.count()], count, random);
    let mut centres: Vec<Vec<f64>> = seeds.iter().map(|&at| points.row(at).to_vec()).collect();
    let mut cluster = vec![0; points.count()];
    for _ in 0..rounds {
        let mut changed = false;
        for (at, own) in cluster.iter_mut().enumerate() {
            let distance = |c: &usize| square(points.row(at), &centres[*c]);
            let nearest =
                (0..centres.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
            changed |= nearest != *own;
            *own = nearest;
        }
        if !changed {
            break;
        }
        let mut sums = vec![vec![0.0; points.dimensions]; centres.len()];
        let mut counts = vec![0.0; centres.len()];
        for (at, &own) in cluster.iter().enumerate() {
            counts[own] += 1.0;
            sums[own].iter_mut().zip(points.row(at)).for_each(|(sum, value)| *sum += value);
        }
        for ((centre, sum), count) in centres.iter_mut().zip(sums).zip(counts) {
            if count > 0.0 {
                *centre = sum.into_iter().map(|sum| sum / count).collect();
            }
        }
    }
    cluster
}
