//! Whether stated confidences come true, from released calibration histograms.

use insitu_privacy::estimate::{self, Calibration, EstimateError};
use insitu_protocol::ids::{ProjectName, SiteName};
use insitu_protocol::project::Project;
use serde::Serialize;

use super::ReportError;
use super::counts::{self, CountsError, Released};
use crate::store::Store;

/// Calibration in a project.
#[derive(Clone, Debug, Serialize)]
pub struct CalibrationReport {
    /// The project.
    pub project: ProjectName,
    /// By name; the sites that released something.
    pub sites: Vec<SiteCalibration>,
    /// What sites released together, under secure aggregation.
    pub together: Option<TogetherCalibration>,
    /// From the sums over all of these.
    pub overall: CalibrationFigures,
}

/// Calibration at a site.
#[derive(Clone, Debug, Serialize)]
pub struct SiteCalibration {
    /// The site.
    pub site: SiteName,
    /// Its figures.
    #[serde(flatten)]
    pub figures: CalibrationFigures,
}

/// Calibration over sites that released together.
#[derive(Clone, Debug, Serialize)]
pub struct TogetherCalibration {
    /// Which they are, in words.
    pub source: String,
    /// Their figures.
    #[serde(flatten)]
    pub figures: CalibrationFigures,
}

/// Calibration at a site, or over all.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum CalibrationFigures {
    /// It is known.
    Known {
        /// Releases summed.
        windows: u32,
        /// Items in them, as far as the noise lets one know.
        n: f64,
        /// Expected calibration error, less what noise and sampling add.
        error: f64,
        /// Upper bound of its standard deviation.
        error_deviation: f64,
        /// The uncorrected error that perfect confidences would show at this noise and size.
        error_if_perfect: f64,
        /// By confidence.
        bins: Vec<Bin>,
    },
    /// It is not.
    Undefined {
        /// Why, in words.
        undefined: String,
    },
}

/// One range of confidences.
#[derive(Clone, Debug, Serialize)]
pub struct Bin {
    /// Lowest confidence.
    pub from: f64,
    /// Highest.
    pub to: f64,
    /// Share of right prelabels; `None` without enough data.
    pub accuracy: Option<Share>,
}

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// The estimate.
    pub value: f64,
    /// Lower end, sampling and noise included.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Reads the calibration in a project.
///
/// # Errors
/// [`ReportError`].
pub fn report(store: &Store, project: &ProjectName) -> Result<CalibrationReport, ReportError> {
    let (project, sources) = store.read("calibration", |tx| {
        let unknown = || ReportError::UnknownProject { project: project.clone() };
        let project = tx.project(project)?.ok_or_else(unknown)?;
        let sources = counts::calibration(tx, &project)?;
        Ok::<_, ReportError>((project, sources))
    })?;
    let total = sources.total().map_err(CountsError::from)?;
    Ok(CalibrationReport {
        overall: figures(&project, total.as_ref()),
        together: sources.together.as_ref().map(|together| TogetherCalibration {
            source: together.name(),
            figures: figures(&project, Some(&together.released)),
        }),
        sites: sources
            .sites
            .iter()
            .map(|site| SiteCalibration {
                site: site.site.clone(),
                figures: figures(&project, Some(&site.released)),
            })
            .collect(),
        project: project.name,
    })
}

/// What released counts `[bins, 2]` say.
pub(crate) fn figures(project: &Project, released: Option<&Released>) -> CalibrationFigures {
    let undefined = |undefined: String| CalibrationFigures::Undefined { undefined };
    let Some(released) = released else { return undefined("nothing was released yet".to_owned()) };
    let edges = edges(project);
    let middles: Vec<f64> = edges.windows(2).map(|edge| 0.5 * (edge[0] + edge[1])).collect();
    match estimate::calibration(&released.counts, &middles) {
        Ok(Calibration { n, accuracy, error, error_deviation, error_if_perfect }) => {
            let bins = edges.windows(2).zip(accuracy).map(|(edge, accuracy)| Bin {
                from: edge[0],
                to: edge[1],
                accuracy: accuracy.map(|share| Share {
                    value: share.value,
                    low: share.low,
                    high: share.high,
                }),
            });
            let (windows, bins) = (released.windows, bins.collect());
            CalibrationFigures::Known { windows, n, error, error_deviation, error_if_perfect, bins }
        }
        Err(error @ EstimateError::NotEnoughData { .. }) => undefined(error.to_string()),
        Err(error) => undefined(format!("no estimate: {error}")),
    }
}

/// Edges of the equal-width bins between chance and certainty.
fn edges(project: &Project) -> Vec<f64> {
    let chance = 1.0 / project.classes.len() as f64;
    let bins = project.statistics.calibration_bins;
    (0..=bins).map(|edge| chance + (1.0 - chance) * f64::from(edge) / f64::from(bins)).collect()
}
