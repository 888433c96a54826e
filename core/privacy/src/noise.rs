//! Exact integer noise: the discrete Gaussian on vectors of whole numbers.
//!
//! # Privacy
//! A query with integer values whose squared L2 sensitivity is D², plus independent discrete
//! Gaussian noise of scale s on each coordinate, is ρ-zCDP with ρ = D²/(2s²): C. Canonne,
//! G. Kamath, T. Steinke, *The discrete Gaussian for differential privacy*, NeurIPS 2020,
//! theorem 14 (one coordinate: theorem 4). No floating-point number takes part: not in the scale,
//! not in the sampling, not in the addition, so the attacks on rounded noise (Mironov 2012; Haney
//! et al. 2022) have nothing to work on.
//!
//! # Utility
//! The noise is centred; its variance is at most s² and equals it to 10⁻⁷ for s ≥ 1.
//!
//! # Who draws it
//! Up to [`LIBRARY_VALUES_MAX`] values, which is every statistic and a small head: opendp ([`library`]).
//! Its rationals of any size take some thirty times as long as whole numbers of fixed width, which the
//! thirty thousand values of a large head make felt on a small machine: those are drawn by a sampler
//! of ours ([`gaussian`], with the proof that it is exact). Which of the two depends on the number of
//! values alone, the distribution is the same, and tests hold both to it and against each other.
//!
//! # Where the randomness comes from
//! Both read ChaCha20, keyed for each call with 256 bits from the operating system: a cryptographic
//! generator whose output nobody distinguishes from uniform bits, which is the samplers' one
//! assumption. No two calls share a key, so neither do two processes, two threads or the two clones of
//! a virtual machine; and when the system provides no key the call is refused.
//!
//! # What it does not hide
//! Sampling takes a time that depends on the values drawn: draw ahead, with a [`crate::NoisePool`],
//! and send on a schedule.

mod gaussian;
mod keystream;
mod library;

use zeroize::Zeroizing;

use crate::loss::Rho;
use gaussian::Gaussian;
use keystream::Keystream;

/// Scales are whole multiples of 1/1024.
const STEPS_PER_UNIT: u64 = 1 << 10;
/// The largest scale, in steps: a scale of 2⁴⁰. Noise beyond 2⁶² then has probability below exp(−2⁴²).
const STEPS_MAX: u64 = 1 << 50;
/// The largest magnitude that noise may be added to; leaves room for the noise in an i64.
pub const VALUE_MAX: i64 = 1 << 62;
/// The most values in one call.
pub const VALUES_MAX: usize = 1 << 24;
/// The most values that opendp draws: some ten milliseconds.
const LIBRARY_VALUES_MAX: usize = 2_000;

/// Why noise could not be scaled or drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// No finite scale gives a loss of zero.
    #[error("a budget of zero admits no release")]
    NoBudget,
    /// The scale is zero or above 2⁴⁰.
    #[error("a noise scale of {steps}/1024 is not within (0, 2^40]")]
    Scale {
        /// The refused scale, in units of 1/1024.
        steps: u128,
    },
    /// A value is too large for noise to be added without overflow.
    #[error("value {index} is outside +-2^62")]
    Value {
        /// Position of the value. The value itself is private and not part of the error.
        index: usize,
    },
    /// More values than one release may have.
    #[error("{got} values are more than the {VALUES_MAX} of one release")]
    TooMany {
        /// Values given.
        got: usize,
    },
    /// No noise of this shape was drawn ahead.
    #[error("no noise was drawn ahead for {values} values")]
    Dry {
        /// Values that need noise.
        values: usize,
    },
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Randomness,
}

/// The squared L2 sensitivity D² of an integer-valued query, exact: how far one subject can move
/// the whole vector of results, in squared Euclidean distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SquaredSensitivity(u64);

impl SquaredSensitivity {
    /// A squared sensitivity of `squared`.
    pub const fn new(squared: u64) -> Self {
        Self(squared)
    }

    /// D².
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The scale s of a discrete Gaussian, a whole multiple of 1/1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GaussianScale {
    steps: u64,
}

impl GaussianScale {
    /// A scale of `steps`/1024.
    ///
    /// # Errors
    /// [`NoiseError::Scale`] for zero and above 2⁴⁰.
    pub const fn from_steps(steps: u64) -> Result<Self, NoiseError> {
        if steps == 0 || steps > STEPS_MAX {
            return Err(NoiseError::Scale { steps: steps as u128 });
        }
        Ok(Self { steps })
    }

    /// The smallest scale on the grid at which a query of this sensitivity costs at most `budget`:
    /// s = D/√(2ρ), rounded up.
    ///
    /// # Errors
    /// [`NoiseError::NoBudget`] when `budget` is zero; [`NoiseError::Scale`] when the scale would
    /// exceed 2⁴⁰ or the sensitivity is zero (a constant needs no noise and is no release).
    pub fn for_budget(sensitivity: SquaredSensitivity, budget: Rho) -> Result<Self, NoiseError> {
        if budget == Rho::ZERO {
            return Err(NoiseError::NoBudget);
        }
        // s² = D²/(2ρ) with s = steps/1024 and ρ = nano/10⁹, so steps² ≥ D²·2¹⁹·10⁹/nano.
        let squared =
            double_nano_rho_at_one_step(sensitivity).div_ceil(2 * u128::from(budget.nano()));
        let mut steps = squared.isqrt();
        if steps * steps < squared {
            steps += 1;
        }
        let narrow = u64::try_from(steps).map_err(|_| NoiseError::Scale { steps })?;
        Self::from_steps(narrow)
    }

    /// What a query of this sensitivity costs at this scale: ρ = D²/(2s²), rounded up.
    /// [`Rho::MAX`] when it does not fit.
    pub fn rho(self, sensitivity: SquaredSensitivity) -> Rho {
        let steps = u128::from(self.steps);
        let nano = double_nano_rho_at_one_step(sensitivity).div_ceil(2 * steps * steps);
        u64::try_from(nano).map_or(Rho::MAX, Rho::from_nano)
    }

    /// The scale in units of 1/1024.
    pub const fn steps(self) -> u64 {
        self.steps
    }

    /// The scale as a number, for display and estimation.
    pub fn as_f64(self) -> f64 {
        self.steps as f64 / STEPS_PER_UNIT as f64
    }

    /// The variance of one draw: s² from s = 4 on (where it agrees to more digits than an f64
    /// has), and the sum over the distribution below, where it is smaller.
    pub fn variance(self) -> f64 {
        let scale = self.as_f64();
        if scale >= 4.0 {
            return scale * scale;
        }
        let weight = |x: f64| (-x * x / (2.0 * scale * scale)).exp();
        let points = || (1..=64).map(f64::from); // 64 is at least 16 scales out
        let mass = 1.0 + 2.0 * points().map(weight).sum::<f64>();
        2.0 * points().map(|x| x * x * weight(x)).sum::<f64>() / mass
    }
}

/// Adds independent discrete Gaussian noise of scale `scale` to each value, exactly.
///
/// Blocks for about 5 µs per value up to 2,000 of them, and for a thirtieth of that with more: see the
/// crate's benchmark. The privacy theorem and the source of the randomness are those of this module.
///
/// # Errors
/// [`NoiseError::Value`] or [`NoiseError::TooMany`] before anything is drawn;
/// [`NoiseError::Randomness`] when the operating system provides none.
///
/// ```
/// # use insitu_privacy::{GaussianScale, Rho, SquaredSensitivity, add_noise};
/// let scale = GaussianScale::for_budget(SquaredSensitivity::new(1), Rho::from_nano(6_640_000))?;
/// assert_eq!(add_noise(&[20, 5, 10, 15], scale)?.len(), 4);
/// # Ok::<(), insitu_privacy::NoiseError>(())
/// ```
pub fn add_noise(exact: &[i64], scale: GaussianScale) -> Result<Vec<i64>, NoiseError> {
    if exact.len() > VALUES_MAX {
        return Err(NoiseError::TooMany { got: exact.len() });
    }
    let limit = VALUE_MAX.unsigned_abs();
    if let Some(index) = exact.iter().position(|value| value.unsigned_abs() > limit) {
        return Err(NoiseError::Value { index });
    }
    if exact.len() <= LIBRARY_VALUES_MAX {
        return library::add_noise(exact, scale);
    }
    let (sampler, mut random) = (Gaussian::new(scale), Keystream::of_system()?);
    let mut noised = Zeroizing::new(Vec::with_capacity(exact.len()));
    for value in exact {
        // Leaves an i64 with probability below exp(-2^42): no value is ever clamped or wrapped.
        let noise = sampler.draw(&mut random).ok_or(NoiseError::Randomness)?;
        noised.push(value.checked_add(noise).ok_or(NoiseError::Randomness)?);
    }
    Ok(std::mem::take(&mut *noised))
}

/// 10⁹·D²·1024²: twice the nano-ρ of a release whose scale is a single step. Below 2¹¹⁴.
fn double_nano_rho_at_one_step(sensitivity: SquaredSensitivity) -> u128 {
    u128::from(sensitivity.0) * 1_000_000_000 * u128::from(STEPS_PER_UNIT * STEPS_PER_UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_and_loss_round_towards_more_privacy() {
        for squared in [1, 2, 4, 7, 16_777_216, u64::from(u32::MAX)] {
            for nano in [1, 999, 320_000, 6_640_000, 1_052_360_000, 1 << 40] {
                let (sensitivity, budget) =
                    (SquaredSensitivity::new(squared), Rho::from_nano(nano));
                let Ok(scale) = GaussianScale::for_budget(sensitivity, budget) else {
                    assert!(squared as f64 / nano as f64 > 1e6, "{squared} {nano}");
                    continue;
                };
                let cost = scale.rho(sensitivity);
                assert!(cost <= budget, "{squared} {nano}: {cost}");
                // The true real-valued cost is not above what is charged.
                let true_cost = squared as f64 / (2.0 * scale.as_f64().powi(2));
                assert!(true_cost <= cost.as_f64() * (1.0 + 1e-12));
                if let Ok(finer) = GaussianScale::from_steps(scale.steps() - 1) {
                    assert!(finer.rho(sensitivity) > budget || cost == budget);
                }
            }
        }
    }

    #[test]
    fn published_scales() {
        for (nano, sigma) in
            [(320_000, 39.5), (6_640_000, 8.68), (24_360_000, 4.53), (1_052_360_000, 0.689)]
        {
            let scale = GaussianScale::for_budget(SquaredSensitivity::new(1), Rho::from_nano(nano))
                .unwrap();
            assert!((scale.as_f64() / sigma - 1.0).abs() < 2e-3, "{}", scale.as_f64());
        }
    }

    #[test]
    fn variance_of_small_scales_is_that_of_the_distribution() {
        let half = GaussianScale::from_steps(724).unwrap(); // s = 0.70703
        let direct: f64 = (-30..=30_i32)
            .map(f64::from)
            .map(|x| x * x * (-x * x / (2.0 * 0.707_031_25_f64.powi(2))).exp())
            .sum();
        let mass: f64 = (-30..=30_i32)
            .map(f64::from)
            .map(|x| (-x * x / (2.0 * 0.707_031_25_f64.powi(2))).exp())
            .sum();
        assert!((half.variance() - direct / mass).abs() < 1e-12);
        assert!(half.variance() <= half.as_f64().powi(2));
        assert!(GaussianScale::from_steps(1).unwrap().variance() < 1e-300);
        assert!(
            (GaussianScale::from_steps(4095).unwrap().variance()
                / GaussianScale::from_steps(4096).unwrap().variance()
                - 1.0)
                .abs()
                < 1e-3
        );
    }

    #[test]
    fn refusals_carry_numbers() {
        let one = SquaredSensitivity::new(1);
        assert!(matches!(GaussianScale::for_budget(one, Rho::ZERO), Err(NoiseError::NoBudget)));
        assert!(matches!(GaussianScale::from_steps(0), Err(NoiseError::Scale { steps: 0 })));
        let huge = SquaredSensitivity::new(u64::MAX);
        assert!(matches!(
            GaussianScale::for_budget(huge, Rho::from_nano(1)),
            Err(NoiseError::Scale { .. })
        ));
        assert_eq!(GaussianScale::from_steps(1).unwrap().rho(huge), Rho::MAX);
        let scale = GaussianScale::from_steps(1024).unwrap();
        assert!(matches!(
            add_noise(&[0, VALUE_MAX + 1], scale),
            Err(NoiseError::Value { index: 1 })
        ));
        assert!(matches!(add_noise(&[i64::MIN], scale), Err(NoiseError::Value { index: 0 })));
        assert!(add_noise(&[], scale).unwrap().is_empty());
    }

    #[test]
    fn each_value_gets_its_own_noise() {
        for count in [LIBRARY_VALUES_MAX as i64, LIBRARY_VALUES_MAX as i64 + 1] {
            let exact: Vec<i64> = (0..count).map(|i| i * 1_000_000).collect();
            let noised = add_noise(&exact, GaussianScale::from_steps(4096).unwrap()).unwrap();
            assert!(exact.iter().zip(&noised).all(|(a, b)| (a - b).abs() < 1_000));
            assert_ne!(exact, noised);
        }
    }
}
