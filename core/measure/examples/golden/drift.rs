//! Drift of histograms, samples and streams.

use insitu_measure::drift::Histograms;
use serde_json::json;

use crate::case::{Case, Problem, floats};

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
    let test = both.chi_square()?;
    case.close(
        "chi2_two_sample",
        json!({"stat": test.statistic, "p": test.p, "dof": test.degrees}),
    );
    case.close("kl_ref_to_cur_add_half", both.kullback_leibler());
    case.close("binned_ks", both.kolmogorov_smirnov());
    case.close("binned_wasserstein_unit_bins", both.wasserstein());
    Ok(())
}
