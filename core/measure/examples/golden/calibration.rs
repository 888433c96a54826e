//! Calibration and what follows from it.

use insitu_measure::Probabilities;
use insitu_measure::calibration::{
    self, AcceptStep, Expected, Isotonic, LabelSets, Logits, Reliability, Risk, brier,
    clopper_pearson_upper, expected_accuracy_of_bins, expected_performance, fit_temperature,
};
use serde_json::{Value, json};

use crate::case::{Case, Problem, argmax, columns, defined, flags, floats, ids};

pub(crate) fn calibration(case: &mut Case<'_>) -> Result<(), Problem> {
    let (values, k) = (floats(case.input("logits")), columns(case.input("logits")));
    let labels = ids(case.input("labels"));
    let logits = Logits::new(k, &values)?;
    let fit = fit_temperature(logits, &labels)?;
    case.close("temperature", fit.value);
    case.close("nll_before", fit.loss_before);
    case.close("nll_after", fit.loss_after);
    let (confidence, correct) = top(k, &logits.probabilities(1.0)?, &labels)?;
    let diagram = Reliability::equal_width(15, &confidence, &correct)?;
    case.close("ece15_before", defined(diagram.expected_calibration_error())?);
    let bins = diagram.bins();
    let bins = json!({
        "count": bins.iter().map(|bin| bin.count).collect::<Vec<_>>(),
        "correct": bins.iter().map(|bin| bin.correct).collect::<Vec<_>>(),
        "sum_conf": bins.iter().map(|bin| bin.confidence).collect::<Vec<_>>(),
    });
    case.close("bins15", bins);
    let (cooled, cooled_correct) = top(k, &logits.probabilities(fit.value)?, &labels)?;
    let after = Reliability::equal_width(15, &cooled, &cooled_correct)?;
    case.close("ece15_after", defined(after.expected_calibration_error())?);
    case.close("brier_top1", defined(brier(&confidence, &correct))?);
    let right: Vec<f64> = correct.iter().map(|&right| f64::from(u8::from(right))).collect();
    let curve = Isotonic::fit(&confidence, &right)?;
    let (x, y) = level_ends(case.expected("isotonic_x"), case.expected("isotonic_y"));
    case.close_to("isotonic_x", &x, curve.knots().iter().map(|knot| knot[0]).collect::<Vec<_>>());
    case.close_to("isotonic_y", &y, curve.knots().iter().map(|knot| knot[1]).collect::<Vec<_>>());
    let at = floats(&case.expected("isotonic_at")["x"]);
    let y: Vec<f64> = at.iter().map(|&x| curve.at(x)).collect();
    case.close("isotonic_at", json!({"x": at, "y": y}));
    Ok(())
}

/// The knots at the ends of level stretches. The reference keeps one within a stretch, too, where
/// the means of two pools that are equal came out different in the last digit.
fn level_ends(x: &Value, y: &Value) -> (Value, Value) {
    let (x, y) = (floats(x), floats(y));
    let level = |a: usize, b: usize| (y[a] - y[b]).abs() < 1e-12;
    let within = |at: usize| at > 0 && at + 1 < y.len() && level(at - 1, at) && level(at, at + 1);
    let kept = || (0..y.len().min(x.len())).filter(|&at| !within(at));
    (kept().map(|at| x[at]).collect(), kept().map(|at| y[at]).collect())
}

/// Confidence in the likeliest class and whether it is right.
fn top(k: usize, values: &[f64], labels: &[u32]) -> Result<(Vec<f64>, Vec<bool>), Problem> {
    let rows = Probabilities::new(k, values)?.rows();
    let top = |(row, label): (&[f64], &u32)| (row[argmax(row)], argmax(row) == *label as usize);
    Ok(rows.zip(labels).map(top).unzip())
}

pub(crate) fn auto_accept(case: &mut Case<'_>) -> Result<(), Problem> {
    if case.input("cal_probs").is_array() {
        return label_sets(case);
    }
    let number = |key| case.input(key).as_f64().unwrap_or(f64::NAN);
    let risk = Risk::new(number("alpha"), number("delta"))?;
    let delta = number("delta");
    let thresholds: Vec<f64> = (0..=100).rev().map(|i| f64::from(i) / 100.0).collect();
    let (confidence, correct) = (floats(case.input("confidence")), flags(case.input("correct")));
    let accept = calibration::auto_accept(&confidence, &correct, &thresholds, risk)?;
    let chosen = accept.chosen;
    case.close(
        "ltt_fixed_sequence",
        json!({
            "lambda": chosen.map(|step| step.threshold),
            "accepted": chosen.map_or(0, |step| step.accepted),
            "errors": chosen.map_or(0, |step| step.errors),
            "coverage": accept.coverage,
        }),
    );
    let row = |s: &AcceptStep| json!([s.threshold, s.accepted, s.errors, s.p]);
    case.close("table_lambda_N_E_p", accept.steps.iter().map(row).collect::<Vec<_>>());
    let upper = chosen.map(|s| clopper_pearson_upper(s.errors, s.accepted, delta)).transpose()?;
    case.close("clopper_pearson_upper_at_lambda", upper);
    Ok(())
}

fn label_sets(case: &mut Case<'_>) -> Result<(), Problem> {
    let (values, k) = (floats(case.input("cal_probs")), columns(case.input("cal_probs")));
    let miss_max = case.input("alpha").as_f64().unwrap_or(f64::NAN);
    let labels = ids(case.input("cal_labels"));
    let sets = LabelSets::calibrate(Probabilities::new(k, &values)?, &labels, miss_max)?;
    case.close("qhat", sets.score_max);
    case.close("rank", sets.rank);
    let test = floats(case.input("test_probs"));
    let test = Probabilities::new(k, &test)?;
    case.close("sets", test.rows().map(|row| sets.labels(row)).collect::<Vec<_>>());
    Ok(())
}

pub(crate) fn without_labels(case: &mut Case<'_>) -> Result<(), Problem> {
    let scores = floats(case.input("analysis_proba"));
    let predicted = flags(case.input("analysis_pred"));
    let plain = expected_performance(&scores, &scores, &predicted)?;
    case.close("uncalibrated", performance(plain));
    let reference = floats(case.input("reference_y"));
    let curve = Isotonic::fit(&floats(case.input("reference_proba")), &reference)?;
    let calibrated: Vec<f64> = scores.iter().map(|&score| curve.at(score)).collect();
    case.close("isotonic", performance(expected_performance(&calibrated, &scores, &predicted)?));
    // The bins of the file hold the positive class's probability, and its sum for each bin.
    let diagram = Reliability::equal_width(20, &scores, &predicted)?;
    let counts: Vec<f64> = diagram.bins().iter().map(|bin| bin.count).collect();
    let sums: Vec<f64> = diagram.bins().iter().map(|bin| bin.confidence).collect();
    case.close("bins20", json!({"count": counts, "sum_proba": sums}));
    case.close("accuracy_from_bins20_midpoints", expected_accuracy_of_bins(&counts)?);
    // The true labels that this was computed from are not part of the input.
    case.skip("realized_accuracy");
    Ok(())
}

fn performance(expected: Expected) -> Value {
    json!({
        "accuracy": expected.accuracy(),
        "f1": expected.f1(),
        "precision": expected.precision(),
        "recall": expected.recall(),
        "specificity": expected.specificity(),
        "roc_auc": expected.roc_auc,
        "expected_confusion": {
            "tp": expected.true_positives,
            "fp": expected.false_positives,
            "fn": expected.false_negatives,
            "tn": expected.true_negatives,
        },
    })
}
