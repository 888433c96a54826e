//! Maximum mean discrepancy between two samples of feature vectors.
//!
//! Source: A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola, *A kernel two-sample
//! test*, JMLR 13 (2012).

use crate::input::{InvalidInput, MeasureError, Undefined, at_most, same_length, within};
use crate::random::Random;

/// Most vectors of both samples together; memory is 12 bytes for each pair (300 MiB).
pub const VECTORS_MAX: usize = 5_000;
/// Sums of the same kernels in another order differ by less.
const ROUNDING: f64 = 1e-12;

/// Two samples of vectors with the Gaussian kernel between all of them.
#[derive(Clone, Debug)]
pub struct Discrepancy {
    reference: usize,
    bandwidth: f64,
    /// Kernel of every pair, row-major, square.
    kernel: Vec<f64>,
    /// Sum of each row, and of all.
    rows: Vec<f64>,
    total: f64,
}

impl Discrepancy {
    /// From two row-major tables with `dimensions` columns. The bandwidth is the median distance
    /// between different vectors of both samples.
    ///
    /// # Errors
    /// [`InvalidInput`] if a table has no whole number of rows, a number is beyond ±1e150, or
    /// there are more than [`VECTORS_MAX`] rows; [`Undefined::TooFew`] if a sample has fewer than
    /// two, [`Undefined::NoVariation`] if most vectors are equal.
    ///
    /// ```
    /// use insitu_measure::drift::Discrepancy;
    ///
    /// let apart = Discrepancy::new(1, &[0.0, 0.1, 0.2, 0.3], &[5.0, 5.1, 5.2, 5.3])?;
    /// assert!(apart.unbiased() > 0.5 && apart.p_value(199, 1) < 0.05);
    /// # Ok::<(), insitu_measure::MeasureError>(())
    /// ```
    pub fn new(
        dimensions: usize,
        reference: &[f64],
        current: &[f64],
    ) -> Result<Self, MeasureError> {
        let rows = |what, values: &[f64]| -> Result<usize, InvalidInput> {
            let rows = values.len().checked_div(dimensions).unwrap_or(0);
            same_length(what, rows * dimensions, values.len())?;
            within(what, values, -1e150, 1e150)?;
            Ok(rows)
        };
        let (n, m) = (rows("reference", reference)?, rows("current", current)?);
        at_most("vectors", VECTORS_MAX, n + m)?;
        if n.min(m) < 2 {
            return Err(Undefined::TooFew { what: "vectors", found: n.min(m), needed: 2 }.into());
        }
        let all = [reference, current].concat();
        let row = |i: usize| &all[i * dimensions..(i + 1) * dimensions];
        let mut kernel = vec![0.0; (n + m) * (n + m)];
        let mut distances = Vec::with_capacity((n + m) * (n + m - 1) / 2);
        for i in 0..n + m {
            for j in i + 1..n + m {
                let square: f64 = row(i).iter().zip(row(j)).map(|(a, b)| (a - b).powi(2)).sum();
                kernel[i * (n + m) + j] = square;
                kernel[j * (n + m) + i] = square;
                distances.push(square);
            }
        }
        let bandwidth = median_of_roots(&mut distances);
        if bandwidth <= 0.0 {
            return Err(Undefined::NoVariation.into());
        }
        let scale = 2.0 * bandwidth * bandwidth;
        kernel.iter_mut().for_each(|square| *square = (-*square / scale).exp());
        // A vector's kernel with itself is exp(0).
        let rows: Vec<f64> = kernel.chunks_exact(n + m).map(|row| row.iter().sum()).collect();
        let total = rows.iter().sum();
        Ok(Self { reference: n, bandwidth, kernel, rows, total })
    }

    /// The kernel's bandwidth, in the unit of the features.
    #[must_use]
    pub const fn bandwidth(&self) -> f64 {
        self.bandwidth
    }

    /// Unbiased estimate of the squared discrepancy; around 0, and so also below it, without
    /// drift.
    #[must_use]
    pub fn unbiased(&self) -> f64 {
        let order: Vec<usize> = (0..self.rows.len()).collect();
        self.estimate(order)
    }

    /// Probability of a discrepancy at least as large without drift, by `permutations` random
    /// exchanges of vectors between the samples. Equal seeds give equal values.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "permutations stay far below 2^53")]
    pub fn p_value(&self, permutations: usize, seed: u64) -> f64 {
        let mut random = Random::new(seed);
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        let own = self.unbiased();
        let mut as_large = 1_usize;
        for _ in 0..permutations {
            random.shuffle(&mut order);
            as_large += usize::from(self.estimate(order.clone()) >= own - ROUNDING);
        }
        as_large as f64 / (permutations as f64 + 1.0)
    }

    /// The estimate if the first vectors in `order` were the reference. Only kernels within the
    /// smaller sample are summed: the other sums follow from those of whole rows.
    #[expect(clippy::cast_precision_loss, reason = "vectors stay far below 2^53")]
    fn estimate(&self, mut order: Vec<usize>) -> f64 {
        let size = order.len();
        let (first, second) = order.split_at_mut(self.reference);
        let part = if first.len() <= second.len() { first } else { second };
        // Ascending, so that each row is read forwards.
        part.sort_unstable();
        let mut within = part.len() as f64;
        for (at, &i) in part.iter().enumerate() {
            let row = &self.kernel[i * size..(i + 1) * size];
            within += 2.0 * part[at + 1..].iter().map(|&j| row[j]).sum::<f64>();
        }
        let touching: f64 = part.iter().map(|&i| self.rows[i]).sum();
        let across = touching - within;
        let others = self.total - touching - across;
        let (n, m) = (part.len() as f64, (size - part.len()) as f64);
        // A vector's kernel with itself does not count.
        (within - n) / (n * (n - 1.0)) + (others - m) / (m * (m - 1.0)) - 2.0 * across / (n * m)
    }
}

fn median_of_roots(squares: &mut [f64]) -> f64 {
    let (count, middle) = (squares.len(), squares.len() / 2);
    let (below, upper, _) = squares.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = upper.sqrt();
    if count % 2 == 1 {
        return upper;
    }
    0.5 * (upper + below.iter().copied().fold(0.0, f64::max).sqrt())
}
