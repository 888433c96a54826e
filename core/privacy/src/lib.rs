//! Privacy of what leaves a site: mechanisms, accounting, and the estimators that undo the noise.
//!
//! Pure: integers and slices in, values out; no I/O, no clock. In the order a release meets them:
//! 1. [`contribution::select`] bounds what each subject puts in;
//! 2. [`statistics`] and [`clip`] say how far one subject can move the result, exactly;
//! 3. [`GaussianScale::for_budget`] turns that and a price into a noise scale, and [`add_noise`]
//!    draws the noise, exactly, on integers; a [`NoisePool`] does so ahead of need;
//! 4. [`budget::admit`] refuses the charge before it would pass the limit; [`epsilon`] and
//!    [`rho_within`] translate between the ledger's ρ and the (ε, δ) that people read;
//! 5. [`secagg`] adds the releases of several sites without showing any of them, so that they
//!    carry the noise of one;
//! 6. at the coordinator, [`estimate`] computes agreement, calibration and drift from noised
//!    counts, with intervals that include the noise;
//! 7. [`audit`] attacks all of it: lower bounds on ε, and tests that a fault fails.
//!
//! The unit of privacy is the *subject*, added or removed with all its items.
//!
//! ```
//! use insitu_privacy::{Delta, Epsilon, GaussianScale, add_noise, budget, rho_within};
//! use insitu_privacy::{contribution::ItemsPerSubject, statistics::Statistic};
//!
//! let delta = Delta::new(1e-6)?;
//! let sensitivity = Statistic::Confusion.sensitivity(ItemsPerSubject::ONE);
//! let scale = GaussianScale::for_budget(sensitivity, rho_within(Epsilon::new(0.5)?, delta))?;
//! let charge = scale.rho(sensitivity);
//! let yearly = rho_within(Epsilon::new(2.0)?, delta);
//! let _spent = budget::admit(insitu_privacy::Rho::ZERO, charge, yearly)?;
//! let noised = add_noise(&[220, 14, 9, 157], scale)?; // this may leave, the exact counts never
//! assert_eq!(noised.len(), 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
pub mod budget;
pub mod clip;
pub mod contribution;
pub mod correlated;
pub mod estimate;
pub mod secagg;
pub mod statistics;

mod loss;
mod noise;
mod pool;

pub use loss::{Delta, Epsilon, LossError, Rho, epsilon, rho_within};
pub use noise::{GaussianScale, NoiseError, SquaredSensitivity, VALUE_MAX, VALUES_MAX, add_noise};
pub use pool::{Demand, Noise, NoisePool, POOL_VALUES_MAX};
