//! Examples with published results.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use insitu_measure::Ratings;
use insitu_measure::agreement::{Confusion, FleissSums, Scale, Weights, alpha};

#[track_caller]
fn check(value: f64, published: f64, digits: i32) {
    let half = 0.5 * 10.0_f64.powi(-digits);
    assert!((value - published).abs() <= half, "{value} is not {published}");
}

/// K. Krippendorff, *Computing Krippendorff's alpha-reliability* (2011), sections C and D.
#[test]
fn krippendorffs_four_observers() {
    let observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ];
    let cells = (0..12).flat_map(|item| observers.iter().map(move |row| row[item]));
    let table: Vec<Option<u32>> = cells.map(|value| u32::checked_sub(value, 1)).collect();
    let ratings = Ratings::from_table(5, 4, &table).unwrap();
    let values = [1.0, 2.0, 3.0, 4.0, 5.0];
    check(alpha(&ratings, Scale::Nominal).unwrap(), 0.743, 3);
    check(alpha(&ratings, Scale::Ordinal).unwrap(), 0.815, 3);
    check(alpha(&ratings, Scale::Interval(&values)).unwrap(), 0.849, 3);
    check(alpha(&ratings, Scale::Ratio(&values)).unwrap(), 0.797, 3);
}

/// The worked example of Fleiss' κ in common use: ten subjects, fourteen raters, five categories.
#[test]
fn fleiss_fourteen_raters() {
    let table = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ];
    check(FleissSums::from_table(5, &table.concat()).unwrap().kappa().unwrap(), 0.210, 3);
}

/// J. L. Fleiss, J. Cohen, B. S. Everitt (1969): a κ of .429 of 200 subjects in three categories
/// has a standard error of .054.
#[test]
fn fleiss_cohen_everitt_standard_errors() {
    let counts = [0.53, 0.05, 0.02, 0.11, 0.14, 0.05, 0.01, 0.06, 0.03];
    let counts = counts.map(|share: f64| share * 200.0).to_vec();
    let kappa = Confusion::new(3, counts).unwrap().kappa(Weights::Identity).unwrap();
    check(kappa.value, 0.429, 3);
    check(kappa.se, 0.054, 3);
}
