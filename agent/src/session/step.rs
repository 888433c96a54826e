//! The messages of a session: what to send next, and what an answer leads to.

use std::convert::Infallible;

use insitu_privacy::secagg::{Client, JournalError, Refusal, Stage, Unsent};
use insitu_protocol::ids::Digest;
use insitu_protocol::session::SessionAnswer;

use super::consent_key;
use super::order::{OrderError, position, session_of};
use crate::outbox::{self, OutboxError};
use crate::release;
use crate::store::sessions::{SessionRow, SessionState};
use crate::store::{Store, StoreError, Tx, explain};

/// What a session needs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A message to the coordinator.
    Ask {
        /// The stage, from 0.
        stage: u8,
        /// Its body, the same bytes each time. Empty for the masked vector, which is a release.
        body: Vec<u8>,
    },
    /// The pipeline, or the outbox, has to act first.
    Later,
    /// Nothing any more.
    Over,
}

/// Why a session's journal gives no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("the session's journal is lost")]
    Missing,
    #[error("the session's journal cannot be used")]
    Journal(#[from] JournalError),
    #[error("the session's order cannot be used")]
    Order(#[from] OrderError),
}

/// The message that a session is at.
///
/// # Errors
/// [`StoreError`].
pub fn next(store: &Store, session: &Digest) -> Result<Next, StoreError> {
    store.tx("session message", |tx| {
        let Some(row) = tx.session(session)? else { return Ok(Next::Over) };
        match outbox::check(tx) {
            Ok(()) => {}
            Err(OutboxError::Store(error)) => return Err(error),
            // An old copy may have signed other survivors: an operator must act first.
            Err(_) => return Ok(if row.state.is_over() { Next::Over } else { Next::Later }),
        }
        match row.state {
            SessionState::Proposed | SessionState::Shared => Ok(Next::Later),
            SessionState::Masked => arrived(tx, &row),
            SessionState::Keys
            | SessionState::Shares
            | SessionState::Consent
            | SessionState::Reveal => message(tx, &row),
            SessionState::Done
            | SessionState::Dropped
            | SessionState::Abandoned
            | SessionState::Declined
            | SessionState::Failed => Ok(Next::Over),
        }
    })
}

/// Takes the coordinator's answer to the message of `stage`.
///
/// # Errors
/// [`StoreError`].
pub fn hear(
    store: &Store,
    session: &Digest,
    stage: u8,
    answer: &SessionAnswer,
) -> Result<(), StoreError> {
    store.tx("session answer", |tx| {
        let Some(row) = tx.session(session)? else { return Ok(()) };
        if stage_of(row.state).map(|at| at as u8) != Some(stage) {
            return Ok(()); // it was ended, or moved on, meanwhile
        }
        match answer {
            SessionAnswer::Wait { .. } => Ok(()),
            SessionAnswer::Ready(bytes) => go_on(tx, &row, &bytes.0),
            SessionAnswer::Done if row.state.is_charged() => end(tx, &row, SessionState::Done, ""),
            SessionAnswer::Done | SessionAnswer::Dropped => {
                let note = "this site did not answer a stage in time";
                end(tx, &row, SessionState::Dropped, note)
            }
            SessionAnswer::Abandoned => {
                end(tx, &row, SessionState::Abandoned, "by the coordinator")
            }
        }
    })
}

/// Ends a session whose message of `stage` the coordinator will never take.
///
/// # Errors
/// [`StoreError`].
pub fn give_up(store: &Store, session: &Digest, stage: u8, note: &str) -> Result<(), StoreError> {
    store.tx("session refused", |tx| {
        let Some(row) = tx.session(session)? else { return Ok(()) };
        if stage_of(row.state).map(|at| at as u8) != Some(stage) {
            return Ok(());
        }
        end(tx, &row, SessionState::Failed, note)
    })
}

/// Ends a session. The window of a vector that is in no sum is opened again, if the policy has room for
/// that: its items are counted by the next window, which the ledger charges for once more. That one
/// inherits what was charged already. Whether there is a sum the coordinator alone knows: one that says
/// there is none after it has seen it has a second look at the same items, within the same limit.
pub(super) fn end(
    tx: &Tx<'_>,
    row: &SessionRow,
    state: SessionState,
    note: &str,
) -> Result<(), StoreError> {
    tx.end_session(&row.session, state, note)?;
    metrics::counter!("insitu_agent_sessions_total", "outcome" => state.name()).increment(1);
    let session = row.session;
    tracing::info!(%session, outcome = state.name(), note, "session over");
    let unsummed = match state {
        SessionState::Abandoned => row.state.is_charged(),
        // After the consent the vector counts, whatever becomes of the site.
        SessionState::Dropped => row.state == SessionState::Masked,
        SessionState::Failed
        | SessionState::Proposed
        | SessionState::Keys
        | SessionState::Shares
        | SessionState::Shared
        | SessionState::Masked
        | SessionState::Consent
        | SessionState::Reveal
        | SessionState::Done
        | SessionState::Declined => false,
    };
    let (true, Some(window)) = (unsummed, row.window) else { return Ok(()) };
    let name = row.project.parse().map_err(|_| corrupt("project"))?;
    if let Some(project) = tx.project(&name)? {
        let spent = release::window_spent(tx, &name, window)?;
        if tx.return_window(project.project, window)? > 0 {
            tx.inherit(&name, project.window, spent)?;
        }
    }
    Ok(())
}

/// The client as its journal has it.
pub(super) fn restore(tx: &Tx<'_>, row: &SessionRow) -> Result<Result<Client, Lost>, StoreError> {
    let key = consent_key(tx)?;
    let journal = tx.journal(&row.session)?;
    let restored = || {
        let session = session_of(row.order.as_ref().ok_or(Lost::Missing)?)?;
        let position = position(&session, &key)?;
        Ok(Client::restore(session, position, &journal.ok_or(Lost::Missing)?)?)
    };
    Ok(restored())
}

/// Whether the masked vector has arrived: then the survivors can be asked for.
fn arrived(tx: &Tx<'_>, row: &SessionRow) -> Result<Next, StoreError> {
    let release = row.release.ok_or_else(|| corrupt("release"))?;
    let entry = tx.entry(&release)?.ok_or_else(|| corrupt("release"))?;
    if entry.acknowledged_at.is_some() {
        return Ok(Next::Ask { stage: Stage::Masked as u8, body: Vec::new() });
    }
    if let Some(reason) = entry.refused {
        end(tx, row, SessionState::Dropped, &format!("its vector was refused: {reason}"))?;
        return Ok(Next::Over);
    }
    Ok(Next::Later)
}

fn message(tx: &Tx<'_>, row: &SessionRow) -> Result<Next, StoreError> {
    let client = match restore(tx, row)? {
        Ok(client) => client,
        Err(lost) => {
            end(tx, row, SessionState::Failed, &explain(&lost))?;
            return Ok(Next::Over);
        }
    };
    let stage = client.stage() as u8;
    // It came from the journal: it is durable.
    let Ok(body) = client.unsent().store(|_| Ok::<_, Infallible>(()));
    Ok(Next::Ask { stage, body })
}

/// The next message, from the answer to the last one.
fn go_on(tx: &Tx<'_>, row: &SessionRow, answer: &[u8]) -> Result<(), StoreError> {
    let mut client = match restore(tx, row)? {
        Ok(client) => client,
        Err(lost) => return end(tx, row, SessionState::Failed, &explain(&lost)),
    };
    let made = match row.state {
        SessionState::Keys => client.share(answer).map(|made| Some((SessionState::Shares, made))),
        // Drawing the noise takes long: the pipeline does it.
        SessionState::Shares => client.check_shares(answer).map(|_| None),
        SessionState::Masked => client
            .consent(answer, &consent_key(tx)?)
            .map(|made| Some((SessionState::Consent, made))),
        SessionState::Consent => {
            client.reveal(answer).map(|made| Some((SessionState::Reveal, made)))
        }
        SessionState::Proposed
        | SessionState::Shared
        | SessionState::Reveal
        | SessionState::Done
        | SessionState::Dropped
        | SessionState::Abandoned
        | SessionState::Declined
        | SessionState::Failed => Err(Refusal::OutOfOrder { at: client.stage() }),
    };
    match made {
        Ok(Some((state, unsent))) => store_message(tx, row, state, unsent),
        Ok(None) => tx.set_shared(&row.session, answer),
        Err(refusal) => {
            // What it was shown may have been meant for it alone.
            tracing::error!(session = %row.session, reason = %refusal, "session left");
            end(tx, row, SessionState::Failed, &explain(&refusal))
        }
    }
}

fn store_message(
    tx: &Tx<'_>,
    row: &SessionRow,
    state: SessionState,
    unsent: Unsent,
) -> Result<(), StoreError> {
    // The body leaves by `next`, once this transaction is durable.
    unsent.store(|journal| tx.set_journal(&row.session, state, journal)).map(drop)
}

/// The stage whose answer a state waits for.
fn stage_of(state: SessionState) -> Option<Stage> {
    match state {
        SessionState::Keys => Some(Stage::Keys),
        SessionState::Shares => Some(Stage::Shares),
        SessionState::Masked => Some(Stage::Masked),
        SessionState::Consent => Some(Stage::Consent),
        SessionState::Reveal => Some(Stage::Reveal),
        SessionState::Proposed
        | SessionState::Shared
        | SessionState::Done
        | SessionState::Dropped
        | SessionState::Abandoned
        | SessionState::Declined
        | SessionState::Failed => None,
    }
}

fn corrupt(column: &'static str) -> StoreError {
    StoreError::Corrupt { table: "sessions", column }
}
