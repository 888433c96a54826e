//! How far labels agree: prelabel against label of record (Cohen's κ, and the share that was kept),
//! reader against reader (Krippendorff's α), for each site, over all, and pooled; calibration; labels
//! by class.
//!
//! κ and α are of classes. Of labels of another kind the share alone is known, from the calibration
//! releases: these count labels of every kind by whether the prelabel was kept.
//!
//! Noised counts are summed before anything is estimated, and every interval contains the noise.

pub mod calibration;
pub mod counts;
pub mod labels;

use insitu_measure::agreement::{Heterogeneity, random_effects};
use insitu_privacy::estimate::{self, Agreement, EstimateError, NoisedCounts};
use insitu_protocol::ids::{ProjectName, SiteName};
use insitu_protocol::project::Project;
use serde::Serialize;

use crate::store::{Store, StoreError};
use counts::{CountsError, Released, Sources};

/// Confidence of the pooled interval.
const LEVEL: f64 = 0.95;
/// The standard normal quantile of a two-sided 95 % interval.
const Z_95: f64 = 1.959_963_985;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// No such project.
    #[error("there is no project {project}")]
    UnknownProject {
        /// Its name.
        project: ProjectName,
    },
    /// The counts.
    #[error("the released counts cannot be used")]
    Counts {
        /// Why not.
        #[from]
        source: CountsError,
    },
    /// The store.
    #[error("the report cannot be read")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Agreement in a project.
#[derive(Clone, Debug, Serialize)]
pub struct AgreementReport {
    /// The project.
    pub project: ProjectName,
    /// By name; the sites that released something by themselves.
    pub sites: Vec<SiteAgreement>,
    /// What sites released together, under secure aggregation.
    pub together: Option<TogetherAgreement>,
    /// From the sums over all of these.
    pub overall: AgreementFigures,
    /// Random-effects means of the sites' figures, with what differs between sites in the interval.
    pub pooled: PooledFigures,
}

/// Agreement at a site.
#[derive(Clone, Debug, Serialize)]
pub struct SiteAgreement {
    /// The site.
    pub site: SiteName,
    /// Its figures.
    #[serde(flatten)]
    pub figures: AgreementFigures,
}

/// Agreement over sites that released together.
#[derive(Clone, Debug, Serialize)]
pub struct TogetherAgreement {
    /// Which they are, in words.
    pub source: String,
    /// Their figures.
    #[serde(flatten)]
    pub figures: AgreementFigures,
}

/// Agreement at a site, or over all.
#[derive(Clone, Debug, Serialize)]
pub struct AgreementFigures {
    /// Confusion releases summed; calibration releases where a label is not one class.
    pub windows: u32,
    /// Items in them, as far as the noise lets one know: few or none may come out negative.
    pub n: i64,
    /// Cohen's κ of prelabel and label of record.
    pub kappa: Estimate,
    /// Krippendorff's nominal α of first and second reader.
    pub alpha: Estimate,
    /// Share of prelabels that the label of record kept.
    pub agreement: Estimate,
}

/// Means over sites.
#[derive(Clone, Debug, Serialize)]
pub struct PooledFigures {
    /// Of κ.
    pub kappa: PooledEstimate,
    /// Of α.
    pub alpha: PooledEstimate,
}

/// A figure with its 95 % interval, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Estimate {
    /// It is known.
    Known {
        /// The estimate.
        value: f64,
        /// Lower end, sampling and noise included.
        low: f64,
        /// Upper end.
        high: f64,
        /// Standard deviation of the estimate.
        deviation: f64,
    },
    /// It is not.
    Undefined {
        /// Why, in words.
        undefined: String,
    },
}

/// A mean over sites, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PooledEstimate {
    /// It is known.
    Known {
        /// The mean.
        value: f64,
        /// Lower end of Hartung and Knapp's 95 % interval.
        low: f64,
        /// Upper end.
        high: f64,
        /// Variance between sites.
        tau2: f64,
        /// Sites in it.
        sites: usize,
    },
    /// It is not.
    Undefined {
        /// Why, in words.
        undefined: String,
    },
}

/// Reads the agreement in a project.
///
/// # Errors
/// [`ReportError`].
pub fn report(store: &Store, project: &ProjectName) -> Result<AgreementReport, ReportError> {
    let (project, drafts, coincidence) = store.read("agreement", |tx| {
        let unknown = || ReportError::UnknownProject { project: project.clone() };
        let project = tx.project(project)?.ok_or_else(unknown)?;
        let drafts = if project.task.is_one_class() {
            counts::confusion(tx, &project)?
        } else {
            counts::calibration(tx, &project)?
        };
        let coincidence = counts::coincidence(tx, &project)?;
        Ok::<_, ReportError>((project, drafts, coincidence))
    })?;
    let mut names: Vec<&SiteName> =
        drafts.sites.iter().chain(&coincidence.sites).map(|site| &site.site).collect();
    names.sort();
    names.dedup();
    let sites: Vec<SiteAgreement> = names
        .into_iter()
        .map(|name| SiteAgreement {
            site: name.clone(),
            figures: figures(&project, of(&drafts, name), of(&coincidence, name)),
        })
        .collect();
    let total = |sources: &Sources| sources.total().map_err(CountsError::from);
    let overall = figures(&project, total(&drafts)?.as_ref(), total(&coincidence)?.as_ref());
    let together = drafts.together.as_ref().map(|together| {
        let pairs = coincidence.together.as_ref().map(|together| &together.released);
        let figures = figures(&project, Some(&together.released), pairs);
        TogetherAgreement { source: together.name(), figures }
    });
    let pooled = PooledFigures {
        kappa: pool(sites.iter().map(|site| &site.figures.kappa)),
        alpha: pool(sites.iter().map(|site| &site.figures.alpha)),
    };
    Ok(AgreementReport { project: project.name, sites, together, overall, pooled })
}

fn of<'a>(sources: &'a Sources, name: &SiteName) -> Option<&'a Released> {
    sources.sites.iter().find(|site| site.site == *name).map(|site| &site.released)
}

/// From confusion and coincidence matrices or, where a label is not one class, from calibration
/// histograms alone.
fn figures(
    project: &Project,
    drafts: Option<&Released>,
    coincidence: Option<&Released>,
) -> AgreementFigures {
    if project.task.is_one_class() {
        return figures_of_classes(project, drafts, coincidence);
    }
    let undefined = || Estimate::Undefined {
        undefined: format!("labels of the kind {} have none", project.task.kind()),
    };
    AgreementFigures {
        windows: drafts.map_or(0, |site| site.windows),
        n: drafts.map_or(0, |site| site.counts.counts().iter().sum()),
        kappa: undefined(),
        alpha: undefined(),
        agreement: Estimate::of(drafts.map(|site| estimate::right_share(&site.counts))),
    }
}

fn figures_of_classes(
    project: &Project,
    confusion: Option<&Released>,
    coincidence: Option<&Released>,
) -> AgreementFigures {
    let classes = project.classes.len();
    let kappa = confusion.map(|site| estimate::kappa(&site.counts, classes));
    let alpha = coincidence.map(|site| estimate::alpha(&site.counts, classes));
    AgreementFigures {
        windows: confusion.map_or(0, |site| site.windows),
        n: confusion.map_or(0, |site| site.counts.counts().iter().sum()),
        agreement: match (&kappa, confusion) {
            (Some(Ok(_)), Some(site)) => kept(&site.counts, classes),
            (Some(Err(error)), _) => Estimate::Undefined { undefined: error.to_string() },
            (Some(Ok(_)) | None, _) => Estimate::of(None),
        },
        kappa: Estimate::of(kappa),
        alpha: Estimate::of(alpha),
    }
}

/// The share A/N of the diagonal, with the delta method's variance: p(1−p)/N by sampling, and by
/// noise of variance v in each of K² cells, v·(K(1−p)² + (K²−K)p²)/N².
fn kept(counts: &NoisedCounts, classes: usize) -> Estimate {
    let diagonal = counts.counts().iter().step_by(classes + 1).sum::<i64>() as f64;
    let n = counts.counts().iter().sum::<i64>() as f64;
    let (value, k) = (diagonal / n, classes as f64);
    let noise = k * (1.0 - value).powi(2) + (k * k - k) * value * value;
    let sampling = (value * (1.0 - value)).max(0.0) / n;
    let deviation = (sampling + counts.variance() * noise / (n * n)).sqrt();
    Estimate::Known {
        value,
        low: (value - Z_95 * deviation).max(0.0),
        high: (value + Z_95 * deviation).min(1.0),
        deviation,
    }
}

impl Estimate {
    /// What is known of a coefficient; `None` when nothing was released.
    fn of(result: Option<Result<Agreement, EstimateError>>) -> Self {
        match result {
            Some(Ok(Agreement { value, low, high, deviation, .. })) => {
                Self::Known { value, low, high, deviation }
            }
            Some(Err(error)) => Self::Undefined { undefined: error.to_string() },
            None => Self::Undefined { undefined: "nothing was released yet".to_owned() },
        }
    }
}

fn pool<'a>(estimates: impl Iterator<Item = &'a Estimate>) -> PooledEstimate {
    let (mut values, mut variances) = (Vec::new(), Vec::new());
    for estimate in estimates {
        if let Estimate::Known { value, deviation, .. } = estimate {
            values.push(*value);
            variances.push(deviation * deviation);
        }
    }
    let undefined = |undefined: String| PooledEstimate::Undefined { undefined };
    match random_effects(&values, &variances, Heterogeneity::PauleMandel) {
        Ok(pooled) => match pooled.interval(LEVEL) {
            Some(interval) => PooledEstimate::Known {
                value: pooled.mean,
                low: interval.low,
                high: interval.high,
                tau2: pooled.tau2,
                sites: pooled.sites,
            },
            None => undefined("a mean over sites needs two of them".to_owned()),
        },
        Err(error) => undefined(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
