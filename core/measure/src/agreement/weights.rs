//! Weights for partial agreement between ordered categories.

/// How much two different categories agree.
///
/// The weight is 1 on the diagonal and falls to 0 at the ends of the scale. Categories stand at
/// equal steps, unless their positions are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weights {
    /// Only equal categories agree.
    Identity,
    /// 1 − |i − j| / (K − 1).
    Linear,
    /// 1 − (i − j)² / (K − 1)².
    Quadratic,
    /// 1 − C(|i − j| + 1, 2) / C(K, 2): by the number of pairs of ranks in between.
    /// Source: K. L. Gwet, *Handbook of Inter-Rater Reliability* (2014), section 3.5.
    Ordinal,
}

impl Weights {
    /// The weight of categories `i` and `j` of `categories` many, in [0, 1].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "category numbers stay far below 2^53")]
    pub fn agreement(self, categories: usize, i: usize, j: usize) -> f64 {
        1.0 - self.distance(i.abs_diff(j) as f64, categories as f64)
    }

    /// The weights of every pair of categories at these positions, row-major. Ordinal weights are by
    /// rank, wherever the categories stand.
    pub(super) fn matrix(self, positions: &[f64]) -> Vec<f64> {
        let k = positions.len();
        let low = positions.iter().copied().fold(f64::INFINITY, f64::min);
        let high = positions.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Categories at one place agree.
        let range = (high - low).max(f64::MIN_POSITIVE);
        let share = |i: usize, j: usize| (positions[i] - positions[j]).abs() / range;
        let weight = |i: usize, j: usize| match self {
            Self::Linear if i != j => 1.0 - share(i, j),
            Self::Quadratic if i != j => 1.0 - share(i, j).powi(2),
            Self::Identity | Self::Linear | Self::Quadratic | Self::Ordinal => {
                self.agreement(k, i, j)
            }
        };
        (0..k * k).map(|at| weight(at / k, at % k)).collect()
    }

    fn distance(self, apart: f64, categories: f64) -> f64 {
        if apart <= 0.0 {
            return 0.0;
        }
        match self {
            Self::Identity => 1.0,
            Self::Linear => apart / (categories - 1.0),
            Self::Quadratic => (apart / (categories - 1.0)).powi(2),
            Self::Ordinal => (apart + 1.0) * apart / (categories * (categories - 1.0)),
        }
    }
}
