//! Drafts of other models that came with an import: kept until their items are redacted, then placed as
//! any draft is, before a model of the project's own makes one.

use crate::item::CleanItem;
use crate::prelabel::{Draft, Prelabel};
use crate::route::{self, Accepts};
use crate::source::labeled::Offer;
use crate::store::items::ItemRow;
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError, Tx};

/// Drafts that are placed in one transaction.
const BATCH_ITEMS: u32 = 128;
const CORRUPT: StoreError = StoreError::Corrupt { table: "items", column: "offered" };

/// Keeps a draft for an item, unless a person has said something of it or it has this draft already.
pub(crate) fn offer(tx: &Tx<'_>, row: &ItemRow, draft: &Offer) -> Result<bool, StoreError> {
    let has = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
    if has.is_some_and(|has| has == Draft::imported(draft.clone()).prelabel) {
        return Ok(false);
    }
    tx.offer_draft(row.item, &row.opaque, &postcard::to_allocvec(draft).map_err(|_| CORRUPT)?)
}

/// Places the oldest drafts of a project whose items are redacted; `true` when there were some.
///
/// One that does not fit the item or the project any more is dropped, and counted.
///
/// # Errors
/// [`StoreError`].
pub(super) fn place(store: &Store, project: &ProjectRow, now: i64) -> Result<bool, StoreError> {
    let waiting =
        store.read("offered drafts", |tx| tx.offered_items(project.project, BATCH_ITEMS, now))?;
    if waiting.is_empty() {
        return Ok(false);
    }
    let mut drafts = Vec::with_capacity(waiting.len());
    for (row, draft) in &waiting {
        let offer: Offer = postcard::from_bytes(draft).map_err(|_| CORRUPT)?;
        let fits = offer.label.check(&project.definition, &CleanItem::load(row)?).is_ok();
        if !fits {
            metrics::counter!("insitu_agent_imported_drafts_dropped_total").increment(1);
        }
        drafts.push((row, fits.then(|| Draft::imported(offer))));
    }
    store.alone("imported drafts", |tx| {
        for (row, draft) in &drafts {
            if let Some(draft) = draft {
                route::place(tx, &project.definition, &Accepts::Nothing, row, draft, now)?;
            }
            tx.forget_offered(row.item)?;
        }
        Ok(true)
    })
}
