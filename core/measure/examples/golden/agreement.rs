//! Agreement of labels.

use insitu_measure::agreement::{
    Coincidences, Confusion, Pooled, Scale, Weights, alpha, der_simonian_laird, paule_mandel,
    pooled_at,
};
use insitu_measure::{Ratings, Undefined};
use serde_json::{Value, json};

use crate::case::{Case, Problem, columns, defined, floats, ids, size, table};

pub(crate) fn cohen(case: &mut Case<'_>) -> Result<(), Problem> {
    let k = size(case.input("k"));
    let confusion = Confusion::from_labels(k, &ids(case.input("a")), &ids(case.input("b")))?;
    let kappa = |weights| confusion.kappa(weights);
    let plain = kappa(Weights::Identity);
    case.close("kappa", defined(plain.map(|kappa| kappa.value))?);
    case.close("linear", defined(kappa(Weights::Linear).map(|kappa| kappa.value))?);
    case.close("quadratic", defined(kappa(Weights::Quadratic).map(|kappa| kappa.value))?);
    case.close("confusion", table(confusion.counts(), k));
    case.close("percent_agreement", defined(confusion.agreement())?);
    case.close("se_kappa", defined(plain.map(|kappa| kappa.se))?);
    case.close("se_kappa0", defined(plain.map(|kappa| kappa.se_null))?);
    case.close("se_linear", defined(kappa(Weights::Linear).map(|kappa| kappa.se))?);
    case.close("se_quadratic", defined(kappa(Weights::Quadratic).map(|kappa| kappa.se))?);
    let interval = plain.map(|kappa| kappa.interval(0.95));
    case.close("ci95", interval.map_or(Value::Null, |i| json!([i.low, i.high])));
    Ok(())
}

pub(crate) fn krippendorff(case: &mut Case<'_>) -> Result<(), Problem> {
    let values = floats(case.input("values"));
    let annotators = case.input("reliability_data").as_array().map_or(0, Vec::len);
    let items = columns(case.input("reliability_data"));
    let label = |item: usize, annotator: usize| {
        let value = case.input("reliability_data")[annotator][item].as_f64()?;
        (0..).zip(&values).find(|(_, v)| (**v - value).abs() < 1e-9).map(|(label, _)| label)
    };
    let cells = (0..items).flat_map(|item| (0..annotators).map(move |a| label(item, a)));
    let cells: Vec<Option<u32>> = cells.collect();
    let ratings = Ratings::from_table(values.len(), annotators, &cells)?;
    let coincidences = Coincidences::from_ratings(&ratings)?;
    for (key, scale) in [
        ("nominal", Scale::Nominal),
        ("ordinal", Scale::Ordinal),
        ("interval", Scale::Interval(&values)),
        ("ratio", Scale::Ratio(&values)),
    ] {
        case.close(key, defined(alpha(&ratings, scale))?);
        case.close(key, defined(coincidences.alpha(scale))?);
    }
    case.close("coincidence", table(coincidences.counts(), values.len()));
    Ok(())
}

pub(crate) fn pooled(case: &mut Case<'_>) -> Result<(), Problem> {
    let sites = case.input("site_confusions").as_array().into_iter().flatten();
    let sites: Result<Vec<_>, _> =
        sites.map(|site| Confusion::new(columns(site), floats(site))).collect();
    let sites = sites?;
    let mut all = sites.first().ok_or(Undefined::NoData)?.clone();
    for site in &sites[1..] {
        all.add(site)?;
    }
    let kappas: Result<Vec<_>, _> =
        sites.iter().map(|site| site.kappa(Weights::Identity)).collect();
    let kappas = kappas?;
    let values: Vec<f64> = kappas.iter().map(|kappa| kappa.value).collect();
    let variances: Vec<f64> = kappas.iter().map(|kappa| kappa.se.powi(2)).collect();
    case.close("site_kappa", values.clone());
    case.close("site_var", variances.clone());
    case.close("pooled_kappa", defined(all.kappa(Weights::Identity).map(|kappa| kappa.value))?);
    let fixed = pooled_at(0.0, &values, &variances)?;
    case.close("fixed", json!({"mean": fixed.mean, "se": fixed.se}));
    case.close("Q", fixed.q);
    case.close("I2", fixed.i2);
    let tau2 = der_simonian_laird(&values, &variances)?;
    case.close("DL", at(pooled_at(tau2, &values, &variances)?));
    // The reference stops its iteration when τ² is right to 1e-4.
    let tau2 = paule_mandel(&values, &variances)?;
    case.close_within("PM", at(pooled_at(tau2, &values, &variances)?), 1e-4);
    Ok(())
}

fn at(pooled: Pooled) -> Value {
    json!({
        "tau2": pooled.tau2,
        "mean_re": pooled.mean,
        "se_re": pooled.se,
        "se_re_hksj": pooled.se_hartung_knapp,
    })
}
