//! Sessions of secure aggregation: this site's part in a sum, of which the coordinator learns the
//! sum and nothing else.
//!
//! The protocol itself is [`insitu_privacy::secagg`], which knows no store and no network. Here its
//! client meets both, in this order:
//!
//! 1. [`take`] notes an ordered session; [`judge()`] decides whether the site takes part, pins the
//!    other sites' keys, and makes the keys of this one;
//! 2. [`Talk`] sends each message and hears the answer ([`next`], [`hear`]);
//! 3. [`contribute()`] makes the vector: noise, masks, charge, ledger and journal, in one transaction.
//!    It leaves by the outbox like any other release.
//!
//! Invariant: a message leaves only after the journal that has it is durable, and is never computed
//! a second time. Where the journal is missing or damaged the site drops out; it starts no session
//! again. Each attempt is joined once, in ascending order.

mod contribute;
mod judge;
mod order;
mod peers;
mod step;
mod talk;

use insitu_privacy::secagg::ConsentKey;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::session::{Purpose, SessionOrder};

pub use contribute::{ContributeError, Contribution, contribute};
pub use judge::judge;
pub use order::OrderError;
pub use step::{Next, give_up, hear, next};
pub use talk::{Talk, TalkError};

use crate::store::sessions::SessionState;
use crate::store::{StoreError, Tx};

/// Most sessions that are open at one time.
const OPEN_MAX: usize = 16;
/// A session that has not ended after this long never will.
const LIFE_SECONDS_MAX: i64 = 86_400;

/// Notes an ordered session, unless it was seen before. Earlier attempts at the same are over. Of one
/// that goes back to an earlier attempt, or comes while too many are open, nothing is kept: a
/// coordinator orders as many as it likes.
///
/// # Errors
/// [`StoreError`].
pub fn take(tx: &Tx<'_>, order: &SessionOrder, now: i64) -> Result<(), StoreError> {
    let session = Fixed(order::id(order).0);
    if tx.session(&session)?.is_some() {
        return Ok(());
    }
    let (occasion, step) = order.purpose.occasion();
    let last = tx.last_attempt(&occasion)?;
    let earlier = tx.attempts(&occasion, step)?;
    for row in earlier.iter().filter(|row| !row.state.is_over()) {
        step::end(tx, row, SessionState::Abandoned, "another attempt took its place")?;
    }
    let declined = if last.is_some_and(|last| last >= (step, order.attempt)) {
        "a later attempt was ordered before"
    } else if tx.open_sessions()?.len() >= OPEN_MAX {
        "too many sessions are open"
    } else {
        return tx.put_session(&session, order, now);
    };
    tracing::warn!(%session, reason = declined, "session not taken");
    let outcome = SessionState::Declined.name();
    metrics::counter!("insitu_agent_sessions_total", "outcome" => outcome).increment(1);
    Ok(())
}

/// What an order for an ordinary release means for the sessions over the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// It may be answered.
    Now,
    /// A session has it under way: not before it is over.
    Later,
    /// It is in a sum already.
    Never,
}

/// Whether an update, or the answer to an evaluation, may leave alone. Sessions over it that cost
/// nothing yet are over then: the coordinator has given them up.
///
/// # Errors
/// [`StoreError`].
pub fn alone(tx: &Tx<'_>, purpose: &Purpose) -> Result<Alone, StoreError> {
    let (occasion, step) = purpose.occasion();
    let attempts = tx.attempts(&occasion, step)?;
    if attempts.iter().any(|row| row.state == SessionState::Done) {
        return Ok(Alone::Never);
    }
    if attempts.iter().any(|row| row.state.is_charged()) {
        return Ok(Alone::Later);
    }
    for row in attempts.iter().filter(|row| !row.state.is_over()) {
        step::end(tx, row, SessionState::Abandoned, "it is asked for alone")?;
    }
    Ok(Alone::Now)
}

/// Ends the sessions that have gone on for too long; how many.
///
/// Nobody says what became of them. A vector that the coordinator has acknowledged counts as one
/// that is in a sum. Of any other the window is opened again: should it have arrived all the same,
/// its items are in two sums, each of which was charged.
///
/// # Errors
/// [`StoreError`].
pub fn sweep(tx: &Tx<'_>, now: i64) -> Result<usize, StoreError> {
    let open = tx.open_sessions()?;
    let old = open.iter().filter(|row| row.ordered_at.saturating_add(LIFE_SECONDS_MAX) < now);
    let mut ended = 0;
    for row in old {
        let vector = row.release.map_or(Ok(None), |release| tx.entry(&release))?;
        let arrived = vector.is_some_and(|entry| entry.acknowledged_at.is_some());
        let state = if arrived { SessionState::Failed } else { SessionState::Abandoned };
        step::end(tx, row, state, "it had no end within 24 hours")?;
        ended += 1;
    }
    Ok(ended)
}

/// The public key with which this agent signs, as other sites know it.
///
/// # Errors
/// [`StoreError`].
pub fn verify_key(tx: &Tx<'_>) -> Result<Fixed<32>, StoreError> {
    Ok(Fixed(consent_key(tx)?.verify_key()))
}

/// The key with which this agent signs.
fn consent_key(tx: &Tx<'_>) -> Result<ConsentKey, StoreError> {
    Ok(ConsentKey::new(&tx.consent_secret()?))
}
