//! Correlated noise for many small rounds: the banded square root.
//!
//! When data come in batches and the head steps after each, what matters is the noise in the *sum*
//! of the rounds so far. Noise whose parts cancel from round to round adds up to less there.
//! Strategy matrix: the lower-triangular Toeplitz matrix with c₀ = 1, c_j = c_{j−1}(2j−1)/(2j) for
//! j < p and 0 beyond (Kalinin, Lampert, *Banded square root matrix factorization for
//! differentially private model training*, 2024), coefficients truncated to a grid: any such matrix
//! will do, and integers are exact.
//!
//! # Privacy
//! Each site sends Y_t = Σ_{j<p} a_j·G_{t−j} + noise, G_t its integer sum of clipped gradients of
//! batch t ([`crate::clip`], squared sensitivity D²), a_j the integer coefficients. A subject is in
//! one batch of each of E passes, and passes are at least p rounds long, so the bands in which its
//! parts show do not overlap: adding or removing a subject moves the whole sequence by at most
//! √(E·Σa_j²·D²) in L2. The run is one Gaussian release of that sensitivity, paid once, though its
//! rows come one after another (adaptive choice of later heads does not matter: Denisov, McMahan,
//! Rush, Smith, Thakurta 2022).
//!
//! # Utility
//! The coordinator solves for G̃_t = (Y_t − Σ_{0<j<p} a_j·G̃_{t−j})/a₀, which is G_t and noise with
//! negative correlations; nothing is lost by that.

use std::collections::VecDeque;

use crate::noise::SquaredSensitivity;

/// Bits after the point of a coefficient.
const BITS: u32 = 6;
/// Most bands.
pub const BANDS_MAX: usize = 1024;

/// A strategy's coefficients, in units of 2⁻⁶.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bands {
    /// a₀ = 64 first.
    coefficients: Vec<i64>,
}

/// Why there is no such strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BandsError {
    /// No bands, or too many.
    #[error("{got} bands are not within 1 to {BANDS_MAX}")]
    Bands {
        /// Bands asked for.
        got: usize,
    },
    /// A sensitivity or a sum beyond 64 bits.
    #[error("a correlated release does not fit 64 bits")]
    Overflow,
}

impl Bands {
    /// The strategy of `bands` bands: at most as many as a pass has rounds.
    ///
    /// # Errors
    /// [`BandsError::Bands`].
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 64; truncation is the grid")]
    pub fn new(bands: usize) -> Result<Self, BandsError> {
        if bands == 0 || bands > BANDS_MAX {
            return Err(BandsError::Bands { got: bands });
        }
        let mut exact = f64::from(BITS).exp2();
        let mut coefficients = vec![exact as i64];
        for j in 1..bands {
            let twice = 2.0 * j as f64;
            exact *= (twice - 1.0) / twice;
            coefficients.push(exact as i64);
        }
        Ok(Self { coefficients })
    }

    /// Bits that a release has after the point beyond those of the sums.
    pub const fn bits(&self) -> u32 {
        BITS
    }

    /// E·Σa_j²·D²: of a whole run of `passes` passes over the data, each subject's part in a sum
    /// having the squared sensitivity `of_sum`.
    ///
    /// # Errors
    /// [`BandsError::Overflow`].
    pub fn sensitivity(
        &self,
        of_sum: SquaredSensitivity,
        passes: u32,
    ) -> Result<SquaredSensitivity, BandsError> {
        let squares: u64 = self.coefficients.iter().map(|a| a.unsigned_abs().pow(2)).sum();
        squares
            .checked_mul(passes.into())
            .and_then(|squares| squares.checked_mul(of_sum.get()))
            .map(SquaredSensitivity::new)
            .ok_or(BandsError::Overflow)
    }

    /// How much noise is in the sum of `rounds` decoded rounds: its deviation in units of that of
    /// one release's noise divided by a₀. Independent noise has √rounds.
    pub fn noise_of_sum(&self, rounds: usize) -> f64 {
        let unit = f64::from(BITS).exp2();
        // Row `t` of the inverse, by the same recursion as decoding; then sums down each column.
        let mut inverse: Vec<f64> = Vec::with_capacity(rounds);
        for t in 0..rounds {
            let known = self.coefficients.iter().skip(1).zip(inverse.iter().rev());
            let rest: f64 = known.map(|(a, before)| *a as f64 / unit * before).sum();
            inverse.push(if t == 0 { 1.0 } else { -rest });
        }
        let mut prefix = 0.0;
        let squares = inverse.iter().map(|value| {
            prefix += value;
            prefix * prefix
        });
        squares.sum::<f64>().sqrt()
    }
}

/// A site's side: exact sums in, exact rows of the strategy out, to be noised.
#[derive(Clone, Debug)]
pub struct Encoder {
    bands: Bands,
    /// The sums before, latest first.
    before: VecDeque<Vec<i64>>,
}

impl Encoder {
    /// An encoder at the start of a run.
    pub fn new(bands: Bands) -> Self {
        Self { bands, before: VecDeque::new() }
    }

    /// Takes the next exact sum and gives Σ a_j·G_{t−j}, which must not leave without noise.
    ///
    /// # Errors
    /// [`BandsError::Overflow`].
    pub fn encode(&mut self, sum: Vec<i64>) -> Result<Vec<i64>, BandsError> {
        self.before.push_front(sum);
        self.before.truncate(self.bands.coefficients.len());
        let mut row = vec![0_i64; self.before[0].len()];
        for (a, sum) in self.bands.coefficients.iter().zip(&self.before) {
            for (cell, value) in row.iter_mut().zip(sum) {
                let next = value.checked_mul(*a).and_then(|part| cell.checked_add(part));
                *cell = next.ok_or(BandsError::Overflow)?;
            }
        }
        Ok(row)
    }
}

/// The coordinator's side: noised rows in, noised sums out.
#[derive(Clone, Debug)]
pub struct Decoder {
    bands: Bands,
    before: VecDeque<Vec<f64>>,
}

impl Decoder {
    /// A decoder at the start of a run.
    pub fn new(bands: Bands) -> Self {
        Self { bands, before: VecDeque::new() }
    }

    /// The sum of a round, with its noise, on the sums' own grid.
    pub fn decode(&mut self, row: &[i64]) -> Vec<f64> {
        let unit = f64::from(BITS).exp2();
        let mut sum: Vec<f64> = row.iter().map(|value| *value as f64 / unit).collect();
        for (a, before) in self.bands.coefficients.iter().skip(1).zip(&self.before) {
            for (cell, value) in sum.iter_mut().zip(before) {
                *cell -= *a as f64 / unit * value;
            }
        }
        self.before.push_front(sum.clone());
        self.before.truncate(self.bands.coefficients.len() - 1);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_those_of_the_square_root() {
        assert_eq!(Bands::new(4).unwrap().coefficients, [64, 32, 24, 20]); // 1, 1/2, 3/8, 5/16
        assert_eq!(Bands::new(0), Err(BandsError::Bands { got: 0 }));
        assert!(Bands::new(BANDS_MAX + 1).is_err());
        let one = SquaredSensitivity::new(3);
        assert_eq!(Bands::new(2).unwrap().sensitivity(one, 5).unwrap().get(), 15 * (4096 + 1024));
        let huge = SquaredSensitivity::new(1 << 60);
        assert_eq!(Bands::new(2).unwrap().sensitivity(huge, 5), Err(BandsError::Overflow));
    }

    #[test]
    fn the_sensitivity_is_that_of_the_worst_subject() {
        // A subject of one value, 1, in the same batch of each of three passes of four rounds.
        let bands = Bands::new(4).unwrap();
        for batch in 0..4 {
            let mut encoder = Encoder::new(bands.clone());
            let squares: i64 = (0..12)
                .map(|round| encoder.encode(vec![i64::from(round % 4 == batch)]).unwrap()[0].pow(2))
                .sum();
            let most = bands.sensitivity(SquaredSensitivity::new(1), 3).unwrap().get();
            assert!(squares.unsigned_abs() <= most, "{squares} over {most}");
            assert!(batch > 0 || squares.unsigned_abs() == most); // nothing is cut off at the end
        }
    }

    #[test]
    fn the_noise_of_a_sum_is_below_that_of_independent_noise() {
        let one = Bands::new(1).unwrap();
        assert!((one.noise_of_sum(100) - 10.0).abs() < 1e-9);
        let noise = |bands: usize| {
            let bands = Bands::new(bands).unwrap();
            let cost = bands.sensitivity(SquaredSensitivity::new(1), 1).unwrap().get() as f64;
            bands.noise_of_sum(100) * cost.sqrt() / 64.0 // at equal loss
        };
        assert!(noise(10) < 0.8 * noise(1), "{} against {}", noise(10), noise(1));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut encoder = Encoder::new(Bands::new(2).unwrap());
        assert_eq!(encoder.encode(vec![i64::MAX]), Err(BandsError::Overflow));
    }

    #[test]
    fn decoding_undoes_encoding() {
        for bands in [1, 2, 7, 64] {
            let bands = Bands::new(bands).unwrap();
            let (mut encoder, mut decoder) = (Encoder::new(bands.clone()), Decoder::new(bands));
            for round in 0_i64..40 {
                let sum = vec![round * 977 % 1000 - 500, -3 * round, 1 << 20];
                let found = decoder.decode(&encoder.encode(sum.clone()).unwrap());
                for (found, exact) in found.iter().zip(sum) {
                    assert!((found - exact as f64).abs() < 1e-3, "{found} where {exact} is due");
                }
            }
        }
    }
}
