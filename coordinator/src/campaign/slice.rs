//! Which items a campaign wants: the worst drifted bin, or bins by name; selectors in words.

use std::cmp::Ordering;

use insitu_protocol::ids::SiteName;
use insitu_protocol::order::{Clause, Selector, SelectorError};
use insitu_protocol::project::{Feature, Project};

use super::CampaignError;
use crate::agreement::{AgreementReport, Estimate};
use crate::drift::{DriftReport, DriftTest};

/// The slice that would help most.
#[derive(Clone, Debug)]
pub(super) struct Worst {
    /// One bin of one feature.
    pub(super) selector: Result<Selector, SelectorError>,
    /// The sites that drifted into that bin.
    pub(super) sites: Vec<SiteName>,
    /// In words.
    pub(super) reason: String,
}

/// The bin with the largest excess over the reference, among what drifted. Between equals, the
/// site whose prelabels agree least comes first. `None` when nothing drifted.
///
/// An excess is a difference of two noised shares, which noise makes neither larger nor smaller on
/// average; what noise alone could have made was not called drift.
pub(super) fn worst(drift: &DriftReport, agreement: &AgreementReport) -> Option<Worst> {
    let drifted = || drift.tests.iter().filter(|test| test.comparison.drifted);
    let worst = drifted().max_by(|a, b| {
        let excess = a.comparison.worst_bin.excess.total_cmp(&b.comparison.worst_bin.excess);
        excess.then_with(|| by_kappa(agreement, b, a))
    })?;
    let found = &worst.comparison;
    let bin = found.worst_bin.bin;
    let there = |test: &&DriftTest| {
        test.comparison.feature_index == found.feature_index && test.comparison.worst_bin.bin == bin
    };
    let bins = u32::try_from(bin).ok().and_then(|bin| 1_u64.checked_shl(bin)).unwrap_or(0);
    Some(Worst {
        selector: Selector::new(vec![Clause::Feature { feature: found.feature_index, bins }]),
        sites: drifted().filter(there).map(|test| test.site.clone()).collect(),
        reason: format!(
            "{} has {:.0} ± {:.0} percentage points more items with {} {} than {}",
            worst.site,
            100.0 * found.worst_bin.excess,
            100.0 * found.worst_bin.sd,
            found.feature,
            found.worst_bin.title,
            drift.reference
        ),
    })
}

/// The site of lower κ first; an unknown κ last.
fn by_kappa(agreement: &AgreementReport, a: &DriftTest, b: &DriftTest) -> Ordering {
    let kappa = |test: &DriftTest| {
        let site = agreement.sites.iter().find(|site| site.site == test.site);
        match site.map(|site| &site.figures.kappa) {
            Some(Estimate::Known { value, .. }) => *value,
            Some(Estimate::Undefined { .. }) | None => f64::INFINITY,
        }
    };
    kappa(a).total_cmp(&kappa(b))
}

/// A clause for some bins of a feature, both by name; a bin also by its number, from 0.
///
/// # Errors
/// [`CampaignError::UnknownFeature`], [`CampaignError::UnknownBin`]; both name what there is.
pub fn bins_clause(
    project: &Project,
    feature: &str,
    bins: &[String],
) -> Result<Clause, CampaignError> {
    let position = project.features.iter().position(|known| known.field.as_str() == feature);
    let Some(index) = position else {
        let known: Vec<&str> = project.features.iter().map(|known| known.field.as_str()).collect();
        return Err(CampaignError::UnknownFeature {
            project: project.name.clone(),
            feature: feature.to_owned(),
            known: known.join(", "),
        });
    };
    let titles = titles(&project.features[index]);
    let mut mask = 0_u64;
    for bin in bins {
        let number = bin.parse().ok().filter(|number: &usize| *number < titles.len());
        let named = titles.iter().position(|title| title == bin.trim()).or(number);
        let Some(bin) = named else {
            return Err(CampaignError::UnknownBin {
                feature: feature.to_owned(),
                bin: bin.clone(),
                known: titles.join(", "),
            });
        };
        mask |= 1 << bin; // a feature has at most 64 bins
    }
    Ok(Clause::Feature { feature: u16::try_from(index).unwrap_or(u16::MAX), bins: mask })
}

/// A selector in words: `chol is <1 or missing, and the prelabel is disease`.
pub fn words(selector: &Selector, project: &Project) -> String {
    let clauses: Vec<String> = selector.clauses().iter().map(|c| clause(c, project)).collect();
    clauses.join(", and ")
}

fn clause(clause: &Clause, project: &Project) -> String {
    match *clause {
        Clause::Feature { feature, bins } => {
            let Some(feature) = project.features.get(usize::from(feature)) else {
                return format!("feature {feature}");
            };
            let chosen = titles(feature).into_iter().enumerate();
            let chosen: Vec<String> =
                chosen.filter(|(bin, _)| bins >> bin & 1 == 1).map(|(_, title)| title).collect();
            format!("{} is {}", feature.field, chosen.join(" or "))
        }
        Clause::Prelabel { class } => {
            let class = project.class(class);
            format!("the prelabel is {}", class.map_or("unknown", |class| class.name.as_str()))
        }
        Clause::ConfidenceBelow { milli } => {
            format!("the confidence is below {:.3}", f64::from(milli) / 1000.0)
        }
    }
}

fn titles(feature: &Feature) -> Vec<String> {
    (0..feature.bin_count()).map(|bin| feature.bin_title(bin)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agreement::{AgreementFigures, PooledEstimate, PooledFigures, SiteAgreement};
    use crate::drift::{Comparison, WorstBin};

    fn project() -> Project {
        crate::tests::project()
    }

    fn test(site: &str, feature_index: u16, bin: usize, excess: f64, drifted: bool) -> DriftTest {
        DriftTest {
            site: site.parse().unwrap(),
            comparison: Comparison {
                feature: format!("f{feature_index}"),
                feature_index,
                statistic: 1.0,
                p_value: 0.5,
                p_adjusted: 1.0,
                effect: 0.0,
                effect_sd: 0.0,
                drifted,
                worst_bin: WorstBin { bin, title: "<1".to_owned(), excess, sd: 0.01 },
            },
        }
    }

    fn drift(tests: Vec<DriftTest>) -> DriftReport {
        DriftReport {
            project: "p".parse().unwrap(),
            reference: "ref".parse().unwrap(),
            level: 0.01,
            tests,
            together: Vec::new(),
            undefined: Vec::new(),
        }
    }

    fn agreement(kappas: &[(&str, f64)]) -> AgreementReport {
        let figures = |value: f64| AgreementFigures {
            windows: 1,
            n: 100,
            kappa: Estimate::Known { value, low: value, high: value, deviation: 0.1 },
            alpha: Estimate::Undefined { undefined: String::new() },
            agreement: Estimate::Undefined { undefined: String::new() },
        };
        let undefined = || PooledEstimate::Undefined { undefined: String::new() };
        AgreementReport {
            project: "p".parse().unwrap(),
            sites: kappas
                .iter()
                .map(|(site, kappa)| SiteAgreement {
                    site: site.parse().unwrap(),
                    figures: figures(*kappa),
                })
                .collect(),
            together: None,
            overall: figures(0.5),
            pooled: PooledFigures { kappa: undefined(), alpha: undefined() },
        }
    }

    #[test]
    fn the_largest_excess_that_drifted_wins_and_asks_all_who_drifted_there() {
        let tests = vec![
            test("a", 0, 1, 0.99, false),
            test("a", 1, 2, 0.4, true),
            test("b", 1, 2, 0.3, true),
            test("c", 1, 0, 0.2, true),
            test("b", 0, 0, 0.1, true),
        ];
        let found = worst(&drift(tests), &agreement(&[])).unwrap();
        let clause = Clause::Feature { feature: 1, bins: 0b100 };
        assert_eq!(found.selector.unwrap().clauses(), [clause]);
        assert_eq!(found.sites, ["a".parse().unwrap(), "b".parse().unwrap()]);
        assert_eq!(found.reason, "a has 40 ± 1 percentage points more items with f1 <1 than ref");
    }

    #[test]
    fn a_tie_goes_to_the_site_that_agrees_least() {
        let tests = || vec![test("a", 0, 0, 0.5, true), test("b", 1, 0, 0.5, true)];
        for (kappas, winner) in [([0.2, 0.8], 0), ([0.8, 0.2], 1)] {
            let known = agreement(&[("a", kappas[0]), ("b", kappas[1])]);
            let found = worst(&drift(tests()), &known).unwrap().selector.unwrap();
            assert_eq!(found.clauses(), [Clause::Feature { feature: winner, bins: 1 }]);
        }
        assert!(worst(&drift(vec![test("a", 0, 0, 0.9, false)]), &agreement(&[])).is_none());
    }

    #[test]
    fn bins_go_by_name_or_number_and_come_back_in_words() {
        let project = project();
        let bins = ["<1".to_owned(), "4".to_owned()];
        let clause = bins_clause(&project, "chol", &bins).unwrap();
        let selector = Selector::new(vec![clause, Clause::Prelabel { class: 1 }]).unwrap();
        selector.check(&project).unwrap();
        let words = words(&selector, &project);
        assert_eq!(words, "chol is <1 or missing, and the prelabel is disease");
        assert!(matches!(
            bins_clause(&project, "chol", &["5".to_owned()]),
            Err(CampaignError::UnknownBin { .. })
        ));
        assert!(matches!(
            bins_clause(&project, "note", &bins),
            Err(CampaignError::UnknownFeature { .. })
        ));
    }
}
