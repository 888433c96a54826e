//! What each site polls: its list of orders, built from what they refer to.
//!
//! What is no longer worth doing is left out: an older version of a project, a bundle that
//! another one replaced, a round that closed, a campaign that ended.

use insitu_protocol::bytes::Bytes;
use insitu_protocol::frame::{PREFIX_BYTES, encode};
use insitu_protocol::ids::SiteName;
use insitu_protocol::order::{
    BundleOrder, FunctionsOrder, NumberedOrder, ORDERS_MAX, Order, RoundOrder,
    SEVERAL_ORDERS_BYTES_MAX,
};
use insitu_protocol::response::Response;

use insitu_models::manifest::Manifest;

use crate::store::{
    BundleRow, CampaignState, Clipping, EvaluationState, FunctionsRow, Mechanism, Noise, OrderKind,
    RoundRow, RoundState, RunRow, SessionState, Store, StoreError, Tx,
};

/// Why the orders cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownlinkError {
    /// A stored manifest does not decode.
    #[error("a stored manifest is refused")]
    Manifest {
        /// What is wrong with it.
        #[from]
        source: insitu_models::manifest::ManifestError,
    },
    /// The store.
    #[error("the orders cannot be read")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// A site's orders above `after`: at most [`ORDERS_MAX`], as many as fit into one answer.
///
/// # Errors
/// [`DownlinkError`].
pub fn poll(
    store: &Store,
    site: &SiteName,
    after: u64,
    now_unix_s: i64,
) -> Result<Vec<NumberedOrder>, DownlinkError> {
    store.read("poll", |tx| {
        let mut orders = Vec::new();
        let mut after = after;
        loop {
            let rows = tx.orders_after(site, after, ORDERS_MAX)?;
            let Some(last) = rows.last() else { return Ok(orders) };
            after = last.number;
            for row in rows {
                let Some(order) = build(tx, site, &row.kind, now_unix_s)? else { continue };
                orders.push(NumberedOrder { number: row.number, order });
                if !fits(&orders) {
                    orders.pop();
                    return Ok(orders);
                }
                if orders.len() == ORDERS_MAX {
                    return Ok(orders);
                }
            }
        }
    })
}

/// Gives a new site what the others were told before it came: every project, its bundle, and labeling
/// functions.
///
/// # Errors
/// [`StoreError`].
pub fn welcome(tx: &Tx<'_>, site: &SiteName) -> Result<(), StoreError> {
    for project in tx.projects()? {
        let name = project.name;
        tx.add_order(
            site,
            &OrderKind::Project { project: name.clone(), version: project.version },
        )?;
        if let Some(active) = tx.active_publication(&name)? {
            let order = OrderKind::Bundle { bundle: active.bundle, publication: active.number };
            tx.add_order(site, &order)?;
        }
    }
    for set in tx.functions()? {
        tx.add_order(site, &OrderKind::Functions { set: set.digest })?;
    }
    Ok(())
}

/// What a round asks of its sites; `None` when its project or bundle is gone.
///
/// # Errors
/// [`DownlinkError`].
pub fn round_order(
    tx: &Tx<'_>,
    run: &RunRow,
    round: RoundRow,
) -> Result<Option<RoundOrder>, DownlinkError> {
    let project = tx.project_version(&run.project, run.project_version)?;
    let bundle = tx.bundle(run.bundle)?;
    let (Some(project), Some(bundle)) = (project, bundle) else { return Ok(None) };
    let manifest = Manifest::decode(&bundle.manifest)?;
    let Clipping { clip_milli, fraction_bits } = run.method.clipping(&project.training);
    let head = match run.method.mechanism {
        Mechanism::Gradient => round.head,
        Mechanism::ClassMeans => Vec::new(), // which is how an order asks for them
    };
    Ok(Some(RoundOrder {
        run: run.id,
        round: round.number,
        rounds: run.rounds,
        project: run.project.clone(),
        backbone: manifest.backbone.digest,
        head: Bytes(head),
        classes: u16::try_from(project.classes.len()).unwrap_or(u16::MAX),
        features: run.features,
        clip_milli,
        fraction_bits,
        nano_rho: run.round_nano_rho,
        closes_unix_s: round.closes_unix_s,
    }))
}

/// The order that a row refers to; `None` when it is no longer worth doing.
fn build(
    tx: &Tx<'_>,
    site: &SiteName,
    kind: &OrderKind,
    now_unix_s: i64,
) -> Result<Option<Order>, DownlinkError> {
    match kind {
        OrderKind::Project { project, version } => {
            let current = tx.project(project)?.filter(|current| current.version == *version);
            Ok(current.map(Order::to_set_up))
        }
        OrderKind::Bundle { bundle, publication } => {
            let Some(row) = tx.bundle(*bundle)? else { return Ok(None) };
            let its = tx.publication_for(&row.project, site)?;
            let current = its.is_some_and(|its| its.number == *publication);
            Ok(if current { bundle_order(row).map(Order::Bundle) } else { None })
        }
        OrderKind::Candidate { bundle } => {
            let newest = tx.newest_evaluation(*bundle, None)?;
            let open = newest.is_some_and(|row| row.state == EvaluationState::Open);
            let row = tx.bundle(*bundle)?.filter(|_| open);
            Ok(row.and_then(bundle_order).map(Order::Candidate))
        }
        OrderKind::Round { run, round } => {
            let (Some(run), Some(round)) = (tx.run(*run)?, tx.round(*run, *round)?) else {
                return Ok(None);
            };
            if round.state != RoundState::Open || now_unix_s >= round.closes_unix_s {
                return Ok(None);
            }
            if round.noise != Noise::Alone {
                return Ok(None);
            }
            let wrap = if run.method.coarse { Order::CoarseRound } else { Order::Round };
            Ok(round_order(tx, &run, round)?.map(wrap))
        }
        OrderKind::Evaluation { evaluation } => {
            let row = tx.evaluation(*evaluation)?;
            let open = row.filter(|row| {
                row.state == EvaluationState::Open && now_unix_s < row.order.closes_unix_s
            });
            Ok(open.map(|row| Order::Evaluation(row.order)))
        }
        OrderKind::Session { session } => {
            let open = tx.session(*session)?.filter(|row| row.state == SessionState::Open);
            Ok(open.map(|row| Order::Session(row.order)))
        }
        OrderKind::Functions { set } => Ok(tx.newest_functions(*set)?.map(|row| {
            let FunctionsRow { manifest, signature, .. } = row;
            Order::Functions(FunctionsOrder { manifest: Bytes(manifest), signature })
        })),
        OrderKind::Campaign { campaign } => {
            let row = tx.campaign(*campaign)?;
            let open = row.filter(|row| {
                row.state == CampaignState::Open && now_unix_s < row.order.answers_unix_s
            });
            Ok(open.map(|row| Order::Campaign(row.order)))
        }
    }
}

/// A bundle with its signature; `None` for one that nobody has signed.
fn bundle_order(row: BundleRow) -> Option<BundleOrder> {
    let BundleRow { project, manifest, signature, .. } = row;
    Some(BundleOrder { project, manifest: Bytes(manifest), signature: signature? })
}

/// Whether an answer with these orders can be sent. One order alone always can.
fn fits(orders: &[NumberedOrder]) -> bool {
    orders.len() == 1
        || encode(&Response::Orders(orders.to_vec()))
            .is_ok_and(|frame| frame.len() - PREFIX_BYTES <= SEVERAL_ORDERS_BYTES_MAX)
}

#[cfg(test)]
mod tests;
