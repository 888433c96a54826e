//! Objects followed through the frames of a video.
//!
//! [`TrackScores`] compares tracks with reference tracks; [`link()`] makes tracks of boxes by
//! overlap, and [`interpolate`] fills their gaps.

mod link;
mod score;

pub use link::{Draft, interpolate, link};
pub use score::{Observation, TrackScores};
