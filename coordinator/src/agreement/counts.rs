//! Released counts of a project, summed over each site's windows and agents, and over the
//! collections in which all sites released together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use insitu_privacy::GaussianScale;
use insitu_privacy::estimate::{EstimateError, NoisedCounts};
use insitu_protocol::ids::{AgentName, SiteName};
use insitu_protocol::project::Project;
use insitu_protocol::release::{Body, Release};
use insitu_protocol::session::Purpose;

use crate::session::vector::{self, Collected};
use crate::store::{StoreError, Tx, WindowRow};

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

/// Counts with their noise, all windows together.
#[derive(Clone, Debug)]
pub struct Released {
    /// How many releases are in it.
    pub windows: u32,
    /// The sums.
    pub counts: NoisedCounts,
}

/// What was released of one kind.
#[derive(Clone, Debug)]
pub struct Sources {
    /// By name; the sites that released something by themselves.
    pub sites: Vec<SiteCounts>,
    /// What sites released together, if they did.
    pub together: Option<Together>,
}

/// What one site released.
#[derive(Clone, Debug)]
pub struct SiteCounts {
    /// The site.
    pub site: SiteName,
    /// Its counts.
    pub released: Released,
}

/// What sites released under secure aggregation: whose part is whose, nobody knows.
#[derive(Clone, Debug)]
pub struct Together {
    /// Sites in the smallest of the sums.
    pub sites_min: usize,
    /// Sites in the largest.
    pub sites_max: usize,
    /// The sum of the sums; a window is a collection here.
    pub released: Released,
}

impl Sources {
    /// The sum over everything; `None` when there is nothing.
    ///
    /// # Errors
    /// [`EstimateError`], when the shapes differ.
    pub fn total(&self) -> Result<Option<Released>, EstimateError> {
        let sites = self.sites.iter().map(|site| &site.released);
        let mut all = sites.chain(self.together.as_ref().map(|together| &together.released));
        let Some(mut total) = all.next().cloned() else { return Ok(None) };
        for released in all {
            total.add(released)?;
        }
        Ok(Some(total))
    }
}

impl Together {
    /// Its name beside the sites' in a report.
    pub fn name(&self) -> String {
        let Self { sites_min, sites_max, .. } = self;
        if sites_min == sites_max {
            return format!("all sites together (secure aggregation, {sites_max} sites)");
        }
        format!("all sites together (secure aggregation, {sites_min} to {sites_max} sites)")
    }
}

/// What one agent released in one window.
#[derive(Clone, Debug)]
pub struct Window {
    /// The site.
    pub site: SiteName,
    /// Its agent.
    pub agent: AgentName,
    /// When it came.
    pub received_unix_s: i64,
    /// Its counts.
    pub released: Released,
}

impl Released {
    /// Adds another one's counts and noise.
    ///
    /// # Errors
    /// [`EstimateError`], when the shapes differ.
    pub fn add(&mut self, other: &Self) -> Result<(), EstimateError> {
        self.counts.pool(&other.counts)?;
        self.windows += other.windows;
        Ok(())
    }
}

/// The project's newest version, and what decides whether an older version counted the same way.
type Comparable = fn(&Project, &Project) -> bool;

/// The confusion matrices `[classes, classes]`.
///
/// # Errors
/// [`CountsError`].
pub fn confusion(tx: &Tx<'_>, project: &Project) -> Result<Sources, CountsError> {
    let kind = Body::Confusion { window: 0 };
    sources(tx, project, (&kind, Collected::Confusion), same_classes)
}

/// The confusion matrices of the project's present classes, window by window: by site and agent, in
/// the order in which they were released.
///
/// # Errors
/// [`CountsError`].
pub fn confusion_windows(tx: &Tx<'_>, project: &Project) -> Result<Vec<Window>, CountsError> {
    windows(tx, project, &Body::Confusion { window: 0 }, same_classes)
}

/// The coincidence matrices `[classes, classes]`.
///
/// # Errors
/// [`CountsError`].
pub fn coincidence(tx: &Tx<'_>, project: &Project) -> Result<Sources, CountsError> {
    let kind = Body::Coincidence { window: 0 };
    sources(tx, project, (&kind, Collected::Coincidence), same_classes)
}

/// The calibration histograms `[bins, 2]`.
///
/// # Errors
/// [`CountsError`].
pub fn calibration(tx: &Tx<'_>, project: &Project) -> Result<Sources, CountsError> {
    let kind = Body::Calibration { window: 0 };
    sources(tx, project, (&kind, Collected::Calibration), same_bins)
}

/// The calibration histograms, window by window, as [`confusion_windows`].
///
/// # Errors
/// [`CountsError`].
pub fn calibration_windows(tx: &Tx<'_>, project: &Project) -> Result<Vec<Window>, CountsError> {
    windows(tx, project, &Body::Calibration { window: 0 }, same_bins)
}

fn windows(
    tx: &Tx<'_>,
    project: &Project,
    kind: &Body,
    comparable: Comparable,
) -> Result<Vec<Window>, CountsError> {
    let mut windows = Vec::new();
    each_comparable(tx, project, kind, comparable, |window| {
        windows.push(window);
        Ok(())
    })?;
    Ok(windows)
}

/// The drift histograms `[sum of bins]`.
///
/// # Errors
/// [`CountsError`].
pub fn drift(tx: &Tx<'_>, project: &Project) -> Result<Sources, CountsError> {
    sources(tx, project, (&Body::Drift { window: 0 }, Collected::Drift), |a, b| {
        a.features == b.features
    })
}

fn sources(
    tx: &Tx<'_>,
    project: &Project,
    (kind, collected): (&Body, Collected),
    comparable: Comparable,
) -> Result<Sources, CountsError> {
    let sites = by_site(tx, project, kind, comparable)?;
    Ok(Sources { sites, together: together(tx, project, collected, comparable)? })
}

/// Sums of noised counts, not yet estimated, clipped or projected, like everything that is pooled.
fn together(
    tx: &Tx<'_>,
    project: &Project,
    which: Collected,
    comparable: Comparable,
) -> Result<Option<Together>, CountsError> {
    let mut all: Option<Together> = None;
    for (session, sum) in tx.collected(&project.name)? {
        let Purpose::Statistics { project_version, .. } = session.order.purpose else { continue };
        let then = tx.project_version(&project.name, project_version)?;
        let Some(then) = then.filter(|then| comparable(then, project)) else { continue };
        let sites = sum.survived.len();
        let Some(read) = vector::collected(&session.order, &then, which, &sum.sums, sites) else {
            continue;
        };
        let counts = NoisedCounts::with_variance(read.counts, read.variance)?;
        let released = Released { windows: 1, counts };
        match &mut all {
            Some(all) => {
                all.released.add(&released)?;
                (all.sites_min, all.sites_max) =
                    (all.sites_min.min(sites), all.sites_max.max(sites));
            }
            None => all = Some(Together { sites_min: sites, sites_max: sites, released }),
        }
    }
    Ok(all)
}

fn by_site(
    tx: &Tx<'_>,
    project: &Project,
    kind: &Body,
    comparable: Comparable,
) -> Result<Vec<SiteCounts>, CountsError> {
    let mut sites: Vec<SiteCounts> = Vec::new();
    each_comparable(tx, project, kind, comparable, |Window { site, released, .. }| {
        match sites.last_mut().filter(|last| last.site == site) {
            Some(last) => last.released.add(&released)?,
            None => sites.push(SiteCounts { site, released }),
        }
        Ok(())
    })?;
    Ok(sites)
}

/// Hands what counted the same way as the project does now to `take`, one window at a time, by site and
/// agent, in the order in which they were released.
fn each_comparable(
    tx: &Tx<'_>,
    project: &Project,
    kind: &Body,
    comparable: Comparable,
    mut take: impl FnMut(Window) -> Result<(), CountsError>,
) -> Result<(), CountsError> {
    let mut versions: BTreeMap<u32, bool> = BTreeMap::new();
    let mut one = |row: WindowRow| {
        let version = row.release.project_version;
        if let Entry::Vacant(vacant) = versions.entry(version) {
            let then = tx.project_version(&project.name, version)?;
            vacant.insert(then.is_some_and(|then| comparable(&then, project)));
        }
        if versions.get(&version) != Some(&true) {
            return Ok(());
        }
        let released = Released { windows: 1, counts: noised(&row.release)? };
        let WindowRow { site, agent, received_unix_s, .. } = row;
        take(Window { site, agent, received_unix_s, released })
    };
    let mut outcome = Ok(());
    tx.each_statistic(&project.name, kind, |row| {
        if outcome.is_ok() {
            outcome = one(row);
        }
    })?;
    outcome
}

fn same_bins(then: &Project, now: &Project) -> bool {
    then.classes.len() == now.classes.len()
        && then.statistics.calibration_bins == now.statistics.calibration_bins
}

fn same_classes(then: &Project, now: &Project) -> bool {
    then.classes == now.classes
}

/// What one site released alone, with the variance of its noise.
///
/// # Errors
/// [`EstimateError::Count`].
pub(crate) fn noised(release: &Release) -> Result<NoisedCounts, EstimateError> {
    let counts = release.values.0.iter().map(|value| i64::from(*value)).collect();
    let scale = GaussianScale::from_steps(release.scale_1024);
    NoisedCounts::with_variance(counts, scale.map_or(0.0, GaussianScale::variance))
}
