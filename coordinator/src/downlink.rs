//! What each site polls: its list of orders, built from what they refer to.
//!
//! What is no longer worth doing is left out: an older version of a project, a bundle that
//! another one replaced, a round that closed, a campaign that ended. A site's place in its list moves
//! with what it is told alone, so that what is left out for good is also taken out.

use std::error::Error;

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
    BundleRow, CampaignRow, Clipping, EvaluationRow, FunctionsRow, Mechanism, OrderKind, RoundRow,
    RunRow, Store, StoreError, Tx,
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
    let (orders, over) = store.read("poll", |tx| listed(tx, site, after, now_unix_s))?;
    // One that stays is only met again.
    if !over.is_empty()
        && let Err(error) = store.write("remove_orders", |tx| tx.remove_orders(site, &over))
    {
        tracing::warn!(%site, error = &error as &dyn Error, "orders that are over stay in the list");
    }
    Ok(orders)
}

/// A site's orders above `after`, and the numbers of those that are over, but for the list's last.
fn listed(
    tx: &Tx<'_>,
    site: &SiteName,
    mut after: u64,
    now_unix_s: i64,
) -> Result<(Vec<NumberedOrder>, Vec<u64>), DownlinkError> {
    let (mut orders, mut over) = (Vec::new(), Vec::new());
    loop {
        let rows = tx.orders_after(site, after, ORDERS_MAX)?;
        let Some(last) = rows.last() else {
            over.pop_if(|number| *number == after);
            return Ok((orders, over));
        };
        after = last.number;
        for row in rows {
            let open = row.open.then(|| build(tx, site, &row.kind, now_unix_s));
            let order = match open.transpose()?.unwrap_or(Err(Skipped::Over)) {
                Ok(order) => order,
                Err(Skipped::Late) => continue,
                Err(Skipped::Over) => {
                    over.push(row.number);
                    continue;
                }
            };
            orders.push(NumberedOrder { number: row.number, order });
            if !fits(&orders) {
                orders.pop();
                return Ok((orders, over));
            }
            if orders.len() == ORDERS_MAX {
                return Ok((orders, over));
            }
        }
    }
}

/// Gives a new site what the others were told before it came: every project, its bundle, and labeling
/// functions.
///
/// # Errors
/// [`StoreError`].
pub fn welcome(tx: &Tx<'_>, site: &SiteName, now_unix_s: i64) -> Result<(), StoreError> {
    for project in tx.projects()? {
        let name = project.name;
        let order = OrderKind::Project { project: name.clone(), version: project.version };
        tx.add_order(site, &order, now_unix_s)?;
        if let Some(active) = tx.active_publication(&name)? {
            let order = OrderKind::Bundle { bundle: active.bundle, publication: active.number };
            tx.add_order(site, &order, now_unix_s)?;
        }
    }
    for set in tx.functions()? {
        tx.add_order(site, &OrderKind::Functions { set: set.digest }, now_unix_s)?;
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

/// Why a site is not told of an order in its list.
enum Skipped {
    /// The time for it is over. Its end is not on record yet, and a clock may be set back.
    Late,
    /// It will never be worth doing again.
    Over,
}

/// The order that a row refers to. What ends is open still.
fn build(
    tx: &Tx<'_>,
    site: &SiteName,
    kind: &OrderKind,
    now_unix_s: i64,
) -> Result<Result<Order, Skipped>, DownlinkError> {
    let until = |closes_unix_s: i64, order: Order| {
        if now_unix_s < closes_unix_s { Ok(order) } else { Err(Skipped::Late) }
    };
    Ok(match kind {
        OrderKind::Project { project, version } => {
            let current = tx.project(project)?.filter(|current| current.version == *version);
            current.map(Order::to_set_up).ok_or(Skipped::Over)
        }
        OrderKind::Bundle { bundle, publication } => {
            let Some(row) = tx.bundle(*bundle)? else { return Ok(Err(Skipped::Over)) };
            // When it is the site's again, that is another order.
            let its = tx.publication_for(&row.project, site)?;
            let current = its.is_some_and(|its| its.number == *publication);
            current.then_some(row).and_then(bundle_order).map(Order::Bundle).ok_or(Skipped::Over)
        }
        OrderKind::Candidate { bundle } => {
            let row = tx.bundle(*bundle)?;
            row.and_then(bundle_order).map(Order::Candidate).ok_or(Skipped::Over)
        }
        OrderKind::Round { run, round } => {
            let (Some(run), Some(round)) = (tx.run(*run)?, tx.round(*run, *round)?) else {
                return Ok(Err(Skipped::Over));
            };
            let closes_unix_s = round.closes_unix_s;
            let wrap = if run.method.coarse { Order::CoarseRound } else { Order::Round };
            match round_order(tx, &run, round)? {
                Some(order) => until(closes_unix_s, wrap(order)),
                None => Err(Skipped::Over),
            }
        }
        OrderKind::Evaluation { evaluation } => match tx.evaluation(*evaluation)? {
            Some(EvaluationRow { order, .. }) => {
                until(order.closes_unix_s, Order::Evaluation(order))
            }
            None => Err(Skipped::Over),
        },
        OrderKind::Session { session } => {
            tx.session(*session)?.map(|row| Order::Session(row.order)).ok_or(Skipped::Over)
        }
        OrderKind::Functions { set } => match tx.newest_functions(*set)? {
            Some(FunctionsRow { manifest, signature, .. }) => {
                Ok(Order::Functions(FunctionsOrder { manifest: Bytes(manifest), signature }))
            }
            None => Err(Skipped::Over),
        },
        OrderKind::Campaign { campaign } => match tx.campaign(*campaign)? {
            Some(CampaignRow { order, .. }) => until(order.answers_unix_s, Order::Campaign(order)),
            None => Err(Skipped::Over),
        },
    })
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
