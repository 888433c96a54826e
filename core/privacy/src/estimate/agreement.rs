//! Chance-corrected agreement from a noised matrix of pairs.
//!
//! Both coefficients have the form 1 − (1 − p_o)/(1 − p_e). Products of marginals that share a
//! cell carry the variance v of the noise: it is subtracted from the sums they occur in.
//!
//! The interval is the delta method over the cells, which are the one source of both errors: with
//! h the gradient of the coefficient in the cells, sampling adds Σxh² − (Σxh)²/N (multinomial;
//! Fleiss, Cohen, Everitt 1969 is this for κ) and the noise v·Σh². This contains what the simpler
//! formula V = p_o(1−p_o)/(N(1−p_e)²) + noise(A, N) leaves out: the error of p_e, and that A is a
//! part of N. Over seven settings of `tests/coverage.rs` (K = 2
//! and 4, n = 400 to 10,000, one site and four) this covers .945 to .954, the simpler formula .984
//! to 1, and ignoring the noise .54 to .82.

use super::{EstimateError, NoisedCounts, Z_95, require, require_shape};

/// A chance must be this many deviations below 1 for the coefficient to mean anything.
const CHANCE_DEVIATIONS_MIN: f64 = 3.0;

/// An agreement coefficient and what is known about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The estimate, within [−1, 1].
    pub value: f64,
    /// Lower end of the 95 % interval, sampling and noise included.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// Standard deviation of the estimate, both sources together.
    pub deviation: f64,
    /// The part of the deviation that is noise.
    pub noise_deviation: f64,
    /// Items, as far as the noise lets one know.
    pub n: f64,
}

/// Cohen's κ from a noised matrix `[classes, classes]`, row-major, in items.
///
/// p_o = A/N and p_e = (Σ r_k c_k − K·v)/(N² − K²·v), v the variance of the noise: r_k and c_k
/// share cell kk, and N is the sum of all K² cells.
///
/// # Errors
/// [`EstimateError::NotEnoughData`], [`EstimateError::Degenerate`], [`EstimateError::Shape`],
/// [`EstimateError::TooFew`] below two classes.
///
/// # Source
/// J. Cohen, *A coefficient of agreement for nominal scales*, Educ. Psychol. Meas. 20 (1960).
pub fn kappa(counts: &NoisedCounts, classes: usize) -> Result<Agreement, EstimateError> {
    let matrix = Matrix::new(counts, classes)?;
    let (v, k, n) = (counts.variance(), classes as f64, matrix.n);
    let products: f64 = matrix.rows.iter().zip(&matrix.columns).map(|(r, c)| r * c).sum();
    let chance = Chance {
        agreeing: products - k * v,
        pairs: n * n - k * k * v,
        agreeing_slope: &|i, j| matrix.columns[i] + matrix.rows[j],
        pairs_slope: 2.0 * n,
    };
    matrix.corrected_for(&chance, v)
}

/// Krippendorff's α for nominal labels and two readings of each item, from a noised matrix
/// `[classes, classes]` of ordered pairs, row-major, in items.
///
/// With m_k = r_k + c_k and n = 2N values, α = 1 − (1 − A/N)/(1 − Σ m_k(m_k−1)/(n(n−1))). Cell kk
/// enters m_k twice and 2(K−1) others once, so Σm_k² is lowered by K(2K+2)·v, and n² by 4K²·v.
///
/// # Errors
/// As [`kappa`].
///
/// # Source
/// K. Krippendorff, *Content Analysis*, 4th ed. (2018), chapter 12.
pub fn alpha(counts: &NoisedCounts, classes: usize) -> Result<Agreement, EstimateError> {
    let matrix = Matrix::new(counts, classes)?;
    let (v, k, n) = (counts.variance(), classes as f64, matrix.n);
    let values: Vec<f64> = matrix.rows.iter().zip(&matrix.columns).map(|(r, c)| r + c).collect();
    let squares: f64 = values.iter().map(|m| m * m).sum();
    let chance = Chance {
        agreeing: squares - k * (2.0 * k + 2.0) * v - 2.0 * n,
        pairs: 4.0 * n * n - 4.0 * k * k * v - 2.0 * n,
        agreeing_slope: &|i, j| 2.0 * (values[i] + values[j]) - 2.0,
        pairs_slope: 8.0 * n - 2.0,
    };
    matrix.corrected_for(&chance, v)
}

/// Cohen's κ from the short form `[1 + 1 + classes + classes]`: items, agreements, row marginals,
/// column marginals, each with noise of its own. For many classes, where the noise of a full
/// matrix adds up.
///
/// No marginals share noise, so Σ r_k c_k needs no correction; N² is lowered by v. The sampling
/// part of the interval is p_o(1−p_o)/(N(1−p_e)²), p_e taken as known, for want of the cells.
///
/// # Errors
/// As [`kappa`].
pub fn kappa_from_marginals(
    counts: &NoisedCounts,
    classes: usize,
) -> Result<Agreement, EstimateError> {
    require_classes(classes)?;
    require_shape(counts, 2 + 2 * classes)?;
    let (v, all) = (counts.variance(), counts.to_real());
    let (n, agreeing) = (all[0], all[1]);
    require(n, v)?;
    let (rows, columns) = all[2..].split_at(classes);
    let observed = agreeing / n;
    let products: f64 = rows.iter().zip(columns).map(|(r, c)| r * c).sum();
    let pairs = n * n - v;
    let chance = products / pairs;
    let squares: f64 = rows.iter().chain(columns).map(|m| m * m).sum();
    let chance_in_n = -2.0 * n * chance / pairs;
    let chance_deviation = (v * (squares / (pairs * pairs) + chance_in_n * chance_in_n)).sqrt();
    require_chance(chance, chance_deviation)?;
    let (beyond, weight) = (1.0 - chance, (1.0 - observed) / (1.0 - chance).powi(2));
    let in_n = -observed / n / beyond - weight * chance_in_n;
    let noise =
        v * ((n * beyond).powi(-2) + in_n * in_n + weight * weight * squares / (pairs * pairs));
    let sampling = (observed * (1.0 - observed)).max(0.0) / (n * beyond * beyond);
    Ok(Agreement::new(1.0 - (1.0 - observed) / beyond, sampling, noise, n))
}

impl Agreement {
    fn new(value: f64, sampling: f64, noise: f64, n: f64) -> Self {
        let deviation = (sampling + noise).sqrt();
        let within = |x: f64| x.clamp(-1.0, 1.0);
        Self {
            value: within(value),
            low: within(value - Z_95 * deviation),
            high: within(value + Z_95 * deviation),
            deviation,
            noise_deviation: noise.sqrt(),
            n,
        }
    }
}

/// A K×K matrix with what both coefficients need of it.
struct Matrix {
    classes: usize,
    cells: Vec<f64>,
    rows: Vec<f64>,
    columns: Vec<f64>,
    n: f64,
}

/// The chance agreement p_e = agreeing/pairs, and how both change with cell (i, j).
struct Chance<'a> {
    agreeing: f64,
    pairs: f64,
    agreeing_slope: &'a dyn Fn(usize, usize) -> f64,
    pairs_slope: f64,
}

impl Matrix {
    fn new(counts: &NoisedCounts, classes: usize) -> Result<Self, EstimateError> {
        require_classes(classes)?;
        require_shape(counts, classes.saturating_mul(classes))?;
        let cells = counts.to_real();
        let n: f64 = cells.iter().sum();
        require(n, cells.len() as f64 * counts.variance())?;
        let rows = cells.chunks_exact(classes).map(|row| row.iter().sum()).collect();
        let column = |j: usize| cells.iter().skip(j).step_by(classes).sum();
        let columns = (0..classes).map(column).collect();
        Ok(Self { classes, cells, rows, columns, n })
    }

    fn corrected_for(
        &self,
        chance: &Chance<'_>,
        variance: f64,
    ) -> Result<Agreement, EstimateError> {
        let agreeing: f64 = self.cells.iter().step_by(self.classes + 1).sum();
        let observed = agreeing / self.n;
        let expected = chance.agreeing / chance.pairs;
        let beyond = 1.0 - expected;
        let (mut of_chance, mut of_value) = (Spread::default(), Spread::default());
        for (index, cell) in self.cells.iter().enumerate() {
            let (i, j) = (index / self.classes, index % self.classes);
            let in_observed = (f64::from(u8::from(i == j)) - observed) / self.n;
            let in_chance =
                ((chance.agreeing_slope)(i, j) - expected * chance.pairs_slope) / chance.pairs;
            of_chance.add(*cell, in_chance);
            of_value
                .add(*cell, in_observed / beyond - (1.0 - observed) / beyond.powi(2) * in_chance);
        }
        require_chance(expected, (variance * of_chance.squares).sqrt())?;
        let sampling = (of_value.weighted_squares - of_value.weighted.powi(2) / self.n).max(0.0);
        let noise = variance * of_value.squares;
        Ok(Agreement::new(1.0 - (1.0 - observed) / beyond, sampling, noise, self.n))
    }
}

/// Sums over the cells x of a gradient h: Σh², Σxh, Σxh².
#[derive(Default)]
struct Spread {
    squares: f64,
    weighted: f64,
    weighted_squares: f64,
}

impl Spread {
    fn add(&mut self, cell: f64, slope: f64) {
        self.squares += slope * slope;
        self.weighted += cell * slope;
        self.weighted_squares += cell * slope * slope;
    }
}

const fn require_classes(classes: usize) -> Result<(), EstimateError> {
    if classes < 2 {
        return Err(EstimateError::TooFew { got: classes, needed: 2 });
    }
    Ok(())
}

/// Refuses when 1 − p_e may be zero, `deviation` being the noise of p_e.
fn require_chance(chance: f64, deviation: f64) -> Result<(), EstimateError> {
    if 1.0 - chance > CHANCE_DEVIATIONS_MIN * deviation && 1.0 - chance > f64::EPSILON {
        return Ok(());
    }
    Err(EstimateError::Degenerate { chance, deviation })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(counts: &[i64]) -> NoisedCounts {
        NoisedCounts::with_variance(counts.to_vec(), 0.0).unwrap()
    }

    #[test]
    fn without_noise_the_textbook_values_come_out() {
        // Cohen 1960's kind of example: p_o = 0.7, p_e = 0.5.
        let kappa_value = kappa(&exact(&[20, 5, 10, 15]), 2).unwrap();
        assert!((kappa_value.value - 0.4).abs() < 1e-12);
        assert!(kappa_value.noise_deviation.abs() < 1e-12);
        // Fleiss, Cohen, Everitt 1969, formula 13, by hand: variance (.10972 + .10188 − .01)/12.5.
        assert!((kappa_value.deviation.powi(2) - 0.2016 / 12.5).abs() < 1e-12);
        // Krippendorff's two-coder nominal example with the same margins: m = (55, 45), n = 100.
        let expected = 1.0 - 0.3 / (1.0 - (55.0 * 54.0 + 45.0 * 44.0) / (100.0 * 99.0));
        assert!((alpha(&exact(&[20, 5, 10, 15]), 2).unwrap().value - expected).abs() < 1e-12);
        // The short form of the same table.
        let short = kappa_from_marginals(&exact(&[50, 35, 25, 25, 30, 20]), 2).unwrap();
        assert!((short.value - 0.4).abs() < 1e-12);
    }

    #[test]
    fn perfect_and_chance_agreement() {
        assert!((kappa(&exact(&[40, 0, 0, 60]), 2).unwrap().value - 1.0).abs() < 1e-12);
        assert!(kappa(&exact(&[25, 25, 25, 25]), 2).unwrap().value.abs() < 1e-12);
        assert!(matches!(kappa(&exact(&[100, 0, 0, 0]), 2), Err(EstimateError::Degenerate { .. })));
    }

    /// The gradient used for the interval against central differences of the estimate.
    #[test]
    fn noise_deviation_is_the_gradient() {
        let cells = [4_000_i64, 700, 300, 500, 3_000, 900, 200, 600, 5_000];
        type Estimate = fn(&NoisedCounts, usize) -> Result<Agreement, EstimateError>;
        for estimate in [kappa as Estimate, alpha as Estimate] {
            let value = |cells: &[i64]| {
                estimate(&NoisedCounts::with_variance(cells.to_vec(), 100.0).unwrap(), 3)
                    .unwrap()
                    .value
            };
            let squares: f64 = (0..9)
                .map(|cell| {
                    let (mut up, mut down) = (cells, cells);
                    up[cell] += 5;
                    down[cell] -= 5;
                    ((value(&up) - value(&down)) / 10.0).powi(2)
                })
                .sum();
            let claimed =
                estimate(&NoisedCounts::with_variance(cells.to_vec(), 100.0).unwrap(), 3).unwrap();
            assert!((claimed.noise_deviation / (100.0 * squares).sqrt() - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn small_or_misshapen_input_is_refused() {
        let noisy = NoisedCounts::with_variance(vec![100, 10, 10, 100], 279.0).unwrap();
        assert_eq!(kappa(&noisy, 2), Err(EstimateError::NotEnoughData { n: 220, needed: 335 }));
        assert_eq!(kappa(&noisy, 3), Err(EstimateError::Shape { got: 4, expected: 9 }));
        assert_eq!(alpha(&noisy, 1), Err(EstimateError::TooFew { got: 1, needed: 2 }));
        assert!(kappa_from_marginals(&noisy, 2).is_err());
    }
}
