//! What can be wrong with input, and why a measure may have no value for input that is right.
//!
//! The two never mix: an [`InvalidInput`] is a mistake of the caller and is found when a value is
//! made; an [`Undefined`] is an honest answer of a measure. Neither is ever NaN, and nothing in
//! this crate panics on data.

use std::fmt;

/// Largest number of categories for which a dense square matrix is made (32 MiB of `f64`).
pub const MATRIX_CATEGORIES_MAX: usize = 2048;

/// Most ratings that one category of an item may have, so that sums of squares stay exact.
pub(crate) const RATINGS_PER_ITEM_MAX: usize = 1 << 20;

/// Greatest count in a table, exact or noised: beyond 2^49 counts are no longer exact, and far
/// beyond it their products overflow.
pub(crate) const COUNT_MAX: f64 = 1e15;

/// Input that breaks the contract of its type.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidInput {
    /// Two things that belong together differ in length.
    #[error("{what} has length {found}, not {expected}")]
    Length {
        /// The argument.
        what: &'static str,
        /// Length that the other arguments imply.
        expected: usize,
        /// Length as given.
        found: usize,
    },
    /// A number lies outside its range (NaN does, too).
    #[error("{what}[{index}] is {}, outside {} to {}", Short(*value), Short(*min), Short(*max))]
    Range {
        /// The argument.
        what: &'static str,
        /// Position in the argument; 0 for a scalar.
        index: usize,
        /// Value as given.
        value: f64,
        /// Least value allowed.
        min: f64,
        /// Greatest value allowed.
        max: f64,
    },
    /// A label, annotator or item is not among those declared.
    #[error("{what}[{index}] is {found}, but there are only {count}")]
    Unknown {
        /// The argument.
        what: &'static str,
        /// Position in the argument.
        index: usize,
        /// Identifier as given.
        found: usize,
        /// Number of declared identifiers, which start at 0.
        count: usize,
    },
    /// The probabilities of one row do not sum to one.
    #[error("probabilities of row {row} sum to {}, not 1", Short(*sum))]
    Unnormalised {
        /// The row.
        row: usize,
        /// Sum as found.
        sum: f64,
    },
    /// More of something than the computation is made for.
    #[error("{found} {what}, more than the limit of {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// Number as given.
        found: usize,
        /// Greatest number allowed.
        limit: usize,
    },
    /// A sequence that must ascend does not.
    #[error("{what}[{index}] is not above the value before it")]
    Order {
        /// The argument.
        what: &'static str,
        /// Position of the first offender.
        index: usize,
    },
}

/// Why a measure has no value for this input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undefined {
    /// There is nothing to measure.
    #[error("no data")]
    NoData,
    /// Fewer observations than the formula needs.
    #[error("{found} {what}, but {needed} are needed")]
    TooFew {
        /// What is counted.
        what: &'static str,
        /// Number found.
        found: usize,
        /// Least number that gives a value.
        needed: usize,
    },
    /// Every rating is in one category, so that agreement by chance is perfect and κ is 0/0.
    #[error("all ratings are in one category")]
    OneCategory,
    /// All observations are equal where the formula divides by their spread.
    #[error("the observations do not vary")]
    NoVariation,
    /// Items were rated different numbers of times where the formula needs the same number.
    #[error("items have between {least} and {most} ratings, not the same number")]
    Unbalanced {
        /// Fewest ratings of an item.
        least: usize,
        /// Most ratings of an item.
        most: usize,
    },
    /// A ratio metric met categories whose values sum to zero or differ in sign.
    #[error("the ratio metric needs values of one sign")]
    SignOfValues,
}

/// Either of the two, for functions that take raw slices.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// The input breaks its contract.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The input is right, and the measure has no value for it.
    #[error(transparent)]
    Undefined(#[from] Undefined),
}

/// A number for a message: up to nine decimals, or seven digits and an exponent where plain
/// notation would take a line.
///
/// ```
/// use insitu_measure::Short;
///
/// assert_eq!(Short(0.1 + 0.2).to_string(), "0.3");
/// assert_eq!(Short(1e300).to_string(), "1e300");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Short(pub f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_finite() || self.0.abs() <= 0.0 {
            return write!(f, "{}", self.0);
        }
        if (1e-6..1e15).contains(&self.0.abs()) {
            return write!(f, "{}", (self.0 * 1e9).round() / 1e9);
        }
        let text = format!("{:.6e}", self.0);
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        write!(f, "{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Refuses slices of different length.
pub(crate) const fn same_length(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), InvalidInput> {
    if expected == found { Ok(()) } else { Err(InvalidInput::Length { what, expected, found }) }
}

/// Refuses values outside `min..=max`, and NaN.
pub(crate) fn within(
    what: &'static str,
    values: &[f64],
    min: f64,
    max: f64,
) -> Result<(), InvalidInput> {
    match values.iter().position(|value| !(min..=max).contains(value)) {
        None => Ok(()),
        Some(index) => Err(InvalidInput::Range { what, index, value: values[index], min, max }),
    }
}

/// Refuses identifiers at or above `count`.
pub(crate) fn known(what: &'static str, ids: &[u32], count: usize) -> Result<(), InvalidInput> {
    match ids.iter().position(|&id| id as usize >= count) {
        None => Ok(()),
        Some(index) => {
            Err(InvalidInput::Unknown { what, index, found: ids[index] as usize, count })
        }
    }
}

/// Refuses more than `limit` of something.
pub(crate) const fn at_most(
    what: &'static str,
    limit: usize,
    found: usize,
) -> Result<(), InvalidInput> {
    if found <= limit { Ok(()) } else { Err(InvalidInput::TooMany { what, found, limit }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_messages_are_short() {
        let shown = |value: f64| Short(value).to_string();
        assert_eq!([shown(0.1 + 0.2), shown(-3.0), shown(0.0)], ["0.3", "-3", "0"]);
        assert_eq!([shown(1e308), shown(f64::MIN_POSITIVE)], ["1e308", "2.225074e-308"]);
        assert_eq!([shown(f64::NAN), shown(f64::NEG_INFINITY)], ["NaN", "-inf"]);
        let error = within("counts", &[-1e300], 0.0, COUNT_MAX).unwrap_err();
        assert_eq!(error.to_string(), "counts[0] is -1e300, outside 0 to 1e15");
    }
}
