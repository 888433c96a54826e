//! Whether data today look like data before.
//!
//! | what is at hand | measure |
//! |---|---|
//! | counts in bins | [`Histograms`], judged by [`psi_threshold`] or [`Histograms::chi_square`] |
//! | two samples of a number | [`Samples`] |
//! | two samples of feature vectors | [`Discrepancy`] |
//! | a stream of events | [`EDetector`], with a guarantee against false alarms |
//! | a stream of numbers | [`Adwin`], [`PageHinkley`] |
//!
//! Histograms that carry privacy noise need estimators that know the noise; those belong to the
//! mechanisms and are not here.

mod adwin;
mod histogram;
mod mmd;
mod null;
mod sample;
mod stream;

pub use adwin::Adwin;
pub use histogram::{ChiSquare, Histograms, PSI_ZERO_SHARE};
pub use mmd::{Discrepancy, VECTORS_MAX};
pub use null::{DRAWS_MAX, psi_threshold};
pub use sample::{KolmogorovSmirnov, MannWhitney, Samples};
pub use stream::{EDetector, PageHinkley};
