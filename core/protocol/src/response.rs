//! What the coordinator answers.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::frame::Message;
use crate::ids::{Digest, ReleaseId};
use crate::order::{NumberedOrder, ORDERS_BYTES_MAX};
use crate::request::CHUNK_BYTES_MAX;
use crate::session::{SESSION_BODY_BYTES_MAX, SessionAnswer};

/// An answer; the variant matches the request, or is a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// To a hello.
    Hello(HelloAnswer),
    /// To a submission, after the coordinator's commit.
    Receipt(Receipt),
    /// To a poll: at most [`crate::order::ORDERS_MAX`] orders in ascending number.
    Orders(Vec<NumberedOrder>),
    /// To a fetch.
    Chunk {
        /// Bytes of the whole object.
        total_bytes: u64,
        /// The piece asked for; empty at the end.
        bytes: Bytes,
    },
    /// To a renewal: the new certificate, DER.
    Certificate(Bytes),
    /// The request was understood and is not granted, or was not understood.
    Refused(Refusal),
    /// To an announcement: the key is known.
    Announced,
    /// To a message of a secure aggregation.
    Session(SessionAnswer),
}

impl Message for Response {
    const BYTES_MAX: &'static [usize] = &[
        128,
        128,
        ORDERS_BYTES_MAX,
        CHUNK_BYTES_MAX + 64,
        32 * 1024,
        1024,
        1,
        SESSION_BODY_BYTES_MAX + 16,
    ];
}

/// The coordinator's view of the agent that says hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloAnswer {
    /// The coordinator's clock, Unix seconds.
    pub now_unix_s: i64,
    /// The newest release the coordinator has of this agent: an agent whose own ledger ends
    /// earlier runs on a restored copy and must not release anything.
    pub acknowledged: Option<Receipt>,
}

/// A release is stored for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The release.
    pub id: ReleaseId,
    /// Its place in the agent's chain.
    pub sequence: u64,
    /// The chain's hash at that place.
    pub chain: Digest,
}

/// Why the coordinator does not do what was asked.
///
/// `Display` is for the operator at the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// A kind of message the coordinator does not know.
    #[error("the coordinator does not know this kind of message ({kind})")]
    UnknownKind {
        /// The kind found.
        kind: u8,
    },
    /// A message over its limit.
    #[error("message of {got_bytes} bytes where {limit_bytes} are allowed")]
    TooLong {
        /// Bytes announced.
        got_bytes: u64,
        /// Bytes allowed.
        limit_bytes: u64,
    },
    /// A message that does not decode, or a value that makes no sense.
    #[error("the message is malformed")]
    Malformed,
    /// The certificate is revoked, or not of this federation.
    #[error("this agent is not, or no longer, a member of the federation")]
    NotMember,
    /// A token that was never made, was used, or is too old; which of these is not told.
    #[error("the token is not valid: ask the coordinator's operator for a new one")]
    Token,
    /// A project the coordinator does not have.
    #[error("the coordinator has no such project")]
    UnknownProject,
    /// An object, run or campaign the coordinator does not have.
    #[error("the coordinator has no such object")]
    UnknownObject,
    /// A release whose place in the chain is taken by another, or is not the next.
    #[error("the coordinator expects release {expected}, not {got}: is this a restored backup?")]
    Chain {
        /// The next sequence number.
        expected: u64,
        /// The number found.
        got: u64,
    },
    /// Too many requests at once.
    #[error("the coordinator is busy: try again in {retry_after_ms} ms")]
    Busy {
        /// When to try again, milliseconds.
        retry_after_ms: u32,
    },
    /// The coordinator could not do it (a full disk, say); its log says why.
    #[error("the coordinator failed: its log says why")]
    Failed,
    /// No such session, or none of this site's.
    #[error("the coordinator has no such session for this site")]
    UnknownSession,
    /// A message that its session cannot take; the first one of a stage stays.
    #[error("the session does not take this message for stage {stage}")]
    Stage {
        /// The stage, from 0.
        stage: u8,
    },
    /// An update that is longer than the round allows, the noise that it carries left aside.
    #[error("an update of norm {got_milli}/1000, at most {limit_milli}/1000 with its noise")]
    OverNorm {
        /// L2 norm in thousandths of the gradient's unit.
        got_milli: u64,
        /// Highest allowed with noise of its scale.
        limit_milli: u64,
    },
}

impl Refusal {
    /// Whether the same request can succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Failed => true,
            Self::UnknownKind { .. }
            | Self::TooLong { .. }
            | Self::Malformed
            | Self::NotMember
            | Self::Token
            | Self::UnknownProject
            | Self::UnknownObject
            | Self::Chain { .. }
            | Self::UnknownSession
            | Self::Stage { .. }
            | Self::OverNorm { .. } => false,
        }
    }
}
