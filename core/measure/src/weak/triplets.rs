//! Accuracies of labeling functions for two classes, in closed form.
//!
//! Source: D. Y. Fu, M. F. Chen, F. Sala, S. M. Hooper, K. Fatahalian, C. Ré, *Fast and
//! three-rious: speeding up weak supervision with triplet methods* (2020); with the median over
//! triplets and moments among items on which both functions vote.

use super::table::{VoteTable, check_balance};
use crate::input::{InvalidInput, MeasureError, Undefined, same_length, within};

/// A moment closer to zero says nothing.
const MOMENT_MIN: f64 = 1e-3;
const CORRELATION_MAX: f64 = 0.999;

/// All that the closed form needs. Sums of different sites add up.
#[derive(Clone, Debug, PartialEq)]
pub struct TripletSums {
    functions: usize,
    /// Agreements less disagreements of each pair, row-major.
    signed: Vec<f64>,
    /// Items on which both of a pair vote, row-major.
    together: Vec<f64>,
}

/// Accuracies of labeling functions that choose between two classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Triplets {
    /// Rate at which each function's votes are right, from 0.5 to 0.9995; `None` if it does not
    /// vote together with enough others.
    pub accuracies: Vec<Option<f64>>,
    balance: [f64; 2],
}

impl TripletSums {
    /// Counts how functions agree.
    ///
    /// # Errors
    /// [`InvalidInput::Range`] if there are not two classes.
    pub fn new(table: &VoteTable<'_>) -> Result<Self, InvalidInput> {
        within(
            "categories",
            &[f64::from(u8::try_from(table.categories()).unwrap_or(0))],
            2.0,
            2.0,
        )?;
        let m = table.functions();
        let mut sums = Self { functions: m, signed: vec![0.0; m * m], together: vec![0.0; m * m] };
        for &(item, count) in &table.distinct {
            for (a, vote) in table.cast(item) {
                for (b, other) in table.cast(item) {
                    sums.signed[a * m + b] += if vote == other { count } else { -count };
                    sums.together[a * m + b] += count;
                }
            }
        }
        Ok(sums)
    }

    /// Sums that came from elsewhere; `together` may be noised, and pairs at or below 0 are left
    /// out.
    ///
    /// # Errors
    /// [`InvalidInput`] if the matrices are not square and of one size, or a number is not finite.
    pub fn from_parts(
        functions: usize,
        signed: Vec<f64>,
        together: Vec<f64>,
    ) -> Result<Self, InvalidInput> {
        same_length("signed", functions * functions, signed.len())?;
        same_length("together", functions * functions, together.len())?;
        within("signed", &signed, f64::MIN, f64::MAX)?;
        within("together", &together, f64::MIN, f64::MAX)?;
        Ok(Self { functions, signed, together })
    }

    /// Adds another site's sums.
    ///
    /// # Errors
    /// [`InvalidInput::Length`] if the functions differ.
    pub fn add(&mut self, other: &Self) -> Result<(), InvalidInput> {
        same_length("functions", self.functions, other.functions)?;
        self.signed.iter_mut().zip(&other.signed).for_each(|(a, b)| *a += b);
        self.together.iter_mut().zip(&other.together).for_each(|(a, b)| *a += b);
        Ok(())
    }

    /// Agreements less disagreements of each pair of functions, row-major.
    #[must_use]
    pub fn signed(&self) -> &[f64] {
        &self.signed
    }

    /// Items on which both functions of a pair vote, row-major.
    #[must_use]
    pub fn together(&self) -> &[f64] {
        &self.together
    }

    /// The accuracies that explain how functions agree, if they err independently and are better
    /// than chance. `balance` are the shares of the two classes.
    ///
    /// # Errors
    /// [`MeasureError::Invalid`] if `balance` is not two positive shares; [`Undefined::TooFew`]
    /// with fewer than three functions.
    ///
    /// ```
    /// use insitu_measure::weak::{TripletSums, VoteTable};
    ///
    /// // Three functions; the third is wrong on two of eight items.
    /// let truth = [0, 1, 0, 1, 0, 1, 0, 1];
    /// let votes: Vec<_> = (0..8).flat_map(|i| {
    ///     let t = truth[i];
    ///     [Some(t), Some(t), Some(if i < 2 { 1 - t } else { t })]
    /// }).collect();
    /// let table = VoteTable::new(2, 3, &votes)?;
    /// let fit = TripletSums::new(&table)?.solve([0.5, 0.5])?;
    /// assert!((fit.accuracies[2].unwrap() - 0.75).abs() < 1e-9);
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn solve(&self, balance: [f64; 2]) -> Result<Triplets, MeasureError> {
        check_balance(2, &balance)?;
        if self.functions < 3 {
            let (found, needed) = (self.functions, 3);
            return Err(Undefined::TooFew { what: "labeling functions", found, needed }.into());
        }
        let accuracies = (0..self.functions).map(|function| self.accuracy(function)).collect();
        Ok(Triplets { accuracies, balance })
    }

    fn accuracy(&self, i: usize) -> Option<f64> {
        let m = self.functions;
        let moment = |a: usize, b: usize| {
            let together = self.together[a * m + b];
            (together > 0.0).then(|| self.signed[a * m + b] / together)
        };
        let mut candidates = Vec::new();
        for j in (0..m).filter(|&j| j != i) {
            for k in (j + 1..m).filter(|&k| k != i) {
                let Some(others) = moment(j, k).filter(|c| c.abs() > MOMENT_MIN) else { continue };
                let (Some(a), Some(b)) = (moment(i, j), moment(i, k)) else { continue };
                candidates.push((a * b / others).abs().sqrt());
            }
        }
        let correlation = median(&mut candidates)?.min(CORRELATION_MAX);
        Some(0.5 * (1.0 + correlation))
    }
}

impl Triplets {
    /// Probability of class 1 for each item, by the functions' weighed votes.
    ///
    /// # Errors
    /// [`InvalidInput`] if functions or classes differ from those of the fit.
    pub fn probabilities(&self, table: &VoteTable<'_>) -> Result<Vec<f64>, InvalidInput> {
        same_length("functions", self.accuracies.len(), table.functions())?;
        same_length("categories", 2, table.categories())?;
        let odds = |p: f64| (p / (1.0 - p)).ln();
        let weights: Vec<f64> = self.accuracies.iter().map(|a| a.map_or(0.0, odds)).collect();
        let prior = (self.balance[1] / self.balance[0]).ln();
        let signed = |(f, class): (usize, usize)| if class == 1 { weights[f] } else { -weights[f] };
        let sum = |item: usize| prior + table.cast(item).map(signed).sum::<f64>();
        let rows: Vec<f64> =
            table.distinct.iter().map(|&(item, _)| 1.0 / (1.0 + (-sum(item)).exp())).collect();
        Ok(table.spread(&rows, 1))
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { 0.5 * (upper + values[middle - 1]) })
}
