//! Released counts of a project, summed over each site's windows and agents.

use std::collections::BTreeMap;

use insitu_privacy::GaussianScale;
use insitu_privacy::estimate::{EstimateError, NoisedCounts};
use insitu_protocol::ids::SiteName;
use insitu_protocol::project::Project;
use insitu_protocol::release::{Body, Release};

use crate::store::{StoreError, Tx};

/// Why released counts cannot be summed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CountsError {
    /// A stored release does not have the shape that was checked when it came.
    #[error("a stored release has another shape than its project")]
    Shape {
        /// What is wrong with it.
        #[from]
        source: EstimateError,
    },
    /// The store.
    #[error("the releases cannot be read")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// What one site released of one kind, all windows together.
#[derive(Clone, Debug)]
pub struct SiteCounts {
    /// The site.
    pub site: SiteName,
    /// How many releases are in it.
    pub windows: u32,
    /// The sums, with their noise.
    pub counts: NoisedCounts,
}

/// The project's newest version, and what decides whether an older version counted the same way.
type Comparable = fn(&Project, &Project) -> bool;

/// The confusion matrices `[classes, classes]` of each site.
///
/// # Errors
/// [`CountsError`].
pub fn confusion(tx: &Tx<'_>, project: &Project) -> Result<Vec<SiteCounts>, CountsError> {
    by_site(tx, project, &Body::Confusion { window: 0 }, |a, b| a.classes == b.classes)
}

/// The coincidence matrices `[classes, classes]` of each site.
///
/// # Errors
/// [`CountsError`].
pub fn coincidence(tx: &Tx<'_>, project: &Project) -> Result<Vec<SiteCounts>, CountsError> {
    by_site(tx, project, &Body::Coincidence { window: 0 }, |a, b| a.classes == b.classes)
}

/// The calibration histograms `[bins, 2]` of each site.
///
/// # Errors
/// [`CountsError`].
pub fn calibration(tx: &Tx<'_>, project: &Project) -> Result<Vec<SiteCounts>, CountsError> {
    by_site(tx, project, &Body::Calibration { window: 0 }, |a, b| {
        a.classes.len() == b.classes.len()
            && a.statistics.calibration_bins == b.statistics.calibration_bins
    })
}

/// The drift histograms `[sum of bins]` of each site.
///
/// # Errors
/// [`CountsError`].
pub fn drift(tx: &Tx<'_>, project: &Project) -> Result<Vec<SiteCounts>, CountsError> {
    by_site(tx, project, &Body::Drift { window: 0 }, |a, b| a.features == b.features)
}

/// The sum over all sites; `None` when there are none.
///
/// # Errors
/// [`EstimateError`], when the shapes differ.
pub fn total(sites: &[SiteCounts]) -> Result<Option<SiteCounts>, EstimateError> {
    let Some((first, rest)) = sites.split_first() else { return Ok(None) };
    let mut total = first.clone();
    for site in rest {
        total.counts.pool(&site.counts)?;
        total.windows += site.windows;
    }
    Ok(Some(total))
}

fn by_site(
    tx: &Tx<'_>,
    project: &Project,
    kind: &Body,
    comparable: Comparable,
) -> Result<Vec<SiteCounts>, CountsError> {
    let mut versions: BTreeMap<u32, bool> = BTreeMap::new();
    let mut sites: Vec<SiteCounts> = Vec::new();
    for row in tx.statistics(&project.name, kind)? {
        let version = row.release.project_version;
        if let std::collections::btree_map::Entry::Vacant(vacant) = versions.entry(version) {
            let then = tx.project_version(&project.name, version)?;
            vacant.insert(then.is_some_and(|then| comparable(&then, project)));
        }
        if versions.get(&version) != Some(&true) {
            continue;
        }
        let counts = noised(&row.release)?;
        match sites.last_mut().filter(|last| last.site == row.site) {
            Some(last) => {
                last.counts.pool(&counts)?;
                last.windows += 1;
            }
            None => sites.push(SiteCounts { site: row.site, windows: 1, counts }),
        }
    }
    Ok(sites)
}

fn noised(release: &Release) -> Result<NoisedCounts, EstimateError> {
    let counts = release.values.0.iter().map(|value| i64::from(*value)).collect();
    let deviation =
        GaussianScale::from_steps(release.scale_1024).map_or(0.0, GaussianScale::as_f64);
    NoisedCounts::with_variance(counts, deviation * deviation)
}
