//! Ending a run, an evaluation or a collection at an operator's word.
//!
//! Sites are asked for nothing more, and what they have sent is in no result. What they were charged
//! for it stays charged: it has left them.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{EvaluationId, RunId};
use insitu_protocol::session::CollectionId;

use super::training;
use crate::session;
use crate::store::{CollectionState, EvaluationState, RoundState, RunState, Store, StoreError};

/// Why something does not end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AbandonError {
    /// No such thing.
    #[error("there is no {what} {id}")]
    Unknown {
        /// `run`, `evaluation` or `collection`.
        what: &'static str,
        /// The id asked for.
        id: Fixed<16>,
    },
    /// It has ended.
    #[error("{what} {id} is not open any more: it is {state}")]
    Over {
        /// `run`, `evaluation` or `collection`.
        what: &'static str,
        /// Its id.
        id: Fixed<16>,
        /// Where it is.
        state: &'static str,
    },
    /// The store.
    #[error("the end is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Ends an open run, with the round that is open. What is in use stays in use; candidates of earlier
/// rounds stay, and so do their evaluations.
///
/// # Errors
/// [`AbandonError`].
pub fn run(store: &Store, id: RunId, reason: &str, now_unix_s: i64) -> Result<(), AbandonError> {
    const WHAT: &str = "run";
    let reason = by_hand(reason);
    store.write("abandon_run", |tx| {
        let run = tx.run(id)?.ok_or(AbandonError::Unknown { what: WHAT, id })?;
        if run.state != RunState::Open {
            return Err(AbandonError::Over { what: WHAT, id, state: run.state.name() });
        }
        let Some(round) = tx.newest_round(id)?.filter(|row| row.state == RoundState::Open) else {
            // Its rows contradict each other: a reason to end it, not one to keep it.
            return Ok(tx.end_run(id, RunState::Abandoned, &reason, now_unix_s)?);
        };
        session::give_up(tx, id, round.number, &reason)?;
        Ok(training::abandon(tx, &run, round, &reason, now_unix_s)?)
    })
}

/// Ends an open evaluation. Its candidate stays one, and can be evaluated again.
///
/// # Errors
/// [`AbandonError`].
pub fn evaluation(
    store: &Store,
    id: EvaluationId,
    reason: &str,
    now_unix_s: i64,
) -> Result<(), AbandonError> {
    const WHAT: &str = "evaluation";
    let reason = by_hand(reason);
    store.write("abandon_evaluation", |tx| {
        let row = tx.evaluation(id)?.ok_or(AbandonError::Unknown { what: WHAT, id })?;
        if row.state != EvaluationState::Open {
            return Err(AbandonError::Over { what: WHAT, id, state: row.state.name() });
        }
        session::give_up(tx, id, 0, &reason)?;
        tracing::warn!(evaluation = %id, reason, "evaluation abandoned");
        Ok(tx.end_evaluation(id, EvaluationState::Abandoned, &reason, now_unix_s)?)
    })
}

/// Ends an open collection.
///
/// # Errors
/// [`AbandonError`].
pub fn collection(
    store: &Store,
    id: CollectionId,
    reason: &str,
    now_unix_s: i64,
) -> Result<(), AbandonError> {
    const WHAT: &str = "collection";
    let reason = by_hand(reason);
    store.write("abandon_collection", |tx| {
        let row = tx.collection(id)?.ok_or(AbandonError::Unknown { what: WHAT, id })?;
        if row.state != CollectionState::Open {
            return Err(AbandonError::Over { what: WHAT, id, state: row.state.name() });
        }
        session::give_up(tx, id, 0, &reason)?;
        tracing::warn!(collection = %id, reason, "collection abandoned");
        Ok(tx.end_collection(id, CollectionState::Abandoned, &reason, now_unix_s)?)
    })
}

fn by_hand(reason: &str) -> String {
    format!("given up by an operator: {reason}")
}

#[cfg(test)]
mod tests;
