//! Staged rollout: a bundle goes to a share of the sites first, and comes back when the agreement
//! of its prelabels with people's labels falls there.
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
use crate::agreement::counts::{Released, Window};
use crate::registry::RegistryError;
use crate::store::{CanaryRow, OrderKind, Store, StoreError, Tx};

/// Normal quantile of a two-sided 99 % interval. It is looked at again with every window, so that
/// 95 % would call back one good bundle in ten or so.
const Z_99: f64 = 2.575_829_304;

/// Cohen's κ at the sites of a canary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
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
        tell(tx, &sites, &OrderKind::Bundle { bundle, publication: number })?;
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
    tell(tx, &canary.sites, &order)
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
                && tx.statistics_count(&project.name, &CONFUSION)? != canary.looked
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

/// The kind of release in which agreement is.
const CONFUSION: Body = Body::Confusion { window: 0 };

fn judge(tx: &Tx<'_>, project: &Project, now_unix_s: i64) -> Result<(), PublishError> {
    let Some(canary) = tx.canary(&project.name)? else { return Ok(()) };
    let looked = tx.statistics_count(&project.name, &CONFUSION)?;
    tx.look_at_canary(&project.name, canary.publication.number, looked)?;
    let (Some(before), Some(after)) = kappas(tx, project, &canary)? else { return Ok(()) };
    let deviation = before.deviation.hypot(after.deviation);
    if after.value + Z_99 * deviation >= before.value {
        return Ok(());
    }
    let reason = format!(
        "rolled back: at its sites κ fell from {:.3} to {:.3}, by {:.1} deviations",
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

/// Compares the canary of a project with what its sites had before.
///
/// # Errors
/// [`PublishError`].
pub fn compare(
    tx: &Tx<'_>,
    project: &Project,
    canary: &CanaryRow,
) -> Result<Comparison, PublishError> {
    let (before, after) = kappas(tx, project, canary)?;
    let shown = |kappa: Option<Agreement>| match kappa {
        Some(Agreement { value, low, high, deviation, .. }) => {
            Estimate::Known { value, low, high, deviation }
        }
        None => Estimate::Undefined { undefined: "not enough data".to_owned() },
    };
    Ok(Comparison { before: shown(before), after: shown(after) })
}

/// κ at a canary's sites in windows of the bundle before it, and in its own.
fn kappas(
    tx: &Tx<'_>,
    project: &Project,
    canary: &CanaryRow,
) -> Result<(Option<Agreement>, Option<Agreement>), PublishError> {
    let since = tx.active_publication(&project.name)?.map_or(i64::MIN, |active| active.at_unix_s);
    let until = canary.publication.at_unix_s;
    let (mut before, mut after): (Option<Released>, Option<Released>) = (None, None);
    // By agent: which switches its windows have been over.
    let mut mixed: BTreeMap<(SiteName, String), (bool, bool)> = BTreeMap::new();
    for Window { site, agent, received_unix_s, released } in
        crate::agreement::counts::windows(tx, project)?
    {
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
    let kappa =
        |released: Option<Released>| estimate::kappa(&released?.counts, project.classes.len()).ok();
    Ok((kappa(before), kappa(after)))
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
