//! Secure aggregation: sessions in which sites add something, and only the sum is seen.
//!
//! The state machine is `insitu_privacy::secagg`; here are the members that it is proposed to
//! ([`cohort`]), the vector and its noise ([`vector`]), and the messages ([`desk`]). Whatever a
//! session does is a stored event first, and the events give the same session again after a crash.

pub mod cohort;
pub mod desk;
pub mod report;
pub mod vector;

use std::time::Duration;

use insitu_daemon::telemetry::explain;
use insitu_privacy::GaussianScale;
use insitu_privacy::secagg::{
    NoiseShareError, Parameters, Ring, Session, SessionError as ParametersError, SessionId, Site,
};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{AgentName, Digest, SiteName, digest};
use insitu_protocol::project::Project;
use insitu_protocol::session::{MEMBERS_MAX, Purpose, STAGES, SessionOrder};

use crate::store::{OrderKind, SessionRow, SessionState, StoreError, Tx};
use cohort::Cohort;
use vector::Segment;

/// Fewest sites of a session: fewer do not hide one another.
pub const SITES_MIN: usize = 4;
/// Fewest sites whose noise is certain to be in a sum.
pub const NOISY_SITES_MIN: usize = 3;
/// Most attempts at one sum.
pub const ATTEMPTS_MAX: u32 = 3;
/// A public bound on the subjects of all sites of a session: their sum must fit into 32 bits.
pub const SUBJECTS_MAX: u64 = 100_000;
/// The part of its time by which each stage of a session closes, in thousandths: the computation
/// has most, and the last two stages, whose failure costs budget, more than the first two.
const STAGE_ENDS_MILLI: [i64; STAGES] = [100, 200, 600, 800, 1000];
/// A session is over after this long, in seconds: sites forget it then.
pub const LIFE_S_MAX: i64 = 86_400;

/// Who sends: from the certificate, never from a message.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The site.
    pub site: &'a SiteName,
    /// The agent there.
    pub agent: &'a AgentName,
}

/// What is to be added, by whom, and by when.
#[derive(Clone, Debug)]
pub struct Proposal<'a> {
    /// What.
    pub purpose: Purpose,
    /// The project, at the version that fixes the shape.
    pub project: &'a Project,
    /// The attempt, from 0.
    pub attempt: u32,
    /// The sites that may take part.
    pub invited: &'a [SiteName],
    /// Sites that may collude with the coordinator; `None` is what suits their number.
    pub colluders: Option<u8>,
    /// How long it may take, seconds.
    pub closes_in_s: i64,
}

/// Why no session can be proposed: for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// Too few agents that could take part.
    #[error(
        "{ready} sites cannot hide one another: {SITES_MIN} of the {invited} invited ones must \
         have announced a key"
    )]
    TooFewSites {
        /// Sites with a key.
        ready: usize,
        /// Sites invited.
        invited: usize,
    },
    /// More than shares of a secret reach.
    #[error("{ready} sites are more than the {MEMBERS_MAX} of one session")]
    TooManySites {
        /// Sites with a key.
        ready: usize,
    },
    /// Too few sites would be certain to have noised the sum.
    #[error(
        "{threshold} answers of which {colluders} may collude leave fewer than {NOISY_SITES_MIN} \
         sites whose noise is certain"
    )]
    TooFewHonest {
        /// T.
        threshold: usize,
        /// c.
        colluders: usize,
    },
    /// The rules of the protocol.
    #[error("the session would not be safe")]
    Parameters {
        /// Which rule.
        #[from]
        source: ParametersError,
    },
    /// The noise cannot be shared.
    #[error("the noise cannot be shared")]
    Noise {
        /// Why not.
        #[from]
        source: NoiseShareError,
    },
    /// The grid of the update is too coarse for shared noise.
    #[error("training.fraction_bits must be {more} more for the noise of an update to be shared")]
    Coarse {
        /// Bits that are missing.
        more: u32,
    },
    /// A gradient that cannot be clipped to a sensitivity.
    #[error("the update has no sensitivity")]
    Clip {
        /// Why not.
        #[from]
        source: insitu_privacy::clip::ClipError,
    },
    /// The sum might not fit.
    #[error(
        "values of {SUBJECTS_MAX} subjects at up to {each} each and noise of scale {noise:.0} do \
         not fit into 32 bits"
    )]
    Ring {
        /// How far a subject can move a value, in grid steps.
        each: u64,
        /// Scale of the noise in the sum, in grid steps.
        noise: f64,
    },
}

/// How long sites are given, in whole seconds; the error is what was asked for, when that is none or
/// more than [`LIFE_S_MAX`].
pub(crate) fn seconds(given: Duration) -> Result<i64, u64> {
    let asked = given.as_secs();
    i64::try_from(asked).ok().filter(|s| (1..=LIFE_S_MAX).contains(s)).ok_or(asked)
}

/// Opens a session and tells its members, or says why there can be none.
///
/// # Errors
/// [`StoreError`].
pub fn propose(
    tx: &Tx<'_>,
    proposal: Proposal<'_>,
    now_unix_s: i64,
) -> Result<Result<Digest, Unfit>, StoreError> {
    let cohort = match cohort::choose(tx, proposal.invited, proposal.colluders)? {
        Ok(cohort) => cohort,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let session = match prepared(proposal, cohort, now_unix_s) {
        Ok(session) => session,
        Err(unfit) => return Ok(Err(unfit)),
    };
    tx.add_session(&session)?;
    for member in &session.order.members {
        let order = OrderKind::Session { session: session.id };
        tx.add_order(&member.site, &order, now_unix_s)?;
    }
    let (sites, attempt) = (session.order.members.len(), session.order.attempt);
    tracing::info!(session = %session.id, sites, attempt, "secure aggregation proposed");
    Ok(Ok(session.id))
}

/// Attempts at one sum that failed after sites had sent vectors: they paid for those too.
///
/// # Errors
/// [`StoreError`].
pub fn spent_in_vain(tx: &Tx<'_>, occasion: Fixed<16>, step: u32) -> Result<u32, StoreError> {
    let mut spent = 0;
    for session in tx.failed_attempts(occasion, step)? {
        spent += u32::from(!tx.vector_sites(&session)?.is_empty());
    }
    Ok(spent)
}

/// Gives the attempt at one sum that is under way up. Its sites hear so when they next ask.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn give_up(
    tx: &Tx<'_>,
    occasion: Fixed<16>,
    step: u32,
    reason: &str,
) -> Result<(), StoreError> {
    let newest = tx.attempts(occasion, step)?.pop();
    newest.map_or(Ok(()), |session| tx.abandon_session(session.id, reason))
}

/// How the attempts at one sum stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// One is under way, a new one perhaps.
    Waits,
    /// One has the sum.
    Summed,
    /// There will be none, for this reason.
    GivenUp(String),
}

/// Sees to the attempts at one sum: after a failure `again` proposes the next one, by its number,
/// until there were [`ATTEMPTS_MAX`].
///
/// # Errors
/// [`StoreError`], and what `again` returns.
pub(crate) fn attempts<E: From<StoreError>>(
    tx: &Tx<'_>,
    occasion: Fixed<16>,
    step: u32,
    again: impl FnOnce(u32) -> Result<Result<(), Unfit>, E>,
) -> Result<Progress, E> {
    let attempts = tx.attempts(occasion, step)?;
    let number = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
    match attempts.last().map(|last| (last.state, &last.reason)) {
        Some((SessionState::Open, _)) => Ok(Progress::Waits),
        Some((SessionState::Summed, _)) => Ok(Progress::Summed),
        Some((SessionState::Abandoned, reason)) if number >= ATTEMPTS_MAX => {
            Ok(Progress::GivenUp(format!("{number} attempts failed, the last because {reason}")))
        }
        Some((SessionState::Abandoned, _)) | None => Ok(again(number)?
            .map_or_else(|unfit| Progress::GivenUp(explain(&unfit)), |()| Progress::Waits)),
    }
}

/// The session that an order proposes, as every site makes it from the same order.
///
/// # Errors
/// [`Unfit`] for an order that nobody should have made.
pub fn session_of(order: &SessionOrder) -> Result<Session, Unfit> {
    let (occasion, step) = order.purpose.occasion();
    let smallest = order.parts.iter().map(|part| part.scale_1024).min().unwrap_or_default();
    let site = |member: &insitu_protocol::session::Member| Site {
        agent: member.identity().0,
        certificate: digest(&member.verify_key.0).0,
        verify_key: member.verify_key.0,
    };
    Ok(Session::new(Parameters {
        id: SessionId::derive(&occasion.0, step, order.attempt),
        roster: order.members.iter().map(site).collect(),
        threshold: usize::from(order.threshold),
        colluders: usize::from(order.colluders),
        dimensions: vector::values(order),
        ring: Ring::Bits32,
        noise: GaussianScale::from_steps(smallest).map_err(NoiseShareError::Scale)?,
        input: order.binding().0,
        deadlines: order.deadlines_unix_s.map(i64::cast_unsigned),
    })?)
}

fn prepared(proposal: Proposal<'_>, cohort: Cohort, now_unix_s: i64) -> Result<SessionRow, Unfit> {
    let closes_in_s = proposal.closes_in_s.min(LIFE_S_MAX);
    let segments = vector::segments(&proposal.purpose, proposal.project, cohort.noisy_sites())?;
    segments.iter().try_for_each(|segment| fits(segment, cohort.members.len()))?;
    let order = SessionOrder {
        purpose: proposal.purpose,
        attempt: proposal.attempt,
        threshold: cohort.threshold,
        colluders: cohort.colluders,
        members: cohort.members,
        parts: segments.iter().map(Segment::part).collect(),
        deadlines_unix_s: STAGE_ENDS_MILLI
            .map(|milli| now_unix_s.saturating_add((closes_in_s * milli + 999) / 1000)),
    };
    let session = session_of(&order)?;
    let last = order.deadlines_unix_s[STAGES - 1];
    let end = now_unix_s.saturating_add(LIFE_S_MAX);
    Ok(SessionRow {
        id: Fixed(session.parameters().id.0),
        order,
        opened_unix_s: now_unix_s,
        gives_up_unix_s: last.saturating_add(closes_in_s).min(end),
        state: SessionState::Open,
        reason: String::new(),
    })
}

/// Whether the sum of a segment over all sites stays within the ring.
fn fits(segment: &Segment, sites: usize) -> Result<(), Unfit> {
    let total = segment.total_scale(sites)?;
    let sensitivity = segment.scaled_sensitivity();
    if Ring::Bits32.holds(SUBJECTS_MAX, sensitivity, total) {
        return Ok(());
    }
    Err(Unfit::Ring { each: sensitivity.get().isqrt() + 1, noise: total.as_f64() })
}

#[cfg(test)]
pub(crate) mod tests;
