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
use insitu_privacy::{GaussianScale, NoiseError, Rho, add_noise};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::release::{Body, Values};
use insitu_protocol::session::Part;

use super::{Release, ReleaseError};
use crate::tally::Tally;

/// Tallies with a site's share of the noise. Nothing of it can be read.
pub struct Share {
    /// The release that it becomes; without values yet.
    release: Release,
    parts: Vec<Part>,
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
    /// true for the sum. Blocks while it draws.
    ///
    /// Each exact value is kept within 2³⁰ over the number of sites, so that the sum with its noise
    /// does not leave the ring. That moves no two data sets further apart, so it costs nothing.
    ///
    /// # Errors
    /// [`ReleaseError::Noise`], [`ReleaseError::Share`].
    pub fn make(tallies: &[Tally], body: Body, session: &Session) -> Result<Self, ReleaseError> {
        let kind = body.name();
        let noise = |source| ReleaseError::Noise { kind, source };
        let first = tallies.first().ok_or_else(|| noise(NoiseError::NoBudget))?;
        let noisy_sites = session.noisy_sites();
        let limit = (1_i64 << 30) / i64::try_from(session.sites()).unwrap_or(i64::MAX);
        let (mut rho, mut rho_local) = (Rho::ZERO, Rho::ZERO);
        let (mut parts, mut noised) = (Vec::new(), Vec::new());
        for tally in tallies {
            let (sensitivity, counts) = (tally.sensitivity(), tally.counts());
            let price = Rho::from_nano(tally.nano_rho());
            let part = NoisePart::new(sensitivity, price, noisy_sites)
                .map_err(|source| ReleaseError::Share { kind, source })?;
            rho = [rho, part.shared_rho(sensitivity, counts.len(), noisy_sites)].into_iter().sum();
            rho_local = [rho_local, part.local_rho(sensitivity)].into_iter().sum();
            let multiplied: Vec<i64> = counts
                .iter()
                .map(|count| count.saturating_mul(1 << part.fraction_bits).clamp(-limit, limit))
                .collect();
            noised.extend(add_noise(&multiplied, part.scale).map_err(noise)?);
            parts.push(Part {
                values: u32::try_from(counts.len()).unwrap_or(u32::MAX),
                scale_1024: part.scale.steps(),
            });
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| noise(NoiseError::Randomness))?;
        let smallest = parts.iter().map(|part| part.scale_1024).min().unwrap_or(0);
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
        Ok(Self { release, parts, noised })
    }

    /// The vector's parts, as its order must have them.
    pub fn parts(&self) -> &[Part] {
        &self.parts
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
