//! How many labels of each class the sites have, as far as the noise lets one know.

use insitu_protocol::ids::{ProjectName, SiteName};
use insitu_protocol::project::Project;
use serde::Serialize;

use super::ReportError;
use super::counts::{self, CountsError, SiteCounts};
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
    /// Over all sites.
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
    let (project, sites) = store.read("labels", |tx| {
        let unknown = || ReportError::UnknownProject { project: project.clone() };
        let project = tx.project(project)?.ok_or_else(unknown)?;
        let sites = counts::confusion(tx, &project)?;
        Ok::<_, ReportError>((project, sites))
    })?;
    let total = counts::total(&sites).map_err(CountsError::from)?;
    Ok(LabelsReport {
        classes: project.classes.iter().map(|class| class.name.to_string()).collect(),
        overall: total.as_ref().map(|total| labels(&project, total)),
        sites: sites
            .iter()
            .map(|site| SiteLabels { site: site.site.clone(), labels: labels(&project, site) })
            .collect(),
        project: project.name,
    })
}

/// Columns of the confusion matrix are labels of record.
fn labels(project: &Project, site: &SiteCounts) -> Labels {
    let classes = project.classes.len();
    let cells = site.counts.counts();
    let by_class: Vec<i64> =
        (0..classes).map(|class| cells.iter().skip(class).step_by(classes).sum()).collect();
    let deviation = site.counts.variance().sqrt();
    Labels {
        windows: site.windows,
        total: by_class.iter().sum(),
        by_class,
        sd_by_class: deviation * (classes as f64).sqrt(),
        sd_total: deviation * classes as f64,
    }
}
