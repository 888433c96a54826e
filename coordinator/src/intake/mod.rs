//! What comes in: agents that join, their hellos, and their releases.
//!
//! A release is checked against its project and its agent's chain, committed, and only then
//! acknowledged. Nothing here looks at what the values say.

pub mod enrollment;
pub mod fleet;
mod shape;

use insitu_protocol::facts::DeviceFacts;
use insitu_protocol::ids::SiteName;
use insitu_protocol::release::{Body, CHAIN_START, Release, chain};
use insitu_protocol::response::{HelloAnswer, Receipt, Refusal};

use crate::session::Sender;
use crate::session::desk::{Seat, SessionError, Sessions};
use crate::store::{
    AlertKind, Buffering, EvaluationState, NewRelease, Noise, RoundRow, RoundState, RunRow,
    RunState, Store, StoreError, Tx,
};

/// An agent says that it is there.
///
/// # Errors
/// [`StoreError`]; the inner refusal is for the agent.
pub fn hello(
    store: &Store,
    sender: Sender<'_>,
    facts: &DeviceFacts,
    now_unix_s: i64,
) -> Result<Result<HelloAnswer, Refusal>, StoreError> {
    store.write("hello", |tx| {
        if !tx.is_member(sender.site)? {
            return Ok(Err(Refusal::NotMember));
        }
        tx.agent_seen(sender.site, sender.agent, facts, now_unix_s)?;
        let acknowledged = tx.chain_end(sender.site, sender.agent)?;
        Ok(Ok(HelloAnswer { now_unix_s, acknowledged }))
    })
}

/// Takes a release; the receipt may be sent once this returns.
///
/// The same release again gets the same receipt. Another one in its place is refused and raises
/// an alert: the disk was cloned, a backup restored, or somebody lies.
///
/// # Errors
/// [`SessionError`]; the inner refusal is for the agent.
pub fn submit(
    store: &Store,
    sessions: &Sessions,
    sender: Sender<'_>,
    bytes: &[u8],
    now_unix_s: i64,
) -> Result<Result<Receipt, Refusal>, SessionError> {
    let decoded = Release::decode(bytes);
    let mut seat = match &decoded {
        Ok(release) => sessions.seat(store, &release.body)?,
        Err(_) => None,
    };
    let verdict = store.write("submit", |tx| {
        if !tx.is_member(sender.site)? {
            return Ok::<_, StoreError>(Err(Suspect { refusal: Refusal::NotMember, alert: None }));
        }
        let verdict = match &decoded {
            Ok(release) => {
                let arrived = Arrived { release, bytes, now_unix_s };
                accept(tx, sender, arrived, seat.as_deref_mut())?
            }
            Err(_) => Err(Suspect::malformed(Refusal::Malformed)),
        };
        if let Err(Suspect { alert: Some(kind), .. }) = &verdict {
            tx.raise_alert(sender.site, sender.agent, *kind, now_unix_s)?;
        }
        Ok(verdict)
    })?;
    if let Some(seat) = seat {
        seat.keep();
    }
    let kind = decoded.as_ref().map_or("unknown", |release| release.body.name());
    let outcome = match &verdict {
        Ok(_) => "accepted",
        Err(Suspect { alert: Some(kind), .. }) => kind.name(),
        Err(Suspect { alert: None, .. }) => "refused",
    };
    metrics::counter!("insitu_releases_total", "kind" => kind, "outcome" => outcome).increment(1);
    if let Err(suspect) = &verdict {
        let Sender { site, agent } = sender;
        tracing::warn!(%site, %agent, kind, outcome, refusal = %suspect.refusal, "release refused");
    }
    Ok(verdict.map_err(|suspect| suspect.refusal))
}

/// A release that came.
#[derive(Clone, Copy)]
struct Arrived<'a> {
    release: &'a Release,
    /// What it was decoded from.
    bytes: &'a [u8],
    now_unix_s: i64,
}

/// A refusal, and whether it is worth an alert.
struct Suspect {
    refusal: Refusal,
    alert: Option<AlertKind>,
}

impl Suspect {
    fn malformed(refusal: Refusal) -> Self {
        Self { refusal, alert: Some(AlertKind::Malformed) }
    }
}

fn accept(
    tx: &Tx<'_>,
    sender: Sender<'_>,
    arrived: Arrived<'_>,
    seat: Option<&mut Seat<'_>>,
) -> Result<Result<Receipt, Suspect>, StoreError> {
    let Sender { site, agent } = sender;
    let Arrived { release, bytes, now_unix_s } = arrived;
    let chain = chain(bytes);
    let end = tx.chain_end(site, agent)?;
    let expected = end.as_ref().map_or(1, |end| end.sequence + 1);
    let broken = |alert| {
        let refusal = Refusal::Chain { expected, got: release.sequence };
        Ok(Err(Suspect { refusal, alert: Some(alert) }))
    };
    if let Some(known) = tx.chain_at(site, agent, release.sequence)? {
        let same = known.chain == chain;
        return if same { Ok(Ok(known)) } else { broken(AlertKind::Equivocation) };
    }
    if release.sequence != expected {
        return broken(AlertKind::Gap);
    }
    if release.previous != end.map_or(CHAIN_START, |end| end.chain) {
        return broken(AlertKind::Equivocation);
    }
    let owner = tx.release_owner(release.id)?;
    if !shape::is_priced(release) || owner.as_ref().is_some_and(|owner| owner != site) {
        return Ok(Err(Suspect::malformed(Refusal::Malformed)));
    }
    // From here on it is kept, counted or not: its agent was charged for it, and everything that
    // the agent releases later is chained to it. An agent that joined anew, after its store was
    // restored, brings its old chain along.
    let fit = shape::check(tx, sender, release)?;
    let counted = fit.is_ok()
        && owner.is_none()
        && match seat {
            Some(seat) => seat.vector(tx, sender, release, now_unix_s)?,
            None => counts(tx, sender, release, now_unix_s)?,
        };
    let received_unix_s = now_unix_s;
    tx.add_release(&NewRelease { site, agent, release, bytes, chain, counted, received_unix_s })?;
    let receipt = Receipt { id: release.id, sequence: release.sequence, chain };
    Ok(fit.map(|()| receipt).map_err(Suspect::malformed))
}

/// Whether a release that fits enters sums.
fn counts(
    tx: &Tx<'_>,
    sender: Sender<'_>,
    release: &Release,
    now_unix_s: i64,
) -> Result<bool, StoreError> {
    if tx.has_counted(sender.site, sender.agent, &release.project, &release.body)? {
        return Ok(false);
    }
    match release.body {
        Body::Confusion { .. }
        | Body::Coincidence { .. }
        | Body::Calibration { .. }
        | Body::Drift { .. } => Ok(true),
        Body::Campaign { campaign } => Ok(tx.campaign_sites(campaign)?.contains(sender.site)),
        // Its session is over, or there never was one.
        Body::MaskedUpdate { .. }
        | Body::MaskedStatistics { .. }
        | Body::MaskedEvaluation { .. } => Ok(false),
        Body::Evaluation { evaluation } => {
            let open = tx.evaluation(evaluation)?.is_some_and(|row| {
                row.state == EvaluationState::Open
                    && row.noise == Noise::Alone
                    && now_unix_s < row.order.closes_unix_s
            });
            Ok(open && tx.evaluation_sites(evaluation)?.contains(sender.site))
        }
        Body::Update { run, round } | Body::CoarseUpdate { run, round, .. } => {
            let Some(row) = tx.run(run)?.filter(|row| row.state == RunState::Open) else {
                return Ok(false);
            };
            if !tx.run_sites(run)?.contains(sender.site) {
                return Ok(false);
            }
            if let Some(buffering) = row.method.buffering {
                return buffer(tx, sender.site, &row, buffering, round, now_unix_s);
            }
            Ok(tx.round(run, round)?.is_some_and(|round| is_open(&round, now_unix_s)))
        }
    }
}

/// Whether a round takes updates that sites noise alone.
fn is_open(round: &RoundRow, now_unix_s: i64) -> bool {
    round.state == RoundState::Open
        && round.noise == Noise::Alone
        && now_unix_s < round.closes_unix_s
}

/// Puts an update of an asynchronous run, computed at the head of step `version`, into the buffer
/// of the open step or, while that is full or has another one of the site, of the first later one
/// with room; `false` when it would be too stale there. In which step it counts is decided here and
/// durable, so that it counts in one step only, wherever the coordinator is killed.
fn buffer(
    tx: &Tx<'_>,
    site: &SiteName,
    run: &RunRow,
    buffering: Buffering,
    version: u32,
    now_unix_s: i64,
) -> Result<bool, StoreError> {
    let Some(open) = tx.newest_round(run.id)?.filter(|open| is_open(open, now_unix_s)) else {
        return Ok(false);
    };
    if version > open.number {
        return Ok(false);
    }
    let last = version.saturating_add(buffering.staleness_max).min(run.rounds);
    for step in open.number..=last {
        let there = tx.buffered(run.id, step)?;
        let full = there.len() >= usize::try_from(buffering.size).unwrap_or(usize::MAX);
        if !full && there.iter().all(|row| row.site != *site) {
            tx.buffer(run.id, version, site, step)?;
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
