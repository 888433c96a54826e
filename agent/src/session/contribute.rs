//! The vector: noise, masks, charge, ledger and journal.

use insitu_privacy::secagg::Refusal;
use insitu_privacy::{NoisePool, Rho, budget};
use insitu_protocol::ids::Digest;
use insitu_protocol::release::Body;
use insitu_protocol::session::{Purpose, SessionOrder};

use super::judge::noisy_sites;
use super::order::{OrderError, session_of};
use super::step::{Lost, restore};
use crate::config::{Limits, Policy};
use crate::outbox::{self, OutboxError};
use crate::release::{self, ReleaseError, Share};
use crate::store::sessions::SessionState;
use crate::store::{Store, StoreError, Tx, explain};
use crate::tally::Tally;

/// What the site adds to a session.
#[derive(Clone, Copy, Debug)]
pub struct Contribution<'a> {
    /// The session.
    pub session: Digest,
    /// Its order.
    pub order: &'a SessionOrder,
    /// The exact values, part by part.
    pub tallies: &'a [Tally],
    /// The statistics window that it takes, if it does.
    pub window: Option<u32>,
}

/// Why the site adds nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContributeError {
    /// The order is not what the tallies give.
    #[error("the session does not fit")]
    Order(#[from] OrderError),
    /// The others' shares.
    #[error("the session is left")]
    Refused(#[from] Refusal),
    /// The journal.
    #[error("{what}")]
    Journal {
        /// What is wrong with it, in words.
        what: String,
    },
    /// The session ended while the vector was made.
    #[error("the session is over")]
    Over,
    /// The outbox refuses.
    #[error("the outbox refuses")]
    Outbox(#[from] OutboxError),
}

impl From<StoreError> for ContributeError {
    fn from(error: StoreError) -> Self {
        Self::Outbox(error.into())
    }
}

impl From<ReleaseError> for ContributeError {
    fn from(error: ReleaseError) -> Self {
        Self::Outbox(error.into())
    }
}

impl ContributeError {
    /// Whether the same can succeed later in the same session.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Outbox(error) => error.is_transient(),
            Self::Order(_) | Self::Refused(_) | Self::Journal { .. } | Self::Over => false,
        }
    }
}

/// Noises, masks and charges the tallies; `close` takes in the same transaction what they were
/// counted from, or says that it is not the same any more, and then nothing happened.
///
/// The noise is the pool's, where [`draw_shares_ahead`](crate::release::draw_shares_ahead) has put it.
/// Until that transaction nothing was charged and nothing can leave: the next try has other noise. After it the vector is the one of this session for ever, and the roots of its masks
/// are erased.
///
/// # Errors
/// [`ContributeError`]; nothing changed then.
pub fn contribute(
    store: &Store,
    (policy, limits): (&Policy, &Limits),
    pool: &NoisePool,
    contribution: &Contribution<'_>,
    now: i64,
    close: impl FnOnce(&Tx<'_>) -> Result<bool, StoreError>,
) -> Result<bool, ContributeError> {
    let Contribution { session, order, tallies, window } = contribution;
    check_version(order, tallies)?;
    let body = body(contribution)?;
    let parameters = session_of(order)?;
    let (client, shares, noisy_sites) = store.tx("session", |tx| {
        let row = tx.session(session)?.filter(|row| row.state == SessionState::Shared);
        let row = row.ok_or(ContributeError::Over)?;
        let client = restore(tx, &row)?.map_err(journal)?;
        let shares = tx.shares(session)?.ok_or_else(|| journal(Lost::Missing))?;
        // Counted again: what is approved, and the policy, may have changed since it was judged.
        let noisy_sites = noisy_sites(tx, policy, order, &parameters)??;
        Ok::<_, ContributeError>((client, shares, noisy_sites))
    })?;
    let share = Share::make(tallies, body, &parameters, noisy_sites, &order.parts, pool)?;
    let mut client = client;
    let checked = client.check_shares(&shares)?;
    let masked = share.mask(&mut client, checked)?;
    let done = store.alone("contribute", |tx| {
        let row = tx.session(session)?;
        if row.is_none_or(|row| row.state != SessionState::Shared) {
            return Err(Stop::Failed(ContributeError::Over));
        }
        if !close(tx)? {
            return Err(Stop::Moved);
        }
        let release = masked.store(|journal| {
            tx.set_journal(session, SessionState::Masked, journal).map_err(Stop::from)
        })?;
        let id = release.id();
        outbox::commit(tx, vec![release], limits, now)
            .map_err(|error| Stop::Failed(error.into()))?;
        let again = match window {
            Some(window) => may_reopen(tx, limits, tallies, *window)?.then_some(*window),
            None => None,
        };
        Ok(tx.set_contributed(session, &id, again)?)
    });
    match done {
        Ok(()) => Ok(true),
        Err(Stop::Moved) => Ok(false),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Whether a statistics window that has just been charged may be opened again, should the session fail:
/// whether its limit has room for its price once more. Were it opened without, no window with its items
/// in it could ever be released.
fn may_reopen(
    tx: &Tx<'_>,
    limits: &Limits,
    tallies: &[Tally],
    window: u32,
) -> Result<bool, StoreError> {
    let Some(first) = tallies.first() else { return Ok(false) };
    let spent = Rho::from_nano(release::window_spent(tx, first.project(), window)?);
    let price = tallies.iter().map(|tally| Rho::from_nano(tally.nano_rho())).sum();
    Ok(budget::admit(spent, price, limits.window).is_ok())
}

/// Rolls the transaction back, as a failure or not.
enum Stop {
    Moved,
    Failed(ContributeError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// A vector over another version of the project than was ordered is in no sum, whatever its shape.
fn check_version(order: &SessionOrder, tallies: &[Tally]) -> Result<(), OrderError> {
    let ordered = match &order.purpose {
        Purpose::Update(_) => return Ok(()), // of any version: it adds up weights
        Purpose::Statistics { project_version, .. } => *project_version,
        Purpose::Evaluation(order) => order.project_version,
    };
    let mut versions = tallies.iter().map(Tally::project_version);
    match versions.find(|ours| *ours != ordered) {
        Some(ours) => Err(OrderError::Version { ordered, ours }),
        None => Ok(()),
    }
}

fn body(contribution: &Contribution<'_>) -> Result<Body, ContributeError> {
    let session = contribution.session;
    Ok(match &contribution.order.purpose {
        Purpose::Update(round) => {
            Body::MaskedUpdate { run: round.run, round: round.round, session }
        }
        Purpose::Statistics { .. } => {
            let window = contribution.window.ok_or(OrderError::Parts)?;
            Body::MaskedStatistics { window, session }
        }
        Purpose::Evaluation(order) => {
            Body::MaskedEvaluation { evaluation: order.evaluation, session }
        }
    })
}

fn journal(lost: Lost) -> ContributeError {
    ContributeError::Journal { what: explain(&lost) }
}
