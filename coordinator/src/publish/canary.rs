//! Staged rollout: a bundle goes to a share of the sites first, and comes back when the agreement
//! of its prelabels with people's labels falls there: κ where a label is one class, and of labels of
//! other kinds the share of prelabels that the label of record kept.
//!
//! Only statistics that sites release by themselves tell one site from another; those collected
//! under secure aggregation do not speak for a canary. A site's first window after the switch holds
//! prelabels of both bundles and is left out.

use std::collections::BTreeMap;

use insitu_models::sign::SigningKey;
use insitu_privacy::estimate::{self, Agreement};
use insitu_protocol::ids::{Digest, ProjectName, SiteName, digest};
use insitu_protocol::project::Project;
use insitu_protocol::release::Body;
use serde::Serialize;

use super::{PublishError, may_replace, tell};
use crate::agreement::Estimate;
use crate::agreement::counts::{self, CountsError, Released, Window};
use crate::registry::{self, RegistryError};
use crate::store::{CanaryRow, OrderKind, Store, StoreError, Tx};

/// Normal quantile of a two-sided 99 % interval. It is looked at again with every window, so that
/// 95 % would call back one good bundle in ten or so.
const Z_99: f64 = 2.575_829_304;

/// Agreement at the sites of a canary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What is compared: `κ`, or `the share of prelabels kept`.
    pub measure: &'static str,
    /// With the bundle that every site has.
    pub before: Estimate,
    /// With the canary's.
    pub after: Estimate,
}

/// Publishes a registered bundle to a share of the sites; returns which. They are drawn by the
/// bundle's digest: others for each bundle, the same whenever it is asked. As for
/// [`super::promote`], an evaluation must speak for it, or a reason be given to `force` it.
///
/// # Errors
/// [`PublishError`]; there must be a bundle to compare with, and two sites.
pub fn start(
    store: &Store,
    key: &SigningKey,
    bundle: Digest,
    share: f64,
    force: Option<&str>,
    now_unix_s: i64,
) -> Result<Vec<SiteName>, PublishError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(PublishError::Share { got: share });
    }
    store.write("canary", |tx| {
        let row = tx.bundle(bundle)?.ok_or(RegistryError::Unknown { digest: bundle })?;
        registry::check_present_fit(tx, &row)?;
        let project = row.project;
        if force.is_none() {
            may_replace(tx, &project, bundle)?;
        }
        let Some(active) = tx.active_publication(&project)? else {
            return Err(PublishError::NothingToCompare { project });
        };
        if active.bundle == bundle {
            return Err(PublishError::InForce { bundle });
        }
        if let Some(other) = tx.canary(&project)? {
            return Err(PublishError::CanaryUnderWay { bundle: other.publication.bundle });
        }
        let sites = drawn(tx.members()?, bundle, share);
        if sites.is_empty() {
            return Err(PublishError::TooFewSites);
        }
        tx.sign_bundle(bundle, key.sign(&row.manifest))?;
        let number = tx.add_publication(&project, bundle, now_unix_s)?;
        tx.begin_canary(&project, number, &sites)?;
        let order = OrderKind::Bundle { bundle, publication: number };
        tell(tx, &sites, &order, now_unix_s)?;
        if let Some(reason) = force {
            tx.note_forced(&project, bundle, reason)?;
        }
        Ok(sites)
    })
}

/// Takes a canary back from its sites; they go on with what the others have.
///
/// # Errors
/// [`StoreError`].
pub(super) fn withdraw(
    tx: &Tx<'_>,
    project: &ProjectName,
    canary: &CanaryRow,
    reason: &str,
    now_unix_s: i64,
) -> Result<(), StoreError> {
    tx.withdraw(project, canary.publication.number, reason, now_unix_s)?;
    let Some(active) = tx.active_publication(project)? else { return Ok(()) };
    let order = OrderKind::Bundle { bundle: active.bundle, publication: active.number };
    tell(tx, &canary.sites, &order, now_unix_s)
}

/// Takes back every canary under which agreement fell.
///
/// # Errors
/// The first [`PublishError`]; the canaries of other projects are looked at.
pub fn watch(store: &Store, now_unix_s: i64) -> Result<(), PublishError> {
    let waiting = store.read("canaries", |tx| {
        let mut waiting = Vec::new();
        for project in tx.projects()? {
            if let Some(canary) = tx.canary(&project.name)?
                && tx.statistics_count(&project.name, &Measure::of(&project).kind())?
                    != canary.looked
            {
                waiting.push(project);
            }
        }
        Ok::<_, StoreError>(waiting)
    })?;
    let mut outcome = Ok(());
    for project in waiting {
        let judged = store.write("judge_canary", |tx| judge(tx, &project, now_unix_s));
        outcome = outcome.and(judged);
    }
    outcome
}

/// What agreement is in a project.
#[derive(Clone, Copy)]
enum Measure {
    /// Cohen's κ of prelabel and label of record.
    Kappa,
    /// The share of prelabels that the label of record kept, whatever their confidence.
    Kept,
}

impl Measure {
    fn of(project: &Project) -> Self {
        if project.task.is_one_class() { Self::Kappa } else { Self::Kept }
    }

    /// For people.
    fn name(self) -> &'static str {
        match self {
            Self::Kappa => "κ",
            Self::Kept => "the share of prelabels kept",
        }
    }

    /// The kind of release that it is read from.
    fn kind(self) -> Body {
        match self {
            Self::Kappa => Body::Confusion { window: 0 },
            Self::Kept => Body::Calibration { window: 0 },
        }
    }

    fn windows(self, tx: &Tx<'_>, project: &Project) -> Result<Vec<Window>, CountsError> {
        match self {
            Self::Kappa => counts::confusion_windows(tx, project),
            Self::Kept => counts::calibration_windows(tx, project),
        }
    }

    /// `None` when the counts are too few for their noise.
    fn estimate(self, released: &Released, project: &Project) -> Option<Agreement> {
        match self {
            Self::Kappa => estimate::kappa(&released.counts, project.classes.len()).ok(),
            Self::Kept => estimate::right_share(&released.counts).ok(),
        }
    }
}

fn judge(tx: &Tx<'_>, project: &Project, now_unix_s: i64) -> Result<(), PublishError> {
    let Some(canary) = tx.canary(&project.name)? else { return Ok(()) };
    let measure = Measure::of(project);
    let looked = tx.statistics_count(&project.name, &measure.kind())?;
    tx.look_at_canary(&project.name, canary.publication.number, looked)?;
    let (Some(before), Some(after)) = agreements(tx, project, &canary)? else { return Ok(()) };
    let deviation = before.deviation.hypot(after.deviation);
    if after.value + Z_99 * deviation >= before.value {
        return Ok(());
    }
    let reason = format!(
        "rolled back: at its sites {} fell from {:.3} to {:.3}, by {:.1} deviations",
        measure.name(),
        before.value,
        after.value,
        (before.value - after.value) / deviation
    );
    withdraw(tx, &project.name, &canary, &reason, now_unix_s)?;
    let bundle = canary.publication.bundle;
    metrics::counter!("insitu_canaries_rolled_back_total").increment(1);
    tracing::warn!(project = %project.name, %bundle, reason, "canary rolled back");
    Ok(())
}

/// Compares the canary of a project with what its sites had before; `None` when it has no canary.
///
/// # Errors
/// [`PublishError`].
pub fn comparison(
    store: &Store,
    project: &ProjectName,
) -> Result<Option<Comparison>, PublishError> {
    store.read("compare_canary", |tx| {
        let (Some(project), Some(canary)) = (tx.project(project)?, tx.canary(project)?) else {
            return Ok(None);
        };
        compare(tx, &project, &canary).map(Some)
    })
}

fn compare(tx: &Tx<'_>, project: &Project, canary: &CanaryRow) -> Result<Comparison, PublishError> {
    let (before, after) = agreements(tx, project, canary)?;
    let shown = |agreement: Option<Agreement>| match agreement {
        Some(Agreement { value, low, high, deviation, .. }) => {
            Estimate::Known { value, low, high, deviation }
        }
        None => Estimate::Undefined { undefined: "not enough data".to_owned() },
    };
    let measure = Measure::of(project).name();
    Ok(Comparison { measure, before: shown(before), after: shown(after) })
}

/// Agreement at a canary's sites in windows of the bundle before it, and in its own.
fn agreements(
    tx: &Tx<'_>,
    project: &Project,
    canary: &CanaryRow,
) -> Result<(Option<Agreement>, Option<Agreement>), PublishError> {
    let since = tx.active_publication(&project.name)?.map_or(i64::MIN, |active| active.at_unix_s);
    let until = canary.publication.at_unix_s;
    let (mut before, mut after): (Option<Released>, Option<Released>) = (None, None);
    // By agent: which switches its windows have been over.
    let mut mixed: BTreeMap<(SiteName, String), (bool, bool)> = BTreeMap::new();
    let measure = Measure::of(project);
    for Window { site, agent, received_unix_s, released } in measure.windows(tx, project)? {
        if !canary.sites.contains(&site) || received_unix_s <= since {
            continue;
        }
        let (old, new) = mixed.entry((site, agent.to_string())).or_default();
        let (first, sum) =
            if received_unix_s <= until { (old, &mut before) } else { (new, &mut after) };
        if std::mem::replace(first, true) {
            match sum {
                Some(sum) => sum.add(&released)?,
                None => *sum = Some(released),
            }
        }
    }
    let estimate = |released: Option<Released>| measure.estimate(&released?, project);
    Ok((estimate(before), estimate(after)))
}

/// A share of the sites, at least one and not all, by the digest of bundle and name.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count, within that count"
)]
fn drawn(mut sites: Vec<SiteName>, bundle: Digest, share: f64) -> Vec<SiteName> {
    let most = sites.len().saturating_sub(1);
    let count = ((share * sites.len() as f64).ceil() as usize).min(most);
    sites.sort_by_key(|site| digest(&[&bundle.0, site.as_str().as_bytes()].concat()));
    sites.truncate(count);
    sites.sort();
    sites
}
