//! What noised counts say: agreement, calibration and drift, with the noise in the error bars.
//!
//! Everything here is post-processing of released values and costs no privacy. Three rules:
//! sums across sites are made *before* anything is estimated, clipped or projected
//! ([`NoisedCounts::pool`]; clipping cells at zero first biased κ by −0.16 in simulation);
//! squares and products are corrected by the known variance of the noise; and a total below 50,
//! or below 10 deviations of its own noise, is answered by [`EstimateError::NotEnoughData`].

mod agreement;
mod calibration;
mod drift;
mod paired;

pub use agreement::{Agreement, alpha, kappa, kappa_from_marginals};
pub use calibration::{Calibration, Proportion, calibration, right_share};
pub use drift::{Drift, Reference, drift};
pub use paired::{Paired, paired};

use crate::noise::GaussianScale;

/// Fewer items than this say nothing that is worth an error bar.
const ITEMS_MIN: f64 = 50.0;
/// A total must be this many deviations of its own noise.
const DEVIATIONS_MIN: f64 = 10.0;
/// The standard normal quantile of a two-sided 95 % interval.
const Z_95: f64 = 1.959_963_985;
/// That of a one-sided 95 % bound.
const Z_95_ONE_SIDED: f64 = 1.644_853_627;
/// Counts beyond this are no counts of items, and lose precision in an f64.
const COUNT_MAX: i64 = 1 << 50;

/// Why there is no estimate.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateError {
    /// Too few items for the noise. An answer, not a fault: shown as such.
    #[error("not enough data: {n} items after noise, {needed} needed")]
    NotEnoughData {
        /// The noised total, which may be negative.
        n: i64,
        /// The smallest total that is answered at this noise.
        needed: u64,
    },
    /// The counts do not have the stated shape.
    #[error("{got} counts, expected {expected}")]
    Shape {
        /// Counts given.
        got: usize,
        /// Counts expected.
        expected: usize,
    },
    /// Fewer classes or bins than the statistic needs.
    #[error("{got} classes or bins, at least {needed} needed")]
    TooFew {
        /// Classes or bins given.
        got: usize,
        /// The least that works.
        needed: usize,
    },
    /// A count that no site can have.
    #[error("count {index} is outside +-2^50")]
    Count {
        /// Its position.
        index: usize,
    },
    /// Chance agreement cannot be told from certain agreement: the coefficient is 0/0.
    #[error("chance agreement {chance} with a noise deviation of {deviation} may be 1")]
    Degenerate {
        /// Estimated chance agreement.
        chance: f64,
        /// The deviation that noise gives it.
        deviation: f64,
    },
    /// A public reference that is not a distribution with every bin positive, or bin confidences
    /// outside `[0, 1]`.
    #[error("public value {got} of bin {bin} is out of range, or the reference does not sum to 1")]
    Reference {
        /// The first bin that is wrong, or the number of bins when the sum is.
        bin: usize,
        /// Its value, or the sum.
        got: f64,
    },
}

/// Counts with independent zero-mean noise of one known variance on each.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisedCounts {
    counts: Vec<i64>,
    variance: f64,
    /// A better total than the sum of the counts, when there is one.
    total: Option<Total>,
}

/// A number of items known apart from a histogram's own bins.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Total {
    n: f64,
    /// Of its noise, which is independent of the noise on the bins.
    variance: f64,
}

impl NoisedCounts {
    /// Counts that were released with noise of `scale` on each.
    ///
    /// # Errors
    /// [`EstimateError::Count`] for a value that no count can have.
    pub fn new(counts: Vec<i64>, scale: GaussianScale) -> Result<Self, EstimateError> {
        Self::with_variance(counts, scale.variance())
    }

    /// Counts whose noise has `variance` on each: zero for exact counts, the sum of all shares'
    /// variances under secure aggregation. Negative or undefined variances count as zero.
    ///
    /// # Errors
    /// [`EstimateError::Count`] for a value that no count can have.
    pub fn with_variance(counts: Vec<i64>, variance: f64) -> Result<Self, EstimateError> {
        match counts.iter().position(|count| count.unsigned_abs() > COUNT_MAX.unsigned_abs()) {
            Some(index) => Err(EstimateError::Count { index }),
            None => Ok(Self { counts, variance: variance.max(0.0), total: None }),
        }
    }

    /// The same counts, with a total of `n` items known apart from them: its noise has `variance`
    /// and is independent of theirs. Summing B bins of one histogram adds the noise of all B; the
    /// other histograms of the same items know the total better. [`drift()`] uses it. A total that
    /// is no number counts as zero.
    #[must_use]
    pub fn with_total(self, n: f64, variance: f64) -> Self {
        let n = if n.is_finite() { n } else { 0.0 };
        Self { total: Some(Total { n, variance: variance.max(0.0) }), ..self }
    }

    /// The number of items and the variance of its noise.
    pub fn total(&self) -> (f64, f64) {
        match self.total {
            Some(Total { n, variance }) => (n, variance),
            None => {
                let n = self.counts.iter().map(|count| *count as f64).sum();
                (n, self.counts.len() as f64 * self.variance)
            }
        }
    }

    /// The share of the items in `bin`, and the variance that sampling and noise give it.
    ///
    /// # Errors
    /// [`EstimateError::Shape`] when there is no such bin.
    pub fn share(&self, bin: usize) -> Result<(f64, f64), EstimateError> {
        let count = self.counts.get(bin);
        let count =
            count.ok_or(EstimateError::Shape { got: self.counts.len(), expected: bin + 1 })?;
        let n = self.total().0.max(1.0);
        let share = *count as f64 / n;
        let sampling = (share * (1.0 - share)).max(0.0) / n;
        Ok((share, sampling + self.noise_around(share) / (n * n)))
    }

    /// Variance that the noise alone gives x − N·`share` for a bin x and the total N.
    fn noise_around(&self, share: f64) -> f64 {
        match self.total {
            Some(total) => self.variance + share * share * total.variance,
            None => self.variance * (1.0 - 2.0 * share + self.counts.len() as f64 * share * share),
        }
    }

    /// Adds the counts of another site: values add, and so do variances. A total known apart is
    /// kept when both sites have one. A sum stays within ±2⁵⁰, where no honest one ends: whoever
    /// releases absurd numbers spoils a sum, and does not keep it from being read.
    ///
    /// # Errors
    /// [`EstimateError::Shape`] for another length; nothing was added then.
    pub fn pool(&mut self, other: &Self) -> Result<(), EstimateError> {
        if other.counts.len() != self.counts.len() {
            return Err(EstimateError::Shape {
                got: other.counts.len(),
                expected: self.counts.len(),
            });
        }
        let sum = |(a, b): (&i64, &i64)| (a + b).clamp(-COUNT_MAX, COUNT_MAX);
        let sums = self.counts.iter().zip(&other.counts).map(sum).collect();
        let total = self
            .total
            .zip(other.total)
            .map(|(a, b)| Total { n: a.n + b.n, variance: a.variance + b.variance });
        *self = Self { total, ..Self::with_variance(sums, self.variance + other.variance)? };
        Ok(())
    }

    /// The noised counts.
    pub fn counts(&self) -> &[i64] {
        &self.counts
    }

    /// Variance of the noise on each.
    pub const fn variance(&self) -> f64 {
        self.variance
    }

    fn to_real(&self) -> Vec<f64> {
        self.counts.iter().map(|count| *count as f64).collect()
    }
}

/// Refuses a total that is too small for its noise.
///
/// This covers the second rule of the design, n·ε ≥ 50: at δ = 10⁻⁶ it asks for about 6 scales,
/// and a total of B cells is already asked for 10·√B of them.
fn require(n: f64, variance_of_n: f64) -> Result<(), EstimateError> {
    require_deviations(n, variance_of_n, DEVIATIONS_MIN)
}

/// [`require`] with another number of deviations.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded by COUNT_MAX cells"
)]
fn require_deviations(n: f64, variance_of_n: f64, deviations: f64) -> Result<(), EstimateError> {
    let needed = ITEMS_MIN.max(deviations * variance_of_n.sqrt()).ceil();
    if n < needed {
        return Err(EstimateError::NotEnoughData { n: n as i64, needed: needed as u64 });
    }
    Ok(())
}

fn require_shape(counts: &NoisedCounts, expected: usize) -> Result<(), EstimateError> {
    match counts.counts.len() {
        got if got == expected => Ok(()),
        got => Err(EstimateError::Shape { got, expected }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_adds_values_and_variances() {
        let scale = GaussianScale::from_steps(8 * 1024).unwrap();
        let mut total = NoisedCounts::new(vec![3, -4], scale).unwrap();
        total.pool(&NoisedCounts::new(vec![10, 1], scale).unwrap()).unwrap();
        assert_eq!(total.counts(), [13, -3]);
        assert!((total.variance() - 128.0).abs() < 1e-9);
        let other = NoisedCounts::new(vec![1], scale).unwrap();
        assert_eq!(total.pool(&other), Err(EstimateError::Shape { got: 1, expected: 2 }));
        assert!(NoisedCounts::new(vec![0, i64::MIN], scale).is_err());
    }

    #[test]
    fn absurd_counts_spoil_a_sum_and_no_reader() {
        let most = || NoisedCounts::with_variance(vec![COUNT_MAX, -COUNT_MAX, 3], 1.0).unwrap();
        let mut total = most();
        total.pool(&most()).unwrap();
        assert_eq!(total.counts(), [COUNT_MAX, -COUNT_MAX, 6]);
    }

    #[test]
    fn small_totals_are_refused_with_numbers() {
        assert_eq!(require(49.0, 0.0), Err(EstimateError::NotEnoughData { n: 49, needed: 50 }));
        assert_eq!(require(-3.0, 100.0), Err(EstimateError::NotEnoughData { n: -3, needed: 100 }));
        assert!(require(100.0, 100.0).is_ok());
    }
}
