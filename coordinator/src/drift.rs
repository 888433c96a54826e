//! Where sites differ from a reference site: one test for each site and feature.
//!
//! Both sides are noised histograms. The level is divided by the number of tests (Bonferroni).

use insitu_privacy::estimate::{self, EstimateError, NoisedCounts, Reference};
use insitu_protocol::ids::{ProjectName, SiteName};
use insitu_protocol::project::{Feature, Project};
use serde::Serialize;

use crate::agreement::ReportError;
use crate::agreement::counts::{self, Released};
use crate::store::Store;

/// Chance of calling any difference drift when there is none, over all tests of a report.
pub const LEVEL: f64 = 0.01;

/// Makes simulated p-values the same each time a report is read. Nothing secret depends on it.
const SEED: u64 = 0x1451_7400;

/// Drift in a project.
#[derive(Clone, Debug, Serialize)]
pub struct DriftReport {
    /// The project.
    pub project: ProjectName,
    /// The site that the others are compared with.
    pub reference: SiteName,
    /// The level of the whole report.
    pub level: f64,
    /// Every other site and feature with enough data.
    pub tests: Vec<DriftTest>,
    /// Every feature of what sites released together, under secure aggregation.
    pub together: Vec<TogetherTest>,
    /// Those without.
    pub undefined: Vec<NoTest>,
}

/// One site's comparison.
#[derive(Clone, Debug, Serialize)]
pub struct DriftTest {
    /// The site.
    pub site: SiteName,
    /// What came out.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// The comparison of what sites released together.
#[derive(Clone, Debug, Serialize)]
pub struct TogetherTest {
    /// Which they are, in words.
    pub source: String,
    /// What came out.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// One feature here and at the reference site.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The feature's field.
    pub feature: String,
    /// Its position in the project.
    pub feature_index: u16,
    /// The noise-corrected χ².
    pub statistic: f64,
    /// Simulated, noise included.
    pub p_value: f64,
    /// Times the number of tests, at most 1.
    pub p_adjusted: f64,
    /// Squared relative difference of the shares, unbiased: around 0 without drift.
    pub effect: f64,
    /// Its standard deviation.
    pub effect_sd: f64,
    /// Whether `p_adjusted` is below the report's level.
    pub drifted: bool,
    /// The bin that holds most more of the site's items than of the reference's.
    pub worst_bin: WorstBin,
}

/// A bin that one site fills more than the other.
#[derive(Clone, Debug, Serialize)]
pub struct WorstBin {
    /// Its position.
    pub bin: usize,
    /// What it holds, for people.
    pub title: String,
    /// Share at the site less share at the reference.
    pub excess: f64,
    /// Its standard deviation, sampling and noise included.
    pub sd: f64,
}

/// A comparison that cannot be made.
#[derive(Clone, Debug, Serialize)]
pub struct NoTest {
    /// The site.
    pub site: SiteName,
    /// The feature's field.
    pub feature: String,
    /// Why, in words.
    pub reason: String,
}

/// Compares every site with `reference`.
///
/// # Errors
/// [`ReportError`].
pub fn report(
    store: &Store,
    project: &ProjectName,
    reference: &SiteName,
) -> Result<DriftReport, ReportError> {
    let (project, sources) = store.read("drift", |tx| {
        let unknown = || ReportError::UnknownProject { project: project.clone() };
        let project = tx.project(project)?.ok_or_else(unknown)?;
        let sources = counts::drift(tx, &project)?;
        Ok::<_, ReportError>((project, sources))
    })?;
    let known = sources.sites.iter().find(|site| site.site == *reference);
    let known = known.map(|site| &site.released);
    let (mut tests, mut together, mut undefined) = (Vec::new(), Vec::new(), Vec::new());
    for site in sources.sites.iter().filter(|site| site.site != *reference) {
        for (index, feature) in project.features.iter().enumerate() {
            let compared = match known {
                Some(known) => compare(&project, index, &site.released, known),
                None => Err(format!("{reference} has released no histograms yet")),
            };
            let name = site.site.clone();
            match compared {
                Ok(comparison) => tests.push(DriftTest { site: name, comparison }),
                Err(reason) => {
                    undefined.push(NoTest {
                        site: name,
                        feature: feature.field.to_string(),
                        reason,
                    });
                }
            }
        }
    }
    if let (Some(source), Some(known)) = (&sources.together, known) {
        let compared = |index| compare(&project, index, &source.released, known).ok();
        together.extend(
            (0..project.features.len())
                .filter_map(compared)
                .map(|comparison| TogetherTest { source: source.name(), comparison }),
        );
    }
    let number = (tests.len() + together.len()) as f64;
    let all = tests.iter_mut().map(|test| &mut test.comparison);
    for test in all.chain(together.iter_mut().map(|test| &mut test.comparison)) {
        test.p_adjusted = (test.p_value * number).min(1.0);
        test.drifted = test.p_adjusted < LEVEL;
    }
    let (reference, project) = (reference.clone(), project.name);
    Ok(DriftReport { project, reference, level: LEVEL, tests, together, undefined })
}

/// One feature, compared; or why it cannot be.
fn compare(
    project: &Project,
    index: usize,
    here: &Released,
    reference: &Released,
) -> Result<Comparison, String> {
    let feature = &project.features[index];
    let slice = |released| slice(project, index, released).map_err(|error| error.to_string());
    let (here, there) = (slice(here)?, slice(reference)?);
    let drift = estimate::drift(&here, Reference::Noised(&there), SEED);
    let drift = drift.map_err(|error| error.to_string())?;
    Ok(Comparison {
        feature: feature.field.to_string(),
        feature_index: u16::try_from(index).unwrap_or(u16::MAX),
        statistic: drift.statistic,
        p_value: drift.p_value,
        p_adjusted: drift.p_value,
        effect: drift.effect,
        effect_sd: drift.effect_deviation,
        drifted: false,
        worst_bin: worst_bin(feature, &here, &there),
    })
}

/// One feature's histogram out of a drift release, with the number of items as the *other*
/// features' histograms tell it: their noise is independent of this one's.
fn slice(
    project: &Project,
    index: usize,
    released: &Released,
) -> Result<NoisedCounts, EstimateError> {
    let (all, variance) = (released.counts.counts(), released.counts.variance());
    let mut start = 0;
    let (mut own, mut weighted, mut weights) = (Vec::new(), 0.0, 0.0);
    for (position, feature) in project.features.iter().enumerate() {
        let bins = all.get(start..start + feature.bin_count()).unwrap_or_default();
        start += feature.bin_count();
        if position == index {
            own = bins.to_vec();
        } else {
            // The sum of B bins has the noise of all of them: weight it by 1/B.
            let weight = 1.0 / bins.len().max(1) as f64;
            weighted += weight * bins.iter().sum::<i64>() as f64;
            weights += weight;
        }
    }
    let counts = NoisedCounts::with_variance(own, variance)?;
    Ok(if weights > 0.0 {
        counts.with_total(weighted / weights, variance / weights)
    } else {
        counts
    })
}

fn worst_bin(feature: &Feature, here: &NoisedCounts, there: &NoisedCounts) -> WorstBin {
    let difference = |bin: usize| {
        let (share, variance) = here.share(bin).unwrap_or_default();
        let (reference, reference_variance) = there.share(bin).unwrap_or_default();
        (share - reference, variance + reference_variance)
    };
    let bins = 0..here.counts().len();
    let bin = bins.max_by(|a, b| difference(*a).0.total_cmp(&difference(*b).0)).unwrap_or(0);
    let (excess, variance) = difference(bin);
    WorstBin { bin, title: feature.bin_title(bin), excess, sd: variance.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[i64], variance: f64) -> NoisedCounts {
        NoisedCounts::with_variance(values.to_vec(), variance).unwrap()
    }

    #[test]
    fn the_worst_bin_is_the_one_with_the_largest_excess() {
        let feature: Feature =
            toml::from_str("field = \"chol\"\nbins = { edges = [1.0, 200.0] }").unwrap();
        let (here, there) = (counts(&[80, 10, 5, 5], 4.0), counts(&[10, 40, 40, 10], 4.0));
        let worst = worst_bin(&feature, &here, &there);
        assert_eq!((worst.bin, worst.title.as_str()), (0, "<1"));
        assert!((worst.excess - 0.7).abs() < 1e-12);
        // Noise 4 on each of 4 bins: by hand for p = .8 and p = .1.
        let by_hand = (0.16 + 0.04 * (1.0 - 1.6 + 2.56) + 0.09 + 0.04 * (1.0 - 0.2 + 0.04)) / 100.0;
        assert!((worst.sd - f64::sqrt(by_hand)).abs() < 1e-3, "{}", worst.sd);
    }
}
