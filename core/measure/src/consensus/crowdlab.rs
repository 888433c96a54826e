//! CROWDLAB: the model's opinion as one more vote, weighed by how often it is right.
//!
//! Source: H. W. Goh, U. Tkachenko, J. Mueller, *CROWDLAB: supervised learning to infer consensus
//! labels and quality scores for data with multiple annotators* (2022); H. W. Goh, J. Mueller,
//! *ActiveLab: active learning with re-labeling by multiple annotators* (2023).

use super::majority::check;
use super::posterior::Posterior;
use crate::input::{MeasureError, Undefined, at_most, same_length};
use crate::probabilities::{Probabilities, argmax};
use crate::ratings::Ratings;

/// Least weight or error rate, so that nothing is divided by zero.
const SHARE_MIN: f64 = 1e-6;
/// Annotators × categories for which tie breaking keeps counts.
const ANNOTATORS_MAX: usize = 1 << 24;

/// Consensus of annotators and a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Crowdlab {
    /// Weighted mean of model and annotators for each item.
    pub beliefs: Posterior,
    /// Consensus label of each item.
    pub labels: Vec<u32>,
    /// How sure the consensus is, in [0, 1]: the belief in its label.
    pub quality: Vec<f64>,
    /// Share of each item's annotators that chose the consensus label; `None` without ratings.
    pub agreement: Vec<Option<f64>>,
    /// Overall quality of each annotator, in [0, 1]; `None` without ratings.
    pub annotator_quality: Vec<Option<f64>>,
    /// Weight of each annotator's vote.
    pub annotator_weights: Vec<f64>,
    /// Weight of the model's vote.
    pub model_weight: f64,
}

/// Combines ratings with a model's out-of-sample probabilities for the same items.
///
/// # Errors
/// [`MeasureError::Invalid`] if the shapes differ; [`Undefined`] if no item has two ratings or
/// there are fewer than two categories, since then nobody's reliability can be told.
pub fn crowdlab(ratings: &Ratings, model: Probabilities<'_>) -> Result<Crowdlab, MeasureError> {
    check(ratings)?;
    same_length("model items", ratings.items(), model.items())?;
    same_length("model categories", ratings.categories(), model.categories())?;
    at_most("annotators", ANNOTATORS_MAX, ratings.annotators())?;
    if ratings.categories() < 2 {
        return Err(Undefined::OneCategory.into());
    }
    if ratings.iter().all(|item| item.len() < 2) {
        return Err(Undefined::TooFew { what: "ratings of any item", found: 1, needed: 2 }.into());
    }
    let votes = vote(ratings, model);
    let (first, _, _) = weigh(ratings, model, &votes);
    // The likeliest label by these weights; a tie keeps the vote's.
    let labels: Vec<u32> = (0..ratings.items())
        .map(|item| {
            let row = first.row(item);
            let top = row[argmax(row)];
            let tied = row.iter().filter(|p| **p >= top).count() > 1;
            if tied { votes[item] } else { index(argmax(row)) }
        })
        .collect();
    let (beliefs, model_weight, annotator_weights) = weigh(ratings, model, &labels);
    let quality = labels.iter().enumerate().map(|(i, &l)| beliefs.row(i)[l as usize]).collect();
    let weights = (model_weight, annotator_weights.as_slice());
    Ok(Crowdlab {
        agreement: agreement(ratings, &labels),
        annotator_quality: annotator_quality(ratings, &labels, &beliefs, weights),
        quality,
        beliefs,
        labels,
        annotator_weights,
        model_weight,
    })
}

impl Crowdlab {
    /// How little another rating of each rated item would help, in (0, 1): label the lowest next.
    ///
    /// The probabilities given to [`crowdlab`] should be calibrated for this, for example by
    /// [`temperature_for_shares`](crate::calibration::temperature_for_shares).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn relabel_scores(&self, ratings: &Ratings) -> Vec<f64> {
        let k = ratings.categories() as f64;
        let mean = mean(self.annotator_weights.iter().copied()).unwrap_or(0.0);
        let score = |(item, quality): (&[_], &f64)| {
            let given: f64 = self.weights_of(item).sum::<f64>() + self.model_weight;
            (quality * given + mean / k) / (given + mean)
        };
        ratings.iter().zip(&self.quality).map(score).collect()
    }

    /// The same for items that only the model has seen.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn unlabelled_scores(&self, model: Probabilities<'_>) -> Vec<f64> {
        let k = model.categories() as f64;
        let mean = mean(self.annotator_weights.iter().copied()).unwrap_or(0.0);
        let score = |row: &[f64]| {
            (row[argmax(row)] * self.model_weight + mean / k) / (self.model_weight + mean)
        };
        model.rows().map(score).collect()
    }

    fn weights_of<'a>(
        &'a self,
        item: &'a [crate::ratings::Rating],
    ) -> impl Iterator<Item = f64> + 'a {
        item.iter()
            .filter_map(|rating| self.annotator_weights.get(rating.annotator as usize))
            .copied()
    }
}

/// Majority vote; ties go to the label the model prefers, then to the rarer one, then to the
/// one whose annotators are more reliable, then to the first.
fn vote(ratings: &Ratings, model: Probabilities<'_>) -> Vec<u32> {
    let k = ratings.categories();
    let mut frequency = vec![0.0; k];
    ratings.all().iter().for_each(|rating| frequency[rating.label as usize] += 1.0);
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut votes = vec![0; ratings.items()];
    let mut settled = vec![true; ratings.items()];
    for (at, item) in ratings.iter().enumerate() {
        let mut counts = vec![0.0; k];
        item.iter().for_each(|rating| counts[rating.label as usize] += 1.0);
        let mut tied = best((0..k).collect(), |label| counts[label]);
        tied = best(tied, |label| model.row(at)[label]);
        tied = best(tied, |label| -frequency[label]);
        votes[at] = index(tied[0]);
        // The reference judges annotators by items that the vote alone decides.
        settled[at] = counts.iter().filter(|c| **c >= counts[argmax(&counts)]).count() == 1;
        if tied.len() > 1 {
            open.push((at, tied));
        }
    }
    if open.is_empty() {
        return votes;
    }
    let mut sums = vec![(0.0, 0.0); ratings.annotators()];
    for (at, item) in ratings.iter().enumerate().filter(|(at, _)| settled[*at]) {
        for rating in item {
            let (right, all) = &mut sums[rating.annotator as usize];
            *right += f64::from(u8::from(rating.label == votes[at]));
            *all += 1.0;
        }
    }
    let rates: Vec<Option<f64>> =
        sums.iter().map(|(right, all)| (*all > 0.0).then(|| right / all)).collect();
    let fallback = mean(rates.iter().flatten().copied()).unwrap_or(0.0);
    for (at, tied) in open {
        let reliability = |label: usize| {
            let chosen = ratings.item(at).iter().filter(|rating| rating.label as usize == label);
            mean(chosen.map(|r| rates[r.annotator as usize].unwrap_or(fallback))).unwrap_or(0.0)
        };
        votes[at] = index(best(tied, reliability)[0]);
    }
    votes
}

/// The candidates of greatest score.
fn best(candidates: Vec<usize>, score: impl Fn(usize) -> f64) -> Vec<usize> {
    let top = candidates.iter().map(|&c| score(c)).fold(f64::NEG_INFINITY, f64::max);
    candidates.into_iter().filter(|&candidate| score(candidate) >= top).collect()
}

/// Beliefs, the model's weight and the annotators' weights, by a first consensus.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn weigh(
    ratings: &Ratings,
    model: Probabilities<'_>,
    consensus: &[u32],
) -> (Posterior, f64, Vec<f64>) {
    let k = ratings.categories();
    let many: Vec<usize> = (0..ratings.items()).filter(|&i| ratings.item(i).len() != 1).collect();
    let agreement = agreement(ratings, consensus);
    let likelihood = mean(many.iter().filter_map(|&item| agreement[item])).unwrap_or(0.0);
    let unlikelihood = (1.0 - likelihood) / (k as f64 - 1.0);
    let mut frequency = vec![0.0; k];
    many.iter().for_each(|&item| frequency[consensus[item] as usize] += 1.0);
    let guess = argmax(&frequency);
    let error_of_guess = (1.0 - frequency[guess] / many.len() as f64).max(SHARE_MIN);
    let relative = |error: f64| (1.0 - error / error_of_guess).max(SHARE_MIN);
    let weights: Vec<f64> = pairwise(ratings).iter().map(|rate| relative(1.0 - rate)).collect();
    let wrong = |item: &&usize| argmax(model.row(**item)) != consensus[**item] as usize;
    let model_error = many.iter().filter(wrong).count() as f64 / many.len() as f64;
    let ratings_mean = ratings.len() as f64 / ratings.items() as f64;
    let model_weight = relative(model_error) * ratings_mean.sqrt();
    let mut values = Vec::with_capacity(ratings.items() * k);
    for (item, row) in ratings.iter().zip(model.rows()) {
        let start = values.len();
        values.extend(row.iter().map(|p| p * model_weight));
        let mut total = model_weight;
        for rating in item {
            let weight = weights[rating.annotator as usize];
            total += weight;
            for (label, value) in values[start..].iter_mut().enumerate() {
                let own = label == rating.label as usize;
                *value += weight * if own { likelihood } else { unlikelihood };
            }
        }
        values[start..].iter_mut().for_each(|value| *value /= total);
    }
    (Posterior::new(k, values), model_weight, weights)
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn agreement(ratings: &Ratings, labels: &[u32]) -> Vec<Option<f64>> {
    let share = |(item, &label): (&[crate::ratings::Rating], &u32)| {
        let same = item.iter().filter(|rating| rating.label == label).count();
        (!item.is_empty()).then(|| same as f64 / item.len() as f64)
    };
    ratings.iter().zip(labels).map(share).collect()
}

/// How often each annotator agrees with the other annotators of the same item, over all pairs;
/// the mean of the others' for one who shares no item.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn pairwise(ratings: &Ratings) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); ratings.annotators()];
    for item in ratings.iter().filter(|item| item.len() > 1) {
        for rating in item {
            let same = item.iter().filter(|other| other.label == rating.label).count() - 1;
            let (agreed, pairs) = &mut sums[rating.annotator as usize];
            *agreed += same as f64;
            *pairs += item.len() as f64 - 1.0;
        }
    }
    let rates: Vec<Option<f64>> =
        sums.iter().map(|(agreed, pairs)| (*pairs > 0.0).then(|| agreed / pairs)).collect();
    let fallback = mean(rates.iter().flatten().copied()).unwrap_or(0.0);
    rates.into_iter().map(|rate| rate.unwrap_or(fallback)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn annotator_quality(
    ratings: &Ratings,
    labels: &[u32],
    beliefs: &Posterior,
    (model_weight, annotator_weights): (f64, &[f64]),
) -> Vec<Option<f64>> {
    // By annotator: beliefs in the own labels, ratings, agreement and ratings where others rated.
    let mut sums = vec![[0.0; 4]; ratings.annotators()];
    for (at, item) in ratings.iter().enumerate() {
        for rating in item {
            let sums = &mut sums[rating.annotator as usize];
            sums[0] += beliefs.row(at)[rating.label as usize];
            sums[1] += 1.0;
            if item.len() > 1 {
                sums[2] += f64::from(u8::from(rating.label == labels[at]));
                sums[3] += 1.0;
            }
        }
    }
    let share = ratings.len() as f64 / ratings.items() as f64 / annotator_weights.len() as f64;
    let crowd_weight = annotator_weights.iter().sum::<f64>() * share;
    let w = model_weight / (model_weight + crowd_weight);
    let quality = |[belief, all, right, shared]: [f64; 4]| {
        let belief = (all > 0.0).then(|| belief / all)?;
        // One who shares no item is known by beliefs alone.
        Some(if shared > 0.0 { w * belief + (1.0 - w) * right / shared } else { belief })
    };
    sums.into_iter().map(quality).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[expect(clippy::cast_possible_truncation, reason = "categories are counted in u32")]
const fn index(label: usize) -> u32 {
    label as u32
}
