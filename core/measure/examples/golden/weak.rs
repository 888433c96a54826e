//! Labeling functions.

use insitu_measure::weak::{
    Moments, TripletSums, Triplets, VoteTable, expectation_maximisation, majority_vote,
};
use serde_json::json;

use crate::case::{Case, Problem, argmax, columns, floats, ids, share_equal, size, table};

/// Rounds and steps that the references make.
const EM_ROUNDS: usize = 100;
const SNORKEL_STEPS: usize = 500;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small classes")]
pub(crate) fn label_models(case: &mut Case<'_>) -> Result<(), Problem> {
    let (k, rows) = (size(case.input("K")), case.input("L_minus1_is_abstain"));
    let votes: Vec<Option<u16>> =
        floats(rows).into_iter().map(|vote| (vote >= 0.0).then_some(vote as u16)).collect();
    let functions = columns(rows);
    let votes = VoteTable::new(k, functions, &votes)?;
    let truth = ids(case.beside("truth"));
    let known: Vec<Option<u16>> = truth.iter().map(|&label| u16::try_from(label).ok()).collect();
    let summary = votes.summary(&known)?;
    let coverage: Vec<f64> = summary.functions.iter().map(|f| f.coverage).collect();
    case.close("lf_coverage", coverage);
    case.close("lf_overlap_any", summary.overlap);
    let fired: Vec<usize> =
        (0..votes.items()).filter(|&item| votes.row(item).iter().any(Option::is_some)).collect();
    let accuracy = |labels: &[u32]| {
        let pick = |from: &[u32]| fired.iter().map(|&item| from[item]).collect::<Vec<_>>();
        share_equal(&pick(labels), &pick(&truth))
    };
    let likeliest = |p: &[f64]| -> Vec<u32> { p.chunks(k).map(|row| argmax(row) as u32).collect() };

    let majority = majority_vote(&votes);
    case.close("majority_proba", table(&majority, k));
    case.close("majority_accuracy_fired", accuracy(&likeliest(&majority)));

    let labels = expectation_maximisation(&votes, EM_ROUNDS)?.1.labels();
    let value = json!({"labels": labels, "accuracy_fired": accuracy(&labels)});
    case.close("dawid_skene_abstain", value);

    let balance = floats(case.input("class_balance"));
    let by_moments = Moments::fit(&votes, &balance, SNORKEL_STEPS)?.probabilities(&votes)?;
    let labels = likeliest(&by_moments);
    let same = share_equal(&labels, &ids(&case.expected("snorkel")["labels"]));
    let apart = case.expected("snorkel")["accuracy_fired"].as_f64().unwrap_or(f64::NAN);
    let apart = (accuracy(&labels) - apart).abs();
    let failure = || format!("{same} of the labels agree, accuracy differs by {apart}");
    case.require("snorkel", same >= 0.98 && apart <= 0.01, failure);

    if k != 2 {
        return Ok(());
    }
    let sums = TripletSums::new(&votes)?;
    let fit = sums.solve([balance[0], balance[1]])?;
    let p = fit.probabilities(&votes)?;
    let labels: Vec<u32> = p.iter().map(|&p| u32::from(p > 0.5)).collect();
    let own = accuracy(&labels);
    close_triplets(case, &sums, &fit, p, own);
    // A different estimator of the same model (means of unconditional moments), for which the
    // notes give no tolerance: ours must not be less accurate.
    let other = case.expected("flyingsquid")["accuracy_fired"].as_f64().unwrap_or(f64::NAN);
    let holds = own >= other - 0.02;
    case.require("flyingsquid", holds, || format!("accuracy {own}, theirs {other}"));
    Ok(())
}

fn close_triplets(case: &mut Case<'_>, sums: &TripletSums, fit: &Triplets, p: Vec<f64>, own: f64) {
    let functions = fit.accuracies.len();
    // Accuracies by the reference's own truth, drawn before the votes were, cannot be recomputed.
    let drawn = &case.expected("triplet")["lf_accuracy_true"];
    let value = json!({
        "lf_accuracy_est": fit.accuracies,
        "lf_accuracy_true": drawn,
        "proba_class1": p,
        "accuracy_fired": own,
        "suffstat_signed_agreement_S": table(sums.signed(), functions),
        "suffstat_cofire_N": table(sums.together(), functions),
    });
    case.close("triplet", value);
}
