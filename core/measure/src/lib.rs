//! The mathematics of labels.
//!
//! Pure functions over plain numbers: no I/O, no clock, no global state. What is random takes a
//! seed.

pub mod agreement;
mod assignment;
pub mod calibration;
pub mod consensus;
pub mod drift;
mod input;
pub mod label_errors;
mod probabilities;
pub mod propagation;
mod random;
mod ratings;
pub mod sampling;
mod special;
pub mod tracks;
pub mod weak;

pub use input::{InvalidInput, MATRIX_CATEGORIES_MAX, MeasureError, Undefined};
pub use probabilities::{Probabilities, SUM_TOLERANCE};
pub use ratings::{RATINGS_MAX, Rating, Ratings};
