//! Whatever the numbers are (NaN, infinite, negative, huge, tiny, of the wrong length), every
//! public function gives a typed error, a defined "undefined" or a value: never a panic, never NaN.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use insitu_measure::agreement::{
    Chance, Coincidences, Confusion, FleissSums, Heterogeneity, Rectangle, Scale, Segment, Span,
    SpanAgreement, Weights, alpha, bootstrap, chance_corrected, der_simonian_laird, match_boxes,
    paule_mandel, pooled_at, random_effects, segment_edit_score, segment_f1, token_labels,
};
use insitu_measure::calibration::{
    Bin, Isotonic, LabelSets, Logits, Reliability, Risk, auto_accept, auto_accept_noised, brier,
    clopper_pearson_upper, expected_accuracy_of_bins, expected_performance, fit_temperature,
    temperature_for_shares,
};
use insitu_measure::consensus::{
    DawidSkene, agreement_with, beta_interval, crowdlab, glad, mace, majority, one_coin,
};
use insitu_measure::drift::{
    Adwin, Discrepancy, EDetector, Histograms, PageHinkley, Samples, psi_threshold,
};
use insitu_measure::label_errors::{ConfidentLearning, Filter, Quality, conflicts, label_quality};
use insitu_measure::propagation::{Graph, Method, difference_hash, perceptual_hash, spread};
use insitu_measure::sampling::{
    Costs, ErrorCurve, Uncertainty, diverse_margin, gradient_embedding, k_center, label_next, plan,
    typical_seeds, typicality, uncertainty,
};
use insitu_measure::tracks::{Observation, TrackScores, interpolate, link};
use insitu_measure::weak::{
    Moments, TripletSums, VoteTable, expectation_maximisation, majority_vote,
};
use insitu_measure::{MeasureError, Probabilities, Ratings};
use proptest::collection::vec;
use proptest::prelude::*;

const NASTY: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e15,
    1e150,
    1e308,
    -1e308,
    1e-320,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    2.0,
];

/// Mostly ordinary, so that what comes after the first check is reached, too.
/// Whatever the answer is, there is one: no panic.
fn returns<T>(_answer: T) {}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![12 => 0.0..1.0_f64, 2 => -9.0..9.0_f64, 1 => proptest::sample::select(&NASTY[..])]
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        vec(number(), 0..13),
        vec(0.0..1.0_f64, 0..13),
        vec(proptest::sample::select(&NASTY[..]), 0..6),
        (number(), 0..9_usize).prop_map(|(value, count)| vec![value; count]),
    ]
}

#[track_caller]
fn sound<E: Into<MeasureError>>(result: Result<f64, E>) {
    if let Ok(value) = result {
        assert!(!value.is_nan());
    }
}

#[track_caller]
fn all_sound<'a>(values: impl IntoIterator<Item = &'a f64>) {
    assert!(values.into_iter().all(|value| !value.is_nan()));
}

fn rectangle(values: &[f64]) -> Option<Rectangle> {
    let at = |index: usize| values.get(index).copied();
    Rectangle::new(at(0)?, at(1)?, at(2)?, at(3)?).ok()
}

fn ratings(categories: usize, annotators: usize, labels: &[u32]) -> Option<Ratings> {
    let table: Vec<Option<u32>> = labels.iter().map(|&l| (l != 3).then_some(l)).collect();
    Ratings::from_table(categories, annotators, &table).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn coefficients(a in numbers(), b in numbers(), k in 0..5_usize, x in number()) {
        if let Ok(confusion) = Confusion::new(k, a.clone()) {
            for weights in [Weights::Identity, Weights::Linear, Weights::Quadratic] {
                if let Ok(kappa) = confusion.kappa(weights) {
                    prop_assert!(!kappa.value.is_nan() && !kappa.se.is_nan(), "{kappa:?} of {a:?}");
                }
            }
            sound(confusion.agreement());
        }
        if let Ok(matrix) = Coincidences::new(k, &a) {
            for scale in [Scale::Nominal, Scale::Ordinal, Scale::Interval(&b), Scale::Ratio(&b)] {
                sound(matrix.alpha(scale));
            }
        }
        sound(der_simonian_laird(&a, &b));
        sound(paule_mandel(&a, &b));
        for pooled in [pooled_at(x, &a, &b), random_effects(&a, &b, Heterogeneity::PauleMandel)]
            .into_iter().flatten()
        {
            all_sound([&pooled.mean, &pooled.se, &pooled.tau2, &pooled.q]);
            if let Some(interval) = pooled.interval(0.95) {
                all_sound([&interval.low, &interval.high]);
            }
        }
        let mean = |chosen: &[usize]| chosen.first().map(|&at| a[at]);
        if let Ok(interval) = bootstrap(a.len(), 20, x, 1, mean) && a.iter().all(|a| a.is_finite()) {
            all_sound([&interval.low, &interval.high]);
        }
        returns(beta_interval(x, a.len() as f64, 0.9));
    }

    #[test]
    fn people(k in 0..4_usize, annotators in 0..4_usize, labels in vec(0..4_u32, 0..24), model in numbers(), values in numbers()) {
        let Some(ratings) = ratings(k, annotators, &labels) else { return Ok(()) };
        for scale in [Scale::Nominal, Scale::Ordinal, Scale::Interval(&values), Scale::Ratio(&values)] {
            sound(alpha(&ratings, scale));
        }
        for chance in [Chance::Gwet, Chance::Fleiss, Chance::Conger, Chance::BrennanPrediger, Chance::Krippendorff] {
            for weights in [Weights::Identity, Weights::Quadratic] {
                if let Ok(fit) = chance_corrected(&ratings, chance, weights) {
                    prop_assert!(!fit.value.is_nan(), "{chance:?} {weights:?} {labels:?}");
                }
            }
        }
        sound(FleissSums::from_ratings(&ratings).and_then(|sums| Ok(sums.kappa()?)));
        for beliefs in [
            majority(&ratings), DawidSkene::fit(&ratings, 3).map(|fit| fit.1), glad(&ratings, 2).map(|fit| fit.beliefs),
            one_coin(&ratings, 3).map(|fit| fit.beliefs), mace(&ratings, 1, 3, 1).map(|fit| fit.beliefs),
        ].into_iter().flatten() {
            all_sound(beliefs.values());
        }
        if let Ok(model) = Probabilities::new(k, &model) {
            drop(crowdlab(&ratings, model));
        }
        drop(agreement_with(&ratings, &labels));
    }

    #[test]
    fn regions(corners in vec(number(), 0..24), least in number(), ends in vec((0..9_usize, 0..9_usize, 0..3_u32), 0..6)) {
        let boxes: Vec<Rectangle> = corners.chunks(4).filter_map(rectangle).collect();
        for (a, b) in boxes.iter().zip(boxes.iter().rev()) {
            prop_assert!((0.0..=1.0 + 1e-9).contains(&a.iou(b)), "{a:?} {b:?}");
        }
        if let Ok(matches) = match_boxes(&boxes, &boxes[boxes.len() / 2..], least) {
            all_sound(matches.mean_iou.iter().chain([&matches.f1]));
        }
        let frames: Vec<Vec<Rectangle>> = boxes.chunks(2).map(<[Rectangle]>::to_vec).collect();
        for track in link(&frames, least, 2).into_iter().flatten() {
            prop_assert!(interpolate(&track).len() >= track.len());
        }
        let seen = |boxes: &Vec<Rectangle>| boxes.iter().zip(0..).map(|(&place, track)| Observation { track, place }).collect();
        let seen: Vec<Vec<Observation>> = frames.iter().map(seen).collect();
        if let Ok(scores) = TrackScores::new(&seen, &seen, least) {
            let shares = [scores.accuracy(), scores.mean_distance(), scores.identity_f1(), scores.identity_recall()];
            all_sound(shares.iter().flatten());
        }
        let segments: Vec<Segment> = ends.iter().map(|&(start, end, label)| Segment { start, end, label }).collect();
        sound(segment_f1(&segments, &segments[segments.len() / 2..], least));
        sound(segment_edit_score(&segments, &segments[segments.len() / 2..]));
        let spans: Vec<Span> = ends.iter().map(|&(start, end, label)| Span { start, end, label }).collect();
        drop(token_labels(&spans, 8, 9));
        if let Ok(agreement) = SpanAgreement::new(std::slice::from_ref(&spans), &[spans[spans.len() / 2..].to_vec()]) {
            for score in [agreement.exact_score(), agreement.partial_score()] {
                all_sound([&score.precision, &score.recall, &score.f1]);
            }
        }
    }

    #[test]
    fn calibrations(a in numbers(), b in numbers(), right in vec(any::<bool>(), 0..13), x in number(), y in number(), k in 0..4_usize) {
        for diagram in [Reliability::equal_width(k, &a, &right), Reliability::equal_count(k, &a, &right)].into_iter().flatten() {
            sound(diagram.expected_calibration_error());
        }
        sound(brier(&a, &right));
        if let Ok(curve) = Isotonic::fit(&a, &b) {
            prop_assert!(x.is_nan() || !curve.at(x).is_nan());
        }
        drop(Isotonic::from_knots(&a, &b));
        if let Ok(risk) = Risk::new(x, y) {
            if let Ok(accept) = auto_accept(&a, &right, &b, risk) {
                prop_assert!((0.0..=1.0).contains(&accept.coverage));
            }
            let bins: Vec<Bin> = a.iter().zip(&b).map(|(&count, &correct)| Bin { count, correct, confidence: x }).collect();
            returns(auto_accept_noised(&bins, y, risk));
        }
        sound(clopper_pearson_upper(a.len() as u64, b.len() as u64, x));
        sound(expected_accuracy_of_bins(&a));
        if let Ok(expected) = expected_performance(&a, &b, &right) {
            all_sound([expected.accuracy(), expected.f1(), expected.roc_auc].iter().flatten());
        }
        let labels = vec![0; a.len().checked_div(k).unwrap_or(0)];
        if let Ok(logits) = Logits::new(k, &a) {
            sound(logits.loss(&labels, x));
            if let Ok(fit) = fit_temperature(logits, &labels) {
                prop_assert!(!fit.loss_after.is_nan() && !fit.value.is_nan());
            }
        }
        if let (Ok(one), Ok(other)) = (Probabilities::new(k, &a), Probabilities::new(k, &b)) {
            drop(temperature_for_shares(one, other));
            returns(LabelSets::calibrate(one, &labels, x));
        }
    }

    #[test]
    fn drifts(a in numbers(), b in numbers(), edges in numbers(), x in number(), y in number(), k in 0..3_usize) {
        for both in [Histograms::new(&a, &b), Histograms::from_values(&edges, &a, &b)].into_iter().flatten() {
            let distances = [both.psi(), both.jensen_shannon_distance(), both.total_variation(), both.hellinger(),
                both.kullback_leibler(), both.kolmogorov_smirnov(), both.wasserstein()];
            prop_assert!(distances.iter().all(|d| !d.is_nan()), "{distances:?} of {a:?} {b:?}");
            sound(psi_threshold(&both, x, 5, 1));
            if let Ok(test) = both.chi_square() {
                prop_assert!((0.0..=1.0).contains(&test.p), "{test:?}");
            }
        }
        if let Ok(both) = Samples::new(&a, &b) {
            prop_assert!((0.0..=1.0).contains(&both.kolmogorov_smirnov().p));
            prop_assert!(!both.wasserstein().is_nan());
            returns(both.mann_whitney());
        }
        if let Ok(both) = Discrepancy::new(k, &a, &b) {
            prop_assert!(!both.unbiased().is_nan() && !both.bandwidth().is_nan(), "{a:?} {b:?}");
            prop_assert!((0.0..=1.0).contains(&both.p_value(3, 1)));
        }
        if let (Ok(mut page), Ok(mut adwin)) = (PageHinkley::new(x), Adwin::new(y)) {
            for &value in &a {
                returns((page.observe(value), adwin.observe(value)));
                prop_assert!(adwin.mean().is_none_or(|mean| !mean.is_nan()));
            }
        }
        if let Ok(mut detector) = EDetector::new(x, y) {
            (0..2_000).for_each(|_| detector.observe(true));
            prop_assert!(!detector.cusum().is_nan() && !detector.shiryaev_roberts().is_nan());
        }
    }

    #[test]
    fn errors_and_choices(a in numbers(), points in numbers(), labels in vec(0..4_u32, 0..8), k in 0..4_usize, dimensions in 0..3_usize, count in 0..9_usize) {
        drop((perceptual_hash(&a), difference_hash(&a), conflicts(&[0; 3], &labels)));
        drop((k_center(dimensions, &points, &labels, count), typicality(dimensions, &points, count)));
        drop((typical_seeds(dimensions, &points, count, 1), label_next(None, dimensions, &points, &labels, count, 1)));
        if let Ok(curve) = ErrorCurve::fit(0.5, &points, &a) {
            let costs = Costs { label: 1.0, training: 1.0, batch: 1.0 };
            if let Ok(plan) = plan(&[curve], 100.0, 10.0, 0.1, costs) {
                prop_assert!(!plan.cost.is_nan());
            }
        }
        let Ok(model) = Probabilities::new(k, &a) else { return Ok(()) };
        all_sound(&uncertainty(model, Uncertainty::Margin));
        if let Ok(embedding) = gradient_embedding(model, dimensions, &points) {
            all_sound(&embedding);
        }
        drop(diverse_margin(model, dimensions, &points, count, 1));
        if let Ok(chosen) = label_next(Some(model), dimensions, &points, &labels, count, 1) {
            prop_assert!(chosen.iter().all(|&item| !labels.iter().any(|&label| label as usize == item)));
        }
        for quality in [Quality::SelfConfidence, Quality::NormalizedMargin, Quality::ConfidenceWeightedEntropy] {
            if let Ok(scores) = label_quality(&labels, model, quality) {
                all_sound(&scores);
            }
        }
        if let Ok(fit) = ConfidentLearning::new(&labels, model) {
            drop((fit.find(Filter::Both), fit.find(Filter::Margin)));
            all_sound(&fit.noise_rates().priors);
        }
    }

    #[test]
    fn votes_and_graphs(votes in vec(proptest::option::of(0..3_u16), 0..24), k in 0..4_usize, functions in 0..6_usize, a in numbers(), x in number(), labels in vec(proptest::option::of(0..3_u32), 0..9)) {
        if let Ok(table) = VoteTable::new(k, functions, &votes) {
            all_sound(&majority_vote(&table));
            if let Ok((_, beliefs)) = expectation_maximisation(&table, 3) {
                all_sound(beliefs.values());
            }
            if let Ok(values) = Moments::fit(&table, &a, 3).map_err(|_| ()).and_then(|fit| fit.probabilities(&table).map_err(|_| ())) {
                all_sound(&values);
            }
            let solved = TripletSums::new(&table).map_err(MeasureError::from).and_then(|sums| sums.solve([x, 1.0 - x]));
            if let Ok(values) = solved.and_then(|fit| Ok(fit.probabilities(&table)?)) {
                all_sound(&values);
            }
        }
        drop(TripletSums::from_parts(functions, a.clone(), a.clone()));
        for graph in [Graph::gaussian(k, &a, x), Graph::nearest(k, &a, functions)].into_iter().flatten() {
            for method in [Method::Propagation, Method::Spreading { alpha: 0.5 }] {
                if let Ok(beliefs) = spread(graph.clone(), &labels, 3, method) {
                    all_sound(beliefs.values());
                }
            }
        }
    }
}

#[test]
fn a_million_categories_are_refused_or_cheap() {
    const MANY: usize = 1_000_000;
    let table: Vec<Option<u32>> = (0..10).map(|i| Some(i / 2 * 10_000 % 999_983)).collect();
    let ratings = Ratings::from_table(MANY, 2, &table).unwrap();
    assert!((alpha(&ratings, Scale::Nominal).unwrap() - 1.0).abs() < 1e-12);
    drop((majority(&ratings), DawidSkene::fit(&ratings, 1), one_coin(&ratings, 1)));
    drop((glad(&ratings, 1), mace(&ratings, 1, 1, 1)));
    drop(chance_corrected(&ratings, Chance::Gwet, Weights::Quadratic));
    assert!(Coincidences::from_ratings(&ratings).is_err());
    assert!(Confusion::from_labels(MANY, &[0], &[1]).is_err());
    let model = vec![1e-6; MANY];
    let model = Probabilities::new(MANY, &model).unwrap();
    assert!(ConfidentLearning::new(&[7], model).is_err());
    assert_eq!(uncertainty(model, Uncertainty::Margin), [1.0]);
}
