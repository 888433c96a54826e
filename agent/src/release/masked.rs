//! Masked releases: a site's part of a sum over sites.
//!
//! A [`Share`] is what the site adds: exact tallies with its share of the noise. By itself that is
//! too little noise to leave, so a `Share` shows nothing of itself and becomes nothing but a
//! [`Masked`] vector, and that becomes a [`Release`] where its journal is stored:
//!
//! ```compile_fail
//! fn leak(share: insitu_agent::release::Share) -> insitu_agent::release::Release {
//!     // Noised, and not masked: it is not a release, and has no values to read.
//!     share.into()
//! }
//! ```
//!
//! ```compile_fail
//! // Nor can one be put together by hand.
//! let _ = insitu_agent::release::Share { noised: vec![1] };
//! ```

use insitu_privacy::secagg::{CheckedShares, Client, NoisePart, Refusal, Session, Unsent};
use insitu_privacy::{Demand, GaussianScale, NoiseError, NoisePool, Rho};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::release::{Body, Values};
use insitu_protocol::session::Part;

use super::{Release, ReleaseError};
use crate::tally::Tally;

/// Tallies with a site's share of the noise. Nothing of it can be read.
pub struct Share {
    /// The release that it becomes; without values yet.
    release: Release,
    noised: Vec<i64>,
}

/// A share under its masks, with the journal that must be durable with it.
#[derive(Debug)]
pub struct Masked {
    release: Release,
    unsent: Unsent,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({:?})", self.release.body)
    }
}

impl Share {
    /// Adds to each tally, multiplied as [`NoisePart`] says, the share of noise that makes its price
    /// true for the sum, which [`draw_shares_ahead`] has put into the pool before anything was
    /// counted. Draws none: how long that takes tells of the noise.
    ///
    /// `ordered` are the vector's parts as its order has them: noise is there for those alone. It
    /// costs what the noise of `noisy_sites` hides, the sites that this one counts on: at most those
    /// of the session.
    ///
    /// Each exact value is kept within 2³⁰ over the number of sites, so that the sum with its noise
    /// does not leave the ring. That moves no two data sets further apart, so it costs nothing.
    ///
    /// # Errors
    /// [`ReleaseError::Parts`] when the tallies give others; [`ReleaseError::Noise`], with
    /// [`NoiseError::Dry`] when the pool has none; [`ReleaseError::Share`].
    pub fn make(
        tallies: &[Tally],
        body: Body,
        session: &Session,
        noisy_sites: usize,
        ordered: &[Part],
        pool: &NoisePool,
    ) -> Result<Self, ReleaseError> {
        let kind = body.name();
        let noise = |source| ReleaseError::Noise { kind, source };
        let first = tallies.first().ok_or_else(|| noise(NoiseError::NoBudget))?;
        let limit = (1_i64 << 30) / i64::try_from(session.sites()).unwrap_or(i64::MAX);
        let (mut rho, mut rho_local) = (Rho::ZERO, Rho::ZERO);
        let mut noised = Vec::new();
        if tallies.len() != ordered.len() {
            return Err(ReleaseError::Parts { kind });
        }
        for (tally, ordered) in tallies.iter().zip(ordered) {
            let (sensitivity, counts) = (tally.sensitivity(), tally.counts());
            let price = Rho::from_nano(tally.nano_rho());
            let part = NoisePart::new(sensitivity, price, session.noisy_sites())
                .map_err(|source| ReleaseError::Share { kind, source })?;
            let demand = Demand { scale: part.scale, values: counts.len() };
            if demand_of(ordered).ok() != Some(demand) {
                return Err(ReleaseError::Parts { kind });
            }
            rho = [rho, part.shared_rho(sensitivity, counts.len(), noisy_sites)].into_iter().sum();
            rho_local = [rho_local, part.local_rho(sensitivity)].into_iter().sum();
            let multiplied: Vec<i64> = counts
                .iter()
                .map(|count| count.saturating_mul(1 << part.fraction_bits).clamp(-limit, limit))
                .collect();
            let dry = || noise(NoiseError::Dry { values: demand.values });
            let drawn = pool.take(&demand).ok_or_else(dry)?;
            noised.extend(drawn.add_to(&multiplied).map_err(noise)?);
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| noise(NoiseError::Randomness))?;
        let smallest = ordered.iter().map(|part| part.scale_1024).min().unwrap_or(0);
        let release = Release {
            id: Fixed(id),
            project: first.project().clone(),
            project_version: first.project_version(),
            body,
            nano_rho: rho.nano(),
            nano_rho_local: rho_local.nano(),
            scale: GaussianScale::from_steps(smallest).map_err(noise)?,
            values: Values(Vec::new()),
            origin: origin(tallies),
        };
        Ok(Self { release, noised })
    }

    /// Masks it: the client's third message.
    ///
    /// # Errors
    /// Those of [`Client::mask`].
    pub fn mask(self, client: &mut Client, shares: CheckedShares) -> Result<Masked, Refusal> {
        let unsent = client.mask(shares, &self.noised)?;
        Ok(Masked { release: self.release, unsent })
    }
}

impl Masked {
    /// The release, once `store` has kept the journal. The caller's transaction holds both, so that
    /// they are durable together or not at all.
    ///
    /// # Errors
    /// Those of `store`.
    pub fn store<E>(self, store: impl FnOnce(&[u8]) -> Result<(), E>) -> Result<Release, E> {
        let body = self.unsent.store(store)?;
        let (words, _) = body.as_chunks::<4>();
        let values = words.iter().map(|word| i32::from_le_bytes(*word)).collect();
        Ok(Release { values: Values(values), ..self.release })
    }
}

/// Draws the shares of noise of a sum that is foreseen, from the parts that its order has. To be
/// called before anything is counted for it, as [`super::draw_ahead`] is.
///
/// # Errors
/// [`NoiseError`].
pub fn draw_shares_ahead(pool: &NoisePool, ordered: &[Part]) -> Result<(), NoiseError> {
    let demands: Vec<Demand> = ordered.iter().map(demand_of).collect::<Result<_, _>>()?;
    pool.fill(&demands)
}

/// The noise that a part needs.
fn demand_of(part: &Part) -> Result<Demand, NoiseError> {
    let values = usize::try_from(part.values).unwrap_or(usize::MAX);
    Ok(Demand { scale: GaussianScale::from_steps(part.scale_1024)?, values })
}

/// What the tallies were computed from, each said once.
fn origin(tallies: &[Tally]) -> String {
    let mut said: Vec<&str> = Vec::new();
    for tally in tallies {
        if !said.contains(&tally.origin()) {
            said.push(tally.origin());
        }
    }
    said.join("; ")
}
