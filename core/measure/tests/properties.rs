//! What holds for any data: order and names of annotators and categories do not matter, perfect
//! agreement is 1, one formula agrees with another, and no answer is NaN.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use insitu_measure::agreement::{
    Chance, Coincidences, Confusion, FleissSums, Scale, Weights, alpha, chance_corrected,
};
use insitu_measure::calibration::{Isotonic, Logits, Reliability, fit_temperature};
use insitu_measure::consensus::{DawidSkene, crowdlab, glad, mace, majority, one_coin};
use insitu_measure::drift::{Histograms, Samples};
use insitu_measure::label_errors::{ConfidentLearning, Filter};
use insitu_measure::{MeasureError, Probabilities, Ratings};
use proptest::collection::vec;
use proptest::prelude::*;

const CATEGORIES: u32 = 4;
const ANNOTATORS: usize = 4;
const CHANCES: [Chance; 5] =
    [Chance::Gwet, Chance::Fleiss, Chance::Conger, Chance::BrennanPrediger, Chance::Krippendorff];
const VALUES: [f64; 4] = [1.0, 2.0, 4.0, 7.0];

type Table = Vec<Option<u32>>;

/// A table with gaps; few items and categories, so that degenerate ones are common.
fn tables() -> impl Strategy<Value = Table> {
    (0..12_usize, 1..=CATEGORIES).prop_flat_map(|(items, used)| {
        vec(proptest::option::weighted(0.7, 0..used), items * ANNOTATORS)
    })
}

fn ratings(table: &Table) -> Ratings {
    Ratings::from_table(CATEGORIES as usize, ANNOTATORS, table).unwrap()
}

/// The same ratings with annotators in another order.
fn reordered(table: &Table, order: &[usize]) -> Ratings {
    let rows = table.chunks(ANNOTATORS);
    ratings(&rows.flat_map(|row| order.iter().map(|&a| row[a])).collect())
}

/// The same ratings with categories renamed.
fn renamed(table: &Table, names: &[u32]) -> Ratings {
    ratings(&table.iter().map(|cell| cell.map(|label| names[label as usize])).collect())
}

#[track_caller]
fn same(a: Result<f64, MeasureError>, b: Result<f64, MeasureError>) {
    match (a, b) {
        (Ok(a), Ok(b)) => {
            assert!(a.is_finite() && (a - b).abs() < 1e-9 * a.abs().max(1.0), "{a} is not {b}");
        }
        (a, b) => assert_eq!(a, b),
    }
}

fn coefficient(ratings: &Ratings, chance: Chance) -> Result<f64, MeasureError> {
    chance_corrected(ratings, chance, Weights::Identity).map(|fit| fit.value)
}

fn order() -> impl Strategy<Value = Vec<usize>> {
    Just((0..ANNOTATORS).collect::<Vec<_>>()).prop_shuffle()
}

fn names() -> impl Strategy<Value = Vec<u32>> {
    Just((0..CATEGORIES).collect::<Vec<_>>()).prop_shuffle()
}

fn rows_of_probabilities(k: usize) -> impl Strategy<Value = Vec<f64>> {
    vec(vec(0.0..1.0_f64, k), 1..30).prop_map(|rows| {
        let normalise = |row: Vec<f64>| {
            let sum: f64 = row.iter().map(|weight| weight + 1e-3).sum();
            row.into_iter().map(move |weight| (weight + 1e-3) / sum)
        };
        rows.into_iter().flat_map(normalise).collect()
    })
}

proptest! {
    #[test]
    fn order_of_annotators_does_not_matter(table in tables(), order in order()) {
        let (one, other) = (ratings(&table), reordered(&table, &order));
        for scale in [Scale::Nominal, Scale::Ordinal, Scale::Interval(&VALUES), Scale::Ratio(&VALUES)] {
            same(alpha(&one, scale), alpha(&other, scale));
        }
        for chance in CHANCES {
            same(coefficient(&one, chance), coefficient(&other, chance));
        }
        let fleiss = |r: &Ratings| FleissSums::from_ratings(r).and_then(|sums| Ok(sums.kappa()?));
        same(fleiss(&one), fleiss(&other));
        if let Ok((_, beliefs)) = DawidSkene::fit(&one, 10) {
            let (_, others) = DawidSkene::fit(&other, 10).unwrap();
            for (a, b) in beliefs.values().iter().zip(others.values()) {
                prop_assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
        }
    }

    #[test]
    fn names_of_categories_do_not_matter(table in tables(), names in names()) {
        let (one, other) = (ratings(&table), renamed(&table, &names));
        same(alpha(&one, Scale::Nominal), alpha(&other, Scale::Nominal));
        for chance in CHANCES {
            same(coefficient(&one, chance), coefficient(&other, chance));
        }
    }

    #[test]
    fn matrix_and_ratings_give_the_same_alpha(table in tables()) {
        let ratings = ratings(&table);
        let matrix = Coincidences::from_ratings(&ratings).unwrap();
        for scale in [Scale::Nominal, Scale::Ordinal, Scale::Interval(&VALUES), Scale::Ratio(&VALUES)] {
            same(alpha(&ratings, scale), matrix.alpha(scale));
        }
    }

    #[test]
    fn two_annotators_of_all_items_are_cohens_case(pairs in vec((0..CATEGORIES, 0..CATEGORIES), 2..40)) {
        let (a, b): (Vec<u32>, Vec<u32>) = pairs.iter().copied().unzip();
        let table: Table = pairs.iter().flat_map(|(a, b)| [Some(*a), Some(*b)]).collect();
        let ratings = Ratings::from_table(CATEGORIES as usize, 2, &table).unwrap();
        let confusion = Confusion::from_labels(CATEGORIES as usize, &a, &b).unwrap();
        for weights in [Weights::Identity, Weights::Linear, Weights::Quadratic, Weights::Ordinal] {
            let cohen = confusion.kappa(weights).map(|kappa| kappa.value).map_err(Into::into);
            same(cohen, chance_corrected(&ratings, Chance::Conger, weights).map(|fit| fit.value));
        }
        let fleiss = FleissSums::from_ratings(&ratings).and_then(|sums| Ok(sums.kappa()?));
        same(fleiss, coefficient(&ratings, Chance::Fleiss));
    }

    #[test]
    fn perfect_agreement_is_one(labels in vec(0..CATEGORIES, 2..20)) {
        prop_assume!(labels.iter().any(|label| *label != labels[0]));
        let table: Table = labels.iter().flat_map(|&label| [Some(label); ANNOTATORS]).collect();
        let ratings = ratings(&table);
        for scale in [Scale::Nominal, Scale::Ordinal, Scale::Interval(&VALUES), Scale::Ratio(&VALUES)] {
            same(alpha(&ratings, scale), Ok(1.0));
        }
        for chance in CHANCES {
            same(coefficient(&ratings, chance), Ok(1.0));
        }
        let kappa = Confusion::from_labels(CATEGORIES as usize, &labels, &labels).unwrap();
        let kappa = kappa.kappa(Weights::Linear).unwrap();
        prop_assert!((kappa.value - 1.0).abs() < 1e-12 && kappa.se < 1e-6);
        prop_assert_eq!(DawidSkene::fit(&ratings, 5).unwrap().1.labels(), labels);
    }

    #[test]
    fn consensus_is_never_nan(table in tables(), model in rows_of_probabilities(CATEGORIES as usize)) {
        let ratings = ratings(&table);
        let fits = [
            majority(&ratings),
            DawidSkene::fit(&ratings, 20).map(|fit| fit.1),
            one_coin(&ratings, 20).map(|fit| fit.beliefs),
            mace(&ratings, 2, 10, 1).map(|fit| fit.beliefs),
            glad(&ratings, 10).map(|fit| fit.beliefs),
        ];
        for beliefs in fits.into_iter().flatten() {
            prop_assert!(Probabilities::new(CATEGORIES as usize, beliefs.values()).is_ok());
        }
        let fitting = model.repeat(ratings.items().div_ceil(model.len() / CATEGORIES as usize).max(1));
        let fitting = &fitting[..ratings.items() * CATEGORIES as usize];
        let fitting = Probabilities::new(CATEGORIES as usize, fitting).unwrap();
        if let Ok(fit) = crowdlab(&ratings, fitting) {
            prop_assert!(fit.quality.iter().all(|q| (0.0..=1.0 + 1e-9).contains(q)), "{:?}", fit.quality);
            let scores = fit.relabel_scores(&ratings);
            prop_assert!(scores.iter().all(|score| score.is_finite()));
        }
    }

    #[test]
    fn label_errors_are_items(model in rows_of_probabilities(3), seed in vec(0..3_u32, 30)) {
        let probabilities = Probabilities::new(3, &model).unwrap();
        let labels = &seed[..probabilities.items()];
        let fit = ConfidentLearning::new(labels, probabilities).unwrap();
        let given: u64 = fit.calibrated_joint().iter().sum();
        prop_assert_eq!(given, labels.len() as u64);
        for filter in [Filter::NoiseRate, Filter::Class, Filter::Both, Filter::Confident,
            Filter::Predicted, Filter::Margin, Filter::SelfConfidence] {
            let found = fit.find(filter);
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(found.iter().all(|item| (*item as usize) < labels.len()));
        }
    }

    #[test]
    fn distances_of_histograms_are_distances(counts in vec((0..50_u32, 0..50_u32), 1..12)) {
        let (a, b): (Vec<f64>, Vec<f64>) =
            counts.iter().map(|(a, b)| (f64::from(*a), f64::from(*b))).unzip();
        if let (Ok(there), Ok(back)) = (Histograms::new(&a, &b), Histograms::new(&b, &a)) {
            prop_assert!(there.psi() >= -1e-12 && (there.psi() - back.psi()).abs() < 1e-9);
            for (d, e) in [
                (there.jensen_shannon_distance(), back.jensen_shannon_distance()),
                (there.total_variation(), back.total_variation()),
                (there.hellinger(), back.hellinger()),
                (there.kolmogorov_smirnov(), back.kolmogorov_smirnov()),
            ] {
                prop_assert!((-1e-12..=1.0 + 1e-12).contains(&d) && (d - e).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn tests_of_samples_have_p_values(a in vec(-3..3_i32, 1..30), b in vec(-3..3_i32, 1..30)) {
        let floats = |values: &[i32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let both = Samples::new(&floats(&a), &floats(&b)).unwrap();
        let ks = both.kolmogorov_smirnov();
        prop_assert!((0.0..=1.0).contains(&ks.p) && (0.0..=1.0).contains(&ks.p_exact.unwrap()));
        if let Ok(test) = both.mann_whitney() {
            prop_assert!((0.0..=1.0).contains(&test.p));
        }
    }

    #[test]
    fn calibration_curves_ascend(points in vec((0.0..1.0_f64, any::<bool>()), 1..50)) {
        let scores: Vec<f64> = points.iter().map(|point| point.0).collect();
        let right: Vec<bool> = points.iter().map(|point| point.1).collect();
        let values: Vec<f64> = right.iter().map(|right| f64::from(u8::from(*right))).collect();
        let curve = Isotonic::fit(&scores, &values).unwrap();
        let grid: Vec<f64> = (0..=20).map(|i| curve.at(f64::from(i) / 20.0)).collect();
        prop_assert!(grid.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
        let diagram = Reliability::equal_count(5, &scores, &right).unwrap();
        prop_assert!((0.0..=1.0).contains(&diagram.expected_calibration_error().unwrap()));
    }

    #[test]
    fn temperature_never_makes_it_worse(logits in vec(-9.0..9.0_f64, 6..60), seed in vec(0..3_u32, 20)) {
        let items = logits.len() / 3;
        let logits = Logits::new(3, &logits[..items * 3]).unwrap();
        if let Ok(fit) = fit_temperature(logits, &seed[..items]) {
            prop_assert!(fit.loss_after <= fit.loss_before + 1e-9, "{fit:?}");
        }
    }
}
