//! A number with its interval, or why there is none.

use std::fmt::Display;

use insitu_measure::agreement::Interval;
use insitu_measure::consensus::beta_interval;
use serde::Serialize;

use super::LEVEL;

/// Of the standard normal distribution: [`LEVEL`] of it is nearer to 0.
const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// A measured value. Never NaN: what is undefined says why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Figure {
    /// With its interval at [`LEVEL`].
    Known {
        /// The estimate.
        value: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// For people to read.
    Undefined {
        /// Why there is no value.
        undefined: String,
    },
}

impl Figure {
    pub(super) fn new(value: f64, interval: Interval) -> Self {
        let Interval { low, high } = interval;
        if value.is_finite() && low.is_finite() && high.is_finite() {
            Self::Known { value, low, high }
        } else {
            Self::undefined("the observations do not vary")
        }
    }

    pub(super) fn undefined(why: impl Display) -> Self {
        Self::Undefined { undefined: why.to_string() }
    }

    /// `right` of `all`, with Wilson's interval at [`LEVEL`].
    ///
    /// # Source
    /// E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, Journal
    /// of the American Statistical Association 22 (1927).
    #[expect(clippy::cast_precision_loss, reason = "counts of items stay far below 2^53")]
    pub(super) fn wilson(right: usize, all: usize) -> Self {
        if all == 0 {
            return Self::undefined("no data");
        }
        let (share, all) = (right as f64 / all as f64, all as f64);
        let z2 = NORMAL_QUANTILE * NORMAL_QUANTILE / all;
        let middle = (share + z2 / 2.0) / (1.0 + z2);
        let half = (z2 * (share * (1.0 - share) + z2 / 4.0)).sqrt() / (1.0 + z2);
        Self::new(share, Interval { low: middle - half, high: middle + half })
    }

    /// `right` of `all`, with Jeffreys' interval.
    #[expect(clippy::cast_precision_loss, reason = "counts of items stay far below 2^53")]
    pub(super) fn share(right: usize, all: usize) -> Self {
        if all == 0 {
            return Self::undefined("no data");
        }
        let wrong = all.saturating_sub(right);
        match beta_interval(right as f64, wrong as f64, LEVEL) {
            Ok(interval) => Self::new(right as f64 / all as f64, interval),
            Err(error) => Self::undefined(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval_is_the_published_one() {
        let Figure::Known { value, low, high } = Figure::wilson(81, 263) else { panic!("known") };
        // R. G. Newcombe, Statistics in Medicine 17 (1998), table I: 0.2553 to 0.3662.
        assert!((value - 0.308).abs() < 1e-3 && (low - 0.2553).abs() < 1e-4);
        assert!((high - 0.3662).abs() < 1e-4, "{high}");
        let Figure::Known { low, high, .. } = Figure::wilson(0, 20) else { panic!("known") };
        assert!(low.abs() < 1e-12 && (high - 0.1611).abs() < 1e-4, "{high}");
    }

    #[test]
    fn a_share_has_an_interval_and_no_data_has_a_reason() {
        let Figure::Known { value, low, high } = Figure::share(9, 10) else { panic!("known") };
        assert!(low < value && value < high && low > 0.5 && high < 1.0);
        assert_eq!(Figure::share(0, 0), Figure::undefined("no data"));
        let all = Figure::new(f64::NAN, Interval { low: 0.0, high: 1.0 });
        assert!(matches!(all, Figure::Undefined { .. }));
    }
}
