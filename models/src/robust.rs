//! Combining sites' updates so that a minority of bad ones cannot steer the head.
//!
//! Coordinate-wise median and trimmed mean are those of Yin, Chen, Ramchandran, Bartlett
//! (*Byzantine-robust distributed learning: towards optimal statistical rates*, 2018); norm
//! screening leaves out updates that are much longer than most. All of them look at each site's
//! own update, which secure aggregation hides on purpose: they are for rounds without it. What they
//! look at was noised and released, so they cost no privacy.
//!
//! Everything is in integers on the updates' own grid and in a fixed order, and no result is
//! rounded: a rule gives a total of some parts, as [`crate::train::Descent::step_along`] takes it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Largest share that a trimmed mean leaves out at each end, in thousandths.
const TRIMMED_MAX_MILLI: u16 = 499;
/// Smallest multiple of the median norm that a screen may have, in thousandths: at least half of
/// the updates stay.
const TIMES_MIN_MILLI: u32 = 1000;
/// Largest one: nothing sensible is beyond.
const TIMES_MAX_MILLI: u32 = 1_000_000;

/// How updates become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rule {
    /// Their mean: nothing is robust about it, and the noise is smallest.
    #[default]
    Mean,
    /// The median of each coordinate; the mean of the middle two for an even number.
    Median,
    /// The mean of each coordinate without its smallest and its largest values.
    TrimmedMean {
        /// Share left out at each end, in thousandths: rounded up to whole updates, and less where
        /// nothing would be left. 1 to 499.
        share_milli: u16,
    },
    /// The mean of the updates that are not much longer (L2) than most.
    NormScreen {
        /// Largest norm that stays, in thousandths of the median norm. From 1000 on.
        times_milli: u32,
    },
}

/// What a rule makes of updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combined {
    /// On the updates' grid: `parts` times the combined update.
    pub total: Vec<i64>,
    /// By what the total is divided.
    pub parts: usize,
    /// Positions of the updates that a screen left out whole.
    pub screened: Vec<usize>,
}

/// Why updates are not combined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RobustError {
    /// There are none.
    #[error("no updates to combine")]
    NoUpdates,
    /// Updates of different lengths.
    #[error("update {position} has {got} values where the first one has {want}")]
    Length {
        /// Its position, from 1.
        position: usize,
        /// Its length.
        got: usize,
        /// The first one's length.
        want: usize,
    },
    /// A coordinate's sum is beyond 64 bits.
    #[error("the sum of coordinate {coordinate} is beyond 64 bits")]
    Overflow {
        /// Its position, from 1.
        coordinate: usize,
    },
}

/// The text is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rule is mean, median, trimmed-mean:SHARE with a share of 0.001 to 0.499, or \
     norm-screen:TIMES with 1 to 1000 times the median norm"
)]
pub struct UnknownRule;

impl Rule {
    /// Combines updates on one grid, each of the same length.
    ///
    /// # Errors
    /// [`RobustError`].
    pub fn combine<U, V>(self, updates: &[U]) -> Result<Combined, RobustError>
    where
        U: AsRef<[V]>,
        V: Copy + Into<i64>,
    {
        let first = updates.first().ok_or(RobustError::NoUpdates)?.as_ref().len();
        for (index, update) in updates.iter().enumerate() {
            let got = update.as_ref().len();
            if got != first {
                return Err(RobustError::Length { position: index + 1, got, want: first });
            }
        }
        let count = updates.len();
        match self {
            Self::Mean => mean(updates, &vec![true; count]),
            Self::Median => middle(updates, count.div_ceil(2) - 1),
            Self::TrimmedMean { share_milli } => {
                let share = usize::from(share_milli.min(TRIMMED_MAX_MILLI));
                middle(updates, (count * share).div_ceil(1000).min(count.div_ceil(2) - 1))
            }
            Self::NormScreen { times_milli } => {
                mean(updates, &stay(updates, times_milli.max(TIMES_MIN_MILLI)))
            }
        }
    }
}

/// The sum of those that stay.
fn mean<U: AsRef<[V]>, V: Copy + Into<i64>>(
    updates: &[U],
    stay: &[bool],
) -> Result<Combined, RobustError> {
    let mut total = vec![0_i64; updates[0].as_ref().len()];
    for (update, _) in updates.iter().zip(stay).filter(|(_, stays)| **stays) {
        for (index, (total, value)) in total.iter_mut().zip(update.as_ref()).enumerate() {
            let sum = total.checked_add((*value).into());
            *total = sum.ok_or(RobustError::Overflow { coordinate: index + 1 })?;
        }
    }
    let screened: Vec<usize> = (0..stay.len()).filter(|at| !stay[*at]).collect();
    Ok(Combined { total, parts: updates.len() - screened.len(), screened })
}

/// The sum of each coordinate without its `trimmed` smallest and largest values.
fn middle<U: AsRef<[V]>, V: Copy + Into<i64>>(
    updates: &[U],
    trimmed: usize,
) -> Result<Combined, RobustError> {
    let parts = updates.len() - 2 * trimmed;
    let mut values: Vec<i64> = vec![0; updates.len()];
    let width = updates[0].as_ref().len();
    let mut total = Vec::with_capacity(width);
    for coordinate in 0..width {
        for (value, update) in values.iter_mut().zip(updates) {
            *value = update.as_ref()[coordinate].into();
        }
        let mut kept = values.as_mut_slice();
        if trimmed > 0 {
            // Two partial sorts: what is below the lowest kept, then what is above the highest.
            kept.select_nth_unstable(trimmed);
            kept = &mut kept[trimmed..];
            kept.select_nth_unstable(parts - 1);
            kept = &mut kept[..parts];
        }
        let sum = kept.iter().try_fold(0_i64, |sum, value| sum.checked_add(*value));
        total.push(sum.ok_or(RobustError::Overflow { coordinate: coordinate + 1 })?);
    }
    Ok(Combined { total, parts, screened: Vec::new() })
}

/// Which updates are at most so many thousandths of the (lower) median norm long.
fn stay<U: AsRef<[V]>, V: Copy + Into<i64>>(updates: &[U], times_milli: u32) -> Vec<bool> {
    let norm = |update: &U| {
        let square = |value: &V| ((*value).into() as f64).powi(2);
        update.as_ref().iter().map(square).sum::<f64>().sqrt()
    };
    let norms: Vec<f64> = updates.iter().map(norm).collect();
    let mut sorted = norms.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let most = sorted[(sorted.len() - 1) / 2] * f64::from(times_milli) / 1000.0;
    norms.iter().map(|norm| *norm <= most).collect()
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        match text.split_once(':') {
            None if text == "mean" => Ok(Self::Mean),
            None if text == "median" => Ok(Self::Median),
            Some(("trimmed-mean", share)) => milli(share, 1, TRIMMED_MAX_MILLI.into())
                .and_then(|share| u16::try_from(share).ok())
                .map(|share_milli| Self::TrimmedMean { share_milli })
                .ok_or(UnknownRule),
            Some(("norm-screen", times)) => milli(times, TIMES_MIN_MILLI, TIMES_MAX_MILLI)
                .map(|times_milli| Self::NormScreen { times_milli })
                .ok_or(UnknownRule),
            None | Some(_) => Err(UnknownRule),
        }
    }
}

/// A number in thousandths, rounded, when it is within the limits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within limits that fit, checked just before"
)]
fn milli(text: &str, min: u32, max: u32) -> Option<u32> {
    let number = (text.parse::<f64>().ok()? * 1000.0).round();
    (f64::from(min)..=f64::from(max)).contains(&number).then_some(number as u32)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::Median => f.write_str("median"),
            Self::TrimmedMean { share_milli } => {
                write!(f, "trimmed-mean:{}", f64::from(*share_milli) / 1000.0)
            }
            Self::NormScreen { times_milli } => {
                write!(f, "norm-screen:{}", f64::from(*times_milli) / 1000.0)
            }
        }
    }
}

impl TryFrom<String> for Rule {
    type Error = UnknownRule;

    fn try_from(text: String) -> Result<Self, UnknownRule> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRIMMED: Rule = Rule::TrimmedMean { share_milli: 200 };
    const SCREEN: Rule = Rule::NormScreen { times_milli: 3000 };

    fn sites() -> Vec<Vec<i64>> {
        vec![vec![1, -4], vec![3, -2], vec![2, -3], vec![5, 0], vec![4, -1]]
    }

    #[test]
    fn each_rule_is_its_formula() {
        let of = |rule: Rule| {
            let combined = rule.combine(&sites()).unwrap();
            (combined.total, combined.parts)
        };
        assert_eq!(of(Rule::Mean), (vec![15, -10], 5));
        assert_eq!(of(Rule::Median), (vec![3, -2], 1));
        assert_eq!(of(TRIMMED), (vec![9, -6], 3)); // 2, 3, 4
        assert_eq!(of(SCREEN), (vec![15, -10], 5));
        let even = Rule::Median.combine(&[[1_i32], [9], [2], [4]]).unwrap();
        assert_eq!((even.total, even.parts), (vec![6], 2)); // (2 + 4) / 2
        let two = TRIMMED.combine(&[[1_i32], [9]]).unwrap();
        assert_eq!((two.total, two.parts), (vec![10], 2)); // nothing would be left
    }

    #[test]
    fn a_minority_cannot_pull_the_result_out_of_the_others_range() {
        let mut updates = sites();
        updates.push(vec![i64::MAX / 8, i64::MIN / 8]);
        for rule in [Rule::Median, TRIMMED, SCREEN] {
            let combined = rule.combine(&updates).unwrap();
            for (total, (low, high)) in combined.total.iter().zip([(1, 5), (-4, 0)]) {
                let parts = i64::try_from(combined.parts).unwrap();
                assert!((low * parts..=high * parts).contains(total), "{rule}: {combined:?}");
            }
        }
        assert_eq!(SCREEN.combine(&updates).unwrap().screened, [5]);
        let mean = Rule::Mean.combine(&updates).unwrap();
        assert!(mean.total[0] > 1 << 40);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let none: [Vec<i64>; 0] = [];
        assert_eq!(Rule::Median.combine(&none), Err(RobustError::NoUpdates));
        let uneven = Rule::Mean.combine(&[vec![1_i64, 2], vec![1]]);
        assert_eq!(uneven, Err(RobustError::Length { position: 2, got: 1, want: 2 }));
        for rule in [Rule::Mean, Rule::Median] {
            let large = rule.combine(&[[0, i64::MAX], [0, i64::MAX]]);
            assert_eq!(large, Err(RobustError::Overflow { coordinate: 2 }));
        }
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in ["mean", "median", "trimmed-mean:0.2", "norm-screen:2.5"] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
            let json = serde_json::to_string(&rule).unwrap();
            assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule);
        }
        for text in ["", "krum", "trimmed-mean", "trimmed-mean:0.5", "norm-screen:0.9", "mean:1"] {
            assert_eq!(text.parse::<Rule>(), Err(UnknownRule), "{text}");
        }
    }

    fn rules() -> impl Strategy<Value = Rule> {
        prop_oneof![
            Just(Rule::Mean),
            Just(Rule::Median),
            (1_u16..500).prop_map(|share_milli| Rule::TrimmedMean { share_milli }),
            (1000_u32..5000).prop_map(|times_milli| Rule::NormScreen { times_milli }),
        ]
    }

    proptest! {
        #[test]
        fn the_order_of_the_sites_is_of_no_account(
            rule in rules(),
            mut updates in prop::collection::vec(prop::collection::vec(-1000_i64..1000, 3), 1..12),
        ) {
            let before = rule.combine(&updates).unwrap();
            updates.reverse();
            let after = rule.combine(&updates).unwrap();
            prop_assert_eq!((before.total, before.parts), (after.total, after.parts));
        }

        #[test]
        fn equal_updates_stay_as_they_are(
            rule in rules(),
            update in prop::collection::vec(any::<i32>(), 1..5),
            sites in 1_usize..9,
        ) {
            let combined = rule.combine(&vec![update.clone(); sites]).unwrap();
            let parts = i64::try_from(combined.parts).unwrap();
            let expected: Vec<i64> = update.iter().map(|v| i64::from(*v) * parts).collect();
            prop_assert_eq!(combined.total, expected);
        }
    }
}
