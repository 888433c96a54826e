//! The sessions' messages over the link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::link::client::{CallError, Link};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::Digest;
use insitu_protocol::response::Refusal;
use insitu_protocol::session::SessionAnswer;
use tokio::time::Instant;

use super::consent_key;
use super::step::{Next, give_up, hear, next};
use crate::store::{Store, StoreError};

/// Pause before a look at what the pipeline or the outbox has to do first.
const LOOK: Duration = Duration::from_millis(300);
/// Shortest and longest pause that the coordinator may ask for.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));
/// Pause after the coordinator failed: it does not say how long that lasts.
const RETRY_FAILED: Duration = Duration::from_secs(5);

/// Why the sessions do not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TalkError {
    /// The call has no response.
    #[error("the coordinator cannot be reached")]
    Call(#[from] CallError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A session's computation panicked.
    #[error("a session's computation failed")]
    Task(#[from] tokio::task::JoinError),
}

/// What is said over one connection: the key with which this agent signs, and the sessions' messages.
///
/// What the coordinator refuses for now is said again once the pause that it asks for is over; the
/// others go on meanwhile.
#[derive(Debug)]
pub struct Talk {
    /// When the key is to be announced; `None` once it was.
    announce_at: Option<Instant>,
    /// The stage up to which the coordinator has a session's messages: they are not sent again
    /// only to ask for the answer.
    accepted: BTreeMap<Digest, u8>,
    /// Until when each session waits.
    waits: BTreeMap<Digest, Instant>,
}

impl Default for Talk {
    fn default() -> Self {
        Self {
            announce_at: Some(Instant::now()),
            accepted: BTreeMap::new(),
            waits: BTreeMap::new(),
        }
    }
}

impl Talk {
    /// Sends what there is to say by now and takes what it is answered; when to come back, if
    /// something goes on.
    ///
    /// # Errors
    /// [`TalkError`]; the same bytes go out again later.
    pub async fn advance(
        &mut self,
        link: &Link,
        store: &Arc<Store>,
    ) -> Result<Option<Instant>, TalkError> {
        if self.announce_at.is_some_and(|at| at <= Instant::now()) {
            self.announce_at = announce(link, store).await?.map(|pause| Instant::now() + pause);
        }
        let open = store.read("open sessions", |tx| tx.open_sessions())?;
        self.accepted.retain(|session, _| open.iter().any(|row| row.session == *session));
        self.waits.retain(|session, _| open.iter().any(|row| row.session == *session));
        for row in open {
            let session = row.session;
            if self.waits.get(&session).is_some_and(|until| *until > Instant::now()) {
                continue;
            }
            match self.go_on(link, store, session).await? {
                Some(pause) => self.waits.insert(session, Instant::now() + pause),
                None => self.waits.remove(&session),
            };
        }
        Ok(self.waits.values().copied().chain(self.announce_at).min())
    }

    /// Takes one session as far as it goes; how long it waits then, unless it is over.
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
                    return Ok(Some(asked_for(retry_after_ms)));
                }
                Ok(answer) => answer,
                Err(CallError::Refused { source }) => {
                    let pause = pause(&source);
                    if pause.is_none() {
                        give_up(store, &session, stage, &source.to_string())?;
                    }
                    return Ok(pause);
                }
                Err(error) => return Err(error.into()),
            };
            let heard = Arc::clone(store);
            tokio::task::spawn_blocking(move || hear(&heard, &session, stage, &answer)).await??;
        }
    }
}

/// Makes the key known with which this agent signs; how long to wait with it, if it is refused for
/// now. A coordinator that does not know how is one that proposes no sessions.
async fn announce(link: &Link, store: &Store) -> Result<Option<Duration>, TalkError> {
    let key = store.tx("consent key", consent_key)?;
    match link.announce(Fixed(key.verify_key())).await {
        Ok(()) => Ok(None),
        Err(CallError::Refused { source }) => {
            let pause = pause(&source);
            if pause.is_none() {
                tracing::info!(reason = %source, "the coordinator takes no key: no sums over sites");
            }
            Ok(pause)
        }
        Err(error) => Err(error.into()),
    }
}

/// The pause after a refusal; `None` after one for good.
fn pause(refusal: &Refusal) -> Option<Duration> {
    if let Refusal::Busy { retry_after_ms } = refusal {
        return Some(asked_for(*retry_after_ms));
    }
    refusal.is_transient().then_some(RETRY_FAILED)
}

fn asked_for(retry_after_ms: u32) -> Duration {
    Duration::from_millis(u64::from(retry_after_ms)).clamp(RETRY.0, RETRY.1)
}
