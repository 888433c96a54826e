//! The mathematics of labels: how good are they, and which should be looked at next?
//!
//! Pure functions over plain numbers: no I/O, no clock, no global state, no thread. What is random
//! takes a seed and gives the same on every machine. Every formula names its source.
//!
//! # A tour
//! People label the same items. [`Ratings`] holds who gave which item which label, with gaps and
//! repeats; [`agreement`] says how far they agree beyond chance, on labels, spans, boxes and
//! segments of time, at one site or over many. [`consensus`] says what the label is when they
//! differ, and how far each of them can be trusted.
//!
//! A model labels, too. Its [`Probabilities`] say which given labels are probably wrong
//! ([`label_errors`]), and after [`calibration`] from which confidence on no person need look,
//! with a guarantee. [`drift`] tells when data no longer look as they did.
//!
//! Labels are dear. [`sampling`] chooses what to label next and when to stop; [`weak`] turns rules
//! into labels, [`propagation`] takes them to near-duplicates and neighbours, and [`tracks`] through
//! the frames of a video.
//!
//! ```
//! use insitu_measure::agreement::{Scale, alpha};
//! use insitu_measure::consensus::{DawidSkene, agreement_with};
//! use insitu_measure::Ratings;
//!
//! // Five items by three people, one of whom left one out.
//! let ratings = Ratings::from_table(2, 3, &[
//!     Some(0), Some(0), Some(0),
//!     Some(1), Some(1), Some(0),
//!     Some(1), Some(1), None,
//!     Some(0), Some(0), Some(1),
//!     Some(1), Some(1), Some(1),
//! ])?;
//! assert!(alpha(&ratings, Scale::Nominal)? < 0.5);
//! let (_, beliefs) = DawidSkene::fit(&ratings, 50)?;
//! assert_eq!(beliefs.labels(), [0, 1, 1, 0, 1]);
//! let scores = agreement_with(&ratings, &beliefs.labels())?;
//! assert_eq!(scores[2].rate(), Some(0.5)); // look at the third person's guidelines
//! # Ok::<(), insitu_measure::MeasureError>(())
//! ```
//!
//! # What can go wrong
//! [`InvalidInput`] is a mistake of the caller, [`Undefined`] an honest answer: there is no
//! agreement to speak of when nobody rated the same item. No measure returns NaN, panics on data,
//! or takes a missing value for zero. Everything quadratic in its input has a named limit.
//!
//! # What is not here
//! Noise. These are the exact measures, for data that stay where they are; estimators for released,
//! noised counts belong to the mechanisms that add the noise. Two exceptions take noised counts as
//! they come: [`calibration::auto_accept_noised`] and [`weak::TripletSums::from_parts`].

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

pub use input::{InvalidInput, MATRIX_CATEGORIES_MAX, MeasureError, Short, Undefined};
pub use probabilities::{Probabilities, SUM_TOLERANCE};
pub use ratings::{RATINGS_MAX, Rating, Ratings};
