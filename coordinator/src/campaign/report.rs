//! Campaigns, for people and programs.

use insitu_protocol::ids::{CampaignId, ProjectName, SiteName};
use insitu_protocol::release::{Body, Release};
use jiff::Timestamp;
use serde::Serialize;

use super::words;
use crate::ledger::shown_epsilon;
use crate::store::{CampaignRow, Store, StoreError, Tx};

/// A campaign and how far it got.
#[derive(Clone, Debug, Serialize)]
pub struct CampaignReport {
    /// Its id.
    pub campaign: CampaignId,
    /// The project.
    pub project: ProjectName,
    /// Its title.
    pub title: String,
    /// The selector in words.
    pub selector: String,
    /// Why this slice.
    pub reason: String,
    /// `open`, `closed` or `cancelled`.
    pub state: &'static str,
    /// When every site answers.
    pub answers: Timestamp,
    /// Most items queued at one site.
    pub items_max: u32,
    /// What the answer costs each site, as ε at δ = 1e-6.
    pub epsilon: f64,
    /// By name.
    pub sites: Vec<SiteProgress>,
}

/// A site's answer: noised, unbiased, hence possibly negative.
#[derive(Clone, Debug, Serialize)]
pub struct SiteProgress {
    /// The site.
    pub site: SiteName,
    /// Whether its answer is here.
    pub answered: bool,
    /// Items that matched.
    pub matched: Option<i64>,
    /// Of these, still waiting for a person.
    pub waiting: Option<i64>,
    /// Whose prelabel was kept.
    pub kept: Option<i64>,
    /// Whose label was changed.
    pub changed: Option<i64>,
    /// Standard deviation of the noise in each of the last three; that of `matched` is √3 of it.
    pub sd: Option<f64>,
}

/// Reads one campaign; `None` when there is no such campaign.
///
/// # Errors
/// [`StoreError`].
pub fn campaign(store: &Store, id: CampaignId) -> Result<Option<CampaignReport>, StoreError> {
    store.read("campaign", |tx| tx.campaign(id)?.map(|row| describe(tx, row)).transpose())
}

/// Reads the campaigns of a project, or of all, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn campaigns(
    store: &Store,
    project: Option<&ProjectName>,
) -> Result<Vec<CampaignReport>, StoreError> {
    store.read("campaigns", |tx| {
        tx.campaigns(project)?.into_iter().map(|row| describe(tx, row)).collect()
    })
}

fn describe(tx: &Tx<'_>, row: CampaignRow) -> Result<CampaignReport, StoreError> {
    let order = row.order;
    let body = Body::Campaign { campaign: order.campaign };
    let answers = tx.counted(&order.project, &body)?;
    let progress = |site: SiteName| {
        let answer = answers.iter().find(|answer| answer.site == site);
        progress(site, answer.map(|answer| &answer.release))
    };
    let selector = tx
        .project(&order.project)?
        .map_or_else(String::new, |project| words(&order.selector, &project));
    Ok(CampaignReport {
        campaign: order.campaign,
        title: order.title.to_string(),
        selector,
        reason: row.reason,
        state: row.state.name(),
        answers: Timestamp::from_second(order.answers_unix_s).unwrap_or(Timestamp::MAX),
        items_max: order.items_max,
        epsilon: shown_epsilon(order.nano_rho),
        sites: tx.campaign_sites(order.campaign)?.into_iter().map(progress).collect(),
        project: order.project,
    })
}

fn progress(site: SiteName, answer: Option<&Release>) -> SiteProgress {
    let value = |index: usize| {
        answer.and_then(|release| release.values.0.get(index)).map(|value| i64::from(*value))
    };
    let (waiting, kept, changed) = (value(0), value(1), value(2));
    SiteProgress {
        site,
        answered: answer.is_some(),
        matched: waiting.zip(kept).zip(changed).map(|((w, k), c)| w + k + c),
        waiting,
        kept,
        changed,
        sd: answer.map(|release| release.scale_1024 as f64 / 1024.0),
    }
}
