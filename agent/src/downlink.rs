//! The way in: applies the coordinator's orders, and fetches the objects of ordered bundles and sets
//! of labeling functions.
//!
//! An order is applied in the transaction that records its number, so a crash applies it once or
//! not at all, and hearing it again changes nothing. An order is a proposal: what it leads to is
//! decided here by the site's policy, or by its steward.

use std::io;
use std::path::PathBuf;

use insitu_daemon::files::FileError;
use insitu_daemon::link::client::{CallError, Link};
use insitu_models::manifest::{Manifest, Object};
use insitu_models::sign::{Domain, PublicKey};
use insitu_privacy::Rho;
use insitu_protocol::bytes::Bytes;
use insitu_protocol::ids::{Digest, digest};
use insitu_protocol::order::{
    BundleOrder, CampaignOrder, FunctionsManifest, FunctionsOrder, NumberedOrder, Order,
};
use insitu_protocol::request::CHUNK_BYTES_MAX;
use tokio::io::AsyncWriteExt;

use crate::config::{ApproveCampaigns, ApproveModels, Limits, Policy};
use crate::prelabel::Shelf;
use crate::session;
use crate::store::bounds::{
    CAMPAIGNS_OPEN_MAX, EVALUATIONS_OPEN_MAX, FUNCTION_SETS_MAX, PROJECTS_MAX, ROUNDS_OPEN_MAX,
};
use crate::store::campaigns::CampaignState;
use crate::store::functions::FunctionsRow;
use crate::store::orders::{ApprovalKind, BundleRow, BundleState};
use crate::store::{Store, StoreError, Tx};

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
        let orders = link.poll(after).await?;
        let before = applied;
        for order in &orders {
            applied += usize::from(apply(store, judge, order, now)?);
        }
        if applied == before {
            return Ok(applied); // none, or none that is new
        }
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

/// Fetches what is missing of ordered bundles and sets of labeling functions, and lets the policy
/// judge those that are complete.
///
/// An object that arrived damaged is thrown away and what needs it stays wanted: a part that a power
/// cut spoiled, or the coordinator's disk, may be right the next time. A bundle with a missing object
/// of more than `bytes_max` waits: each byte of a metered network costs. So does a candidate that the
/// policy does not let be evaluated, or that nothing asks about any more.
///
/// # Errors
/// [`DownlinkError`]; what has arrived stays, and fetching goes on from there.
pub async fn fetch(
    link: &Link,
    store: &Store,
    shelf: &Shelf,
    judge: &Judge,
    bytes_max: Option<u64>,
) -> Result<(), DownlinkError> {
    insitu_daemon::files::create_folder(shelf.folder())?;
    let functions = fetch_functions(link, store, shelf).await;
    let mut damaged = Ok(());
    for row in store.read("bundles", |tx| tx.bundles())? {
        if row.state != BundleState::Wanted {
            continue;
        }
        if let Some(note) = waits(store, shelf, judge, &row, bytes_max)? {
            if note != row.note {
                store.tx("bundle waits", |tx| {
                    tx.set_bundle_state(&row.bundle, BundleState::Wanted, &note)
                })?;
            }
            continue;
        }
        let outcome = fetch_bundle(link, shelf, &row).await;
        match outcome {
            Ok(()) => store.tx("bundle complete", |tx| {
                tx.set_bundle_state(&row.bundle, BundleState::Pending, "")
            })?,
            Err(error @ DownlinkError::Content { .. }) => {
                store.tx("bundle damaged", |tx| {
                    tx.set_bundle_state(&row.bundle, BundleState::Wanted, &error.to_string())
                })?;
                damaged = Err(error);
            }
            Err(error @ DownlinkError::Length { .. }) => {
                tracing::error!(bundle = %row.bundle, error = %error, "bundle refused");
                store.tx("bundle refused", |tx| {
                    tx.set_bundle_state(&row.bundle, BundleState::Failed, &error.to_string())
                })?;
            }
            Err(error) => return Err(error),
        }
    }
    damaged.and(functions)
}

/// The same for labeling functions, about which the steward decides.
async fn fetch_functions(link: &Link, store: &Store, shelf: &Shelf) -> Result<(), DownlinkError> {
    let mut damaged = Ok(());
    for row in store.read("functions", |tx| tx.functions())? {
        if row.state != BundleState::Wanted {
            continue;
        }
        let set = |state, note: &str| {
            store.tx("functions fetched", |tx| tx.set_functions_state(&row.digest, state, note))
        };
        let object = Object { digest: row.manifest.object, bytes: row.manifest.bytes };
        let there = shelf.path(&object.digest).exists();
        let outcome = if there { Ok(()) } else { fetch_object(link, shelf, &object).await };
        match outcome {
            Ok(()) => set(BundleState::Pending, "waits for the steward's approval")?,
            Err(error @ DownlinkError::Content { .. }) => {
                set(BundleState::Wanted, &error.to_string())?;
                damaged = Err(error);
            }
            Err(error @ DownlinkError::Length { .. }) => {
                tracing::error!(functions = %row.digest, error = %error, "labeling functions refused");
                set(BundleState::Failed, &error.to_string())?;
            }
            Err(error) => return Err(error),
        }
    }
    damaged
}

/// Why a bundle is not fetched now, for people; empty for a candidate that nothing asks about.
fn waits(
    store: &Store,
    shelf: &Shelf,
    judge: &Judge,
    row: &BundleRow,
    bytes_max: Option<u64>,
) -> Result<Option<String>, StoreError> {
    if row.candidate {
        let (asked, (allowed, why)) = store.read("candidate", |tx| {
            Ok::<_, StoreError>((tx.is_compared(&row.bundle)?, judge.bundle(tx, row)?))
        })?;
        if !asked {
            return Ok(Some(String::new()));
        }
        if allowed != BundleState::Ready {
            return Ok(Some(format!("{why}; insitu-agent models approve {}", row.bundle)));
        }
    }
    let bytes = missing_above(shelf, row, bytes_max);
    Ok(bytes
        .map(|bytes| format!("an object of {bytes} bytes waits for a network that is not metered")))
}

/// Bytes of the largest object of a bundle that is missing and above the limit.
fn missing_above(shelf: &Shelf, row: &BundleRow, bytes_max: Option<u64>) -> Option<u64> {
    let limit = bytes_max?;
    let manifest = Manifest::decode(&row.order.manifest.0).ok()?;
    let missing =
        manifest.objects().into_iter().filter(|object| !shelf.path(&object.digest).exists());
    missing.map(|object| object.bytes).filter(|bytes| *bytes > limit).max()
}

async fn fetch_bundle(link: &Link, shelf: &Shelf, row: &BundleRow) -> Result<(), DownlinkError> {
    let Ok(manifest) = Manifest::decode(&row.order.manifest.0) else { return Ok(()) };
    for object in manifest.objects() {
        if !shelf.path(&object.digest).exists() {
            fetch_object(link, shelf, &object).await?;
        }
    }
    Ok(())
}

/// Fetches an object into a file beside its place, from where an earlier attempt stopped, and
/// moves it there when its digest is right.
async fn fetch_object(link: &Link, shelf: &Shelf, object: &Object) -> Result<(), DownlinkError> {
    let path = shelf.path(&object.digest);
    let part = path.with_extension("part");
    let failed = |source| DownlinkError::File { path: path.clone(), source };
    let mut file = tokio::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&part)
        .await
        .map_err(failed)?;
    let mut offset = file.metadata().await.map_err(failed)?.len();
    let resumed = offset > 0;
    while offset < object.bytes {
        let (got, bytes) = link.fetch(object.digest, offset).await?;
        if got != object.bytes || bytes.0.is_empty() || bytes.0.len() > CHUNK_BYTES_MAX {
            return Err(DownlinkError::Length { object: object.digest, got, want: object.bytes });
        }
        file.write_all(&bytes.0).await.map_err(failed)?;
        offset = offset.saturating_add(u64::try_from(bytes.0.len()).unwrap_or(u64::MAX));
        metrics::counter!("insitu_agent_bytes_fetched_total")
            .increment(u64::try_from(bytes.0.len()).unwrap_or(u64::MAX));
    }
    file.sync_all().await.map_err(failed)?;
    let (want, read) = (object.digest, part.clone());
    let right = tokio::task::spawn_blocking(move || hash(&read).map(|found| found == want.0))
        .await
        .map_err(|error| failed(io::Error::other(error)))?
        .map_err(failed)?;
    if !right {
        tokio::fs::remove_file(&part).await.map_err(failed)?;
        if resumed {
            // A crash may have torn what the earlier attempt wrote: once more, from the start.
            return Box::pin(fetch_object(link, shelf, object)).await;
        }
        return Err(DownlinkError::Content { object: object.digest });
    }
    tokio::fs::rename(&part, &path).await.map_err(failed)
}

fn hash(path: &PathBuf) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path)?)?;
    Ok(*hasher.finalize().as_bytes())
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
