//! The way in: applies the coordinator's orders, and fetches the objects that they name.
//!
//! An order is applied in the transaction that records its number, so a crash applies it once or
//! not at all, and hearing it again changes nothing. An order is a proposal: what it leads to is
//! decided here by the site's policy, or by its steward.

mod objects;

use std::io;
use std::path::PathBuf;

use insitu_daemon::files::FileError;
use insitu_daemon::link::client::{CallError, Link};
use insitu_models::manifest::Manifest;
use insitu_models::sign::{Domain, PublicKey};
use insitu_privacy::Rho;
use insitu_protocol::bytes::Bytes;
use insitu_protocol::ids::{Digest, digest};
use insitu_protocol::order::{
    BundleOrder, CampaignOrder, FunctionsManifest, FunctionsOrder, NumberedOrder, Order,
};

use crate::config::{ApproveCampaigns, ApproveModels, Limits, Policy};
use crate::session;
use crate::store::bounds::{
    CAMPAIGNS_OPEN_MAX, EVALUATIONS_OPEN_MAX, FUNCTION_SETS_MAX, PROJECTS_MAX, ROUNDS_OPEN_MAX,
};
use crate::store::campaigns::CampaignState;
use crate::store::functions::FunctionsRow;
use crate::store::orders::{ApprovalKind, BundleRow, BundleState};
use crate::store::{Store, StoreError, Tx};

pub use objects::{Examined, clear, fetch, want_damaged};

/// What decides about orders.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The steward's limits.
    pub policy: Policy,
    /// The same in ρ.
    pub limits: Limits,
    /// Whose signature a bundle or set of labeling functions needs; none before enrollment, and then
    /// none is taken.
    pub bundle_key: Option<PublicKey>,
}

/// Why orders or objects do not arrive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownlinkError {
    /// The call failed.
    #[error("the coordinator cannot be reached, or refused")]
    Call(#[from] CallError),
    /// Orders that this program does not know. Those after them are not heard either: what they build
    /// on would be missing.
    #[error(
        "the coordinator's orders cannot be read: update this agent if the coordinator is newer"
    )]
    Unreadable(#[source] CallError),
    /// An object cannot be kept.
    #[error("cannot keep the object {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder of objects cannot be made.
    #[error("no folder for objects")]
    Folder(#[from] FileError),
    /// An object that is not what its digest says; it was thrown away.
    #[error("object {object} arrived with another content")]
    Content {
        /// The digest asked for.
        object: Digest,
    },
    /// An object of another length than its manifest says.
    #[error("object {object} has {got} bytes where its manifest says {want}")]
    Length {
        /// The digest asked for.
        object: Digest,
        /// Bytes announced.
        got: u64,
        /// Bytes promised.
        want: u64,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Asks for orders until there are none left, and applies them; how many there were.
///
/// # Errors
/// [`DownlinkError`].
pub async fn poll(
    link: &Link,
    store: &Store,
    judge: &Judge,
    now: i64,
) -> Result<usize, DownlinkError> {
    let mut applied = 0;
    loop {
        let after = store.read("last order", |tx| tx.last_order())?;
        let orders = link.poll(after).await.map_err(unheard)?;
        let before = applied;
        for order in &orders {
            applied += usize::from(apply(store, judge, order, now)?);
        }
        if applied == before {
            return Ok(applied); // none, or none that is new
        }
    }
}

/// Why there are no orders.
fn unheard(error: CallError) -> DownlinkError {
    match matches!(error, CallError::Malformed { .. }) {
        true => DownlinkError::Unreadable(error),
        false => error.into(),
    }
}

/// Applies one order; `false` when it was applied before.
///
/// # Errors
/// [`StoreError`]; nothing of it is applied then.
pub fn apply(
    store: &Store,
    judge: &Judge,
    order: &NumberedOrder,
    now: i64,
) -> Result<bool, StoreError> {
    store.tx("apply order", |tx| {
        if order.number <= tx.last_order()? {
            return Ok(false);
        }
        let place = tx.order_place(order.number)?;
        let kind = match &order.order {
            Order::Project(project)
            | Order::TaskProject(project)
            | Order::ThresholdProject(project) => {
                let known = tx.project(&project.name)?.is_some();
                if known || within("project", tx.project_count()?, PROJECTS_MAX) {
                    tx.put_project(project, now)?;
                }
                "project"
            }
            Order::Bundle(bundle) => {
                take_bundle(tx, judge, place, bundle, Tx::put_bundle)?;
                "bundle"
            }
            Order::Candidate(bundle) => {
                take_bundle(tx, judge, place, bundle, Tx::put_candidate)?;
                "candidate"
            }
            Order::Round(round) | Order::CoarseRound(round) => {
                tx.forget_rounds()?;
                if within("round", tx.open_round_count()?, ROUNDS_OPEN_MAX) {
                    tx.put_round(round, matches!(order.order, Order::CoarseRound(_)))?;
                }
                "round"
            }
            Order::Campaign(campaign) => {
                tx.forget_campaigns()?;
                if within("campaign", tx.open_campaign_count()?, CAMPAIGNS_OPEN_MAX) {
                    take_campaign(tx, judge, place, campaign)?;
                }
                "campaign"
            }
            Order::Evaluation(evaluation) => {
                tx.forget_evaluations()?;
                if within("evaluation", tx.open_evaluation_count()?, EVALUATIONS_OPEN_MAX) {
                    tx.put_evaluation(evaluation)?;
                }
                "evaluation"
            }
            Order::Session(proposed) => {
                session::take(tx, proposed, now)?;
                "session"
            }
            Order::Functions(functions) => {
                tx.forget_functions()?;
                if within("functions", tx.function_set_count()?, FUNCTION_SETS_MAX) {
                    take_functions(tx, judge, place, functions)?;
                }
                "functions"
            }
        };
        tx.set_last_order(order.number)?;
        metrics::counter!("insitu_agent_orders_total", "kind" => kind).increment(1);
        tracing::info!(number = order.number, kind, "order taken");
        Ok(true)
    })
}

/// Whether one more fits beside `there` of them; an order that does not is passed over, whatever it
/// says, so that the coordinator learns nothing from it.
fn within(kind: &'static str, there: u64, limit: u64) -> bool {
    let fits = there < limit;
    if !fits {
        metrics::counter!("insitu_agent_orders_refused_total", "kind" => kind).increment(1);
        tracing::error!(kind, there, limit, "the coordinator orders more than is kept at once");
    }
    fits
}

fn take_bundle<'a>(
    tx: &Tx<'a>,
    judge: &Judge,
    place: u64,
    order: &BundleOrder,
    put: impl FnOnce(&Tx<'a>, Digest, u64, &BundleOrder, Digest) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let id = digest(&order.manifest.0);
    let refuse = |why: &str| {
        metrics::counter!("insitu_agent_bundles_refused_total").increment(1);
        tracing::error!(bundle = %id, reason = why, "bundle refused");
    };
    let signed =
        judge.bundle_key.is_some_and(|key| key.verify(&order.manifest.0, &order.signature).is_ok());
    if !signed {
        refuse("the signature is not by the federation's bundle key");
        return Ok(());
    }
    match Manifest::decode(&order.manifest.0) {
        Ok(manifest) => {
            put(tx, id, place, order, manifest.backbone.digest)?;
            tx.supersede_bundles()
        }
        Err(error) => {
            refuse(&error.to_string());
            Ok(())
        }
    }
}

fn take_functions(
    tx: &Tx<'_>,
    judge: &Judge,
    place: u64,
    order: &FunctionsOrder,
) -> Result<(), StoreError> {
    let FunctionsOrder { manifest: Bytes(manifest), signature } = order;
    let id = digest(manifest);
    let refuse = |why: &str| {
        metrics::counter!("insitu_agent_functions_refused_total").increment(1);
        tracing::error!(functions = %id, reason = why, "labeling functions refused");
        Ok(())
    };
    let signed = judge
        .bundle_key
        .is_some_and(|key| key.verify_in(Domain::Functions, manifest, signature).is_ok());
    if !signed {
        return refuse("the signature is not by the federation's key");
    }
    let manifest = match FunctionsManifest::decode(manifest) {
        Ok(manifest) => manifest,
        Err(error) => return refuse(&error.to_string()),
    };
    if tx.project(&manifest.project)?.is_none() {
        return refuse("its project is not known here");
    }
    let (signature, state, note) = (*signature, BundleState::Wanted, String::new());
    tx.put_functions(&FunctionsRow { digest: id, manifest, signature, state, note }, place)
}

fn take_campaign(
    tx: &Tx<'_>,
    judge: &Judge,
    place: u64,
    order: &CampaignOrder,
) -> Result<(), StoreError> {
    let Some(project) = tx.project(&order.project)? else {
        tracing::error!(campaign = %order.campaign, "campaign of an unknown project ignored");
        return Ok(());
    };
    let (state, note) = if let Err(error) = order.selector.check(&project.definition) {
        (CampaignState::Declined, error.to_string())
    } else if Rho::from_nano(order.nano_rho) > judge.limits.campaign {
        // It will not be answered either: the same limit refuses the charge.
        (CampaignState::Declined, "costs more than policy.epsilon_campaign".to_owned())
    } else {
        match judge.policy.approve_campaigns {
            ApproveCampaigns::WithinPolicy => (CampaignState::Approved, String::new()),
            ApproveCampaigns::Manual => (CampaignState::Proposed, String::new()),
        }
    };
    tx.put_campaign(project.project, place, order, state, &note)
}

impl Judge {
    /// Whether a complete bundle may be used or, if it is a candidate, judged: its next state, and why
    /// it waits. A candidate needs an approved backbone, like any head that is compared.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bundle(
        &self,
        tx: &Tx<'_>,
        row: &BundleRow,
    ) -> Result<(BundleState, String), StoreError> {
        match tx.decision(ApprovalKind::Bundle, &row.bundle)? {
            Some(true) => return Ok((BundleState::Ready, String::new())),
            Some(false) => return Ok((BundleState::Declined, "by the steward".to_owned())),
            None => {}
        }
        let approved = self.backbone(tx, &row.backbone)?;
        let by_backbone =
            row.candidate || self.policy.approve_models == ApproveModels::ApprovedBackbones;
        Ok(if !by_backbone {
            (BundleState::Pending, "waits for the steward's approval".to_owned())
        } else if approved {
            (BundleState::Ready, String::new())
        } else {
            (BundleState::Pending, format!("backbone {} is not approved", row.backbone))
        })
    }

    /// Whether the steward approved a backbone: heads may be trained over it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn backbone(&self, tx: &Tx<'_>, backbone: &Digest) -> Result<bool, StoreError> {
        Ok(match tx.decision(ApprovalKind::Backbone, backbone)? {
            Some(decided) => decided,
            None => self.policy.backbones.contains(backbone),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
