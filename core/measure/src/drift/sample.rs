//! Distances between two samples of a number, and tests that they come from one distribution.

use crate::input::{MeasureError, Undefined, within};
use crate::special;

/// Largest product of sample sizes for the exact Kolmogorov–Smirnov test (about .1 s).
const EXACT_CELLS_MAX: usize = 30_000_000;
/// Most numbers of both samples for the exact Mann–Whitney test.
const EXACT_RANKS_MAX: f64 = 60.0;

/// Two samples, each sorted.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    reference: Vec<f64>,
    current: Vec<f64>,
}

/// Outcome of the two-sample Kolmogorov–Smirnov test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KolmogorovSmirnov {
    /// Greatest distance between the empirical distribution functions, in [0, 1].
    pub statistic: f64,
    /// Probability of a distance at least as large without drift, by the one-sample distribution
    /// at the harmonic sample size.
    pub p: f64,
    /// The same, exactly; `None` for large samples, where the other is as good.
    pub p_exact: Option<f64>,
}

/// Outcome of Mann and Whitney's test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// Pairs in which the reference number is greater; equal ones count half.
    pub wins: f64,
    /// Two-sided p-value by the normal distribution, corrected for ties and continuity.
    pub p: f64,
    /// The exact one; `None` with ties or more than 60 numbers.
    pub p_exact: Option<f64>,
}

impl Samples {
    /// Two samples of finite numbers.
    ///
    /// # Errors
    /// [`MeasureError::Invalid`] if a number is not finite, [`Undefined::NoData`] if a sample is
    /// empty.
    ///
    /// ```
    /// use insitu_measure::drift::Samples;
    ///
    /// let both = Samples::new(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0])?;
    /// assert!((both.wasserstein() - 1.0).abs() < 1e-12);
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn new(reference: &[f64], current: &[f64]) -> Result<Self, MeasureError> {
        within("reference", reference, -1e300, 1e300)?;
        within("current", current, -1e300, 1e300)?;
        if reference.is_empty() || current.is_empty() {
            return Err(Undefined::NoData.into());
        }
        let sorted = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        Ok(Self { reference: sorted(reference), current: sorted(current) })
    }

    /// Kolmogorov–Smirnov test.
    ///
    /// # Source
    /// Exact: G. Steck, *The Smirnov two sample tests as rank tests* (1969), by counting paths.
    /// Otherwise: G. Marsaglia, W. W. Tsang, J. Wang, *Evaluating Kolmogorov's distribution*
    /// (2003), and for large samples J. Vrbik, *Small-sample corrections to Kolmogorov–Smirnov
    /// test statistic* (2018).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "samples stay far below 2^53")]
    pub fn kolmogorov_smirnov(&self) -> KolmogorovSmirnov {
        let (n, m) = (self.reference.len(), self.current.len());
        let statistic = self.steps().map(|(f, g, _)| (f - g).abs()).fold(0.0, f64::max);
        let harmonic = (n as f64 * m as f64 / (n + m) as f64).round_ties_even().max(1.0);
        KolmogorovSmirnov {
            statistic,
            p: kolmogorov_sf(statistic, harmonic),
            p_exact: (n.saturating_mul(m) <= EXACT_CELLS_MAX).then(|| paths_sf(statistic, n, m)),
        }
    }

    /// Earth mover's distance, in the unit of the numbers.
    #[must_use]
    pub fn wasserstein(&self) -> f64 {
        self.steps().map(|(f, g, width)| (f - g).abs() * width).sum()
    }

    /// Mann and Whitney's two-sided test (Wilcoxon's rank sum), which sees shifts.
    ///
    /// # Errors
    /// [`Undefined::NoVariation`] if all numbers are equal.
    ///
    /// # Source
    /// H. B. Mann, D. R. Whitney, *On a test of whether one of two random variables is
    /// stochastically larger than the other* (1947).
    #[expect(clippy::cast_precision_loss, reason = "samples stay far below 2^53")]
    pub fn mann_whitney(&self) -> Result<MannWhitney, Undefined> {
        let (n, m) = (self.reference.len() as f64, self.current.len() as f64);
        let mut pooled: Vec<(f64, bool)> = self.reference.iter().map(|x| (*x, true)).collect();
        pooled.extend(self.current.iter().map(|x| (*x, false)));
        pooled.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut before, mut ranks, mut ties) = (0.0, 0.0, 0.0);
        for equal in pooled.chunk_by(|a, b| a.0 >= b.0) {
            let size = equal.len() as f64;
            let own = equal.iter().filter(|(_, reference)| *reference).count() as f64;
            ranks += own * (before + (size + 1.0) / 2.0);
            ties += size * (size * size - 1.0);
            before += size;
        }
        let wins = ranks - n * (n + 1.0) / 2.0;
        let most = wins.max(n * m - wins);
        let all = n + m;
        let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
        if variance <= 0.0 {
            return Err(Undefined::NoVariation);
        }
        let z = (most - n * m / 2.0 - 0.5) / variance.sqrt();
        let small = all <= EXACT_RANKS_MAX && ties <= 0.0;
        Ok(MannWhitney {
            wins,
            p: (2.0 * special::normal_sf(z)).min(1.0),
            p_exact: small.then(|| exact_wins_p(self.reference.len(), self.current.len(), most)),
        })
    }

    /// Both distribution functions between consecutive numbers, with the distance to the next.
    fn steps(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let (mut i, mut j) = (0, 0);
        std::iter::from_fn(move || {
            let next = |i: usize, j: usize| match (self.reference.get(i), self.current.get(j)) {
                (Some(a), Some(b)) => Some(a.min(*b)),
                (Some(x), None) | (None, Some(x)) => Some(*x),
                (None, None) => None,
            };
            let here = next(i, j)?;
            while self.reference.get(i).is_some_and(|x| *x <= here) {
                i += 1;
            }
            while self.current.get(j).is_some_and(|x| *x <= here) {
                j += 1;
            }
            let width = next(i, j).map_or(0.0, |after| after - here);
            #[expect(clippy::cast_precision_loss, reason = "samples stay far below 2^53")]
            let share = |count: usize, all: usize| count as f64 / all as f64;
            Some((share(i, self.reference.len()), share(j, self.current.len()), width))
        })
    }
}

/// P(D ≥ d) exactly: one minus the share of lattice paths that stay closer than d.
#[expect(clippy::cast_precision_loss, reason = "samples stay far below 2^53")]
fn paths_sf(d: f64, n: usize, m: usize) -> f64 {
    let (n_f, m_f) = (n as f64, m as f64);
    // Half a lattice step below d, so that rounding cannot decide.
    let q = (0.5 + (d * n_f * m_f - 1e-7).floor()) / (n_f * m_f);
    let mut inside: Vec<f64> =
        (0..=m).map(|j| if j as f64 / m_f > q { 0.0 } else { 1.0 }).collect();
    for i in 1..=n {
        let weight = i as f64 / (i as f64 + m_f);
        let at = i as f64 / n_f;
        inside[0] = if at > q { 0.0 } else { weight * inside[0] };
        for j in 1..=m {
            let near = (at - j as f64 / m_f).abs() <= q;
            inside[j] = if near { weight * inside[j] + inside[j - 1] } else { 0.0 };
        }
    }
    (1.0 - inside[m]).clamp(0.0, 1.0)
}

/// P(D ≥ d) for one sample of `n` against its true distribution.
fn kolmogorov_sf(d: f64, n: f64) -> f64 {
    let reach = n * d;
    if n * d * d > 18.0 || reach > 100.0 {
        let x = d * n.sqrt();
        return limit_sf(x + 1.0 / (6.0 * n.sqrt()) + (x - 1.0) / (4.0 * n));
    }
    (1.0 - marsaglia_cdf(d, n)).clamp(0.0, 1.0)
}

/// Kolmogorov's limiting distribution, upper tail.
fn limit_sf(x: f64) -> f64 {
    if x < 0.2 {
        return 1.0;
    }
    let term = |j: i32| {
        let j_f = f64::from(j);
        let sign = if j % 2 == 0 { -1.0 } else { 1.0 };
        sign * (-2.0 * j_f * j_f * x * x).exp()
    };
    (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

/// P(D < d) as an entry of the n-th power of a small matrix.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "n·d is at most 100"
)]
fn marsaglia_cdf(d: f64, n: f64) -> f64 {
    let k = (n * d).floor() as usize + 1;
    let size = 2 * k - 1;
    let h = k as f64 - n * d;
    let mut matrix = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..size.min(i + 2) {
            matrix[i * size + j] = 1.0;
        }
    }
    for i in 0..size {
        matrix[i * size] -= h.powi(i as i32 + 1);
        matrix[(size - 1) * size + i] -= h.powi((size - i) as i32);
    }
    if 2.0 * h > 1.0 {
        matrix[(size - 1) * size] += (2.0 * h - 1.0).powi(size as i32);
    }
    for i in 0..size {
        for j in 0..=i {
            let factorial: f64 = (1..=i + 1 - j).map(|g| g as f64).product();
            matrix[i * size + j] /= factorial;
        }
    }
    let (power, mut exponent) = matrix_power(&matrix, size, n as u64);
    let mut value = power[(k - 1) * size + k - 1];
    for i in 1..=n as u64 {
        value = value * i as f64 / n;
        if value < 1e-140 {
            value *= 1e140;
            exponent -= 140;
        }
    }
    value * 10.0_f64.powi(exponent)
}

/// A matrix to the n-th power, and the power of ten that was taken out of it.
fn matrix_power(matrix: &[f64], size: usize, n: u64) -> (Vec<f64>, i32) {
    let mut result: Vec<f64> =
        (0..size * size).map(|at| if at / size == at % size { 1.0 } else { 0.0 }).collect();
    let (mut base, mut rest) = (matrix.to_vec(), n);
    let (mut exponent, mut base_exponent) = (0, 0);
    while rest > 0 {
        if rest % 2 == 1 {
            result = multiply(&result, &base, size);
            exponent += base_exponent + rescale(&mut result, size);
        }
        rest /= 2;
        if rest > 0 {
            base = multiply(&base, &base, size);
            base_exponent = 2 * base_exponent + rescale(&mut base, size);
        }
    }
    (result, exponent)
}

fn rescale(matrix: &mut [f64], size: usize) -> i32 {
    if matrix[size / 2 * size + size / 2] <= 1e140 {
        return 0;
    }
    matrix.iter_mut().for_each(|value| *value *= 1e-140);
    140
}

fn multiply(a: &[f64], b: &[f64], size: usize) -> Vec<f64> {
    let mut product = vec![0.0; size * size];
    for (row, sums) in a.chunks_exact(size).zip(product.chunks_exact_mut(size)) {
        for (factor, other) in row.iter().zip(b.chunks_exact(size)) {
            sums.iter_mut().zip(other).for_each(|(sum, value)| *sum += factor * value);
        }
    }
    product
}

/// Two-sided p-value of `most` wins, by the number of orders for each number of wins.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "wins are a whole number of at most n·m"
)]
fn exact_wins_p(n: usize, m: usize, most: f64) -> f64 {
    let (small, large) = (n.min(m), n.max(m));
    // Orders by the wins of `i` numbers: ways to choose i times, with repetition, how many of the
    // `large` others are beaten, added up.
    let mut orders = vec![vec![0.0; small * large + 1]; small + 1];
    orders[0][0] = 1.0;
    for beaten in 0..=large {
        for i in 1..=small {
            for wins in beaten..=small * large {
                orders[i][wins] += orders[i - 1][wins - beaten];
            }
        }
    }
    let total: f64 = orders[small].iter().sum();
    let tail: f64 = orders[small].iter().skip(most.ceil() as usize).sum();
    (2.0 * tail / total).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_samples_do_not_differ() {
        let same = Samples::new(&[1.0, 2.0, 3.0], &[3.0, 1.0, 2.0]).unwrap();
        let test = same.kolmogorov_smirnov();
        assert_eq!((test.statistic, same.wasserstein()), (0.0, 0.0));
        assert_eq!((test.p, test.p_exact), (1.0, Some(1.0)));
    }

    /// The corrected limit takes over where the exact matrix grows too large.
    #[test]
    fn large_samples_join_small_ones_smoothly() {
        for n in [4000.0, 40_000.0] {
            let d = 100.0 / n;
            let (exact, limit) = (1.0 - marsaglia_cdf(d, n), kolmogorov_sf(d * 1.000_001, n));
            assert!((exact - limit).abs() < 1e-5, "{n}: {exact} {limit}");
        }
    }

    /// Expected value from scipy 1.12.
    #[test]
    fn exact_ranks_match_scipy() {
        let both = Samples::new(&[1.0, 2.0, 6.0], &[3.0, 4.0, 5.0, 7.0, 8.0]).unwrap();
        let p = both.mann_whitney().unwrap().p_exact.unwrap();
        assert!((p - 0.25).abs() < 1e-12, "{p}");
    }

    #[test]
    fn constants_and_nothing_are_undefined() {
        let constant = Samples::new(&[1.0; 20], &[1.0; 20]).unwrap();
        assert_eq!(constant.mann_whitney(), Err(Undefined::NoVariation));
        assert_eq!(Samples::new(&[], &[1.0]), Err(Undefined::NoData.into()));
        assert!(Samples::new(&[f64::NAN], &[1.0]).is_err());
    }
}
