//! Multi-annotator competence estimation: an annotator knows the answer, or gives one by habit.
//!
//! Source: D. Hovy, T. Berg-Kirkpatrick, A. Vaswani, E. Hovy, *Learning whom to trust with MACE*
//! (2013); variational form with Beta(½, ½) on competence and Dirichlet(10) on habits.

use super::majority::check;
use super::posterior::Posterior;
use crate::input::{MeasureError, at_most};
use crate::random::Random;
use crate::ratings::Ratings;
use crate::special;

const COMPETENCE_PRIOR: f64 = 0.5;
const HABIT_PRIOR: f64 = 10.0;
const HABITS_MAX: usize = 1 << 26;

/// A fit of MACE.
#[derive(Clone, Debug, PartialEq)]
pub struct Mace {
    /// What is believed of each item.
    pub beliefs: Posterior,
    /// Weight with which each annotator knows the answer, in [0, 1].
    pub competence: Vec<f64>,
    /// Logarithm of the likelihood, up to a constant; the best of all restarts.
    pub log_likelihood: f64,
}

/// Fits by variational Bayes: `restarts` random starts (at least one) of `iterations` rounds each, of which the
/// likeliest counts. Equal seeds give equal results.
///
/// # Errors
/// As [`majority`](super::majority()); [`MeasureError::Invalid`] if annotators × categories is
/// above 2²⁶.
///
/// ```
/// use insitu_measure::{Ratings, consensus::mace};
///
/// let table = [0, 1, 1, 0, 1].map(|truth| [Some(truth), Some(truth), Some(0)]).concat();
/// let fit = mace(&Ratings::from_table(2, 3, &table)?, 10, 50, 1)?;
/// assert_eq!(fit.beliefs.labels(), [0, 1, 1, 0, 1]);
/// assert!(fit.competence[0] > fit.competence[2]);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
pub fn mace(
    ratings: &Ratings,
    restarts: usize,
    iterations: usize,
    seed: u64,
) -> Result<Mace, MeasureError> {
    check(ratings)?;
    let size = ratings.annotators().saturating_mul(ratings.categories());
    at_most("annotators × categories", HABITS_MAX, size)?;
    let mut random = Random::new(seed);
    let mut start = || {
        let mut model = Model::random(ratings, &mut random);
        for _ in 0..iterations {
            model = model.expect(ratings).1.maximise();
        }
        model.expect(ratings).0
    };
    let mut best = start();
    for _ in 1..restarts {
        let fit = start();
        if fit.log_likelihood > best.log_likelihood {
            best = fit;
        }
    }
    Ok(best)
}

/// Weights, not quite probabilities: the variational step makes them sum to less than one.
struct Model {
    categories: usize,
    /// By annotator: weight of answering by habit, and of knowing.
    knowing: Vec<[f64; 2]>,
    /// By annotator and answer.
    habits: Vec<f64>,
}

struct Counts {
    categories: usize,
    knowing: Vec<[f64; 2]>,
    habits: Vec<f64>,
}

impl Model {
    fn random(ratings: &Ratings, random: &mut Random) -> Self {
        let (annotators, categories) = (ratings.annotators(), ratings.categories());
        let mut draw = || 1.0 + 1.5 * random.unit();
        let pairs = (0..annotators).map(|_| [draw(), draw()]);
        let knowing = pairs.map(|pair| pair.map(|part| part / (pair[0] + pair[1]))).collect();
        let mut habits: Vec<f64> = (0..annotators * categories).map(|_| draw()).collect();
        for habit in habits.chunks_exact_mut(categories) {
            let sum: f64 = habit.iter().sum();
            habit.iter_mut().for_each(|rate| *rate /= sum);
        }
        Self { categories, knowing, habits }
    }

    #[expect(clippy::cast_precision_loss, reason = "categories stay far below 2^53")]
    fn expect(&self, ratings: &Ratings) -> (Mace, Counts) {
        let k = self.categories;
        let mut counts = Counts {
            categories: k,
            knowing: vec![[0.0; 2]; self.knowing.len()],
            habits: vec![0.0; self.habits.len()],
        };
        let mut values = vec![1.0 / k as f64; ratings.items() * k];
        let mut log_likelihood = 0.0;
        for (item, belief) in ratings.iter().zip(values.chunks_exact_mut(k)) {
            // Logarithms, so that many ratings of one item do not underflow: each rating adds
            // its habit weight to all categories, and the odds of knowing to its own.
            let mut base = -(k as f64).ln();
            belief.fill(0.0);
            for rating in item {
                let (by_habit, known) = self.weights(rating.annotator, rating.label, k);
                base += by_habit.ln();
                belief[rating.label as usize] += (known / by_habit).ln_1p();
            }
            let top = belief.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = belief.iter().map(|log| (log - top).exp()).sum();
            log_likelihood += base + top + sum.ln();
            belief.iter_mut().for_each(|log| *log = (*log - top).exp() / sum);
            for rating in item {
                let (by_habit, known) = self.weights(rating.annotator, rating.label, k);
                let right = belief[rating.label as usize];
                let knew = right * known / (by_habit + known);
                let at = rating.annotator as usize;
                counts.knowing[at][0] += 1.0 - knew;
                counts.knowing[at][1] += knew;
                counts.habits[at * k + rating.label as usize] += 1.0 - knew;
            }
        }
        let share = |[habit, knowing]: &[f64; 2]| knowing / (habit + knowing);
        let competence = self.knowing.iter().map(share).collect();
        (Mace { beliefs: Posterior::new(k, values), competence, log_likelihood }, counts)
    }

    fn weights(&self, annotator: u32, label: u32, categories: usize) -> (f64, f64) {
        let [habit, knowing] = self.knowing[annotator as usize];
        let answer = self.habits[annotator as usize * categories + label as usize];
        ((habit * answer).max(f64::MIN_POSITIVE), knowing)
    }
}

impl Counts {
    fn maximise(mut self) -> Model {
        for knowing in &mut self.knowing {
            variational(knowing, COMPETENCE_PRIOR);
        }
        for habits in self.habits.chunks_exact_mut(self.categories) {
            variational(habits, HABIT_PRIOR);
        }
        Model { categories: self.categories, knowing: self.knowing, habits: self.habits }
    }
}

/// Replaces counts by exp(E[ln rate]) under a Dirichlet posterior.
fn variational(counts: &mut [f64], prior: f64) {
    let sum: f64 = counts.iter().map(|count| count + prior).sum();
    let log_sum = special::digamma(sum);
    counts.iter_mut().for_each(|count| *count = (special::digamma(*count + prior) - log_sum).exp());
}
