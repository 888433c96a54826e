//! Retention: what the store forgets by itself: leases that ran out, and the journals of sessions
//! that never ended.

use crate::session;
use crate::store::{Store, StoreError};

/// Forgets what has run out; how many rows.
///
/// # Errors
/// [`StoreError`].
pub fn sweep(store: &Store, now: i64) -> Result<usize, StoreError> {
    let leases = store.tx("drop leases", |tx| tx.drop_expired_leases(now))?;
    if leases > 0 {
        tracing::debug!(leases, "expired leases dropped");
    }
    let sessions = store.tx("sweep sessions", |tx| session::sweep(tx, now))?;
    Ok(leases + sessions)
}
