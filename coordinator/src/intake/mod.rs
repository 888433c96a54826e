//! What comes in: agents that join, their hellos, and their releases.
//!
//! A release is checked against its project and its agent's chain, committed, and only then
//! acknowledged. Nothing here looks at what the values say.

pub mod enrollment;
pub mod fleet;
pub(crate) mod shape;

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

/// Releases of one agent that are taken within a day of each other, counted or not. Hourly windows of
/// four statistics and a round every minute are a good third of it. What an agent brings that was away
/// for longer waits in its outbox for the next day.
const RELEASES_PER_DAY_MAX: u64 = 4096;
const DAY_SECONDS: i64 = 86_400;
/// An agent that is over that is asked to come again after this long at most, seconds.
const RETRY_SECONDS_MAX: i64 = 3600;

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
        Ok(kept) => kept.standing.name(),
        Err(Suspect { alert: Some(kind), .. }) => kind.name(),
        Err(Suspect { alert: None, .. }) => "refused",
    };
    metrics::counter!("insitu_releases_total", "kind" => kind, "outcome" => outcome).increment(1);
    if let Err(suspect) = &verdict {
        let Sender { site, agent } = sender;
        tracing::warn!(%site, %agent, kind, outcome, refusal = %suspect.refusal, "release refused");
    }
    Ok(verdict.map(|kept| kept.receipt).map_err(|suspect| suspect.refusal))
}

/// A release that came.
#[derive(Clone, Copy)]
struct Arrived<'a> {
    release: &'a Release,
    /// What it was decoded from.
    bytes: &'a [u8],
    now_unix_s: i64,
}

/// A release that is kept, and acknowledged.
struct Kept {
    receipt: Receipt,
    standing: Standing,
}

/// What a release that is kept is good for. Its agent is told the same of each: what it was charged
/// for is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It enters sums.
    Counted,
    /// What it answers closed before it came.
    Late,
    /// It was sent before, or another one of its agent that says the same.
    Repeated,
    /// Its site was not asked.
    Unasked,
}

impl Standing {
    /// As it is counted in metrics.
    fn name(self) -> &'static str {
        match self {
            Self::Counted => "accepted",
            Self::Late => "late",
            Self::Repeated => "repeated",
            Self::Unasked => "unasked",
        }
    }

    /// Of an answer that came in time, or too late.
    fn timely(in_time: bool) -> Self {
        if in_time { Self::Counted } else { Self::Late }
    }
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
) -> Result<Result<Kept, Suspect>, StoreError> {
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
        let again = Kept { receipt: known, standing: Standing::Repeated };
        return if same { Ok(Ok(again)) } else { broken(AlertKind::Equivocation) };
    }
    if release.sequence != expected {
        return broken(AlertKind::Gap);
    }
    if release.previous != end.map_or(CHAIN_START, |end| end.chain) {
        return broken(AlertKind::Equivocation);
    }
    if let Some(retry_after_ms) = retry_after_ms(tx, sender, release.sequence, now_unix_s)? {
        return Ok(Err(Suspect { refusal: Refusal::Busy { retry_after_ms }, alert: None }));
    }
    let owner = tx.release_owner(release.id)?;
    if !shape::is_priced(release) || owner.as_ref().is_some_and(|owner| owner != site) {
        return Ok(Err(Suspect::malformed(Refusal::Malformed)));
    }
    // From here on it has its place, counted or not: its agent was charged for it, and everything that
    // the agent releases later is chained to it. An agent that joined anew, after its store was
    // restored, brings its old chain along.
    let fit = shape::check(tx, sender, release)?;
    let standing = match seat {
        _ if fit.is_err() || owner.is_some() => Standing::Repeated,
        Some(seat) => Standing::timely(seat.vector(tx, sender, release, now_unix_s)?),
        None => standing(tx, sender, release, now_unix_s)?,
    };
    let counted = fit.is_ok() && standing == Standing::Counted;
    let received_unix_s = now_unix_s;
    tx.add_release(&NewRelease { site, agent, release, bytes, chain, counted, received_unix_s })?;
    let receipt = Receipt { id: release.id, sequence: release.sequence, chain };
    Ok(fit.map(|()| Kept { receipt, standing }).map_err(Suspect::malformed))
}

/// When an agent that has released as often as it may in a day is to come again; `None` for another.
fn retry_after_ms(
    tx: &Tx<'_>,
    Sender { site, agent }: Sender<'_>,
    sequence: u64,
    now_unix_s: i64,
) -> Result<Option<u32>, StoreError> {
    let Some(first) = sequence.checked_sub(RELEASES_PER_DAY_MAX) else { return Ok(None) };
    let Some(at_unix_s) = tx.received_at(site, agent, first)? else { return Ok(None) };
    let seconds = at_unix_s.saturating_add(DAY_SECONDS).saturating_sub(now_unix_s);
    if seconds <= 0 {
        return Ok(None);
    }
    let milliseconds = seconds.min(RETRY_SECONDS_MAX).saturating_mul(1000);
    Ok(Some(u32::try_from(milliseconds).unwrap_or(u32::MAX)))
}

/// Whether a release that fits enters sums, and why not.
fn standing(
    tx: &Tx<'_>,
    sender: Sender<'_>,
    release: &Release,
    now_unix_s: i64,
) -> Result<Standing, StoreError> {
    if tx.has_counted(sender.site, sender.agent, &release.project, &release.body)? {
        return Ok(Standing::Repeated);
    }
    let in_time = match release.body {
        Body::Confusion { .. }
        | Body::Coincidence { .. }
        | Body::Calibration { .. }
        | Body::Drift { .. } => true,
        Body::Campaign { campaign } => {
            if !tx.campaign_sites(campaign)?.contains(sender.site) {
                return Ok(Standing::Unasked);
            }
            true
        }
        // Its session is over, or there never was one.
        Body::MaskedUpdate { .. }
        | Body::MaskedStatistics { .. }
        | Body::MaskedEvaluation { .. } => false,
        Body::Evaluation { evaluation } => {
            if !tx.evaluation_sites(evaluation)?.contains(sender.site) {
                return Ok(Standing::Unasked);
            }
            tx.evaluation(evaluation)?.is_some_and(|row| {
                row.state == EvaluationState::Open
                    && row.noise == Noise::Alone
                    && now_unix_s < row.order.closes_unix_s
            })
        }
        Body::Update { run, round } | Body::CoarseUpdate { run, round, .. } => {
            if !tx.run_sites(run)?.contains(sender.site) {
                return Ok(Standing::Unasked);
            }
            match tx.run(run)?.filter(|row| row.state == RunState::Open) {
                None => false,
                Some(row) => match row.method.buffering {
                    Some(buffering) => buffer(tx, sender.site, &row, buffering, round, now_unix_s)?,
                    None => tx.round(run, round)?.is_some_and(|round| is_open(&round, now_unix_s)),
                },
            }
        }
    };
    Ok(Standing::timely(in_time))
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
