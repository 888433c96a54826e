//! Dawid and Skene's model with a single skill for each annotator: right with that rate, and
//! otherwise any other category alike.
//!
//! Source: Y. Zhang, X. Chen, D. Zhou, M. I. Jordan, *Spectral methods meet EM: a provably
//! optimal algorithm for crowdsourcing* (2014), section 2.

use super::majority::majority;
use super::posterior::Posterior;
use crate::input::MeasureError;
use crate::probabilities::softmax;
use crate::ratings::Ratings;

const RATE_MIN: f64 = 1e-10;

/// A fit of the one-coin model.
#[derive(Clone, Debug, PartialEq)]
pub struct OneCoin {
    /// What is believed of each item.
    pub beliefs: Posterior,
    /// Share of each true category.
    pub priors: Vec<f64>,
    /// Rate at which each annotator is right; `None` without ratings.
    pub skills: Vec<Option<f64>>,
}

/// Fits by `iterations` rounds of expectation and maximisation from the majority vote.
///
/// # Errors
/// As [`majority`].
///
/// ```
/// use insitu_measure::{Ratings, consensus::one_coin};
///
/// let table = [0, 1, 1, 0].map(|truth| [Some(truth), Some(truth), Some(0)]).concat();
/// let fit = one_coin(&Ratings::from_table(2, 3, &table)?, 10)?;
/// assert_eq!(fit.beliefs.labels(), [0, 1, 1, 0]);
/// assert!(fit.skills[0] > fit.skills[2]);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
#[expect(clippy::cast_precision_loss, reason = "categories stay far below 2^53")]
pub fn one_coin(ratings: &Ratings, iterations: usize) -> Result<OneCoin, MeasureError> {
    let k = ratings.categories();
    let mut beliefs = majority(ratings)?;
    let (mut priors, mut skills) = maximise(ratings, &beliefs);
    for _ in 0..iterations {
        let others = (k as f64 - 1.0).max(1.0);
        let logs: Vec<[f64; 2]> = skills
            .iter()
            .map(|skill| skill.unwrap_or(0.0))
            .map(|skill| [skill, (1.0 - skill) / others])
            .map(|rates| rates.map(|rate| rate.clamp(RATE_MIN, 1.0 - RATE_MIN).ln()))
            .collect();
        let prior_logs: Vec<f64> = priors.iter().map(|prior| prior.max(RATE_MIN).ln()).collect();
        let mut values = Vec::with_capacity(ratings.items() * k);
        for item in ratings.iter() {
            let start = values.len();
            values.extend_from_slice(&prior_logs);
            // "Wrong" counts for every category alike and cancels: only the odds remain.
            for rating in item {
                let [right, wrong] = logs[rating.annotator as usize];
                values[start + rating.label as usize] += right - wrong;
            }
            softmax(&mut values[start..]);
        }
        beliefs = Posterior::new(k, values);
        (priors, skills) = maximise(ratings, &beliefs);
    }
    Ok(OneCoin { beliefs, priors, skills })
}

fn maximise(ratings: &Ratings, beliefs: &Posterior) -> (Vec<f64>, Vec<Option<f64>>) {
    let mut priors = vec![0.0; ratings.categories()];
    let mut sums = vec![(0.0, 0.0); ratings.annotators()];
    let mut items = 0.0;
    for (at, item) in ratings.iter().enumerate().filter(|(_, item)| !item.is_empty()) {
        items += 1.0;
        let belief = beliefs.row(at);
        priors.iter_mut().zip(belief).for_each(|(prior, p)| *prior += p);
        for rating in item {
            let (right, all) = &mut sums[rating.annotator as usize];
            *right += belief[rating.label as usize];
            *all += 1.0;
        }
    }
    priors.iter_mut().for_each(|prior| *prior /= f64::max(items, 1.0));
    (priors, sums.into_iter().map(|(right, all)| (all > 0.0).then(|| right / all)).collect())
}
