//! Secure aggregation: what sites are asked to sum, and the messages of a session.
//!
//! The coordinator proposes a session with a [`SessionOrder`]. A site that takes part sends the
//! bodies of four of its five stages with `Request::Session`; the third, the masked vector, is a
//! release like any other and travels with `Request::Submit`, charged and chained. The bodies are
//! opaque here: their layout belongs to the state machines that make and check them.

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Fixed};
use crate::ids::{AgentName, Digest, ProjectName, SiteName, digest};
use crate::order::{EvaluationOrder, RoundOrder};

/// Most sites of one session: shares of a secret have 255 points.
pub const MEMBERS_MAX: usize = 255;
/// Messages of a site in one session.
pub const STAGES: usize = 5;
/// Longest body of a stage, or answer to one, in bytes: the key list of 255 sites has 41,310.
pub const SESSION_BODY_BYTES_MAX: usize = 48 * 1024;

/// A joint collection of statistics.
pub type CollectionId = Fixed<16>;

/// A site in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub site: SiteName,
    /// Its agent.
    pub agent: AgentName,
    /// The Ed25519 key with which it signs for secure aggregation only.
    pub verify_key: Fixed<32>,
}

/// A proposal to add something over sites, so that only the sum is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOrder {
    /// What is added.
    pub purpose: Purpose,
    /// The attempt at it, from 0. A site takes part in each attempt once, in ascending order.
    pub attempt: u32,
    /// The sites, in the order that gives them their positions.
    pub members: Vec<Member>,
    /// T: sites that must answer each stage.
    pub threshold: u8,
    /// c: sites that may collude with the coordinator.
    pub colluders: u8,
    /// The vector, part by part.
    pub parts: Vec<Part>,
    /// When each stage closes, Unix seconds.
    pub deadlines_unix_s: [i64; STAGES],
}

impl SessionOrder {
    /// T − c: sites that are certain to add noise, whose noise together is that of one release. A sum
    /// costs a site so many times its price if all others collude.
    pub fn noisy_sites(&self) -> u8 {
        self.threshold.saturating_sub(self.colluders)
    }
}

/// Values of one kind in the vector, with noise of one scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Number of values.
    pub values: u32,
    /// Scale of the noise that each site adds to each value, in 1/1024.
    pub scale_1024: u64,
}

/// What a session adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Updates of one training round. Its cost is that of the sum.
    Update(RoundOrder),
    /// A window of statistics: confusion, coincidence, calibration and drift, in this order, at
    /// the costs of the project's plan.
    Statistics {
        /// The project.
        project: ProjectName,
        /// Version of the project whose shape the vector has.
        project_version: u32,
        /// Names the collection.
        collection: CollectionId,
    },
    /// Answers to one evaluation.
    Evaluation(EvaluationOrder),
}

impl Purpose {
    /// The project.
    pub fn project(&self) -> &ProjectName {
        match self {
            Self::Update(round) => &round.project,
            Self::Statistics { project, .. } => project,
            Self::Evaluation(evaluation) => &evaluation.project,
        }
    }

    /// What the attempts at one sum have in common: the run, the collection or the evaluation, by
    /// digest, and the step of it.
    pub fn occasion(&self) -> (Digest, u32) {
        match self {
            Self::Update(RoundOrder { run, round, .. }) => {
                (digest(&[b"insitu-run".as_slice(), &run.0].concat()), *round)
            }
            Self::Statistics { collection, .. } => {
                (digest(&[b"insitu-collection".as_slice(), &collection.0].concat()), 0)
            }
            Self::Evaluation(EvaluationOrder { evaluation, .. }) => {
                (digest(&[b"insitu-evaluation".as_slice(), &evaluation.0].concat()), 0)
            }
        }
    }
}

impl Member {
    /// The agent's identity, by digest.
    pub fn identity(&self) -> Digest {
        digest(format!("{}/{}", self.site, self.agent).as_bytes())
    }
}

impl SessionOrder {
    /// Digest of the whole proposal: sites that were shown different ones have different sessions.
    #[expect(clippy::missing_panics_doc, reason = "an order always encodes")]
    pub fn binding(&self) -> Digest {
        let bytes = postcard::to_allocvec(self).expect("numbers, names and bytes have an encoding");
        digest(&bytes)
    }
}

/// What the coordinator answers to a message of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionAnswer {
    /// The stage is still open.
    Wait {
        /// When to ask again.
        retry_after_ms: u32,
    },
    /// The stage is closed; this is what the next message is made from.
    Ready(Bytes),
    /// The session is over and has a sum.
    Done,
    /// The session goes on without this site, which did not answer a stage in time.
    Dropped,
    /// The session is over and has no sum.
    Abandoned,
}
