//! The other sites, by their keys: a coordinator cannot swap a key, or add a site, unseen.

use insitu_protocol::session::Member;

use super::order::OrderError;
use crate::store::peers::{PeerRow, PeerState};
use crate::store::{StoreError, Tx};

/// Most keys that are kept.
const PEERS_MAX: u64 = 4096;

/// Compares the members with the keys that are known, and keeps what is new.
///
/// # Errors
/// [`StoreError`]; the inner one when a key is not the one known, which then waits for the steward.
pub(super) fn meet(
    tx: &Tx<'_>,
    members: &[Member],
    own: &[u8; 32],
    now: i64,
) -> Result<Result<(), OrderError>, StoreError> {
    let mut outcome = Ok(());
    for member in members.iter().filter(|member| member.verify_key.0 != *own) {
        let known = tx.keys_of_peer(&member.site, &member.agent)?;
        let state = state_of(member, &known);
        if state.is_none() {
            let got = tx.peer_count()?;
            if got >= PEERS_MAX {
                return Ok(Err(OrderError::PeersFull { got }));
            }
            let new = if known.is_empty() { PeerState::FirstUse } else { PeerState::Changed };
            tx.add_peer(member, new, now)?;
        }
        match state {
            Some(PeerState::Approved | PeerState::FirstUse) => {}
            None if known.is_empty() => {}
            Some(PeerState::Changed) | None => {
                let (site, agent) = (member.site.clone(), member.agent.clone());
                tracing::warn!(%site, %agent, "another key than before: not taken part in");
                outcome = Err(OrderError::Peer { site, agent });
            }
        }
    }
    Ok(outcome)
}

/// Members other than this site whose key the steward has not approved.
///
/// # Errors
/// [`StoreError`].
pub(super) fn strangers(
    tx: &Tx<'_>,
    members: &[Member],
    own: &[u8; 32],
) -> Result<usize, StoreError> {
    let mut strangers = 0;
    for member in members.iter().filter(|member| member.verify_key.0 != *own) {
        let known = tx.keys_of_peer(&member.site, &member.agent)?;
        if state_of(member, &known) != Some(PeerState::Approved) {
            strangers += 1;
        }
    }
    Ok(strangers)
}

/// What is thought of a member's key, among the known ones of its agent.
fn state_of(member: &Member, known: &[PeerRow]) -> Option<PeerState> {
    known.iter().find(|row| row.member.verify_key == member.verify_key).map(|row| row.state)
}
