//! What to label next.

use insitu_measure::Probabilities;
use insitu_measure::sampling::{
    Uncertainty, disagreement, gradient_embedding, k_center, most, typicality, uncertainty,
};
use serde_json::{Value, json};

use crate::case::{Case, Problem, columns, floats, ids, size, table};

/// Neighbours of the reference's typicality.
const NEIGHBOURS: usize = 20;

pub(crate) fn scores(case: &mut Case<'_>) -> Result<(), Problem> {
    if case.input("committee_probs_[T][n][K]").is_array() {
        return committee(case);
    }
    if case.input("features").is_array() {
        return gradients(case);
    }
    if case.input("X").is_array() {
        return points(case);
    }
    let values = floats(case.input("probs"));
    let model = Probabilities::new(columns(case.input("probs")), &values)?;
    let doubt = |measure| uncertainty(model, measure);
    let margins: Vec<f64> = doubt(Uncertainty::Margin).iter().map(|doubt| 1.0 - doubt).collect();
    case.close("entropy_nats", doubt(Uncertainty::Entropy));
    case.close("margin", margins);
    case.close("least_confidence", doubt(Uncertainty::LeastConfidence));
    case.close("top5_entropy", most(&doubt(Uncertainty::Entropy), 5));
    case.close("top5_margin", most(&doubt(Uncertainty::Margin), 5));
    case.close("top5_least_conf", most(&doubt(Uncertainty::LeastConfidence), 5));
    Ok(())
}

fn committee(case: &mut Case<'_>) -> Result<(), Problem> {
    let heads = case.input("committee_probs_[T][n][K]");
    let k = columns(&heads[0]);
    let values: Vec<Vec<f64>> = heads.as_array().into_iter().flatten().map(floats).collect();
    let heads: Result<Vec<_>, _> = values.iter().map(|head| Probabilities::new(k, head)).collect();
    let found = disagreement(&heads?)?;
    let information: Vec<f64> = found.iter().map(|d| d.mutual_information).collect();
    case.close("bald_nats", information.clone());
    case.close("mean_kl_to_consensus", information);
    case.close("vote_entropy", found.iter().map(|d| d.vote_entropy).collect::<Vec<_>>());
    Ok(())
}

fn points(case: &mut Case<'_>) -> Result<(), Problem> {
    let (points, dimensions) = (floats(case.input("X")), columns(case.input("X")));
    if case.input("labelled").is_array() {
        let labeled = ids(case.input("labelled"));
        let chosen = k_center(dimensions, &points, &labeled, size(case.input("batch")))?;
        let listed: Value = chosen.iter().map(|c| json!([c.item, c.radius])).collect();
        case.close("order_index_radius", listed);
        return Ok(());
    }
    case.close("typicality", typicality(dimensions, &points, NEIGHBOURS)?);
    Ok(())
}

fn gradients(case: &mut Case<'_>) -> Result<(), Problem> {
    let (values, k) = (floats(case.input("probs")), columns(case.input("probs")));
    let (features, dimensions) = (floats(case.input("features")), columns(case.input("features")));
    let flat = gradient_embedding(Probabilities::new(k, &values)?, dimensions, &features)?;
    let rows: Vec<&[f64]> = flat.chunks(k * dimensions).collect();
    let square =
        |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
    let norms: Vec<f64> =
        rows.iter().map(|row| row.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
    let squares: Vec<Vec<f64>> =
        rows.iter().map(|a| rows.iter().map(|b| square(a, b)).collect()).collect();
    case.close("embedding_flat_k_major", table(&flat, k * dimensions));
    case.close("norms", norms);
    case.close("sq_dists", squares);
    Ok(())
}
