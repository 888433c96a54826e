//! Label errors by confident learning.

use insitu_measure::Probabilities;
use insitu_measure::label_errors::{ConfidentLearning, Filter, Quality, label_quality, ranked};

use crate::case::{Case, Problem, floats, ids, size, table};

pub(crate) fn cleanlab(case: &mut Case<'_>) -> Result<(), Problem> {
    let (k, labels) = (size(case.input("K")), ids(case.input("labels")));
    let values = floats(case.input("pred_probs"));
    let model = Probabilities::new(k, &values)?;
    let fit = ConfidentLearning::new(&labels, model)?;
    case.close("class_thresholds_mean_self_confidence", fit.thresholds());
    case.close("confident_joint_uncalibrated", table(fit.confident_joint(), k));
    case.close("off_diagonal_indices", fit.off_diagonal());
    let expected: Vec<u64> =
        ids(case.expected("confident_joint_calibrated")).into_iter().map(u64::from).collect();
    let fit =
        if same_but_ties(&fit, &expected, k) { fit.with_calibrated_joint(expected)? } else { fit };
    case.close("confident_joint_calibrated", table(fit.calibrated_joint(), k));
    case.close("joint", table(&fit.joint(), k));
    let rates = fit.noise_rates();
    case.close("py", rates.priors.clone());
    case.close("noise_matrix_P(s|y)[s][y]", table(&rates.given_if_true, k));
    case.close("inverse_noise_matrix_P(y|s)[y][s]", table(&rates.true_if_given, k));
    for (key, filter) in [
        ("issues_prune_by_noise_rate", Filter::NoiseRate),
        ("issues_prune_by_class", Filter::Class),
        ("issues_both", Filter::Both),
        ("issues_confident_learning", Filter::Confident),
        ("issues_predicted_neq_given", Filter::Predicted),
        ("issues_low_normalized_margin", Filter::Margin),
        ("issues_low_self_confidence", Filter::SelfConfidence),
    ] {
        case.close(key, fit.find(filter));
    }
    case.close("num_label_issues", fit.find(Filter::Confident).len());
    for (key, quality) in [
        ("quality_self_confidence", Quality::SelfConfidence),
        ("quality_normalized_margin", Quality::NormalizedMargin),
        ("quality_confidence_weighted_entropy", Quality::ConfidenceWeightedEntropy),
    ] {
        case.close(key, label_quality(&labels, model, quality)?);
    }
    let found = fit.find(Filter::NoiseRate);
    let own = label_quality(&labels, model, Quality::SelfConfidence)?;
    let scores: Vec<f64> = found.iter().map(|&item| own[item as usize]).collect();
    let order: Vec<u32> = ranked(&scores).into_iter().map(|at| found[at]).collect();
    case.close("ranked_self_confidence", order);
    // The true labels that this was computed from are not part of the input.
    case.skip("detection_prune_by_noise_rate");
    Ok(())
}

/// Whether calibrated counts differ only in which of several equal fractions was rounded up: the
/// reference leaves that to a sort whose order of equals depends on the processor.
fn same_but_ties(fit: &ConfidentLearning<'_>, expected: &[u64], k: usize) -> bool {
    let rounded = |counts: &[u64]| -> Vec<Vec<(i64, i64)>> {
        let rows = fit.confident_joint().chunks(k).zip(counts.chunks(k));
        rows.map(|(confident, row)| rounding(confident, row)).collect()
    };
    expected.len() == k * k && rounded(fit.calibrated_joint()) == rounded(expected)
}

/// The fractions of a scaled row, to 1e-9, each with how it was rounded; sorted.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small counts")]
fn rounding(confident: &[u64], row: &[u64]) -> Vec<(i64, i64)> {
    let scale = row.iter().sum::<u64>() as f64 / confident.iter().sum::<u64>() as f64;
    let mut parts: Vec<(i64, i64)> = confident
        .iter()
        .zip(row)
        .map(|(&confident, &count)| {
            let exact = confident as f64 * scale;
            let whole = (exact + 1e-9).floor();
            (((exact - whole) * 1e9).round() as i64, count as i64 - whole as i64)
        })
        .collect();
    parts.sort_unstable();
    parts
}
