//! The sessions' messages over the link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::link::client::{CallError, Link};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::Digest;
use insitu_protocol::session::SessionAnswer;

use super::consent_key;
use super::step::{Next, give_up, hear, next};
use crate::store::{Store, StoreError};

/// Pause before a look at what the pipeline or the outbox has to do first.
const LOOK: Duration = Duration::from_millis(300);
/// Shortest and longest pause that the coordinator may ask for.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// Why the sessions do not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TalkError {
    /// The call failed.
    #[error("the coordinator cannot be reached, or refused")]
    Call(#[from] CallError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A session's computation panicked.
    #[error("a session's computation failed")]
    Task(#[from] tokio::task::JoinError),
}

/// Makes the key known with which this agent signs. A coordinator that does not know how is one
/// that proposes no sessions.
///
/// # Errors
/// [`TalkError`].
pub async fn announce(link: &Link, store: &Store) -> Result<(), TalkError> {
    let key = store.tx("consent key", consent_key)?;
    match link.announce(Fixed(key.verify_key())).await {
        Err(CallError::Refused { source }) if !source.is_transient() => {
            tracing::info!(reason = %source, "the coordinator takes no key: no sums over sites");
            Ok(())
        }
        outcome => Ok(outcome?),
    }
}

/// The sessions' messages over one connection.
#[derive(Debug, Default)]
pub struct Talk {
    /// The stage up to which the coordinator has a session's messages: they are not sent again
    /// only to ask for the answer.
    accepted: BTreeMap<Digest, u8>,
}

impl Talk {
    /// Sends what the open sessions have to say and takes what they are answered; when to come
    /// back, if there is one that goes on.
    ///
    /// # Errors
    /// [`TalkError`]; the same bytes go out again later.
    pub async fn advance(
        &mut self,
        link: &Link,
        store: &Arc<Store>,
    ) -> Result<Option<Duration>, TalkError> {
        let open = store.read("open sessions", |tx| tx.open_sessions())?;
        self.accepted.retain(|session, _| open.iter().any(|row| row.session == *session));
        let mut wait = None;
        for row in open {
            let again = self.go_on(link, store, row.session).await?;
            wait = [wait, again].into_iter().flatten().min();
        }
        Ok(wait)
    }

    /// Takes one session as far as it goes.
    async fn go_on(
        &mut self,
        link: &Link,
        store: &Arc<Store>,
        session: Digest,
    ) -> Result<Option<Duration>, TalkError> {
        loop {
            let asked = Arc::clone(store);
            let message = tokio::task::spawn_blocking(move || next(&asked, &session)).await??;
            let (stage, body) = match message {
                Next::Ask { stage, body } => (stage, body),
                Next::Later => return Ok(Some(LOOK)),
                Next::Over => return Ok(None),
            };
            let known = self.accepted.get(&session) == Some(&stage);
            let body = if known { Vec::new() } else { body };
            let answer = match link.session(session, stage, body).await {
                Ok(SessionAnswer::Wait { retry_after_ms }) => {
                    self.accepted.insert(session, stage);
                    let retry = Duration::from_millis(u64::from(retry_after_ms));
                    return Ok(Some(retry.clamp(RETRY.0, RETRY.1)));
                }
                Ok(answer) => answer,
                Err(CallError::Refused { source }) if !source.is_transient() => {
                    give_up(store, &session, stage, &source.to_string())?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            };
            let heard = Arc::clone(store);
            tokio::task::spawn_blocking(move || hear(&heard, &session, stage, &answer)).await??;
        }
    }
}
