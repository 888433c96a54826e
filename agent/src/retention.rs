//! Retention: what the store forgets by itself: leases that ran out long ago, the journals of sessions
//! that never ended, what an erasure left in the store's files, and old rows of the audit log, if the
//! site wants that.

use crate::erasure;
use crate::review::LATE_SECONDS_MAX;
use crate::session;
use crate::store::{Store, StoreError};
use crate::trail;

/// Forgets what has run out, and rows of the audit log that are older than `keep` seconds; how
/// many rows.
///
/// # Errors
/// [`StoreError`].
pub fn sweep(store: &Store, keep: Option<i64>, now: i64) -> Result<usize, StoreError> {
    let leases = store.tx("drop leases", |tx| tx.drop_expired_leases(now - LATE_SECONDS_MAX))?;
    if leases > 0 {
        tracing::debug!(leases, "expired leases dropped");
    }
    let sessions = store.tx("sweep sessions", |tx| session::sweep(tx, now))?;
    // A crash, or somebody who read, may have come between an erasure and its end.
    if !erasure::finish(store)? {
        tracing::info!(
            "erased bytes are still in the store's files, as somebody reads: tried again"
        );
    }
    if let Some(keep) = keep {
        let events = trail::cut(store, keep, now)?;
        if events > 0 {
            tracing::info!(events, "old rows of the audit log cut off");
        }
    }
    Ok(leases + sessions)
}
