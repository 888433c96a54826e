//! Rates of labeling functions for any number of classes, from how pairs of them vote together.
//!
//! Source: A. Ratner, B. Hancock, J. Dunnmon, F. Sala, S. Pandey, C. Ré, *Training complex models
//! with multi-task weak supervision* (2019); objective, start and steps as in snorkel 0.9.

use super::table::{VoteTable, check_balance};
use crate::input::{InvalidInput, MeasureError, Undefined, at_most, same_length};
use crate::probabilities::softmax;

/// Precision that every function is thought to have at the start.
const PRECISION: f64 = 0.7;
/// Factor on the start: it must not be a fixed point.
const START: f64 = 0.7;
const RATE: f64 = 0.01;
const MOMENTUM: f64 = 0.9;
/// Largest functions × classes; a step takes the square of it.
const VALUES_MAX: usize = 2_000;

/// Rates of votes by true class.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    functions: usize,
    balance: Vec<f64>,
    /// P(function votes class | true class), by function and vote (row) and truth (column).
    rates: Vec<f64>,
}

impl Moments {
    /// Fits by `steps` of gradient descent with momentum; 500 are usually enough. `balance` are
    /// the shares of the classes.
    ///
    /// # Errors
    /// [`MeasureError::Invalid`] if `balance` does not fit or functions × classes is above 2,000;
    /// [`Undefined`] without items or with fewer than three functions.
    pub fn fit(table: &VoteTable<'_>, balance: &[f64], steps: usize) -> Result<Self, MeasureError> {
        let (k, m) = (table.categories(), table.functions());
        check_balance(k, balance)?;
        at_most("functions × categories", VALUES_MAX, m.saturating_mul(k))?;
        if table.items() == 0 {
            return Err(Undefined::NoData.into());
        }
        if m < 3 {
            return Err(
                Undefined::TooFew { what: "labeling functions", found: m, needed: 3 }.into()
            );
        }
        let observed = together(table);
        let size = m * k;
        let mut rates = vec![0.0; size * k];
        for value in 0..size {
            let share = observed[value * size + value];
            let class = value % k;
            rates[value * k + class] = START * (share * PRECISION / balance[class]).clamp(0.0, 1.0);
        }
        let mut velocity = vec![0.0; rates.len()];
        for _ in 0..steps {
            let gradient = gradient(&observed, &rates, balance, k);
            for ((rate, velocity), slope) in rates.iter_mut().zip(&mut velocity).zip(&gradient) {
                *velocity = MOMENTUM * *velocity + slope;
                *rate -= RATE * *velocity;
            }
        }
        let least = least_rate(table.items());
        rates.iter_mut().for_each(|rate| *rate = rate.clamp(least, 1.0 - least));
        Ok(Self { functions: m, balance: balance.to_vec(), rates })
    }

    /// P(`function` votes `vote` | truth is `truth`); 0 for one that does not exist.
    #[must_use]
    pub fn rate(&self, function: usize, vote: usize, truth: usize) -> f64 {
        let k = self.balance.len();
        let at = (function * k + vote) * k + truth;
        if vote < k && truth < k { self.rates.get(at).copied().unwrap_or(0.0) } else { 0.0 }
    }

    /// Class probabilities of each item, row-major.
    ///
    /// # Errors
    /// [`InvalidInput`] if functions or classes differ from those of the fit.
    pub fn probabilities(&self, table: &VoteTable<'_>) -> Result<Vec<f64>, InvalidInput> {
        let k = self.balance.len();
        same_length("functions", self.functions, table.functions())?;
        same_length("categories", k, table.categories())?;
        let logs: Vec<f64> = self.rates.iter().map(|rate| rate.ln()).collect();
        let mut rows = Vec::with_capacity(table.distinct.len() * k);
        for &(item, _) in &table.distinct {
            let start = rows.len();
            rows.extend(self.balance.iter().map(|share| share.ln()));
            for (function, class) in table.cast(item) {
                let at = (function * k + class) * k;
                rows[start..].iter_mut().zip(&logs[at..at + k]).for_each(|(sum, log)| *sum += log);
            }
            softmax(&mut rows[start..]);
        }
        Ok(table.spread(&rows, k))
    }
}

/// Share of items with each pair of votes, square over functions × classes.
#[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
fn together(table: &VoteTable<'_>) -> Vec<f64> {
    let (k, items) = (table.categories(), table.items() as f64);
    let size = table.functions() * k;
    let mut shares = vec![0.0; size * size];
    for &(item, count) in &table.distinct {
        for (a, vote) in table.cast(item) {
            for (b, other) in table.cast(item) {
                shares[(a * k + vote) * size + b * k + other] += count / items;
            }
        }
    }
    shares
}

/// Gradient of the squared error of what pairs of different functions, and each function alone,
/// should do by these rates.
fn gradient(observed: &[f64], rates: &[f64], balance: &[f64], k: usize) -> Vec<f64> {
    let size = rates.len() / k;
    let weighted: Vec<f64> =
        rates.chunks_exact(k).flat_map(|row| row.iter().zip(balance).map(|(r, b)| r * b)).collect();
    let mut gradient = vec![0.0; rates.len()];
    for value in 0..size {
        let row = &weighted[value * k..(value + 1) * k];
        let slopes = &mut gradient[value * k..(value + 1) * k];
        let alone = row.iter().sum::<f64>() - observed[value * size + value];
        slopes.iter_mut().zip(balance).for_each(|(slope, share)| *slope += 2.0 * alone * share);
        for other in (0..size).filter(|other| other / k != value / k) {
            let rates = &rates[other * k..(other + 1) * k];
            let pair: f64 = row.iter().zip(rates).map(|(a, b)| a * b).sum();
            let error = pair - observed[value * size + other];
            let others = &weighted[other * k..(other + 1) * k];
            slopes.iter_mut().zip(others).for_each(|(slope, w)| *slope += 4.0 * error * w);
        }
    }
    gradient
}

/// One in the next power of ten of items, at most 1 %.
#[expect(clippy::cast_precision_loss, reason = "items stay far below 2^53")]
fn least_rate(items: usize) -> f64 {
    10.0_f64.powf(-(items as f64).log10().ceil()).min(0.01)
}
