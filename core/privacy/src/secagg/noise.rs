//! Noise that the sites add together.
//!
//! # Privacy
//! Each of S sites adds discrete Gaussian noise of scale s to its own integer sum. The sum of the
//! noises is not exactly discrete Gaussian, but close: with
//! τ = 10·Σ_{k=1}^{S−1} exp(−2π²s²k/(k+1)), releasing the total over d coordinates with squared L2
//! sensitivity D² is ε₀²/2-zCDP for ε₀ = min{ √(D²/(S·s²) + τd/2), D/(√S·s) + τ√d }: P. Kairouz,
//! Z. Liu, T. Steinke, *The distributed discrete Gaussian mechanism for federated learning with
//! secure aggregation*, ICML 2021, theorem 1. From s = 4 on
//! τ is below 10⁻⁶⁷ and the sum is as good as one discrete Gaussian of variance S·s².
//!
//! S counts the sites that are *certain* to be in it and not to take their noise away again:
//! T − c. Against everybody else together a site still has its own noise ([`local_rho`]).
//!
//! # Utility
//! With everybody present the noise is √(n/(T−c)) times that of one central release, where noise
//! for each site alone would be √n times it.

use super::session::Session;
use crate::{
    loss::Rho,
    noise::{GaussianScale, NoiseError, SquaredSensitivity},
};

/// Below this scale the sum of discrete Gaussians is not close enough to one: 4, in 1/1024.
const STEPS_MIN: u64 = 4 * 1024;
/// The most bits that a part's values are multiplied by.
const FRACTION_BITS_MAX: u32 = 16;
/// A scale that does not even fit the type it is told in.
const BEYOND: NoiseShareError = NoiseShareError::Scale(NoiseError::Scale { steps: u128::MAX });

/// Why noise cannot be shared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseShareError {
    /// Each site's share would be below a scale of 4: use more fraction bits.
    #[error("a share of {steps}/1024 of the noise is below a scale of 4")]
    TooFine {
        /// The share's scale, in 1/1024.
        steps: u64,
    },
    /// No such scale.
    #[error("no scale for a share of the noise")]
    Scale(#[source] NoiseError),
}

/// The scale that each site adds so that `noisy_sites` (T − c) of them carry at least `central`:
/// s² = σ²/(T−c), rounded up to the grid.
///
/// # Errors
/// [`NoiseShareError::TooFine`] below a scale of 4, [`NoiseShareError::Scale`] for no sites.
pub fn share_of(
    central: GaussianScale,
    noisy_sites: usize,
) -> Result<GaussianScale, NoiseShareError> {
    let (squared, sites) = (u128::from(central.steps()).pow(2), noisy_sites as u128);
    let none = NoiseShareError::Scale(NoiseError::Scale { steps: 0 });
    let mut steps = squared.checked_div(sites).ok_or(none)?.isqrt();
    if steps * steps * sites < squared {
        steps += 1;
    }
    // Not above the central scale, which fits.
    let steps = u64::try_from(steps).unwrap_or(u64::MAX);
    if steps < STEPS_MIN {
        return Err(NoiseShareError::TooFine { steps });
    }
    GaussianScale::from_steps(steps).map_err(NoiseShareError::Scale)
}

/// How one part of a vector is scaled and noised, so that its sum costs what was agreed: the same
/// public numbers give every site, and whoever proposes the session, the same part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoisePart {
    /// b: each exact value is multiplied by 2ᵇ before the noise, and so is the sum. Counts need it,
    /// whose share of the noise can be below a scale of 4, where the theorem of this module bends.
    pub fraction_bits: u32,
    /// The scale of the noise that each site adds to the multiplied values.
    pub scale: GaussianScale,
}

impl NoisePart {
    /// The part whose sum over `noisy_sites` (T − c) and more costs at most `rho`: the smallest b
    /// at which a share of the noise has a scale of 4. Multiplying by 2ᵇ multiplies D² by 4ᵇ. A
    /// part that nobody can move (D² = 0, a histogram of no features) is noised as if D² were 1.
    ///
    /// # Errors
    /// [`NoiseShareError::Scale`] for no budget, no sites, or a scale beyond the largest;
    /// [`NoiseShareError::TooFine`] when 2¹⁶ grid steps a unit are not enough.
    ///
    /// ```
    /// # use insitu_privacy::{Rho, SquaredSensitivity, secagg::NoisePart};
    /// // ε = 0.5 for counts over 7 noisy sites: 8.68/√7 = 3.28 each, so halves are counted.
    /// let part = NoisePart::new(SquaredSensitivity::new(1), Rho::from_nano(6_640_000), 7)?;
    /// assert_eq!(part.fraction_bits, 1);
    /// # Ok::<(), insitu_privacy::secagg::NoiseShareError>(())
    /// ```
    pub fn new(
        sensitivity: SquaredSensitivity,
        rho: Rho,
        noisy_sites: usize,
    ) -> Result<Self, NoiseShareError> {
        let mut fraction_bits = 0;
        loop {
            let scaled = multiplied(sensitivity, fraction_bits).ok_or(BEYOND)?;
            let central = GaussianScale::for_budget(scaled, rho).map_err(NoiseShareError::Scale)?;
            match share_of(central, noisy_sites) {
                Ok(scale) => return Ok(Self { fraction_bits, scale }),
                Err(NoiseShareError::TooFine { .. }) if fraction_bits < FRACTION_BITS_MAX => {
                    fraction_bits += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What the sum costs a subject that moves the part by `sensitivity` before the
    /// multiplication: [`shared_rho`] of it.
    pub fn shared_rho(
        self,
        sensitivity: SquaredSensitivity,
        dimensions: usize,
        noisy_sites: usize,
    ) -> Rho {
        multiplied(sensitivity, self.fraction_bits)
            .map_or(Rho::MAX, |scaled| shared_rho(noisy_sites, self.scale, dimensions, scaled))
    }

    /// What it costs when everybody but the subject's own site colludes: see [`local_rho`].
    pub fn local_rho(self, sensitivity: SquaredSensitivity) -> Rho {
        multiplied(sensitivity, self.fraction_bits)
            .map_or(Rho::MAX, |scaled| self.scale.rho(scaled))
    }
}

/// D²·4ᵇ, of at least 1; `None` when it does not fit.
fn multiplied(sensitivity: SquaredSensitivity, fraction_bits: u32) -> Option<SquaredSensitivity> {
    let factor = 1_u64.checked_shl(2 * fraction_bits)?;
    sensitivity.get().max(1).checked_mul(factor).map(SquaredSensitivity::new)
}

/// What the sum costs a subject against the coordinator and c colluding sites, rounded up, when
/// the whole vector has noise of one scale: [`shared_rho`] of the session.
pub fn distributed_rho(session: &Session, sensitivity: SquaredSensitivity) -> Rho {
    let parameters = session.parameters();
    shared_rho(session.noisy_sites(), parameters.noise, parameters.dimensions, sensitivity)
}

/// What a sum of `dimensions` values costs a subject when `noisy_sites` (S = T − c) are certain to
/// have added noise of `scale` to it: the theorem of this module, rounded up. [`Rho::MAX`] when it
/// does not fit. Parts of a vector with scales of their own are separate sums, whose costs add.
pub fn shared_rho(
    noisy_sites: usize,
    scale: GaussianScale,
    dimensions: usize,
    sensitivity: SquaredSensitivity,
) -> Rho {
    let (sites, s) = (noisy_sites as f64, scale.as_f64());
    let (d, squared) = (dimensions as f64, sensitivity.get() as f64);
    let exponent = -2.0 * (std::f64::consts::PI * s).powi(2);
    let term = |k: usize| (exponent * k as f64 / (k as f64 + 1.0)).exp();
    let tau = 10.0 * (1..noisy_sites).map(term).sum::<f64>();
    let ideal = squared / (sites * s * s);
    let epsilon = (ideal + tau * d / 2.0).sqrt().min(ideal.sqrt() + tau * d.sqrt());
    rounded_up(epsilon * epsilon / 2.0)
}

/// What it costs a subject when everybody but its own site colludes: the noise of one site, exact.
/// The ledger keeps both numbers under caps of their own.
pub fn local_rho(session: &Session, sensitivity: SquaredSensitivity) -> Rho {
    session.parameters().noise.rho(sensitivity)
}

/// A loss computed in floating point, raised by more than its rounding error.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be within range"
)]
fn rounded_up(rho: f64) -> Rho {
    let nano = (rho * 1e9 * (1.0 + 1e-12)).ceil();
    if (0.0..1.8e19).contains(&nano) { Rho::from_nano(nano as u64) } else { Rho::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Delta, Epsilon, rho_within};
    use crate::secagg::session::{Parameters, Ring, SessionId, Site};

    fn session(sites: u8, threshold: usize, colluders: usize, noise: GaussianScale) -> Session {
        let site = |at: u8| Site { agent: [at; 32], certificate: [at; 32], verify_key: [at; 32] };
        Session::new(Parameters {
            id: SessionId([0; 32]),
            roster: (0..sites).map(site).collect(),
            threshold,
            colluders,
            dimensions: 29_645,
            ring: Ring::Bits32,
            noise,
            input: [0; 32],
            deadlines: [0; 5],
        })
        .unwrap()
    }

    #[test]
    fn the_published_shares_come_out() {
        for (sigma, sites, share) in [(400, 3, 230.940), (4096, 7, 1548.143), (16, 7, 6.048)] {
            let central = GaussianScale::from_steps(sigma * 1024).unwrap();
            let s = share_of(central, sites).unwrap();
            assert!((s.as_f64() - share).abs() < 1.1e-3, "{}", s.as_f64());
            assert!(s.steps().pow(2) * sites as u64 >= central.steps().pow(2));
            assert!((s.steps() - 1).pow(2) * (sites as u64) < central.steps().pow(2));
        }
        let fine = GaussianScale::from_steps(10 * 1024).unwrap();
        assert!(matches!(share_of(fine, 7), Err(NoiseShareError::TooFine { .. })));
        assert!(matches!(share_of(fine, 0), Err(NoiseShareError::Scale(_))));
    }

    #[test]
    fn parts_take_the_fewest_bits_and_keep_their_price() {
        let delta = Delta::new(1e-6).unwrap();
        for blocks in [1_u64, 4, 13] {
            for epsilon in [0.05, 0.5, 2.0, 8.0] {
                for noisy in [2, 3, 7, 100] {
                    let rho = rho_within(Epsilon::new(epsilon).unwrap(), delta);
                    let sensitivity = SquaredSensitivity::new(blocks);
                    let part = NoisePart::new(sensitivity, rho, noisy).unwrap();
                    assert!(part.scale.steps() >= STEPS_MIN);
                    if let Some(fewer) = part.fraction_bits.checked_sub(1) {
                        let scaled = SquaredSensitivity::new(blocks << (2 * fewer));
                        let central = GaussianScale::for_budget(scaled, rho).unwrap();
                        assert!(share_of(central, noisy).is_err());
                    }
                    let cost = part.shared_rho(sensitivity, 500, noisy);
                    assert!(cost <= rho.checked_add(Rho::from_nano(1)).unwrap());
                    assert!(cost.as_f64() > 0.998 * rho.as_f64(), "{cost:?} of {rho:?}");
                    let ratio = part.local_rho(sensitivity).as_f64() / cost.as_f64();
                    assert!((ratio - noisy as f64).abs() < 0.01 * noisy as f64);
                }
            }
        }
    }

    #[test]
    fn a_part_that_nobody_moves_is_noised_like_one_of_sensitivity_one() {
        let (rho, none) = (Rho::from_nano(6_640_000), SquaredSensitivity::new(0));
        let part = NoisePart::new(none, rho, 3).unwrap();
        assert_eq!(part, NoisePart::new(SquaredSensitivity::new(1), rho, 3).unwrap());
        assert!(part.shared_rho(none, 0, 3) > Rho::ZERO);
        let error = NoisePart::new(none, Rho::ZERO, 3).unwrap_err();
        assert!(matches!(error, NoiseShareError::Scale(NoiseError::NoBudget)));
        assert!(matches!(NoisePart::new(none, rho, 0), Err(NoiseShareError::Scale(_))));
        // ε beyond all use: 2¹⁶ steps a unit do not bring the scale to 4.
        assert!(matches!(NoisePart::new(none, Rho::MAX, 3), Err(NoiseShareError::TooFine { .. })));
    }

    #[test]
    fn together_the_sites_cost_what_one_release_costs() {
        let sensitivity = SquaredSensitivity::new(1 << 24);
        let central = GaussianScale::for_budget(sensitivity, Rho::from_nano(24_360_000)).unwrap();
        for (sites, threshold, colluders) in [(4, 3, 0), (10, 7, 0), (10, 7, 3), (50, 34, 15)] {
            let noisy = threshold - colluders;
            let session = session(sites, threshold, colluders, share_of(central, noisy).unwrap());
            let together = distributed_rho(&session, sensitivity);
            assert!(together <= central.rho(sensitivity).checked_add(Rho::from_nano(1)).unwrap());
            assert!(together.as_f64() > 0.999 * central.rho(sensitivity).as_f64());
            let ratio = local_rho(&session, sensitivity).as_f64() / together.as_f64();
            assert!((ratio - noisy as f64).abs() < 0.01 * noisy as f64);
        }
    }

    #[test]
    fn coarse_noise_costs_more_than_ideal() {
        // s = 0.75: τ is not small, and the loss must say so.
        let coarse = session(4, 3, 0, GaussianScale::from_steps(768).unwrap());
        let ideal = 1.0 / (2.0 * 3.0 * 0.75 * 0.75);
        assert!(distributed_rho(&coarse, SquaredSensitivity::new(1)).as_f64() > 1.5 * ideal);
    }
}
