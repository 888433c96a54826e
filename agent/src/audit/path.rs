//! The path from a site's files to the bytes that are sent: what the audit attacks.
//!
//! Each method calls the functions that the daemon calls. A planted fault (`fault`) replaces one of
//! them; nothing outside this module knows of the trait, so no fault can be reached from the
//! program's own releases.

use insitu_protocol::order::RoundOrder;

use super::AuditError;
use super::site::SUBJECT_COLUMN;
use crate::config::Limits;
use crate::learn;
use crate::outbox;
use crate::prelabel::Model;
use crate::release::Release;
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
        Ok(learn::gradient(store, model, project, order)?)
    }

    /// Noise, charge and queued bytes of several tallies.
    fn release(
        &self,
        store: &Store,
        tallies: &[Tally],
        limits: &Limits,
        now: i64,
    ) -> Result<(), AuditError> {
        let releases = tallies.iter().map(Release::make).collect::<Result<Vec<_>, _>>()?;
        store.tx("audit", |tx| Ok(outbox::commit(tx, releases, limits, now)?))
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
