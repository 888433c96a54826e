//! The public parameters of one session, and the hash that binds every message to them.

use sha2::{Digest as _, Sha256};

use super::{message::Stage, sites::SITES_MAX};
use crate::noise::{GaussianScale, SquaredSensitivity, VALUES_MAX};

/// Names one attempt at one sum, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 32]);

impl SessionId {
    /// The id of an attempt at a step of a campaign (or of a round). A site takes part in each
    /// once, in increasing order of (step, attempt).
    pub fn derive(campaign: &[u8; 32], step: u32, attempt: u32) -> Self {
        let mut hash = Sha256::new_with_prefix(b"insitu-secagg-session-v1");
        hash.update(campaign);
        hash.update(step.to_le_bytes());
        hash.update(attempt.to_le_bytes());
        Self(hash.finalize().into())
    }
}

/// A member of the roster, as the steward-signed campaign lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Digest of the agent's identity.
    pub agent: [u8; 32],
    /// Fingerprint of what its key is certified by.
    pub certificate: [u8; 32],
    /// Ed25519 key that signs for secure aggregation only, certified by the federation.
    pub verify_key: [u8; 32],
}

/// The ring in which masked values are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// Modulo 2³², 4 bytes a value.
    Bits32,
    /// Modulo 2⁶⁴, 8 bytes a value.
    Bits64,
}

impl Ring {
    /// Bytes of one value.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }

    /// Whether a sum over `subjects`, each moving a coordinate by at most √`sensitivity`, with
    /// noise of `total` scale, stays within the ring, 8 scales of noise included.
    pub fn holds(
        self,
        subjects: u64,
        sensitivity: SquaredSensitivity,
        total: GaussianScale,
    ) -> bool {
        let bound = u128::from(sensitivity.get().isqrt()) + 1;
        let noise = u128::from(total.steps() / 128 + 1); // 8 scales, a step being 1/1024
        let half = 1_u128 << (8 * self.bytes() - 1);
        u128::from(subjects) * bound + noise < half
    }
}

/// What a session is made from. Public; the same at every site, or the sites share no hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Name of this attempt.
    pub id: SessionId,
    /// The roster, in its fixed order.
    pub roster: Vec<Site>,
    /// T, the sites that must answer. [`Session::default_threshold`] is ⌊2n/3⌋ + 1.
    pub threshold: usize,
    /// c, the sites that may collude with the coordinator.
    pub colluders: usize,
    /// Values of each vector.
    pub dimensions: usize,
    /// The ring they are added in.
    pub ring: Ring,
    /// Scale of the noise that each site adds; the smallest, when parts of the vector have scales
    /// of their own, which `input` then binds.
    pub noise: GaussianScale,
    /// Digest of what is summed: kind, head, clip norm, fraction bits, selector.
    pub input: [u8; 32],
    /// When each stage may close, in seconds of Unix time.
    pub deadlines: [u64; Stage::COUNT],
}

/// Why parameters were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Fewer than three sites hide nothing, more than 255 have no shares.
    #[error("{got} sites are not within 3 to 255")]
    Sites {
        /// Sites in the roster.
        got: usize,
    },
    /// Two lists of survivors could both be signed by T sites: 2(n−T) + c must be below n.
    #[error(
        "threshold {threshold} of {sites} with {colluders} colluding admits two survivor lists"
    )]
    Threshold {
        /// T.
        threshold: usize,
        /// n.
        sites: usize,
        /// c.
        colluders: usize,
    },
    /// T − c sites hide one another and carry the noise: at least two.
    #[error("threshold {threshold} less {colluders} colluding leaves fewer than 2 honest sites")]
    TooFewHonest {
        /// T.
        threshold: usize,
        /// c.
        colluders: usize,
    },
    /// No values, or more than one release may have.
    #[error("{got} dimensions are not within 1 to {VALUES_MAX}")]
    Dimensions {
        /// Dimensions asked for.
        got: usize,
    },
    /// One agent or key stands for two sites.
    #[error("site {position} repeats an agent or a key of the roster")]
    Repeated {
        /// The later position.
        position: usize,
    },
}

/// Parameters that were checked, with their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    parameters: Parameters,
    hash: [u8; 32],
}

impl Session {
    /// # Errors
    /// [`SessionError`], one variant for each rule.
    pub fn new(parameters: Parameters) -> Result<Self, SessionError> {
        let (sites, threshold) = (parameters.roster.len(), parameters.threshold);
        let colluders = parameters.colluders;
        if !(3..=SITES_MAX).contains(&sites) {
            return Err(SessionError::Sites { got: sites });
        }
        check_honest(sites, threshold, colluders)?;
        if parameters.dimensions == 0 || parameters.dimensions > VALUES_MAX {
            return Err(SessionError::Dimensions { got: parameters.dimensions });
        }
        for (position, site) in parameters.roster.iter().enumerate() {
            let same =
                |other: &Site| other.agent == site.agent || other.verify_key == site.verify_key;
            if parameters.roster[..position].iter().any(same) {
                return Err(SessionError::Repeated { position });
            }
        }
        let hash = hash(&parameters);
        Ok(Self { parameters, hash })
    }

    /// ⌊2n/3⌋ + 1 of `sites`.
    pub const fn default_threshold(sites: usize) -> usize {
        2 * sites / 3 + 1
    }

    /// What it was made from.
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The hash that every signature, key and ciphertext of the session is bound to.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// n.
    pub const fn sites(&self) -> usize {
        self.parameters.roster.len()
    }

    /// T − c: the sites whose noise is certain to be in the sum.
    pub const fn noisy_sites(&self) -> usize {
        self.parameters.threshold - self.parameters.colluders
    }

    /// T − c − `more`: the sites whose noise is certain to be in the sum when `more` sites collude
    /// beside the c that the session assumes.
    ///
    /// # Errors
    /// [`SessionError::Threshold`], [`SessionError::TooFewHonest`]: the session does not hide a site
    /// from so many.
    pub fn noisy_sites_beside(&self, more: usize) -> Result<usize, SessionError> {
        let colluders = self.parameters.colluders + more;
        check_honest(self.sites(), self.parameters.threshold, colluders)?;
        Ok(self.parameters.threshold - colluders)
    }

    /// Bytes of a masked vector.
    pub(super) const fn vector_bytes(&self) -> usize {
        self.parameters.dimensions * self.parameters.ring.bytes()
    }
}

/// Whether the sites that do not collude hide one another.
fn check_honest(sites: usize, threshold: usize, colluders: usize) -> Result<(), SessionError> {
    // 2(n − T) + c < n, so T > (n + c)/2: two lists signed by T share an honest signer.
    if threshold > sites || 2 * (sites - threshold) + colluders >= sites {
        return Err(SessionError::Threshold { threshold, sites, colluders });
    }
    if threshold < colluders + 2 {
        return Err(SessionError::TooFewHonest { threshold, colluders });
    }
    Ok(())
}

/// All fields in order, each of fixed length, the roster's length before it.
fn hash(parameters: &Parameters) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"insitu-secagg-v1");
    let mut number = |value: u64| hash.update(value.to_le_bytes());
    number(parameters.roster.len() as u64);
    number(parameters.threshold as u64);
    number(parameters.colluders as u64);
    number(parameters.dimensions as u64);
    number(8 * parameters.ring.bytes() as u64);
    number(parameters.noise.steps());
    for deadline in parameters.deadlines {
        number(deadline);
    }
    hash.update(parameters.id.0);
    hash.update(parameters.input);
    for site in &parameters.roster {
        hash.update(site.agent);
        hash.update(site.certificate);
        hash.update(site.verify_key);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_hold_what_they_say() {
        // C = 1 at b = 12: at most 2³¹/4,096 subjects in 32 bits, less the noise.
        let sensitivity = SquaredSensitivity::new(1 << 24);
        let noise = GaussianScale::from_steps(47_606 * 1024).unwrap();
        assert!(Ring::Bits32.holds(520_000, sensitivity, noise));
        assert!(!Ring::Bits32.holds(524_288, sensitivity, noise));
        assert!(Ring::Bits64.holds(524_288, sensitivity, noise));
        let wide = GaussianScale::from_steps(1 << 40).unwrap();
        assert!(!Ring::Bits32.holds(1, sensitivity, wide), "8 scales of 2^30 leave the ring");
    }

    #[test]
    fn more_colluding_sites_leave_less_noise_until_two_lists_can_be_signed() {
        let site = |at: u8| Site { agent: [at; 32], certificate: [at; 32], verify_key: [at; 32] };
        let session = Session::new(Parameters {
            id: SessionId([0; 32]),
            roster: (0..10).map(site).collect(),
            threshold: 7,
            colluders: 1,
            dimensions: 1,
            ring: Ring::Bits32,
            noise: GaussianScale::from_steps(4096).unwrap(),
            input: [0; 32],
            deadlines: [0; 5],
        })
        .unwrap();
        assert_eq!(session.noisy_sites_beside(0).unwrap(), session.noisy_sites());
        assert_eq!(session.noisy_sites_beside(2).unwrap(), 4);
        // Four of ten: three honest sites for each of two lists, 3 + 4 = T for both.
        let error = session.noisy_sites_beside(3).unwrap_err();
        assert!(matches!(error, SessionError::Threshold { colluders: 4, .. }), "{error}");
    }

    #[test]
    fn session_ids_differ_by_campaign_step_and_attempt() {
        let ids = [
            SessionId::derive(&[0; 32], 0, 0),
            SessionId::derive(&[1; 32], 0, 0),
            SessionId::derive(&[0; 32], 1, 0),
            SessionId::derive(&[0; 32], 0, 1),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id));
        }
    }
}
