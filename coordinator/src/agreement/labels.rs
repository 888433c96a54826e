//! How many labels of each class the sites have, as far as the noise lets one know.

use insitu_protocol::ids::{ProjectName, SiteName};
use insitu_protocol::project::Project;
use serde::Serialize;

use super::ReportError;
use super::counts::{self, CountsError, Released};
use crate::store::Store;

/// Labels in a project.
#[derive(Clone, Debug, Serialize)]
pub struct LabelsReport {
    /// The project.
    pub project: ProjectName,
    /// The classes' names, in the order of all lists here.
    pub classes: Vec<String>,
    /// By name; the sites that released something.
    pub sites: Vec<SiteLabels>,
    /// What sites released together, under secure aggregation.
    pub together: Option<TogetherLabels>,
    /// Over all of these.
    pub overall: Option<Labels>,
}

/// Labels at a site.
#[derive(Clone, Debug, Serialize)]
pub struct SiteLabels {
    /// The site.
    pub site: SiteName,
    /// Its labels.
    #[serde(flatten)]
    pub labels: Labels,
}

/// Labels of sites that released together.
#[derive(Clone, Debug, Serialize)]
pub struct TogetherLabels {
    /// Which they are, in words.
    pub source: String,
    /// Their labels.
    #[serde(flatten)]
    pub labels: Labels,
}

/// Estimated numbers of labels of record. Unbiased, hence possibly negative.
#[derive(Clone, Debug, Serialize)]
pub struct Labels {
    /// Releases summed.
    pub windows: u32,
    /// Of each class.
    pub by_class: Vec<i64>,
    /// Standard deviation that noise gives each of them.
    pub sd_by_class: f64,
    /// Of all classes.
    pub total: i64,
    /// Standard deviation that noise gives the total.
    pub sd_total: f64,
}

/// Reads how many labels there are.
///
/// # Errors
/// [`ReportError`].
pub fn report(store: &Store, project: &ProjectName) -> Result<LabelsReport, ReportError> {
    let (project, sources) = store.read("labels", |tx| {
        let unknown = || ReportError::UnknownProject { project: project.clone() };
        let project = tx.project(project)?.ok_or_else(unknown)?;
        let sources = counts::confusion(tx, &project)?;
        Ok::<_, ReportError>((project, sources))
    })?;
    let total = sources.total().map_err(CountsError::from)?;
    Ok(LabelsReport {
        classes: project.classes.iter().map(|class| class.name.to_string()).collect(),
        overall: total.as_ref().map(|total| labels(&project, total)),
        together: sources.together.as_ref().map(|together| TogetherLabels {
            source: together.name(),
            labels: labels(&project, &together.released),
        }),
        sites: sources
            .sites
            .iter()
            .map(|site| SiteLabels {
                site: site.site.clone(),
                labels: labels(&project, &site.released),
            })
            .collect(),
        project: project.name,
    })
}

/// Columns of the confusion matrix are labels of record.
fn labels(project: &Project, released: &Released) -> Labels {
    let classes = project.classes.len();
    let cells = released.counts.counts();
    let by_class: Vec<i64> =
        (0..classes).map(|class| cells.iter().skip(class).step_by(classes).sum()).collect();
    let deviation = released.counts.variance().sqrt();
    Labels {
        windows: released.windows,
        total: by_class.iter().sum(),
        by_class,
        sd_by_class: deviation * (classes as f64).sqrt(),
        sd_total: deviation * classes as f64,
    }
}
