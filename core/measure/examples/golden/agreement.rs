//! Agreement of labels.

use insitu_measure::agreement::{
    Chance, Coincidences, Confusion, FleissSums, Pooled, Scale, Weights, alpha, chance_corrected,
    chance_corrected_at, der_simonian_laird, paule_mandel, pooled_at,
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

pub(crate) fn fleiss(case: &mut Case<'_>) -> Result<(), Problem> {
    let k = columns(case.input("table"));
    let sums = FleissSums::from_table(k, &ids(case.input("table")))?;
    case.close("fleiss", defined(sums.kappa())?);
    case.close("randolph", defined(sums.free_marginal_kappa())?);
    case.close(
        "suffstat",
        json!({
            "N": sums.items(),
            "n": sums.ratings_per_item(),
            "category_totals": sums.category_totals(),
            "sum_sq": sums.sum_of_squares(),
        }),
    );
    Ok(())
}

pub(crate) fn gwet(case: &mut Case<'_>) -> Result<(), Problem> {
    let categories = floats(case.input("categories"));
    let rows = case.input("ratings_unit_by_rater");
    let label = |cell: &Value| {
        let value = cell.as_f64()?;
        (0..).zip(&categories).find(|(_, c)| (**c - value).abs() < 1e-9).map(|(label, _)| label)
    };
    let cells = rows.as_array().into_iter().flatten().flat_map(|row| row.as_array()).flatten();
    let cells: Vec<Option<u32>> = cells.map(label).collect();
    let ratings = Ratings::from_table(categories.len(), columns(rows), &cells)?;
    for (chance, chance_name) in [
        (Chance::Gwet, "gwet"),
        (Chance::Fleiss, "fleiss"),
        (Chance::Conger, "conger"),
        (Chance::BrennanPrediger, "bp"),
        (Chance::Krippendorff, "krippendorff"),
    ] {
        for (weights, weights_name) in [
            (Weights::Identity, "identity"),
            (Weights::Linear, "linear"),
            (Weights::Quadratic, "quadratic"),
            (Weights::Ordinal, "ordinal"),
        ] {
            let fit = chance_corrected_at(&ratings, chance, weights, &categories);
            let value = fit.map(|c| {
                let ci = c.interval(0.95);
                json!({"est": c.value, "se": c.se, "ci95": [ci.low, ci.high],
                    "pa": c.observed, "pe": c.expected})
            });
            case.close(&format!("{chance_name}_{weights_name}"), value.unwrap_or(Value::Null));
        }
    }
    let ac1 = chance_corrected(&ratings, Chance::Gwet, Weights::Identity)?;
    #[expect(clippy::cast_precision_loss, reason = "small cases")]
    let (items, paired) = (ac1.items as f64, ac1.paired as f64);
    let suffstat = json!({
        "units": ac1.items,
        "units_ge2": ac1.paired,
        "sum_unit_agreement": ac1.observed * paired,
        "sum_class_share": ac1.shares.iter().map(|share| share * items).collect::<Vec<_>>(),
        "ac1_full_precision": ac1.value,
    });
    case.close_within("suffstat", suffstat, 1e-12);
    Ok(())
}
