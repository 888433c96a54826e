//! What an ordered session says, checked against what the site computes by itself.

use insitu_privacy::clip::ClipError;
use insitu_privacy::secagg::{
    ConsentKey, NoisePart, NoiseShareError, Parameters, Ring, Session, SessionError, SessionId,
    Site,
};
use insitu_privacy::{GaussianScale, NoiseError, Rho};
use insitu_protocol::ids::{AgentName, SiteName, digest};
use insitu_protocol::project::Project;
use insitu_protocol::session::{Member, Part, Purpose, SessionOrder};

use crate::learn;
use crate::tally::{self, Outline};

/// Why the site does not take part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The roster, the threshold, or the vector.
    #[error("the session is refused")]
    Session(#[from] SessionError),
    /// A time before 1970.
    #[error("a deadline is not a time")]
    Deadline,
    /// A scale that is none.
    #[error("a scale of the noise is refused")]
    Scale(#[source] NoiseError),
    /// A round's clipping.
    #[error("the round's clipping is refused")]
    Clip(#[from] ClipError),
    /// No share of the noise has the right size.
    #[error("the noise cannot be shared")]
    Noise(#[from] NoiseShareError),
    /// Shape or noise of the vector are others than the plan gives.
    #[error("the vector's parts are not those that follow from their price")]
    Parts,
    /// The session is over another version of the project.
    #[error("the session is over version {ordered} of the project, this site has {ours}")]
    Version {
        /// The session's.
        ordered: u32,
        /// The site's.
        ours: u32,
    },
    /// The site's own key is not there.
    #[error("this site's key is not among the members'")]
    Unlisted,
    /// Too few sites to hide among.
    #[error("{got} noisy sites are certain, policy.noisy_sites = {needed}")]
    NoisySites {
        /// T − c, less those that are not approved where that is demanded.
        got: usize,
        /// The policy's.
        needed: u8,
    },
    /// Nothing hides this site when the members that are not approved collude too.
    #[error(
        "{strangers} members' keys are not approved (insitu-agent peers list), and may collude"
    )]
    Strangers {
        /// Such members.
        strangers: usize,
        /// What they could do.
        source: SessionError,
    },
    /// Too few colluding sites assumed.
    #[error("{got} colluding sites are assumed, policy.colluders = {needed}")]
    Colluders {
        /// c.
        got: u8,
        /// The policy's.
        needed: u8,
    },
    /// Another key than the one known.
    #[error("{site}/{agent} has another key than before: see insitu-agent peers list")]
    Peer {
        /// The site.
        site: SiteName,
        /// Its agent.
        agent: AgentName,
    },
    /// More keys than are kept.
    #[error(
        "{got} keys of other sites are known, no more are kept: insitu-agent peers forget makes room"
    )]
    PeersFull {
        /// Keys known.
        got: u64,
    },
    /// The first stage is closed.
    #[error("its first stage closed before this site could answer")]
    Late,
    /// The same was released by itself.
    #[error("this site has sent its own answer to the same already")]
    Released,
}

/// What taking part costs a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Price {
    /// Against the coordinator and the colluders that are assumed.
    pub(super) rho: Rho,
    /// When all other sites collude.
    pub(super) rho_local: Rho,
}

/// The id of the session that an order proposes.
pub(super) fn id(order: &SessionOrder) -> SessionId {
    let (occasion, step) = order.purpose.occasion();
    SessionId::derive(&occasion.0, step, order.attempt)
}

/// The session that an order proposes, the same at every site that was given the same order.
///
/// # Errors
/// [`OrderError::Session`], [`OrderError::Deadline`], [`OrderError::Scale`].
pub(super) fn session_of(order: &SessionOrder) -> Result<Session, OrderError> {
    let smallest = order.parts.iter().map(|part| part.scale_1024).min().unwrap_or(0);
    let mut deadlines = [0; 5];
    for (deadline, ordered) in deadlines.iter_mut().zip(order.deadlines_unix_s) {
        *deadline = u64::try_from(ordered).map_err(|_| OrderError::Deadline)?;
    }
    let values = order.parts.iter().map(|part| u64::from(part.values)).sum::<u64>();
    let parameters = Parameters {
        id: id(order),
        roster: order.members.iter().map(site).collect(),
        threshold: usize::from(order.threshold),
        colluders: usize::from(order.colluders),
        // More than fits is more than a session takes.
        dimensions: usize::try_from(values).unwrap_or(usize::MAX),
        ring: Ring::Bits32,
        noise: GaussianScale::from_steps(smallest).map_err(OrderError::Scale)?,
        input: order.binding().0,
        deadlines,
    };
    Ok(Session::new(parameters)?)
}

fn site(member: &Member) -> Site {
    Site {
        agent: member.identity().0,
        certificate: digest(&member.verify_key.0).0,
        verify_key: member.verify_key.0,
    }
}

/// Where this site stands in the roster.
///
/// # Errors
/// [`OrderError::Unlisted`].
pub(super) fn position(session: &Session, key: &ConsentKey) -> Result<usize, OrderError> {
    let own = key.verify_key();
    let roster = &session.parameters().roster;
    roster.iter().position(|site| site.verify_key == own).ok_or(OrderError::Unlisted)
}

/// What the vector costs, once its parts are found to be what their prices make them. Of the noise,
/// that of `noisy_sites` is certain to be in the sum.
///
/// # Errors
/// [`OrderError`].
pub(super) fn price(
    order: &SessionOrder,
    session: &Session,
    project: &Project,
    noisy_sites: usize,
) -> Result<Price, OrderError> {
    let sums = match &order.purpose {
        Purpose::Update(round) => vec![learn::outline(round)?],
        Purpose::Statistics { project_version, .. } => {
            if *project_version != project.version {
                return Err(OrderError::Version {
                    ordered: *project_version,
                    ours: project.version,
                });
            }
            tally::window_outlines(project).to_vec()
        }
        Purpose::Evaluation(order) => {
            vec![learn::evaluation::outline(project, order).map_err(|_| OrderError::Version {
                ordered: order.project_version,
                ours: project.version,
            })?]
        }
    };
    let mut price = Price { rho: Rho::ZERO, rho_local: Rho::ZERO };
    let mut parts = Vec::with_capacity(sums.len());
    for Outline { sensitivity, nano_rho, values } in sums {
        let noise = NoisePart::new(sensitivity, Rho::from_nano(nano_rho), session.noisy_sites())?;
        if noise.fraction_bits > 0 && matches!(order.purpose, Purpose::Update(_)) {
            // An update has fraction bits of its own.
            return Err(OrderError::Parts);
        }
        price.rho = add(price.rho, noise.shared_rho(sensitivity, values, noisy_sites));
        price.rho_local = add(price.rho_local, noise.local_rho(sensitivity));
        let values = u32::try_from(values).map_err(|_| OrderError::Parts)?;
        parts.push(Part { values, scale_1024: noise.scale.steps() });
    }
    if parts == order.parts { Ok(price) } else { Err(OrderError::Parts) }
}

fn add(a: Rho, b: Rho) -> Rho {
    a.checked_add(b).unwrap_or(Rho::MAX)
}
