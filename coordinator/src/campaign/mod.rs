//! Campaigns: asking some sites for labels of one slice, and how far they got.

pub mod report;
mod slice;

use std::time::Duration;

use insitu_privacy::{Delta, Epsilon, LossError, rho_within};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{CampaignId, ProjectName, SiteName};
use insitu_protocol::order::{CampaignOrder, Selector, SelectorError};
use insitu_protocol::project::Project;
use insitu_protocol::text::Line;
use serde::Serialize;

use crate::agreement::{self, ReportError};
use crate::drift;
use crate::ledger::DELTA;
use crate::store::{CampaignRow, CampaignState, OrderKind, Store, StoreError};

pub use slice::{bins_clause, words};

/// Longest title, in bytes: a [`Line`].
const TITLE_BYTES_MAX: usize = 128;

/// What a campaign is to ask.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The project.
    pub project: ProjectName,
    /// Which items.
    pub target: Target,
    /// Which sites; by default those that drifted there, or all.
    pub sites: Option<Vec<SiteName>>,
    /// For people at the sites; by default the slice in words.
    pub title: Option<String>,
    /// When every site answers, from now.
    pub closes_in: Duration,
    /// Most items to queue at one site.
    pub items_max: u32,
    /// What the answer costs each site, at δ = 1e-6.
    pub epsilon: f64,
}

/// Which items a campaign wants.
#[derive(Clone, Debug)]
pub enum Target {
    /// The bin in which any site exceeds the reference site most, among what drifted.
    Worst {
        /// The reference site.
        reference: SiteName,
    },
    /// These.
    Slice(Selector),
}

/// A campaign that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Created {
    /// Its id.
    pub campaign: CampaignId,
    /// Its title.
    pub title: String,
    /// The selector in words.
    pub selector: String,
    /// Why this slice.
    pub reason: String,
    /// The sites it asks.
    pub sites: Vec<SiteName>,
}

/// Why there is no campaign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CampaignError {
    /// No such campaign.
    #[error("there is no campaign {campaign}")]
    Unknown {
        /// Its id.
        campaign: CampaignId,
    },
    /// It is over.
    #[error("campaign {campaign} is {state} already")]
    NotOpen {
        /// Its id.
        campaign: CampaignId,
        /// Its state.
        state: &'static str,
    },
    /// No site drifted anywhere.
    #[error(
        "no site differs from {reference} in any feature ({tests} tests): choose a slice with --feature and --bins"
    )]
    NoDrift {
        /// The reference site.
        reference: SiteName,
        /// Tests made.
        tests: usize,
    },
    /// No site to ask.
    #[error("there is no site to ask: `insitu-coordinator site add NAME` first")]
    NoSites,
    /// A site that is not a member.
    #[error("{site} is not a member of the federation")]
    NotMember {
        /// The site.
        site: SiteName,
    },
    /// No such feature.
    #[error("project {project} has no feature {feature:?}; it has {known}")]
    UnknownFeature {
        /// The project.
        project: ProjectName,
        /// The feature asked for.
        feature: String,
        /// The features there are.
        known: String,
    },
    /// No such bin.
    #[error("feature {feature:?} has no bin {bin:?}; it has {known}")]
    UnknownBin {
        /// The feature.
        feature: String,
        /// The bin asked for.
        bin: String,
        /// The bins there are.
        known: String,
    },
    /// A deadline in the past, a limit of no items, or a title that is too long.
    #[error("{what} must be {allowed}")]
    Range {
        /// Which setting.
        what: &'static str,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// The selector.
    #[error("the selector is refused")]
    Selector {
        /// What is wrong with it.
        #[from]
        source: SelectorError,
    },
    /// The cost.
    #[error("the cost is refused")]
    Cost {
        /// What is wrong with it.
        #[from]
        source: LossError,
    },
    /// The reports that the worst slice is chosen by.
    #[error("the worst slice cannot be found")]
    Report {
        /// Why not.
        #[from]
        source: ReportError,
    },
    /// No random bytes for an id.
    #[error("no random bytes from the operating system")]
    Random {
        /// Why not.
        source: getrandom::Error,
    },
    /// The store.
    #[error("the campaign is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Makes a campaign and puts it into the lists of its sites.
///
/// # Errors
/// [`CampaignError`].
pub fn create(store: &Store, plan: &Plan, now_unix_s: i64) -> Result<Created, CampaignError> {
    let project = project(store, &plan.project)?;
    let (selector, drifted, reason) = choose(store, plan, &project)?;
    selector.check(&project)?;
    let words = words(&selector, &project);
    let order = order(plan, selector, &words, now_unix_s)?;
    let sites = store.write("campaign", |tx| {
        let invited = tx.invited(plan.sites.as_deref().or(drifted.as_deref()))?;
        let sites = invited.map_err(|site| CampaignError::NotMember { site })?;
        if sites.is_empty() {
            return Err(CampaignError::NoSites);
        }
        let row = CampaignRow {
            created_unix_s: now_unix_s,
            state: CampaignState::Open,
            reason: reason.clone(),
            order: order.clone(),
        };
        tx.add_campaign(&row, &sites)?;
        for site in &sites {
            tx.add_order(site, &OrderKind::Campaign { campaign: order.campaign }, now_unix_s)?;
        }
        Ok(sites)
    })?;
    let title = order.title.to_string();
    Ok(Created { campaign: order.campaign, title, selector: words, reason, sites })
}

/// Takes a campaign back from the sites that have not polled it yet. The others go on: what was
/// queued there is queued, and they answer, as the answer must not depend on what they found.
///
/// # Errors
/// [`CampaignError::Unknown`], [`CampaignError::NotOpen`].
pub fn cancel(store: &Store, campaign: CampaignId) -> Result<(), CampaignError> {
    store.write("cancel", |tx| {
        let row = tx.campaign(campaign)?.ok_or(CampaignError::Unknown { campaign })?;
        if tx.end_campaign(campaign, CampaignState::Cancelled)? {
            return Ok(());
        }
        Err(CampaignError::NotOpen { campaign, state: row.state.name() })
    })
}

/// Closes the campaigns whose time has passed; how many.
///
/// # Errors
/// [`StoreError`].
pub fn close_due(store: &Store, now_unix_s: i64) -> Result<usize, StoreError> {
    let due = |campaigns: Vec<CampaignRow>| -> Vec<CampaignId> {
        let over = campaigns.into_iter().filter(|row| {
            row.state == CampaignState::Open && now_unix_s >= row.order.answers_unix_s
        });
        over.map(|row| row.order.campaign).collect()
    };
    let due = due(store.read("due_campaigns", |tx| tx.open_campaigns())?);
    for campaign in &due {
        store.write("close_campaign", |tx| tx.end_campaign(*campaign, CampaignState::Closed))?;
    }
    Ok(due.len())
}

fn project(store: &Store, name: &ProjectName) -> Result<Project, CampaignError> {
    let unknown = || ReportError::UnknownProject { project: name.clone() };
    Ok(store.read("project", |tx| tx.project(name))?.ok_or_else(unknown)?)
}

/// The selector, the sites it comes from if it was found by drift, and why.
fn choose(
    store: &Store,
    plan: &Plan,
    project: &Project,
) -> Result<(Selector, Option<Vec<SiteName>>, String), CampaignError> {
    match &plan.target {
        Target::Slice(selector) => {
            Ok((selector.clone(), None, "chosen by the operator".to_owned()))
        }
        Target::Worst { reference } => {
            let drift = drift::report(store, &project.name, reference)?;
            let agreement = agreement::report(store, &project.name)?;
            let worst = slice::worst(&drift, &agreement).ok_or_else(|| CampaignError::NoDrift {
                reference: reference.clone(),
                tests: drift.tests.len(),
            })?;
            Ok((worst.selector?, Some(worst.sites), worst.reason))
        }
    }
}

fn order(
    plan: &Plan,
    selector: Selector,
    words: &str,
    now_unix_s: i64,
) -> Result<CampaignOrder, CampaignError> {
    let seconds = i64::try_from(plan.closes_in.as_secs()).unwrap_or(i64::MAX);
    if seconds < 1 {
        return Err(CampaignError::Range { what: "--closes-in", allowed: "at least 1 s" });
    }
    if plan.items_max == 0 {
        return Err(CampaignError::Range { what: "--items-max", allowed: "at least 1" });
    }
    let title = plan.title.clone().unwrap_or_else(|| shortened(words));
    let title = Line::new(title).map_err(|_| CampaignError::Range {
        what: "--title",
        allowed: "one line of at most 128 bytes",
    })?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|source| CampaignError::Random { source })?;
    let rho = rho_within(Epsilon::new(plan.epsilon)?, Delta::new(DELTA)?);
    if rho.nano() == 0 {
        return Err(CampaignError::Range { what: "--epsilon", allowed: "above 0" });
    }
    Ok(CampaignOrder {
        campaign: Fixed(id),
        project: plan.project.clone(),
        title,
        selector,
        items_max: plan.items_max,
        nano_rho: rho.nano(),
        answers_unix_s: now_unix_s.saturating_add(seconds),
    })
}

/// As much of a text as a title holds.
fn shortened(text: &str) -> String {
    let end = (0..=text.len().min(TITLE_BYTES_MAX)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{NOW, Scene, name, project, site};

    #[test]
    fn a_site_named_twice_is_asked_once() {
        let scene = Scene::new(&["a", "b"]);
        let clause = bins_clause(&project(), "chol", &["<1".to_owned()]).unwrap();
        let plan = Plan {
            project: name(),
            target: Target::Slice(Selector::new(vec![clause]).unwrap()),
            sites: Some(vec![site("b"), site("b")]),
            title: None,
            closes_in: Duration::from_secs(60),
            items_max: 10,
            epsilon: 0.5,
        };
        let created = create(&scene.store, &plan, NOW).unwrap();
        assert_eq!(created.sites, [site("b")]);
        let stranger = Plan { sites: Some(vec![site("z")]), ..plan };
        let refused = create(&scene.store, &stranger, NOW);
        assert!(matches!(refused, Err(CampaignError::NotMember { .. })));
    }
}
