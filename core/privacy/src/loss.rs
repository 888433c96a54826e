//! Privacy loss: the currency of the ledger (ρ of zCDP) and what people are shown (ε at a δ).
//!
//! ρ adds up under composition, also when later mechanisms are chosen after seeing the results of
//! earlier ones (Whitehouse, Ramdas, Rogers, Wu, *Fully-adaptive composition in differential
//! privacy*, ICML 2023). It is therefore kept as an integer, in units of 10⁻⁹, and every
//! conversion in this crate rounds towards *more* loss.

use std::{fmt, iter::Sum};

/// Why a loss parameter was refused.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LossError {
    /// ε must be finite and at least zero.
    #[error("epsilon {got} is not a finite number of at least zero")]
    Epsilon {
        /// The refused value.
        got: f64,
    },
    /// δ must lie strictly between zero and one.
    #[error("delta {got} is not strictly between zero and one")]
    Delta {
        /// The refused value.
        got: f64,
    },
    /// δ is so large that publishing a few whole records would satisfy it.
    #[error("delta {delta} is not below 1/(10 * {subjects} subjects) = {bound}")]
    DeltaForCohort {
        /// The refused value.
        delta: f64,
        /// Subjects in the cohort.
        subjects: u64,
        /// The largest δ for that many subjects, exclusive.
        bound: f64,
    },
}

/// A zero-concentrated privacy loss ρ in nano-ρ (10⁻⁹), exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rho(u64);

impl Rho {
    /// No loss.
    pub const ZERO: Self = Self(0);
    /// More than any mechanism costs.
    pub const MAX: Self = Self(u64::MAX);

    /// A loss of `nano` · 10⁻⁹.
    pub const fn from_nano(nano: u64) -> Self {
        Self(nano)
    }

    /// The loss in units of 10⁻⁹.
    pub const fn nano(self) -> u64 {
        self.0
    }

    /// Composition: the losses add. `None` when the sum does not fit, which is above any limit.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(nano) => Some(Self(nano)),
            None => None,
        }
    }

    /// `times` releases at this loss each. `None` when the product does not fit.
    pub const fn checked_mul(self, times: u64) -> Option<Self> {
        match self.0.checked_mul(times) {
            Some(nano) => Some(Self(nano)),
            None => None,
        }
    }

    /// What is left of `self` after `spent`; zero when more was spent.
    pub const fn saturating_sub(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }

    /// The loss as a number, for people and for formulas that round up afterwards.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 * 1e-9
    }
}

impl fmt::Display for Rho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

impl fmt::Debug for Rho {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rho({self})")
    }
}

impl Sum for Rho {
    /// Saturates: a sum that does not fit is above any limit.
    fn sum<I: Iterator<Item = Self>>(losses: I) -> Self {
        losses.fold(Self::ZERO, |total, loss| Self(total.0.saturating_add(loss.0)))
    }
}

/// The ε of (ε, δ)-differential privacy: finite and at least zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Epsilon(f64);

impl Epsilon {
    /// # Errors
    /// [`LossError::Epsilon`] unless `value` is finite and at least zero.
    pub fn new(value: f64) -> Result<Self, LossError> {
        if value.is_finite() && value >= 0.0 {
            Ok(Self(value))
        } else {
            Err(LossError::Epsilon { got: value })
        }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// The δ of (ε, δ)-differential privacy: strictly between zero and one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Delta(f64);

impl Delta {
    /// # Errors
    /// [`LossError::Delta`] unless `value` lies strictly between zero and one.
    pub fn new(value: f64) -> Result<Self, LossError> {
        if value > 0.0 && value < 1.0 {
            Ok(Self(value))
        } else {
            Err(LossError::Delta { got: value })
        }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Checks that this δ means something for a cohort: below 1/(10·`subjects`).
    ///
    /// A mechanism that publishes one whole record in n at random is (0, 1/n)-private, so a δ
    /// near 1/n promises nothing.
    ///
    /// # Errors
    /// [`LossError::DeltaForCohort`] with the bound.
    pub fn check_cohort(self, subjects: u64) -> Result<(), LossError> {
        let bound = 1.0 / (10.0 * subjects.max(1) as f64);
        if self.0 < bound {
            Ok(())
        } else {
            Err(LossError::DeltaForCohort { delta: self.0, subjects, bound })
        }
    }
}

/// The smallest ε, rounded up, at which a loss of `rho` is known to be (ε, `delta`)-private.
///
/// ρ-zCDP implies (ε, δ)-DP for every a > 1 with
/// δ = exp((a−1)(aρ − ε) + a·ln(1 − 1/a)) / (a−1); the best a is found by bisection, and ε by
/// bisection on top. Any a gives a valid bound, so a search that stops early costs tightness and
/// never privacy; the exponent is raised by more than its rounding error.
///
/// # Source
/// C. Canonne, G. Kamath, T. Steinke, *The discrete Gaussian for differential privacy*,
/// NeurIPS 2020, proposition 12 and corollary 13.
///
/// ```
/// # use insitu_privacy::{Delta, Rho, epsilon};
/// let shown = epsilon(Rho::from_nano(24_360_000), Delta::new(1e-6)?);
/// assert!((shown.get() - 1.0).abs() < 1e-3);
/// # Ok::<(), insitu_privacy::LossError>(())
/// ```
pub fn epsilon(rho: Rho, delta: Delta) -> Epsilon {
    if rho == Rho::ZERO || is_private(rho, 0.0, delta) {
        return Epsilon(0.0);
    }
    // Corollary 13's simple form, an upper bound of what follows: the bracket always holds.
    let loss = rho.as_f64();
    let mut above = (loss + 2.0 * (loss * -delta.get().ln()).sqrt()) * (1.0 + 1e-9);
    let mut below = 0.0;
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (below + above);
        if is_private(rho, middle, delta) {
            above = middle;
        } else {
            below = middle;
        }
    }
    Epsilon(above)
}

/// The largest loss that [`epsilon`] still shows as at most `limit`.
///
/// ```
/// # use insitu_privacy::{Delta, Epsilon, epsilon, rho_within};
/// let (limit, delta) = (Epsilon::new(2.0)?, Delta::new(1e-6)?);
/// let rho = rho_within(limit, delta);
/// assert!(epsilon(rho, delta) <= limit);
/// assert!((rho.as_f64() - 0.08815).abs() < 1e-5);
/// # Ok::<(), insitu_privacy::LossError>(())
/// ```
pub fn rho_within(limit: Epsilon, delta: Delta) -> Rho {
    // One bound instead of the sixty by which `epsilon` finds its own: rounding may put the two some
    // steps apart, so that `epsilon` has the last word.
    let nearly = |nano: u64| nano == 0 || is_private(Rho(nano), limit.get(), delta);
    let fits = |nano: u64| epsilon(Rho(nano), delta) <= limit;
    Rho(last_that(fits, last_that(nearly, 0)))
}

/// The last number that `fits`, which 0 does and none behind the last; quickly when it is near
/// `start`.
fn last_that(fits: impl Fn(u64) -> bool, start: u64) -> u64 {
    // Invariant: `inside` fits and `outside` does not. Steps that double keep what is near quick.
    let (mut inside, mut outside, mut step) = (start, start, 1_u64);
    if fits(start) {
        loop {
            outside = inside.saturating_add(step);
            if !fits(outside) {
                break;
            }
            if outside == u64::MAX {
                return u64::MAX;
            }
            (inside, step) = (outside, step.saturating_mul(2));
        }
    } else {
        loop {
            inside = outside.saturating_sub(step);
            if inside == 0 || fits(inside) {
                break;
            }
            (outside, step) = (inside, step.saturating_mul(2));
        }
    }
    while outside - inside > 1 {
        let middle = inside + (outside - inside) / 2;
        if fits(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}

/// Enough halvings to exhaust the 53 bits of an f64 from any bracket used here.
const BISECTIONS: u32 = 60;

/// Whether ρ-zCDP is known to imply (`epsilon`, `delta`)-DP.
fn is_private(rho: Rho, epsilon: f64, delta: Delta) -> bool {
    log_delta_above(rho.as_f64(), epsilon) <= delta.get().ln()
}

/// An upper bound of ln δ(ε), minimised over the order a = 1 + b.
fn log_delta_above(rho: f64, epsilon: f64) -> f64 {
    // The derivative of the exponent in a, (2a−1)ρ − ε + ln(1 − 1/a), increases in a; its root
    // lies in (1, (ε+1)/(2ρ)+2]. Halving b geometrically finds roots near 1 as precisely as far.
    let slope = |b: f64| (1.0 + 2.0 * b) * rho - epsilon + log_shrink(b);
    let mut above = (epsilon + 1.0) / (2.0 * rho) + 1.0;
    let mut below = above * 1e-20;
    for _ in 0..BISECTIONS {
        let middle = (below * above).sqrt();
        if slope(middle) > 0.0 {
            above = middle;
        } else {
            below = middle;
        }
    }
    let b = above;
    let a = 1.0 + b;
    // a·ln(1 − 1/a) − ln(a−1) in the form that cancels nothing on either side of b = 1.
    let tail =
        if b < 1.0 { b * b.ln() - a * b.ln_1p() } else { -b * b.recip().ln_1p() - b.ln_1p() };
    let rounding = 1e-14 * (b * (a * rho + epsilon) + tail.abs() + 1.0);
    b * (a * rho - epsilon) + tail + rounding
}

/// ln(1 − 1/a) for a = 1 + b, without cancellation.
fn log_shrink(b: f64) -> f64 {
    if b < 1.0 { b.ln() - b.ln_1p() } else { -b.recip().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(value: f64) -> Delta {
        Delta::new(value).unwrap()
    }

    #[test]
    fn the_published_table_is_reproduced() {
        for (eps, rho) in [
            (0.1, 0.000_32),
            (0.25, 0.001_80),
            (0.5, 0.006_64),
            (1.0, 0.024_36),
            (2.0, 0.088_15),
            (3.0, 0.185_07),
            (4.0, 0.311_06),
            (8.0, 1.052_36),
        ] {
            let got = rho_within(Epsilon::new(eps).unwrap(), delta(1e-6)).as_f64();
            assert!((got - rho).abs() <= 0.51e-5, "epsilon {eps}: rho {got}, expected {rho}");
        }
    }

    #[test]
    fn rho_within_is_the_last_that_fits() {
        for eps in [1e-6, 0.01, 0.5, 3.0, 20.0, 1e4] {
            for d in [1e-12, 1e-6, 0.01] {
                let limit = Epsilon::new(eps).unwrap();
                let rho = rho_within(limit, delta(d));
                assert!(epsilon(rho, delta(d)) <= limit);
                let next = rho.checked_add(Rho::from_nano(1)).unwrap();
                assert!(epsilon(next, delta(d)) > limit);
            }
        }
    }

    #[test]
    fn the_last_that_fits_is_found_from_wherever_the_search_starts() {
        for last in [0, 1, 2, 1000, u64::MAX - 1, u64::MAX] {
            for start in [0, 1, 2, 999, 1000, 1001, 1 << 40, u64::MAX - 1, u64::MAX] {
                assert_eq!(last_that(|number| number <= last, start), last, "from {start}");
            }
        }
    }

    #[test]
    fn a_limit_beyond_every_loss_has_no_last() {
        let limit = Epsilon::new(1e30).unwrap();
        assert_eq!(rho_within(limit, delta(1e-6)), Rho::MAX);
        assert_eq!(rho_within(Epsilon::new(0.0).unwrap(), delta(1e-12)), Rho::ZERO);
    }

    /// δ(ε) of ρ-zCDP by a dense scan over orders: the bisection may not be below it.
    #[test]
    fn bisection_is_tight_and_never_optimistic() {
        for nano in [1_u64, 1_000, 1_000_000, 24_360_000, 1_000_000_000, 40_000_000_000] {
            let rho = nano as f64 * 1e-9;
            let eps = epsilon(Rho::from_nano(nano), delta(1e-6)).get();
            let best = (0..400_000)
                .map(|step| 10_f64.powf(-6.0 + f64::from(step) * 4e-5))
                .map(|b| {
                    let a = 1.0 + b;
                    b * (a * rho - eps) + a * (b / a).ln() - b.ln()
                })
                .fold(f64::INFINITY, f64::min);
            let gap = 1e-6_f64.ln() - best;
            assert!((-1e-6..1e-4).contains(&gap), "rho {rho}: eps {eps}, gap {gap}");
        }
    }

    #[test]
    fn epsilon_grows_with_rho_and_falls_with_delta() {
        let mut last = epsilon(Rho::ZERO, delta(1e-6)).get();
        assert!(last.abs() < f64::EPSILON);
        for exponent in 0..19 {
            let eps = epsilon(Rho::from_nano(10_u64.pow(exponent)), delta(1e-6)).get();
            assert!(eps > last);
            assert!(epsilon(Rho::from_nano(10_u64.pow(exponent)), delta(1e-3)).get() < eps);
            last = eps;
        }
        assert!(epsilon(Rho::MAX, delta(1e-6)).get().is_finite());
    }

    #[test]
    fn parameters_are_validated() {
        assert!(Epsilon::new(-0.1).is_err() && Epsilon::new(f64::NAN).is_err());
        assert!(
            Delta::new(0.0).is_err() && Delta::new(1.0).is_err() && Delta::new(f64::NAN).is_err()
        );
        assert!(delta(1e-6).check_cohort(99_999).is_ok());
        assert!(delta(1e-6).check_cohort(100_000).is_err());
        assert_eq!(Rho::from_nano(1_000_000_005).to_string(), "1.000000005");
        assert_eq!([Rho::MAX, Rho::from_nano(1)].into_iter().sum::<Rho>(), Rho::MAX);
    }
}
