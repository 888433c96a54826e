//! Whether data today look like data before.
//!
//! [`Histograms`] compares counts in bins.

mod histogram;

pub use histogram::{ChiSquare, Histograms, PSI_ZERO_SHARE};
