//! Softmax regression by L-BFGS, as fast as plain code gets.
//!
//! Minimises the mean logarithmic loss plus ‖W‖² / (2·C·n), which is scikit-learn's
//! `LogisticRegression(C)` (which leaves the intercept free; so does this).
//!
//! Source: J. Nocedal, S. J. Wright, *Numerical optimization* (2006), algorithms 7.4 and 3.1.

use std::collections::VecDeque;

/// Classes that are computed at once.
const TILE: usize = 16;
/// Pairs of steps and slopes that L-BFGS remembers.
const MEMORY: usize = 10;
const STEPS_MAX: usize = 150;
/// Ends when no slope is steeper.
const SLOPE_MIN: f32 = 1e-5;

type Tile = [f32; TILE];

/// Features of items, row-major, each row closed by a 1 for the intercept.
pub(crate) struct Features {
    columns: usize,
    values: Vec<f32>,
}

/// Weights by tile of classes, within it by feature.
#[derive(Clone)]
pub(crate) struct Model {
    classes: usize,
    weights: Vec<Tile>,
}

impl Features {
    pub(crate) fn new(dimensions: usize, values: &[f32]) -> Self {
        let rows = values.chunks_exact(dimensions);
        let values = rows.flat_map(|row| row.iter().copied().chain([1.0])).collect();
        Self { columns: dimensions + 1, values }
    }

    pub(crate) fn count(&self) -> usize {
        self.values.len() / self.columns
    }

    fn row(&self, item: usize) -> &[f32] {
        &self.values[item * self.columns..(item + 1) * self.columns]
    }
}

impl Model {
    pub(crate) fn new(features: &Features, classes: usize) -> Self {
        let tiles = classes.div_ceil(TILE);
        Self { classes, weights: vec![[0.0; TILE]; tiles * features.columns] }
    }

    /// Trains on the items `rows` with their labels, from the weights there are.
    pub(crate) fn fit(&mut self, features: &Features, rows: &[usize], labels: &[u32], c: f32) {
        let loss = |model: &Self| model.loss(features, rows, labels, c);
        let mut memory = Memory::default();
        let (mut value, mut slope) = loss(self);
        for _ in 0..STEPS_MAX {
            if slope.iter().flatten().all(|slope| slope.abs() < SLOPE_MIN) {
                break;
            }
            let direction = memory.direction(&slope);
            let descent = dot(&direction, &slope);
            let mut length =
                if memory.pairs.is_empty() { 1.0 / norm(&slope).max(1.0) } else { 1.0 };
            let next = loop {
                let mut next = self.clone();
                add(&mut next.weights, length, &direction);
                let (next_value, next_slope) = loss(&next);
                if next_value <= value + 1e-4 * f64::from(length) * descent {
                    break Some((next, next_value, next_slope));
                }
                length /= 2.0;
                if length < 1e-4 {
                    break None; // Rounding hides what is left to gain.
                }
            };
            let Some((next, next_value, next_slope)) = next else { break };
            memory.remember(
                difference(&next.weights, &self.weights),
                difference(&next_slope, &slope),
            );
            (*self, value, slope) = (next, next_value, next_slope);
        }
    }

    /// Class probabilities of all items, row-major.
    pub(crate) fn probabilities(&self, features: &Features) -> Vec<f64> {
        let mut all = Vec::with_capacity(features.count() * self.classes);
        for item in 0..features.count() {
            let logits = self.logits(features.row(item));
            let top = logits.iter().copied().fold(f32::MIN, f32::max);
            let weights = logits.iter().map(|logit| f64::from(logit - top).exp());
            let sum: f64 = weights.clone().sum();
            all.extend(weights.map(|weight| weight / sum));
        }
        all
    }

    fn logits(&self, row: &[f32]) -> Vec<f32> {
        let tiles = self.weights.chunks_exact(row.len()).flat_map(|tile| {
            let mut sums = [0.0; TILE];
            row.iter().zip(tile).for_each(|(x, weights)| add_tile(&mut sums, *x, weights));
            sums
        });
        tiles.take(self.classes).collect()
    }

    /// Loss and slope, tile by tile so that a tile's weights stay in the first cache.
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    fn loss(
        &self,
        features: &Features,
        rows: &[usize],
        labels: &[u32],
        c: f32,
    ) -> (f64, Vec<Tile>) {
        let share = 1.0 / rows.len() as f32;
        let mut residuals = Vec::with_capacity(rows.len() * self.classes.next_multiple_of(TILE));
        let mut loss = 0.0;
        for (&item, &label) in rows.iter().zip(labels) {
            let mut logits = self.logits(features.row(item));
            let top = logits.iter().copied().fold(f32::MIN, f32::max);
            let own = logits[label as usize] - top;
            logits.iter_mut().for_each(|logit| *logit = (*logit - top).exp());
            let sum: f32 = logits.iter().sum();
            loss += f64::from(sum.ln() - own);
            logits.iter_mut().for_each(|weight| *weight *= share / sum);
            logits[label as usize] -= share;
            logits.resize(self.classes.next_multiple_of(TILE), 0.0);
            residuals.extend(logits);
        }
        let decay = share / c;
        let mut slope = self.weights.clone();
        for (tile, slope) in slope.chunks_exact_mut(features.columns).enumerate() {
            slope.iter_mut().flatten().for_each(|weight| *weight *= decay);
            slope[features.columns - 1] = [0.0; TILE];
            for (residual, &item) in
                residuals.chunks_exact(self.weights.len() / features.columns * TILE).zip(rows)
            {
                let mut own = [0.0; TILE];
                own.copy_from_slice(&residual[tile * TILE..(tile + 1) * TILE]);
                let row = features.row(item);
                slope.iter_mut().zip(row).for_each(|(slope, x)| add_tile(slope, *x, &own));
            }
        }
        let without_intercept =
            |tile: &[Tile]| dot(&tile[..tile.len() - 1], &tile[..tile.len() - 1]);
        let squares: f64 = self.weights.chunks_exact(features.columns).map(without_intercept).sum();
        (loss * f64::from(share) + 0.5 * f64::from(decay) * squares, slope)
    }
}

/// The last steps and how the slope changed along them.
#[derive(Default)]
struct Memory {
    pairs: VecDeque<(Vec<Tile>, Vec<Tile>, f64)>,
}

impl Memory {
    fn remember(&mut self, step: Vec<Tile>, change: Vec<Tile>) {
        let curvature = dot(&step, &change);
        if curvature > 0.0 {
            self.pairs.push_back((step, change, curvature));
        }
        if self.pairs.len() > MEMORY {
            self.pairs.pop_front();
        }
    }

    /// Minus the slope times the inverse curvature, by two loops over the memory.
    #[expect(clippy::cast_possible_truncation, reason = "f32 is precise enough for a direction")]
    fn direction(&self, slope: &[Tile]) -> Vec<Tile> {
        let mut direction = slope.to_vec();
        let mut shares = Vec::new();
        for (step, change, curvature) in self.pairs.iter().rev() {
            let share = dot(step, &direction) / curvature;
            add(&mut direction, -share as f32, change);
            shares.push(share);
        }
        if let Some((_, change, curvature)) = self.pairs.back() {
            let scale = (curvature / dot(change, change)) as f32;
            direction.iter_mut().flatten().for_each(|value| *value *= scale);
        }
        for ((step, change, curvature), share) in self.pairs.iter().zip(shares.iter().rev()) {
            let back = dot(change, &direction) / curvature;
            add(&mut direction, (share - back) as f32, step);
        }
        direction.iter_mut().flatten().for_each(|value| *value = -*value);
        direction
    }
}

fn add_tile(sums: &mut Tile, factor: f32, tile: &Tile) {
    sums.iter_mut().zip(tile).for_each(|(sum, value)| *sum += factor * value);
}

fn add(sums: &mut [Tile], factor: f32, tiles: &[Tile]) {
    sums.iter_mut().zip(tiles).for_each(|(sum, tile)| add_tile(sum, factor, tile));
}

fn difference(a: &[Tile], b: &[Tile]) -> Vec<Tile> {
    let mut difference = a.to_vec();
    add(&mut difference, -1.0, b);
    difference
}

fn dot(a: &[Tile], b: &[Tile]) -> f64 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[expect(clippy::cast_possible_truncation, reason = "f32 is precise enough for a length")]
fn norm(a: &[Tile]) -> f32 {
    dot(a, a).sqrt() as f32
}
