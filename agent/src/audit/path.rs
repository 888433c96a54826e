//! The path from a site's files to the bytes that are sent: what the audit attacks.
//!
//! Each method calls the functions that the daemon calls. A planted fault (`fault`) replaces one of
//! them; nothing outside this module knows of the trait, so no fault can be reached from the
//! program's own releases.

use insitu_privacy::NoisePool;
use insitu_protocol::order::RoundOrder;

use super::AuditError;
use super::site::{NOW, SUBJECT_COLUMN, Site};
use crate::learn;
use crate::learn::kept::Kept;
use crate::outbox;
use crate::prelabel::Model;
use crate::release::{self, Release, ReleaseError};
use crate::store::orders::ProjectRow;
use crate::store::{Store, Tx};
use crate::tally::Tally;

/// The steps of the path at which something can go wrong.
pub(super) trait Path {
    /// The column of the imported file that says whose an item is.
    fn subject_column(&self) -> Option<&'static str> {
        Some(SUBJECT_COLUMN)
    }

    /// The exact answer to a training round.
    fn gradient(
        &self,
        store: &Store,
        model: &mut Model,
        project: &ProjectRow,
        order: &RoundOrder,
    ) -> Result<Tally, AuditError> {
        Ok(learn::update(store, model, &mut Kept::nothing(), project, order)?)
    }

    /// Noise, charge and queued bytes of several tallies.
    fn release(&self, site: &Site, pool: &NoisePool, tallies: &[Tally]) -> Result<(), AuditError> {
        let releases = noised(pool, tallies)?;
        site.store.alone("audit", |tx| Ok(outbox::commit(tx, releases, &site.limits, NOW)?))
    }

    /// The bytes of the next attempt to send: those of the oldest release that nobody confirmed.
    fn attempt(&self, tx: &Tx<'_>, now: i64) -> Result<Option<(u64, Vec<u8>)>, AuditError> {
        let Some((entry, bytes)) = tx.next_queued()? else { return Ok(None) };
        tx.mark_sent(entry.sequence, now)?;
        Ok(Some((entry.sequence, bytes)))
    }
}

/// The path as it is.
pub(super) struct Real;

impl Path for Real {}

/// Releases of tallies, with noise that is drawn into the pool first.
pub(super) fn noised(pool: &NoisePool, tallies: &[Tally]) -> Result<Vec<Release>, AuditError> {
    let outlines: Vec<_> = tallies.iter().map(Tally::outline).collect();
    release::draw_ahead(pool, &outlines)
        .map_err(|source| ReleaseError::Noise { kind: "audited", source })?;
    Ok(tallies.iter().map(|tally| Release::make(tally, pool)).collect::<Result<Vec<_>, _>>()?)
}
