//! Consensus of annotators.

use insitu_measure::calibration::temperature_for_shares;
use insitu_measure::consensus::{
    DawidSkene, OneCoin, agreement_with, crowdlab as combine, glad, mace, majority, one_coin,
};
use insitu_measure::{Probabilities, Ratings};
use serde_json::{Value, json};

use crate::case::{
    Case, Problem, argmax, columns, floats, ids, rank_correlation, share_equal, size, table,
};

/// Rounds that the references of Dawid–Skene and of the one-coin model make.
const ITERATIONS: usize = 300;

#[expect(clippy::cast_possible_truncation, reason = "small cases")]
pub(crate) fn models(case: &mut Case<'_>) -> Result<(), Problem> {
    let (k, workers) = (size(case.input("K")), size(case.input("W")));
    let flat = ids(case.input("ratings_task_worker_label"));
    let triples: Vec<_> = flat.chunks_exact(3).map(|t| (t[0], t[1], t[2])).collect();
    let ratings = Ratings::from_triples(k, size(case.input("T")), workers, &triples)?;
    let vote = majority(&ratings)?;
    case.close("majority_proba", table(vote.values(), k));
    let (fit, beliefs) = DawidSkene::fit(&ratings, ITERATIONS)?;
    case.close("dawid_skene", dawid_skene(k, workers, &fit, beliefs.values()));
    let OneCoin { beliefs: coin, skills, .. } = one_coin(&ratings, ITERATIONS)?;
    let proba = table(coin.values(), k);
    case.close("one_coin", json!({"iterations": ITERATIONS, "proba": proba, "skills": skills}));
    let scores = agreement_with(&ratings, &vote.labels())?;
    let rates: Vec<_> = scores.iter().map(|score| score.rate()).collect();
    case.close("wawa_skills", rates);

    let by_glad = glad(&ratings, 100)?;
    let expected = floats(&case.expected("glad")["proba"]);
    let expected: Vec<u32> = expected.chunks(k).map(|row| argmax(row) as u32).collect();
    let same = share_equal(&by_glad.beliefs.labels(), &expected);
    case.require("glad", same >= 0.99, || format!("{same} of the labels agree"));
    let rho = rank_correlation(&by_glad.abilities, &floats(&case.expected("glad")["alphas"]));
    case.require("glad", rho >= 0.98, || format!("rank correlation of abilities {rho}"));
    let by_mace = mace(&ratings, 10, 50, 0)?;
    let same = share_equal(&by_mace.beliefs.labels(), &ids(&case.expected("mace")["labels"]));
    case.require("mace", same >= 0.97, || format!("{same} of the labels agree"));

    let truth = ids(case.beside("truth"));
    let right = |labels: Vec<u32>| share_equal(&labels, &truth);
    let accuracy = json!({
        "mv": right(vote.labels()),
        "ds": right(beliefs.labels()),
        "one_coin": right(coin.labels()),
        "glad": right(by_glad.beliefs.labels()),
        "mace": right(by_mace.beliefs.labels()),
    });
    // Labels may differ where the notes allow it, and accuracy with them.
    case.close_within("accuracy", accuracy, 0.03);
    Ok(())
}

fn dawid_skene(k: usize, workers: usize, fit: &DawidSkene, beliefs: &[f64]) -> Value {
    let rates = |w: usize| -> Value {
        let answers = (0..k).map(|a| (0..k).map(|truth| fit.rate(w, a, truth)).collect::<Vec<_>>());
        answers.collect()
    };
    json!({
        "iterations": ITERATIONS,
        "proba": table(beliefs, k),
        "priors": fit.priors(),
        "errors_[worker][observed][true]": (0..workers).map(rates).collect::<Vec<_>>(),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "small cases"
)]
pub(crate) fn crowdlab(case: &mut Case<'_>) -> Result<(), Problem> {
    let (k, rows) = (size(case.input("K")), case.input("labels_item_by_annotator"));
    let cells = rows.as_array().into_iter().flatten().flat_map(|row| row.as_array()).flatten();
    let cells: Vec<_> = cells.map(|cell| cell.as_f64().map(|label| label as u32)).collect();
    let ratings = Ratings::from_table(k, columns(rows), &cells)?;
    let model = floats(case.input("pred_probs"));
    let model = Probabilities::new(k, &model)?;
    let fit = combine(&ratings, model)?;
    case.close("consensus_label", fit.labels.clone());
    case.close("consensus_quality_score", fit.quality.clone());
    case.close("annotator_agreement", fit.agreement.clone());
    case.close("annotator_quality", fit.annotator_quality.clone());
    case.close("annotator_weight", fit.annotator_weights.clone());
    case.close("model_weight", fit.model_weight);
    case.close("consensus_accuracy", share_equal(&fit.labels, &ids(case.beside("truth"))));
    // The reference puts an item's counts into the first categories instead of those they belong
    // to when it looks for a temperature; only with its shares can its scores be compared.
    let mut shares = Vec::new();
    for item in ratings.iter() {
        let mut counts: Vec<f64> = (0..k)
            .map(|label| item.iter().filter(|r| r.label as usize == label).count() as f64)
            .filter(|count| *count > 0.0)
            .collect();
        counts.resize(k, 0.0);
        shares.extend(counts.iter().map(|count| count / item.len() as f64));
    }
    let (_, calibrated) = temperature_for_shares(Probabilities::new(k, &shares)?, model)?;
    let again = combine(&ratings, Probabilities::new(k, &calibrated)?)?;
    case.close("active_learning_scores_lower_is_more_useful", again.relabel_scores(&ratings));
    Ok(())
}
