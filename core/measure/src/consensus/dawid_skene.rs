//! Dawid and Skene's model: every annotator has a confusion matrix of their own.
//!
//! Source: A. P. Dawid, A. M. Skene, *Maximum likelihood estimation of observer error-rates using
//! the EM algorithm*, Appl. Stat. 28 (1979).

use super::majority::{check, majority};
use super::posterior::Posterior;
use crate::input::{InvalidInput, MeasureError, at_most, known as known_categories, same_length};
use crate::probabilities::softmax;
use crate::ratings::Ratings;

/// Least rate of an answer that an annotator has given at all.
const RATE_MIN: f64 = 1e-10;
/// Largest annotators × categories² for which rates are kept (512 MiB of `f64`).
const RATES_MAX: usize = 1 << 26;

/// Expected counts of one site: all that the next round needs to know of its ratings.
///
/// Counts of different sites with the same annotators (or disjoint ones) [`add`](Self::add) up,
/// and the sum gives the same rates as all ratings in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedCounts {
    categories: usize,
    items: f64,
    /// Expected items of each true category.
    truth: Vec<f64>,
    /// By annotator, answer and true category.
    answers: Vec<f64>,
}

/// Rates of every annotator's answers and of the true categories.
#[derive(Clone, Debug, PartialEq)]
pub struct DawidSkene {
    categories: usize,
    /// Share of each true category.
    priors: Vec<f64>,
    /// By annotator, answer and true category; 0 for an answer never given.
    rates: Vec<f64>,
}

impl ExpectedCounts {
    /// Counts what annotators answered, by what is believed of each item. Items without ratings
    /// say nothing and are left out.
    ///
    /// # Errors
    /// [`InvalidInput`] if the beliefs do not fit the ratings or the matrices of all annotators
    /// are too large.
    pub fn new(ratings: &Ratings, beliefs: &Posterior) -> Result<Self, InvalidInput> {
        Self::smoothed(ratings, beliefs, 0.0)
    }

    /// The same with `smoothing` items added to every answer of every annotator.
    pub(crate) fn smoothed(
        ratings: &Ratings,
        beliefs: &Posterior,
        smoothing: f64,
    ) -> Result<Self, InvalidInput> {
        let k = ratings.categories();
        same_length("beliefs", ratings.items() * k, beliefs.values().len())?;
        let size = ratings.annotators().saturating_mul(k * k);
        at_most("annotators × categories²", RATES_MAX, size)?;
        let mut counts =
            Self { categories: k, items: 0.0, truth: vec![0.0; k], answers: vec![smoothing; size] };
        for (item, belief) in ratings.iter().zip(beliefs.values().chunks_exact(k.max(1))) {
            if item.is_empty() {
                continue;
            }
            counts.items += 1.0;
            add_to(&mut counts.truth, belief);
            for rating in item {
                let at = (rating.annotator as usize * k + rating.label as usize) * k;
                add_to(&mut counts.answers[at..at + k], belief);
            }
        }
        Ok(counts)
    }

    /// Adds another site's counts.
    ///
    /// # Errors
    /// [`InvalidInput::Length`] if categories or annotators differ.
    pub fn add(&mut self, other: &Self) -> Result<(), InvalidInput> {
        same_length("categories", self.categories, other.categories)?;
        same_length("answers", self.answers.len(), other.answers.len())?;
        self.items += other.items;
        add_to(&mut self.truth, &other.truth);
        add_to(&mut self.answers, &other.answers);
        Ok(())
    }

    /// The rates that make these counts most likely.
    #[must_use]
    pub fn rates(&self) -> DawidSkene {
        let k = self.categories;
        let mut rates = self.answers.clone();
        for annotator in rates.chunks_exact_mut((k * k).max(1)) {
            let mut given = vec![0.0; k];
            for answer in annotator.chunks_exact_mut(k) {
                // An answer never given keeps rate 0: no item will ask for it.
                if answer.iter().any(|&count| count > 0.0) {
                    answer.iter_mut().for_each(|count| *count = count.max(RATE_MIN));
                    add_to(&mut given, answer);
                }
            }
            for answer in annotator.chunks_exact_mut(k) {
                for (rate, sum) in answer.iter_mut().zip(&given).filter(|(_, sum)| **sum > 0.0) {
                    *rate /= sum;
                }
            }
        }
        let items = self.items.max(f64::MIN_POSITIVE);
        let priors = self.truth.iter().map(|count| count / items).collect();
        DawidSkene { categories: k, priors, rates }
    }
}

impl DawidSkene {
    /// Fits by `iterations` rounds of expectation and maximisation from the majority vote, and
    /// returns the rates with the beliefs they were counted from.
    ///
    /// # Errors
    /// As [`majority`] and [`ExpectedCounts::new`].
    ///
    /// ```
    /// use insitu_measure::{Ratings, consensus::DawidSkene};
    ///
    /// // The third annotator says the opposite of what the others do.
    /// let table: Vec<_> = [0, 1, 0, 1, 1, 0].iter()
    ///     .flat_map(|&truth| [Some(truth), Some(truth), Some(1 - truth)]).collect();
    /// let ratings = Ratings::from_table(2, 3, &table)?;
    /// let (fit, beliefs) = DawidSkene::fit(&ratings, 20)?;
    /// assert_eq!(beliefs.labels(), [0, 1, 0, 1, 1, 0]);
    /// assert!(fit.rate(2, 0, 1) > 0.99); // answers 0 when it is 1
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn fit(ratings: &Ratings, iterations: usize) -> Result<(Self, Posterior), MeasureError> {
        Self::fit_smoothed(ratings, iterations, 0.0)
    }

    /// The same with `smoothing` items added to every answer of every annotator, for annotators
    /// with few ratings.
    ///
    /// # Errors
    /// As [`DawidSkene::fit`].
    pub fn fit_smoothed(
        ratings: &Ratings,
        iterations: usize,
        smoothing: f64,
    ) -> Result<(Self, Posterior), MeasureError> {
        Self::fit_anchored(ratings, &vec![None; ratings.items()], iterations, smoothing)
    }

    /// The same where the truth of some items is known, `known[item]`: they keep it, whatever
    /// people answered. Two people alone cannot tell who of them errs; a few known items can.
    ///
    /// # Errors
    /// As [`DawidSkene::fit`], and [`InvalidInput`] if `known` is not one entry for each item or
    /// names a category that does not exist.
    ///
    /// ```
    /// use insitu_measure::{Ratings, consensus::DawidSkene};
    ///
    /// // Two people agree on eight items and differ on three; an expert decided two of those.
    /// let pairs = [[(0, 0); 4].as_slice(), &[(1, 1); 4], &[(1, 0); 3]].concat();
    /// let table: Vec<_> = pairs.iter().flat_map(|&(a, b)| [Some(a), Some(b)]).collect();
    /// let ratings = Ratings::from_table(2, 2, &table)?;
    /// let mut known = [None; 11];
    /// (known[8], known[9]) = (Some(1), Some(1));
    /// let (_, beliefs) = DawidSkene::fit_anchored(&ratings, &known, 20, 0.5)?;
    /// assert_eq!(beliefs.labels()[8..], [1, 1, 1]); // the third follows who was right before
    /// assert_eq!(beliefs.labels()[..2], [0, 0]);
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn fit_anchored(
        ratings: &Ratings,
        known: &[Option<u32>],
        iterations: usize,
        smoothing: f64,
    ) -> Result<(Self, Posterior), MeasureError> {
        same_length("known", ratings.items(), known.len())?;
        let named: Vec<u32> = known.iter().copied().flatten().collect();
        known_categories("known", &named, ratings.categories())?;
        let mut beliefs = majority(ratings)?;
        beliefs.pin(known);
        let mut fit = ExpectedCounts::smoothed(ratings, &beliefs, smoothing)?.rates();
        for _ in 0..iterations {
            beliefs = fit.believe(ratings)?;
            beliefs.pin(known);
            fit = ExpectedCounts::smoothed(ratings, &beliefs, smoothing)?.rates();
        }
        Ok((fit, beliefs))
    }

    /// What these rates say about each item; the priors for an item without ratings.
    ///
    /// # Errors
    /// [`InvalidInput`] if categories or annotators differ from those of the fit.
    pub fn believe(&self, ratings: &Ratings) -> Result<Posterior, MeasureError> {
        let k = self.categories;
        same_length("categories", k, ratings.categories())?;
        same_length("annotators", self.rates.len() / (k * k).max(1), ratings.annotators())?;
        check(ratings)?;
        let logs: Vec<f64> = self.rates.iter().map(|rate| rate.max(RATE_MIN).ln()).collect();
        let priors: Vec<f64> = self.priors.iter().map(|p| p.max(RATE_MIN).ln()).collect();
        let mut values = Vec::with_capacity(ratings.items() * k);
        for item in ratings.iter() {
            let start = values.len();
            values.extend_from_slice(&priors);
            for rating in item {
                let at = (rating.annotator as usize * k + rating.label as usize) * k;
                add_to(&mut values[start..], &logs[at..at + k]);
            }
            softmax(&mut values[start..]);
        }
        Ok(Posterior::new(k, values))
    }

    /// Share of each true category.
    #[must_use]
    pub fn priors(&self) -> &[f64] {
        &self.priors
    }

    /// Rate at which an annotator gives `answer` to items that truly are `truth`; 0 for an
    /// annotator or category that does not exist.
    #[must_use]
    pub fn rate(&self, annotator: usize, answer: usize, truth: usize) -> f64 {
        let k = self.categories;
        let inside = answer < k && truth < k;
        let at = (annotator * k + answer) * k + truth;
        if inside { self.rates.get(at).copied().unwrap_or(0.0) } else { 0.0 }
    }

    /// Rate at which an annotator is right, over items as they come: Σ prior · rate.
    #[must_use]
    pub fn skill(&self, annotator: usize) -> f64 {
        (0..self.categories).map(|c| self.priors[c] * self.rate(annotator, c, c)).sum()
    }
}

fn add_to(sums: &mut [f64], values: &[f64]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratings(items: u32) -> Ratings {
        let triple = |i: u32| {
            let item = i / 4;
            (item, i % 4, (item * 7 + (i * i) % 11 / 8) % 3)
        };
        let triples: Vec<_> = (0..items * 4).map(triple).collect();
        Ratings::from_triples(3, items as usize, 4, &triples).unwrap()
    }

    #[test]
    fn federated_counts_equal_central_ones() {
        let all = ratings(60);
        let part = |from: usize, to: usize| {
            let triples: Vec<_> = (0..)
                .zip(from..to)
                .flat_map(|(n, i)| all.item(i).iter().map(move |r| (n, r.annotator, r.label)))
                .collect();
            Ratings::from_triples(3, to - from, 4, &triples).unwrap()
        };
        let sites = [part(0, 7), part(7, 41), part(41, 60)];
        let sum = |beliefs: &[Posterior]| {
            let mut parts =
                sites.iter().zip(beliefs).map(|(s, b)| ExpectedCounts::new(s, b).unwrap());
            let mut sum = parts.next().unwrap();
            parts.for_each(|part| sum.add(&part).unwrap());
            sum.rates()
        };
        let mut beliefs: Vec<_> = sites.iter().map(|site| majority(site).unwrap()).collect();
        let mut fit = sum(&beliefs);
        for _ in 0..50 {
            beliefs = sites.iter().map(|site| fit.believe(site).unwrap()).collect();
            fit = sum(&beliefs);
        }
        let (central, central_beliefs) = DawidSkene::fit(&all, 50).unwrap();
        for (a, b) in fit.rates.iter().zip(&central.rates) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        let federated = beliefs.iter().flat_map(|b| b.values().iter());
        for (a, b) in federated.zip(central_beliefs.values()) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn an_item_without_ratings_gets_the_priors() {
        let ratings = Ratings::from_triples(2, 3, 1, &[(0, 0, 1), (1, 0, 1)]).unwrap();
        let (fit, beliefs) = DawidSkene::fit(&ratings, 3).unwrap();
        assert!((beliefs.row(2)[1] - fit.priors()[1]).abs() < 1e-9);
    }

    #[test]
    fn too_many_categories_are_refused() {
        let ratings = Ratings::from_triples(1_000_000, 1, 1, &[(0, 0, 7)]).unwrap();
        assert!(matches!(DawidSkene::fit(&ratings, 1), Err(MeasureError::Invalid(_))));
        let nothing = Ratings::from_triples(2, 0, 0, &[]).unwrap();
        assert!(matches!(DawidSkene::fit(&nothing, 1), Err(MeasureError::Undefined(_))));
    }
}
