//! The messages of sessions: taken, stored, answered.
//!
//! A message is stored before it is acknowledged, a closed stage before an answer that follows from
//! it. Sessions in memory are only copies of what is stored: one whose events could not be stored
//! is forgotten, and read again when it is next asked for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use insitu_privacy::secagg::{Accepted, Answer, Event, Fault, Server, Stage, Sum};
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::ids::Digest;
use insitu_protocol::release::{Body, Release};
use insitu_protocol::response::Refusal;
use insitu_protocol::session::{SessionAnswer, SessionOrder};

use super::{Sender, Unfit, session_of};
use crate::store::{AlertKind, SessionRow, SessionState, Store, StoreError, SumRow, Tx};

/// Sessions kept in memory. More may be open: the others are read from the store.
const CACHED_MAX: usize = 4;
/// A site asks again after this share of the session's age, between the two limits.
const RETRY_SHARE: i64 = 64;
const RETRY_MS_MIN: i64 = 20;
const RETRY_MS_MAX: i64 = 10_000;

/// Why a session cannot go on now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A stored order that would not be proposed.
    #[error("the stored order of session {session} is refused")]
    Order {
        /// The session.
        session: Digest,
        /// Why.
        source: Unfit,
    },
    /// Stored events that could not have happened.
    #[error("the stored events of session {session} contradict each other")]
    Events {
        /// The session.
        session: Digest,
        /// How.
        source: Fault,
    },
    /// The store.
    #[error("the session is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// The sessions that are in memory. One process answers agents, and it has one of these.
#[derive(Debug, Default)]
pub struct Sessions {
    /// The most recently used last.
    live: Mutex<VecDeque<Live>>,
}

/// A message of a session.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The session.
    pub session: Digest,
    /// The stage, from 0.
    pub stage: u8,
    /// Its body; empty to ask for the answer.
    pub body: &'a [u8],
}

#[derive(Debug)]
struct Live {
    row: SessionRow,
    server: Server,
}

/// An open session, to work on alone. What is not kept at the end is read from the store again.
#[derive(Debug)]
pub struct Seat<'a> {
    cache: MutexGuard<'a, VecDeque<Live>>,
    live: Live,
}

enum Found<'a> {
    Nothing,
    Over(Box<SessionRow>),
    Open(Box<Seat<'a>>),
}

/// An agent makes its key known, again perhaps.
///
/// # Errors
/// [`StoreError`]; the inner refusal is for the agent.
pub fn announce(
    store: &Store,
    sender: Sender<'_>,
    key: Fixed<32>,
    now_unix_s: i64,
) -> Result<Result<(), Refusal>, StoreError> {
    let Sender { site, agent } = sender;
    store.write("announce", |tx| {
        if !tx.is_member(site)? {
            return Ok(Err(Refusal::NotMember));
        }
        if tx.announced_key(site, agent)?.is_some_and(|known| known != key) {
            tracing::warn!(%site, %agent, "the key for secure aggregation has changed");
        }
        tx.announce_key(site, agent, key, now_unix_s).map(Ok)
    })
}

/// Takes a message of a session, and answers it.
///
/// # Errors
/// [`SessionError`]; the inner refusal is for the agent.
pub fn message(
    store: &Store,
    sessions: &Sessions,
    sender: Sender<'_>,
    message: Message<'_>,
    now_unix_s: i64,
) -> Result<Result<SessionAnswer, Refusal>, SessionError> {
    let Message { session, stage: number, body } = message;
    let stage = Stage::ALL.get(usize::from(number)).copied();
    let Some(stage) = stage.filter(|stage| *stage != Stage::Masked || body.is_empty()) else {
        return Ok(Err(Refusal::Stage { stage: number }));
    };
    let mut seat = match sessions.find(store, session)? {
        Found::Nothing => return Ok(Err(Refusal::UnknownSession)),
        Found::Over(row) => {
            let Some(position) = position(&row.order, sender) else {
                return Ok(Err(Refusal::UnknownSession));
            };
            return Ok(Ok(ended(store, session, position)?));
        }
        Found::Open(seat) => seat,
    };
    let Some(position) = position(&seat.live.row.order, sender) else {
        seat.keep();
        return Ok(Err(Refusal::UnknownSession));
    };
    let mut events = seat.live.settle(now_unix_s);
    let taken = match body {
        [] => Ok(()),
        body => seat.live.receive(position, stage, body, now_unix_s, &mut events),
    };
    let alert = taken.as_ref().err().and_then(alert_of);
    if !events.is_empty() || alert.is_some() {
        let due = seat.live.due(now_unix_s);
        store.write::<_, StoreError>("session_message", |tx| {
            if let Some(kind) = alert {
                tx.raise_alert(sender.site, sender.agent, kind, now_unix_s)?;
            }
            tx.add_session_events(session, &events, due)
        })?;
    }
    if let Err(fault) = &taken {
        report(sender, session, stage, fault);
        seat.keep();
        return Ok(Err(Refusal::Stage { stage: number }));
    }
    if seat.live.finish(store)? {
        return Ok(Ok(ended(store, session, position)?));
    }
    let answer = seat.live.answer(position, stage, now_unix_s);
    seat.keep();
    Ok(Ok(answer))
}

/// Does what time asks of the open sessions: closes stages, computes sums, gives up.
///
/// # Errors
/// The first [`SessionError`]; the other sessions go on.
pub fn advance(store: &Store, sessions: &Sessions, now_unix_s: i64) -> Result<(), SessionError> {
    let due = store.read("due_sessions", |tx| tx.due_sessions(now_unix_s))?;
    let mut outcome = Ok(());
    for session in due {
        let looked = sessions.look(store, session, now_unix_s);
        outcome = outcome.and(looked);
    }
    outcome
}

impl Sessions {
    /// The open session that a release belongs to, if there is one.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn seat(&self, store: &Store, body: &Body) -> Result<Option<Box<Seat<'_>>>, SessionError> {
        match body {
            Body::MaskedUpdate { session, .. }
            | Body::MaskedStatistics { session, .. }
            | Body::MaskedEvaluation { session, .. } => Ok(match self.find(store, *session)? {
                Found::Open(seat) => Some(seat),
                Found::Nothing | Found::Over(_) => None,
            }),
            Body::Confusion { .. }
            | Body::Coincidence { .. }
            | Body::Calibration { .. }
            | Body::Drift { .. }
            | Body::Campaign { .. }
            | Body::Evaluation { .. }
            | Body::Update { .. }
            | Body::CoarseUpdate { .. } => Ok(None),
        }
    }

    fn find(&self, store: &Store, session: Digest) -> Result<Found<'_>, SessionError> {
        // What was under way when a thread failed was taken out before: the rest is sound.
        let mut cache = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cache.iter().position(|live| live.row.id == session);
        // Another process may have given it up.
        if let Some(live) = known.and_then(|index| cache.remove(index))
            && store.read("session_open", |tx| tx.is_session_open(session))?
        {
            return Ok(Found::Open(Box::new(Seat { cache, live })));
        }
        let stored = store.read::<_, StoreError>("session", |tx| {
            let Some(row) = tx.session(session)? else { return Ok(None) };
            let events = tx.session_events(&row)?;
            Ok(Some((row, events)))
        })?;
        let Some((row, events)) = stored else { return Ok(Found::Nothing) };
        if row.state != SessionState::Open {
            return Ok(Found::Over(Box::new(row)));
        }
        let refused = |source| SessionError::Order { session, source };
        let wrong = |source| SessionError::Events { session, source };
        let server = Server::replay(session_of(&row.order).map_err(refused)?, events);
        let live = Live { row, server: server.map_err(wrong)? };
        Ok(Found::Open(Box::new(Seat { cache, live })))
    }

    fn look(&self, store: &Store, session: Digest, now_unix_s: i64) -> Result<(), SessionError> {
        let Found::Open(mut seat) = self.find(store, session)? else { return Ok(()) };
        let events = seat.live.settle(now_unix_s);
        let due = seat.live.due(now_unix_s);
        store.write("session_time", |tx| tx.add_session_events(session, &events, due))?;
        if seat.live.finish(store)? {
            return Ok(());
        }
        if now_unix_s >= seat.live.gives_up_unix_s() {
            return seat.live.give_up(store);
        }
        seat.keep();
        Ok(())
    }
}

impl Seat<'_> {
    /// Gives the session its vector of a release, in the transaction that stores the release; says
    /// whether it counts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn vector(
        &mut self,
        tx: &Tx<'_>,
        sender: Sender<'_>,
        release: &Release,
        now_unix_s: i64,
    ) -> Result<bool, StoreError> {
        let session = self.live.row.id;
        let Some(position) = position(&self.live.row.order, sender) else { return Ok(false) };
        let mut events = self.live.settle(now_unix_s);
        let before = events.len();
        let body = release.values.to_bytes();
        let taken = self.live.receive(position, Stage::Masked, &body, now_unix_s, &mut events);
        if let Err(fault) = &taken {
            report(sender, session, Stage::Masked, fault);
            if let Some(kind) = alert_of(fault) {
                tx.raise_alert(sender.site, sender.agent, kind, now_unix_s)?;
            }
        }
        tx.add_session_events(session, &events, self.live.due(now_unix_s))?;
        Ok(events[before..].iter().any(|event| matches!(event, Event::Received { .. })))
    }

    /// Keeps the session in memory: everything that happened to it is stored.
    pub fn keep(self: Box<Self>) {
        let Self { mut cache, live } = *self;
        if cache.len() == CACHED_MAX {
            cache.pop_front();
        }
        cache.push_back(live);
    }
}

impl Live {
    /// Closes every stage that is complete, or at its deadline with enough sites.
    fn settle(&mut self, now_unix_s: i64) -> Vec<Event> {
        let mut closed = Vec::new();
        while let Some(stage) = self.server.open() {
            let late = now_unix_s >= self.row.order.deadlines_unix_s[stage as usize];
            if !(late || self.server.is_complete()) || self.server.close().is_err() {
                break;
            }
            tracing::debug!(session = %self.row.id, ?stage, late, "stage closed");
            closed.push(Event::Closed(stage));
        }
        closed
    }

    /// Takes a message, and closes what it completes. A late one is no fault: the answer tells the
    /// site what became of it.
    fn receive(
        &mut self,
        position: usize,
        stage: Stage,
        body: &[u8],
        now_unix_s: i64,
        events: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        match self.server.receive(position, stage, body) {
            Ok(Accepted::New) => {
                events.push(Event::Received { position, stage, body: body.to_vec() });
                events.extend(self.settle(now_unix_s));
            }
            Ok(Accepted::Again) => {}
            Err(Fault::NotOpen { .. }) if self.server.open().is_none_or(|open| open > stage) => {}
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// When time alone changes something next.
    fn due(&self, now_unix_s: i64) -> i64 {
        let Some(stage) = self.server.open() else { return now_unix_s };
        let deadline = self.row.order.deadlines_unix_s[stage as usize];
        if now_unix_s < deadline { deadline } else { self.gives_up_unix_s() }
    }

    /// When it is given up if too few sites have answered its open stage. Before there is a vector,
    /// that is when none is made any more: nothing was charged, and another attempt costs nothing.
    fn gives_up_unix_s(&self) -> i64 {
        let limit = self.row.gives_up_unix_s;
        match self.server.open() {
            Some(Stage::Keys | Stage::Shares) => {
                limit.min(self.row.order.deadlines_unix_s[Stage::Masked as usize])
            }
            Some(Stage::Masked | Stage::Consent | Stage::Reveal) | None => limit,
        }
    }

    /// Ends a session whose stages are closed, with its sum if there is one; says whether it did.
    fn finish(&self, store: &Store) -> Result<bool, SessionError> {
        if self.server.open().is_some() {
            return Ok(false);
        }
        let session = self.row.id;
        let sites = self.row.order.members.len();
        match self.server.sum() {
            Ok(sum) => {
                let sum = sum_row(&sum);
                store.write("session_sum", |tx| tx.sum_session(session, &sum))?;
                count("summed");
                let survived = sum.survived.len();
                tracing::info!(%session, sites, survived, "secure aggregation has a sum");
            }
            Err(error) => {
                let reason = format!("the masks cannot be removed: {error}");
                self.abandon(store, &reason)?;
            }
        }
        Ok(true)
    }

    fn give_up(&self, store: &Store) -> Result<(), SessionError> {
        let Some(stage) = self.server.open() else { return Ok(()) };
        let (got, needed) = (self.server.answered(stage).len(), self.row.order.threshold);
        let what = match stage {
            Stage::Keys => "sent keys",
            Stage::Shares => "shared secrets",
            Stage::Masked => "sent a vector",
            Stage::Consent => "signed the list of survivors",
            Stage::Reveal => "revealed shares",
        };
        let mut reason = format!("{got} of {needed} needed sites {what} in time");
        if stage == Stage::Keys {
            let times = self.row.order.noisy_sites();
            reason += &format!(
                "; a site that is not away takes no part when its policy or its budget does not allow \
                 the price, {times} times that of the sum if all other sites collude"
            );
        }
        self.abandon(store, &reason)
    }

    fn abandon(&self, store: &Store, reason: &str) -> Result<(), SessionError> {
        let session = self.row.id;
        store.write("abandon_session", |tx| tx.abandon_session(session, reason))?;
        count("abandoned");
        tracing::warn!(%session, reason, "secure aggregation abandoned");
        Ok(())
    }

    fn answer(&self, position: usize, stage: Stage, now_unix_s: i64) -> SessionAnswer {
        match self.server.answer(position, stage) {
            Answer::Ready(answer) => SessionAnswer::Ready(Bytes(answer)),
            Answer::Dropped => SessionAnswer::Dropped,
            Answer::Wait => {
                let age_ms = now_unix_s.saturating_sub(self.row.opened_unix_s).saturating_mul(1000);
                let wait_ms = (age_ms / RETRY_SHARE).clamp(RETRY_MS_MIN, RETRY_MS_MAX);
                SessionAnswer::Wait { retry_after_ms: u32::try_from(wait_ms).unwrap_or(u32::MAX) }
            }
        }
    }
}

/// The sender's place in the roster.
pub(super) fn position(order: &SessionOrder, sender: Sender<'_>) -> Option<usize> {
    order
        .members
        .iter()
        .position(|member| member.site == *sender.site && member.agent == *sender.agent)
}

/// What a site hears of a session that is over.
fn ended(store: &Store, session: Digest, position: usize) -> Result<SessionAnswer, StoreError> {
    let sum = store.read("session_sum", |tx| tx.session_sum(session))?;
    Ok(match sum {
        Some(sum) if sum.survived.iter().any(|at| usize::from(*at) == position) => {
            SessionAnswer::Done
        }
        Some(_) => SessionAnswer::Dropped,
        None => SessionAnswer::Abandoned,
    })
}

fn sum_row(sum: &Sum) -> SumRow {
    let narrow = |position| u8::try_from(position).expect("a session has at most 255 sites");
    let value = |value: &i64| i32::try_from(*value).expect("a sum in a ring of 32 bits");
    SumRow {
        survived: sum.survived.iter().map(narrow).collect(),
        digest: Fixed(sum.digest),
        sums: sum.values.iter().map(value).collect(),
    }
}

/// Whether a fault is worth an alert: bytes that an agent of ours, undisturbed, does not send.
fn alert_of(fault: &Fault) -> Option<AlertKind> {
    match fault {
        Fault::Equivocation { .. } => Some(AlertKind::Equivocation),
        Fault::Malformed(_) | Fault::Signature { .. } => Some(AlertKind::Malformed),
        Fault::Unexpected { .. } | Fault::NotOpen { .. } | Fault::TooFew { .. } | _ => None,
    }
}

fn report(sender: Sender<'_>, session: Digest, stage: Stage, fault: &Fault) {
    let Sender { site, agent } = sender;
    let outcome = alert_of(fault).map_or("refused", AlertKind::name);
    metrics::counter!("insitu_session_messages_refused_total", "outcome" => outcome).increment(1);
    tracing::warn!(%site, %agent, %session, ?stage, outcome, %fault, "session message refused");
}

fn count(outcome: &'static str) {
    metrics::counter!("insitu_sessions_total", "outcome" => outcome).increment(1);
}
