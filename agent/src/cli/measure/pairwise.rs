//! Ratings of one item compared pair by pair, over all items.

use std::collections::HashMap;

use insitu_measure::agreement::{
    Chance, ChanceCorrected, Weights, chance_corrected, chance_corrected_at,
};
use insitu_measure::{Rating, Ratings};

/// Pairs of ratings of one item, over all items.
const RATING_PAIRS_MAX: usize = 10_000_000_000;

/// By the two raters of a pair: the labels of the one, and those of the other.
type Together = HashMap<(usize, usize), (Vec<u32>, Vec<u32>)>;

/// A coefficient, unless items have so many ratings that comparing all pairs of them takes too long.
/// Labels are at equal steps, or at `positions`.
pub(super) fn corrected(
    ratings: &Ratings,
    chance: Chance,
    weights: Weights,
    positions: Option<&[f64]>,
) -> Result<ChanceCorrected, String> {
    let pairs: usize = ratings.iter().map(|item| item.len().saturating_mul(item.len())).sum();
    if pairs > RATING_PAIRS_MAX {
        return Err(format!("{pairs} pairs of ratings, more than the limit of {RATING_PAIRS_MAX}"));
    }
    let found = match positions {
        Some(positions) => chance_corrected_at(ratings, chance, weights, positions),
        None => chance_corrected(ratings, chance, weights),
    };
    found.map_err(|error| error.to_string())
}

/// Labels of both of each pair of raters, for the items that both rated.
pub(super) fn together(ratings: &Ratings) -> Together {
    let mut together: Together = HashMap::new();
    for item in ratings.iter() {
        for (at, a) in item.iter().enumerate() {
            for b in &item[at + 1..] {
                // Ratings of an item are in the order of raters, and each rater has one.
                let labels =
                    together.entry((a.annotator as usize, b.annotator as usize)).or_default();
                labels.0.push(a.label);
                labels.1.push(b.label);
            }
        }
    }
    together
}

/// Share of pairs of ratings of an item that are equal, each item counting the same.
#[expect(clippy::cast_precision_loss, reason = "items and ratings stay far below 2^53")]
pub(super) fn observed(ratings: &Ratings) -> Result<f64, String> {
    let (mut sum, mut items) = (0.0, 0.0);
    for item in ratings.iter().filter(|item| item.len() > 1) {
        let pairs = item.len() * (item.len() - 1);
        sum += equal_pairs(item) as f64 / pairs as f64;
        items += 1.0;
    }
    if items > 0.0 { Ok(sum / items) } else { Err("no item has two ratings".to_owned()) }
}

/// Ordered pairs of equal ratings.
fn equal_pairs(item: &[Rating]) -> usize {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    item.iter().for_each(|rating| *counts.entry(rating.label).or_default() += 1);
    counts.values().map(|count| count * (count - 1)).sum()
}
