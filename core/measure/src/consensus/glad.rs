//! GLAD: annotators have an ability, items an ease, and the answer is right with the logistic of
//! their product.
//!
//! Source: J. Whitehill, T. Wu, J. Bergsma, J. Movellan, P. Ruvolo, *Whose vote should count
//! more: optimal integration of labels from labelers of unknown expertise* (2009); ease is
//! exp(β), ability and β have normal priors of mean 1 and variance 1.

use super::majority::check;
use super::posterior::Posterior;
use crate::input::MeasureError;
use crate::probabilities::softmax;
use crate::ratings::Ratings;

/// Steps of conjugate gradients in one maximisation.
const STEPS_MAX: usize = 25;
/// A maximisation ends when no component of the gradient is larger.
const GRADIENT_MIN: f64 = 1e-2;
/// Rounds end when the objective gains less than this for each rating and category.
const GAIN_MIN: f64 = 1e-5;

/// A fit of GLAD.
#[derive(Clone, Debug, PartialEq)]
pub struct Glad {
    /// What is believed of each item.
    pub beliefs: Posterior,
    /// Ability α of each annotator: 0 guesses, negative misleads.
    pub abilities: Vec<f64>,
    /// Ease exp(β) of each item, above 0.
    pub ease: Vec<f64>,
}

/// Fits by at most `iterations` rounds of expectation and maximisation, with even priors of the
/// categories.
///
/// # Errors
/// As [`majority`](super::majority()).
///
/// ```
/// use insitu_measure::{Ratings, consensus::glad};
///
/// let table = [0, 1, 1, 0, 1].map(|truth| [Some(truth), Some(truth), Some(0)]).concat();
/// let fit = glad(&Ratings::from_table(2, 3, &table)?, 50)?;
/// assert_eq!(fit.beliefs.labels(), [0, 1, 1, 0, 1]);
/// assert!(fit.abilities[0] > fit.abilities[2]);
/// # Ok::<(), insitu_measure::MeasureError>(())
/// ```
#[expect(clippy::cast_precision_loss, reason = "ratings stay far below 2^53")]
pub fn glad(ratings: &Ratings, iterations: usize) -> Result<Glad, MeasureError> {
    check(ratings)?;
    let model = Model { ratings, annotators: ratings.annotators() };
    let mut point = vec![1.0; ratings.annotators() + ratings.items()];
    let mut beliefs = model.believe(&point);
    let gain_min = GAIN_MIN * (ratings.len() * ratings.categories()) as f64;
    let mut last = f64::NEG_INFINITY;
    for _ in 0..iterations {
        beliefs = model.believe(&point);
        model.ascend(&beliefs, &mut point);
        let value = model.objective(&beliefs, &point);
        if value - last < gain_min {
            break;
        }
        last = value;
    }
    let ease = point.split_off(ratings.annotators()).into_iter().map(f64::exp).collect();
    Ok(Glad { beliefs, abilities: point, ease })
}

/// The ratings; a point is all abilities, then all logarithms of ease.
struct Model<'a> {
    ratings: &'a Ratings,
    annotators: usize,
}

impl Model<'_> {
    #[expect(clippy::cast_precision_loss, reason = "categories stay far below 2^53")]
    fn others(&self) -> f64 {
        (self.ratings.categories() as f64 - 1.0).max(1.0)
    }

    fn believe(&self, point: &[f64]) -> Posterior {
        let k = self.ratings.categories();
        let mut values = vec![0.0; self.ratings.items() * k];
        for (at, item) in self.ratings.iter().enumerate() {
            let row = &mut values[at * k..(at + 1) * k];
            let ease = point[self.annotators + at].exp();
            for rating in item {
                // ln σ(x) − ln σ(−x) = x: only the odds of being right differ by category.
                let x = point[rating.annotator as usize] * ease;
                row[rating.label as usize] += x + self.others().ln();
            }
            softmax(row);
        }
        Posterior::new(k, values)
    }

    /// Expected logarithm of likelihood and priors, up to constants.
    fn objective(&self, beliefs: &Posterior, point: &[f64]) -> f64 {
        let mut sum = -0.5 * point.iter().map(|x| (x - 1.0).powi(2)).sum::<f64>();
        for (at, item) in self.ratings.iter().enumerate() {
            let (row, ease) = (beliefs.row(at), point[self.annotators + at].exp());
            for rating in item {
                let x = point[rating.annotator as usize] * ease;
                let right = row[rating.label as usize];
                sum -= right * softplus(-x) + (1.0 - right) * (softplus(x) + self.others().ln());
            }
        }
        sum
    }

    fn gradient(&self, beliefs: &Posterior, point: &[f64]) -> Vec<f64> {
        let mut gradient: Vec<f64> = point.iter().map(|x| 1.0 - x).collect();
        for (at, item) in self.ratings.iter().enumerate() {
            let (row, ease) = (beliefs.row(at), point[self.annotators + at].exp());
            for rating in item {
                let ability = point[rating.annotator as usize];
                let sigma = (1.0 + (-ability * ease).exp()).recip();
                let slope = (row[rating.label as usize] - sigma) * ease;
                gradient[rating.annotator as usize] += slope;
                gradient[self.annotators + at] += slope * ability;
            }
        }
        gradient
    }

    /// Conjugate gradients after Polak and Ribière with backtracking; the objective never falls.
    fn ascend(&self, beliefs: &Posterior, point: &mut Vec<f64>) {
        let mut gradient = self.gradient(beliefs, point);
        let mut direction = gradient.clone();
        let mut value = self.objective(beliefs, point);
        let mut step = 1.0 / norm(&gradient).max(1.0);
        for _ in 0..STEPS_MAX {
            if gradient.iter().all(|g| g.abs() <= GRADIENT_MIN) {
                break;
            }
            let mut slope = dot(&gradient, &direction);
            if slope <= 0.0 {
                direction.clone_from(&gradient);
                slope = dot(&gradient, &direction);
            }
            let Some(taken) = self.step(beliefs, point, &direction, (value, slope, step)) else {
                break;
            };
            *point = along(point, &direction, taken);
            value = self.objective(beliefs, point);
            step = 2.0 * taken;
            let after = self.gradient(beliefs, point);
            let change: f64 = after.iter().zip(&gradient).map(|(a, g)| a * (a - g)).sum();
            let beta = (change / dot(&gradient, &gradient)).max(0.0);
            direction.iter_mut().zip(&after).for_each(|(d, a)| *d = a + beta * *d);
            gradient = after;
        }
    }

    /// A step along `direction` that gains enough (Armijo), not longer than the given one;
    /// `None` if rounding hides every gain.
    fn step(
        &self,
        beliefs: &Posterior,
        point: &[f64],
        direction: &[f64],
        (value, slope, mut step): (f64, f64, f64),
    ) -> Option<f64> {
        for _ in 0..60 {
            let gain = self.objective(beliefs, &along(point, direction, step)) - value;
            if gain >= 1e-4 * step * slope {
                return Some(step);
            }
            step *= 0.5;
        }
        None
    }
}

fn along(point: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    point.iter().zip(direction).map(|(x, d)| x + step * d).collect()
}

/// ln(1 + eˣ) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
