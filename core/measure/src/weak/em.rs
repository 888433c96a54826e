//! Dawid and Skene's model of labeling functions; abstentions say nothing.

use super::table::VoteTable;
use crate::consensus::{DawidSkene, Posterior};
use crate::input::MeasureError;

/// Items added to every answer of every function: functions often never vote for some class.
const SMOOTHING: f64 = 0.01;

/// What the functions' votes say about each item, by `iterations` rounds from the majority vote.
///
/// # Errors
/// As [`DawidSkene::fit`].
pub fn expectation_maximisation(
    table: &VoteTable<'_>,
    iterations: usize,
) -> Result<(DawidSkene, Posterior), MeasureError> {
    DawidSkene::fit_smoothed(&table.to_ratings()?, iterations, SMOOTHING)
}
