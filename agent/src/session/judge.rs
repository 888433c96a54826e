//! Whether the site takes part in a session, and its first message.

use insitu_privacy::Rho;
use insitu_privacy::secagg::{Client, Roots, Session};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::Digest;
use insitu_protocol::release::Body;
use insitu_protocol::session::{Purpose, SessionOrder};

use super::order::{OrderError, Price, id, position, price, session_of};
use super::{consent_key, peers};
use crate::config::{COLLUDERS_SITES_MIN, Limits, Peers, Policy};
use crate::release::{Charge, ReleaseError};
use crate::store::orders::ProjectRow;
use crate::store::sessions::SessionState;
use crate::store::{StoreError, Tx, explain};

/// Why a session is declined.
#[derive(Debug, thiserror::Error)]
enum Declined {
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("the policy does not allow it")]
    Release(#[from] ReleaseError),
}

impl From<StoreError> for Declined {
    fn from(error: StoreError) -> Self {
        Self::Release(error.into())
    }
}

/// Joins a proposed session, or declines it: whether the project's plan gives the same vector, the
/// policy has room for its cost, and the members are the ones known. Whether a round's backbone is
/// approved is the caller's to ask before.
///
/// # Errors
/// [`StoreError`]; what the site decides is in the session's state.
pub fn judge(
    tx: &Tx<'_>,
    policy: &Policy,
    limits: &Limits,
    order: &SessionOrder,
    project: &ProjectRow,
    now: i64,
) -> Result<(), StoreError> {
    let session = Fixed(id(order).0);
    let declined = match checked(tx, policy, limits, order, project, now) {
        Ok(joined) => match start(tx, &session, joined) {
            Ok(()) => {
                tracing::info!(%session, "session joined");
                return Ok(());
            }
            Err(Stop::Order(error)) => Declined::Order(error),
            Err(Stop::Store(error)) => return Err(error),
        },
        Err(Declined::Release(ReleaseError::Store(error))) => return Err(error),
        Err(declined) => declined,
    };
    let note = explain(&declined);
    tracing::warn!(%session, reason = note, "session declined");
    tx.end_session(&session, SessionState::Declined, &note)
}

fn checked(
    tx: &Tx<'_>,
    policy: &Policy,
    limits: &Limits,
    order: &SessionOrder,
    project: &ProjectRow,
    now: i64,
) -> Result<Session, Declined> {
    if now > order.deadlines_unix_s[0] {
        return Err(OrderError::Late.into());
    }
    let session = session_of(order)?;
    check_members(tx, policy, order, &session, now)?;
    let noisy_sites = noisy_sites(tx, policy, order, &session)??;
    let price = price(order, &session, &project.definition, noisy_sites)?;
    check_budget(tx, limits, order, project, price, now)?;
    Ok(session)
}

/// Whether this site is one of the members, and the others are the ones known.
fn check_members(
    tx: &Tx<'_>,
    policy: &Policy,
    order: &SessionOrder,
    session: &Session,
    now: i64,
) -> Result<(), Declined> {
    let key = consent_key(tx)?;
    position(session, &key)?;
    let own = key.verify_key();
    peers::meet(tx, &order.members, &own, now)??;
    let needed = if session.sites() < COLLUDERS_SITES_MIN { 0 } else { policy.colluders };
    if order.colluders < needed {
        return Err(OrderError::Colluders { got: order.colluders, needed }.into());
    }
    Ok(())
}

/// The sites whose noise is certain to be in the sum. Where the policy demands that peers are
/// approved, those that are not may all be the coordinator's: they collude beside the c sites that
/// the order assumes, in every formula.
///
/// # Errors
/// [`StoreError`]; the inner one when too few sites are left to hide this one.
pub(super) fn noisy_sites(
    tx: &Tx<'_>,
    policy: &Policy,
    order: &SessionOrder,
    session: &Session,
) -> Result<Result<usize, OrderError>, StoreError> {
    let strangers = match policy.peers {
        Peers::FirstUse => 0,
        Peers::Approved => peers::strangers(tx, &order.members, &consent_key(tx)?.verify_key())?,
    };
    let needed = policy.noisy_sites;
    Ok(match session.noisy_sites_beside(strangers) {
        Err(source) => Err(OrderError::Strangers { strangers, source }),
        Ok(got) if got < usize::from(needed) => Err(OrderError::NoisySites { got, needed }),
        Ok(got) => Ok(got),
    })
}

/// Whether the charge would be admitted if it were made now. It is made later, with the vector.
fn check_budget(
    tx: &Tx<'_>,
    limits: &Limits,
    order: &SessionOrder,
    project: &ProjectRow,
    price: Price,
    now: i64,
) -> Result<(), Declined> {
    let session = Fixed(id(order).0);
    let name = &project.definition.name;
    let charge = |body, Price { rho, rho_local }| Charge { project: name, body, rho, rho_local };
    let body = match &order.purpose {
        Purpose::Update(round) => {
            let (run, round) = (round.run, round.round);
            let none = Price { rho: Rho::ZERO, rho_local: Rho::ZERO };
            let alone = charge(Body::Update { run, round }, none).occasion();
            if tx.has_occasion(&alone).map_err(ReleaseError::from)? {
                return Err(OrderError::Released.into());
            }
            Body::MaskedUpdate { run, round, session }
        }
        Purpose::Statistics { .. } => Body::MaskedStatistics { window: project.window, session },
        Purpose::Evaluation(order) => {
            let evaluation = order.evaluation;
            let none = Price { rho: Rho::ZERO, rho_local: Rho::ZERO };
            let alone = charge(Body::Evaluation { evaluation }, none).occasion();
            if tx.has_occasion(&alone).map_err(ReleaseError::from)? {
                return Err(OrderError::Released.into());
            }
            Body::MaskedEvaluation { evaluation, session }
        }
    };
    Ok(charge(body, price).admit(tx, limits, now)?)
}

enum Stop {
    Order(OrderError),
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Draws the roots and keeps the first message.
fn start(tx: &Tx<'_>, id: &Digest, session: Session) -> Result<(), Stop> {
    let key = consent_key(tx)?;
    let position = position(&session, &key).map_err(Stop::Order)?;
    let mut random = [0; 96];
    getrandom::fill(&mut random)
        .map_err(|_| StoreError::Corrupt { table: "sessions", column: "roots" })?;
    let roots = Roots::new(random);
    random.fill(0);
    let (_, unsent) = Client::start(session, position, &key, roots)
        .map_err(|_| Stop::Order(OrderError::Unlisted))?;
    unsent.store(|journal| tx.set_journal(id, SessionState::Keys, journal))?;
    Ok(())
}
