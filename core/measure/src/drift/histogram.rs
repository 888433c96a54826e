//! Distances between two histograms over the same bins.

use crate::input::{InvalidInput, MeasureError, Undefined, same_length, within};
use crate::special;

/// Share that stands in for an empty bin in the population stability index.
pub const PSI_ZERO_SHARE: f64 = 1e-4;

/// Up to so many edges are searched one by one.
const FEW_EDGES: usize = 32;

/// Two histograms over the same bins, reference and current.
#[derive(Clone, Debug, PartialEq)]
pub struct Histograms {
    reference: Vec<f64>,
    current: Vec<f64>,
}

/// Outcome of Pearson's test that both histograms come from one distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquare {
    /// The statistic.
    pub statistic: f64,
    /// Degrees of freedom: bins that are not empty in both, less one.
    pub degrees: usize,
    /// Probability of a statistic at least as large without drift.
    pub p: f64,
}

impl Histograms {
    /// Counts in bins; both need at least one observation.
    ///
    /// # Errors
    /// [`InvalidInput`] if the lengths differ or a count is negative or not finite,
    /// [`Undefined::NoData`] if either is empty.
    pub fn new(reference: &[f64], current: &[f64]) -> Result<Self, MeasureError> {
        same_length("current", reference.len(), current.len())?;
        within("reference", reference, 0.0, 1e300)?;
        within("current", current, 0.0, 1e300)?;
        let empty = |counts: &[f64]| counts.iter().sum::<f64>() <= 0.0;
        if empty(reference) || empty(current) {
            return Err(Undefined::NoData.into());
        }
        Ok(Self { reference: reference.to_vec(), current: current.to_vec() })
    }

    /// Bins values by `edges`: bin 0 is below the first edge, the last at or above the last edge,
    /// so there is one bin more than edges.
    ///
    /// # Errors
    /// [`InvalidInput`] if the edges do not ascend or a value is not finite,
    /// [`Undefined::NoData`] if either sample is empty.
    pub fn from_values(
        edges: &[f64],
        reference: &[f64],
        current: &[f64],
    ) -> Result<Self, MeasureError> {
        within("edges", edges, f64::MIN, f64::MAX)?;
        if let Some(at) = edges.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(InvalidInput::Order { what: "edges", index: at + 1 }.into());
        }
        within("reference", reference, f64::MIN, f64::MAX)?;
        within("current", current, f64::MIN, f64::MAX)?;
        Self::new(&binned(edges, reference), &binned(edges, current))
    }

    /// Number of bins.
    #[must_use]
    pub const fn bins(&self) -> usize {
        self.reference.len()
    }

    /// Population stability index in nats: Σ (q − p)·ln(q/p), with [`PSI_ZERO_SHARE`] for an
    /// empty bin. It grows with noise: judge it by [`psi_threshold`](super::psi_threshold).
    ///
    /// ```
    /// use insitu_measure::drift::Histograms;
    ///
    /// let both = Histograms::new(&[50.0, 50.0], &[60.0, 40.0])?;
    /// assert!((both.psi() - 0.0405).abs() < 1e-4);
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    #[must_use]
    pub fn psi(&self) -> f64 {
        let filled = |share: f64| if share > 0.0 { share } else { PSI_ZERO_SHARE };
        self.shares()
            .map(|(p, q)| (filled(p), filled(q)))
            .map(|(p, q)| (q - p) * (q / p).ln())
            .sum()
    }

    /// Jensen–Shannon divergence in nats, in [0, ln 2].
    #[must_use]
    pub fn jensen_shannon_divergence(&self) -> f64 {
        let part = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).ln() } else { 0.0 };
        let both = |(p, q): (f64, f64)| {
            let middle = 0.5 * (p + q);
            0.5 * (part(p, middle) + part(q, middle))
        };
        self.shares().map(both).sum::<f64>().max(0.0)
    }

    /// Jensen–Shannon distance with logarithms to base 2, in [0, 1]: the square root of the
    /// divergence in bits.
    #[must_use]
    pub fn jensen_shannon_distance(&self) -> f64 {
        (self.jensen_shannon_divergence() / std::f64::consts::LN_2).sqrt()
    }

    /// Total variation distance, in [0, 1].
    #[must_use]
    pub fn total_variation(&self) -> f64 {
        0.5 * self.shares().map(|(p, q)| (p - q).abs()).sum::<f64>()
    }

    /// Hellinger distance, in [0, 1].
    #[must_use]
    pub fn hellinger(&self) -> f64 {
        let squares: f64 = self.shares().map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2)).sum();
        (0.5 * squares).sqrt()
    }

    /// Kullback–Leibler divergence of the current from the reference histogram in nats, after
    /// half an observation was added to each bin of both.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bins stay far below 2^53")]
    pub fn kullback_leibler(&self) -> f64 {
        let half = 0.5 * self.bins() as f64;
        let (n, m) = self.totals();
        let shares = self.reference.iter().zip(&self.current);
        let shares = shares.map(|(p, q)| ((p + 0.5) / (n + half), (q + 0.5) / (m + half)));
        shares.map(|(p, q)| q * (q / p).ln()).sum()
    }

    /// Greatest distance between the cumulated shares, for ordered bins, in [0, 1].
    #[must_use]
    pub fn kolmogorov_smirnov(&self) -> f64 {
        self.cumulated().fold(0.0, f64::max)
    }

    /// Earth mover's distance between ordered bins, in bins.
    #[must_use]
    pub fn wasserstein(&self) -> f64 {
        self.cumulated().sum()
    }

    /// Pearson's χ² test for two samples.
    ///
    /// # Errors
    /// [`Undefined::OneCategory`] if only one bin is used.
    #[expect(clippy::cast_precision_loss, reason = "bins stay far below 2^53")]
    pub fn chi_square(&self) -> Result<ChiSquare, Undefined> {
        let (n, m) = self.totals();
        let (mut statistic, mut used) = (0.0, 0_usize);
        for (a, b) in self.reference.iter().zip(&self.current).filter(|(a, b)| *a + *b > 0.0) {
            let share = (a + b) / (n + m);
            statistic += surprise(*a, n * share) + surprise(*b, m * share);
            used += 1;
        }
        let degrees = used - 1; // both histograms have an observation
        if degrees == 0 {
            return Err(Undefined::OneCategory);
        }
        let p = special::chi_square_sf(statistic, degrees as f64);
        Ok(ChiSquare { statistic, degrees, p })
    }

    /// Counts to expect of both if they came from the shares that they have in common.
    pub(super) fn expected(&self) -> (Vec<f64>, Vec<f64>) {
        let (n, m) = self.totals();
        let scaled = |size: f64| {
            let both = self.reference.iter().zip(&self.current);
            both.map(|(a, b)| (a + b) * size / (n + m)).collect()
        };
        (scaled(n), scaled(m))
    }

    fn totals(&self) -> (f64, f64) {
        (self.reference.iter().sum(), self.current.iter().sum())
    }

    fn shares(&self) -> impl Iterator<Item = (f64, f64)> {
        let (n, m) = self.totals();
        self.reference.iter().zip(&self.current).map(move |(p, q)| (p / n, q / m))
    }

    fn cumulated(&self) -> impl Iterator<Item = f64> {
        let mut sum = 0.0;
        self.shares().map(move |(p, q)| {
            sum += p - q;
            f64::abs(sum)
        })
    }
}

/// Squared distance from what was expected, in expected counts; 0 where that underflows.
fn surprise(count: f64, expected: f64) -> f64 {
    if expected > 0.0 { (count - expected).powi(2) / expected } else { 0.0 }
}

fn binned(edges: &[f64], values: &[f64]) -> Vec<f64> {
    let mut counts = vec![0.0; edges.len() + 1];
    if edges.len() <= FEW_EDGES {
        // Comparing with every edge has no branch to mispredict.
        for value in values {
            counts[edges.iter().map(|edge| usize::from(edge <= value)).sum::<usize>()] += 1.0;
        }
    } else {
        for value in values {
            counts[edges.partition_point(|edge| edge <= value)] += 1.0;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_histograms_do_not_differ() {
        let same = Histograms::new(&[3.0, 0.0, 7.0], &[6.0, 0.0, 14.0]).unwrap();
        assert!(same.psi().abs() < 1e-15 && same.jensen_shannon_distance() < 1e-8);
        assert_eq!(same.chi_square().unwrap().degrees, 1);
    }

    #[test]
    fn apart_histograms_are_as_far_as_can_be() {
        let apart = Histograms::new(&[1.0, 0.0], &[0.0, 1.0]).unwrap();
        assert!((apart.jensen_shannon_distance() - 1.0).abs() < 1e-12);
        assert!((apart.hellinger() - 1.0).abs() < 1e-12);
        assert!((apart.total_variation() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn empty_or_bad_counts_are_refused() {
        assert!(Histograms::new(&[0.0], &[1.0]).is_err());
        assert!(Histograms::new(&[], &[]).is_err());
        assert!(Histograms::new(&[-1.0, 2.0], &[1.0, 1.0]).is_err());
        let one = Histograms::new(&[2.0, 0.0], &[1.0, 0.0]).unwrap();
        assert_eq!(one.chi_square(), Err(Undefined::OneCategory));
        let tiny = Histograms::new(&[0.5, 0.0], &[1e15, 1e-320]).unwrap();
        assert!((tiny.chi_square().unwrap().p - 1.0).abs() < 1e-9);
    }

    #[test]
    fn values_fall_into_half_open_bins() {
        let both = Histograms::from_values(&[0.0, 1.0], &[-1.0, 0.0, 1.0], &[0.5]).unwrap();
        assert_eq!((both.reference, both.current), (vec![1.0; 3], vec![0.0, 1.0, 0.0]));
    }
}
