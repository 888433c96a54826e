//! `measure agreement --site`: one figure of several sites, with what differs between them.

use std::collections::BTreeMap;

use insitu_measure::Ratings;
use insitu_measure::agreement::{
    Chance, Heterogeneity, Interval, Pooled, Weights, alpha, pooled_at, random_effects,
};
use serde::Serialize;

use super::pairwise::corrected;
use super::ratings::RatingsFile;
use super::{Estimate, LEVEL, cell};
use crate::cli::columns::{InputError, Table};
use crate::cli::table;

/// Krippendorff's nominal α by site and over sites.
#[derive(Debug, Serialize)]
pub(super) struct SitesReport {
    sites: Vec<Site>,
    /// Of all ratings as if they were of one site.
    pooled: Estimate,
    /// Weighed by each site's own precision, as if sites did not differ.
    fixed_effect: Estimate,
    der_simonian_laird: Between,
    paule_mandel: Between,
}

#[derive(Debug, Serialize)]
struct Site {
    site: String,
    items: usize,
    alpha: Estimate,
    /// Why it is not part of the means.
    left_out: Option<String>,
}

/// Random-effects mean, with Hartung and Knapp's interval.
#[derive(Debug, Serialize)]
struct Between {
    mean: Estimate,
    /// Variance between sites.
    tau2: Option<f64>,
    /// Share of the variation that is between sites; below 0 where they differ less than by
    /// chance.
    i2: Option<f64>,
}

/// Splits items by the column `name`; an item belongs to the site of its first record.
///
/// # Errors
/// [`InputError`] if there is no such column or an item has no site.
pub(super) fn measure(
    table: &Table,
    file: &RatingsFile,
    name: &str,
) -> Result<SitesReport, InputError> {
    let column = table.need(Some(name), &[])?;
    let mut items: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (item, &row) in file.first_row.iter().enumerate() {
        items.entry(table.text(column, row)?).or_default().push(item);
    }
    let (mut sites, mut estimates, mut variances) = (Vec::new(), Vec::new(), Vec::new());
    for (site, own) in items {
        let found = of_site(&file.ratings, &own)
            .and_then(|own| corrected(&own, Chance::Krippendorff, Weights::Identity, None));
        let left_out = match &found {
            Ok(found) if found.se > 0.0 => {
                estimates.push(found.value);
                variances.push(found.se.powi(2));
                None
            }
            Ok(_) => Some("its standard error is 0".to_owned()),
            Err(reason) => Some(reason.clone()),
        };
        let value = Estimate::of(found.as_ref().map(|found| found.value));
        let alpha = value.within(found.map(|found| found.interval(LEVEL)));
        sites.push(Site { site: site.to_owned(), items: own.len(), alpha, left_out });
    }
    let text = |error: &dyn ToString| error.to_string();
    let fixed = pooled_at(0.0, &estimates, &variances).map_err(|error| text(&error));
    let mean = Estimate::of(fixed.as_ref().map(|fixed| fixed.mean));
    let between = |how| {
        Between::new(random_effects(&estimates, &variances, how).map_err(|error| text(&error)))
    };
    Ok(SitesReport {
        sites,
        pooled: Estimate::of(alpha(&file.ratings, insitu_measure::agreement::Scale::Nominal)),
        fixed_effect: mean.within(fixed.map(|fixed| Interval::normal(fixed.mean, fixed.se, LEVEL))),
        der_simonian_laird: between(Heterogeneity::DerSimonianLaird),
        paule_mandel: between(Heterogeneity::PauleMandel),
    })
}

fn of_site(ratings: &Ratings, items: &[usize]) -> Result<Ratings, String> {
    let own = (0..).zip(items);
    let triples: Vec<_> = own
        .flat_map(|(at, &item)| ratings.item(item).iter().map(move |r| (at, r.annotator, r.label)))
        .collect();
    Ratings::from_triples(ratings.categories(), items.len(), ratings.annotators(), &triples)
        .map_err(|error| error.to_string())
}

impl Between {
    fn new(found: Result<Pooled, String>) -> Self {
        let mean = Estimate::of(found.as_ref().map(|pooled| pooled.mean));
        let (tau2, i2) = match &found {
            Ok(pooled) => (Some(pooled.tau2), pooled.i2),
            Err(_) => (None, None),
        };
        let interval =
            found.and_then(|pooled| pooled.interval(LEVEL).ok_or_else(|| "one site".to_owned()));
        Self { mean: mean.within(interval), tau2, i2 }
    }
}

impl SitesReport {
    pub(super) fn text(&self) -> String {
        let row = |site: &Site| {
            let [value, interval] = site.alpha.cells();
            let note = site.left_out.as_ref().filter(|_| site.alpha.value.is_some());
            let note = note.map(|why| format!("left out of the means: {why}")).unwrap_or_default();
            vec![cell(&site.site), site.items.to_string(), value, interval, note]
        };
        let mut rows: Vec<_> = self.sites.iter().map(row).collect();
        let difference = |between: &Between| match (between.tau2, between.i2) {
            (Some(tau2), Some(i2)) => format!("τ² {tau2:.4}, I² {:.0} %", i2.max(0.0) * 100.0),
            _ => String::new(),
        };
        for (name, estimate, note) in [
            ("all ratings as one", &self.pooled, String::new()),
            ("fixed effect", &self.fixed_effect, String::new()),
            (
                "random effects, DerSimonian–Laird",
                &self.der_simonian_laird.mean,
                difference(&self.der_simonian_laird),
            ),
            (
                "random effects, Paule–Mandel",
                &self.paule_mandel.mean,
                difference(&self.paule_mandel),
            ),
        ] {
            let [value, interval] = estimate.cells();
            rows.push(vec![name.to_owned(), String::new(), value, interval, note]);
        }
        let heading = ["site", "items", "nominal α", "95 % interval", ""];
        format!("\nBy site\n{}", table::lines(&heading, &rows))
    }
}
