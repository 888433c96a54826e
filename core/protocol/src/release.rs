//! A release: the only thing computed from items that leaves a site.
//!
//! Its numbers are noised, its cost is charged to the site's ledger, and it is chained to the
//! release before it. Its size depends on its kind and the project, never on the data: counts are
//! four bytes each, whatever their value.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::{Bytes, Fixed};
use crate::coarse;
use crate::ids::{CampaignId, Digest, EvaluationId, ProjectName, ReleaseId, RunId};
use crate::request::RELEASE_BYTES_MAX;

/// The chain's hash before the first release.
pub const CHAIN_START: Digest = Fixed([0; 32]);

/// A release as it is stored and sent. Field order is wire order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Drawn at random by the agent.
    pub id: ReleaseId,
    /// Place in the agent's chain, from 1.
    pub sequence: u64,
    /// Hash of the chain up to the release before.
    pub previous: Digest,
    /// The project.
    pub project: ProjectName,
    /// Its version: fixes the shape of `values`.
    pub project_version: u32,
    /// What the values are.
    pub body: Body,
    /// What it cost every subject of the site, nano-ρ.
    pub nano_rho: u64,
    /// Standard deviation of the discrete Gaussian noise in each value, in 1/1024.
    pub scale_1024: u64,
    /// The noised values.
    pub values: Values,
}

/// What a release's values are. Shapes are row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Items by prelabel and label of record, `[classes, classes]`.
    Confusion {
        /// The agent's statistics window, from 1.
        window: u32,
    },
    /// Items by first and second reader's label, `[classes, classes]`.
    Coincidence {
        /// The window.
        window: u32,
    },
    /// Items by confidence bin and whether the prelabel was right, `[bins, 2]`: wrong, right. Right is
    /// what the label of record kept, of whichever kind the project's labels are.
    Calibration {
        /// The window.
        window: u32,
    },
    /// Items by bin, for each feature of the project in turn, `[sum of bins]`.
    Drift {
        /// The window.
        window: u32,
    },
    /// Items that the selector matched: `[waiting, label kept, label changed]`.
    Campaign {
        /// The campaign.
        campaign: CampaignId,
    },
    /// Clipped gradient of the head summed over subjects, fixed point, in the order of the head's
    /// weights; in a round without a head, clipped sums of features by class in its place.
    Update {
        /// The run.
        run: RunId,
        /// The round, from 1.
        round: u32,
    },
    /// An update that carries this site's share of the noise, masked: only the sum over the
    /// session's sites can be read. Values are modulo 2³².
    MaskedUpdate {
        /// The run.
        run: RunId,
        /// The round, from 1.
        round: u32,
        /// The session.
        session: Digest,
    },
    /// A window's four statistics, one after the other, masked in the same way.
    MaskedStatistics {
        /// The site's window, from 1.
        window: u32,
        /// The session.
        session: Digest,
    },
    /// An update rounded to a byte a coordinate after it was noised ([`crate::coarse`]): four
    /// coordinates in each value.
    CoarseUpdate {
        /// The run.
        run: RunId,
        /// The round, from 1.
        round: u32,
        /// A coordinate's unit is 2^`shift` of an update's.
        shift: u8,
    },
    /// How right two heads are on held-out items: see [`crate::order::EvaluationShape`].
    Evaluation {
        /// The evaluation.
        evaluation: EvaluationId,
    },
    /// The same, masked: only the sum over the session's sites can be read.
    MaskedEvaluation {
        /// The evaluation.
        evaluation: EvaluationId,
        /// The session.
        session: Digest,
    },
}

impl Body {
    /// The kind's name in tables, metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Confusion { .. } => "confusion",
            Self::Coincidence { .. } => "coincidence",
            Self::Calibration { .. } => "calibration",
            Self::Drift { .. } => "drift",
            Self::Campaign { .. } => "campaign",
            Self::Update { .. } | Self::CoarseUpdate { .. } => "update",
            Self::MaskedUpdate { .. } => "masked-update",
            Self::MaskedStatistics { .. } => "masked-statistics",
            Self::Evaluation { .. } => "evaluation",
            Self::MaskedEvaluation { .. } => "masked-evaluation",
        }
    }
}

/// Noised values, four bytes each on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values(pub Vec<i32>);

impl Values {
    /// Four bytes a value, little-endian: as on the wire, and as a masked vector.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Vec::deserialize(deserializer).map(Self);
        }
        let bytes = Bytes::deserialize(deserializer)?;
        let (values, rest) = bytes.0.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(D::Error::custom("values are four bytes each"));
        }
        Ok(Self(values.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect()))
    }
}

/// Why bytes are not a release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// Over [`RELEASE_BYTES_MAX`].
    #[error("release of {got_bytes} bytes where {RELEASE_BYTES_MAX} are allowed")]
    TooLong {
        /// Bytes found.
        got_bytes: usize,
    },
    /// Does not decode, to the last byte.
    #[error("malformed release of {got_bytes} bytes")]
    Malformed {
        /// Bytes found.
        got_bytes: usize,
    },
}

impl Release {
    /// The numbers that the values stand for, of which there should be so many: the same, but for
    /// an update of one byte a coordinate. `None` when they are not so many, or out of range.
    pub fn coordinates(&self, count: usize) -> Option<Vec<i64>> {
        if let Body::CoarseUpdate { shift, .. } = self.body {
            return coarse::refine(&self.values, count, shift);
        }
        let values = &self.values.0;
        (values.len() == count).then(|| values.iter().copied().map(i64::from).collect())
    }

    /// The bytes that are stored, hashed and sent.
    ///
    /// # Errors
    /// [`ReleaseError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, ReleaseError> {
        let bytes = postcard::to_allocvec(self)
            .map_err(|_| ReleaseError::Malformed { got_bytes: 4 * self.values.0.len() })?;
        if bytes.len() > RELEASE_BYTES_MAX {
            return Err(ReleaseError::TooLong { got_bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads what [`Release::encode`] writes.
    ///
    /// # Errors
    /// [`ReleaseError`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReleaseError> {
        if bytes.len() > RELEASE_BYTES_MAX {
            return Err(ReleaseError::TooLong { got_bytes: bytes.len() });
        }
        match postcard::take_from_bytes(bytes) {
            Ok((release, [])) => Ok(release),
            Ok(_) | Err(_) => Err(ReleaseError::Malformed { got_bytes: bytes.len() }),
        }
    }
}

/// The chain's hash after a release, from its exact bytes (which hold the hash before it).
pub fn chain(release_bytes: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("insitu 2026 release chain v1");
    hasher.update(release_bytes);
    Fixed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(values: Vec<i32>) -> Release {
        Release {
            id: Fixed([7; 16]),
            sequence: 1,
            previous: CHAIN_START,
            project: "heart-disease".parse().unwrap(),
            project_version: 1,
            body: Body::Confusion { window: 1 },
            nano_rho: 10_000_000,
            scale_1024: 7241,
            values: Values(values),
        }
    }

    #[test]
    fn size_does_not_depend_on_the_values() {
        let small = release(vec![0, 0, 0, 0]).encode().unwrap();
        let large = release(vec![i32::MAX, i32::MIN, -1, 1]).encode().unwrap();
        assert_eq!(small.len(), large.len());
    }

    #[test]
    fn decoding_takes_exactly_one_release() {
        let release = release(vec![1, -2, 3, -4]);
        let mut bytes = release.encode().unwrap();
        assert_eq!(Release::decode(&bytes), Ok(release));
        bytes.push(0);
        let got_bytes = bytes.len();
        assert_eq!(Release::decode(&bytes), Err(ReleaseError::Malformed { got_bytes }));
    }
}
