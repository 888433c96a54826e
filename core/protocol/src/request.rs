//! What an agent asks the coordinator, one request a stream (ALPN `insitu/1`).

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Fixed};
use crate::facts::DeviceFacts;
use crate::frame::Message;
use crate::ids::Digest;
use crate::session::SESSION_BODY_BYTES_MAX;

/// The ALPN protocol name of the link.
pub const ALPN: &[u8] = b"insitu/1";

/// Bytes in one chunk of an object.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// Longest encoded release, in bytes: 262,144 coordinates of four bytes and a page of header.
pub const RELEASE_BYTES_MAX: usize = 4 * 262_144 + 4096;

/// A request. Who asks is told by the certificate, never by a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// First on every connection, then as a heartbeat.
    Hello(DeviceFacts),
    /// A release, exactly the bytes of the ledger. Sending it again is harmless.
    Submit {
        /// An encoded [`crate::release::Release`].
        release: Bytes,
    },
    /// Orders with a number above `after`.
    Poll {
        /// Number of the last order applied; 0 for none.
        after: u64,
    },
    /// A piece of an object, from `offset` on.
    Fetch {
        /// BLAKE3 of the whole object.
        object: Digest,
        /// First byte wanted.
        offset: u64,
    },
    /// A new certificate for the same identity.
    Renew {
        /// PKCS#10 certificate signing request, DER.
        signing_request: Bytes,
    },
    /// Make the key known with which this agent signs for secure aggregation.
    Announce {
        /// Ed25519.
        verify_key: Fixed<32>,
    },
    /// Go on with a secure aggregation.
    Session {
        /// The session.
        session: Digest,
        /// The stage, from 0.
        stage: u8,
        /// The stage's body; empty to ask for the answer again, and for the masked vector, which
        /// travels as a release.
        body: Bytes,
    },
}

impl Message for Request {
    const BYTES_MAX: &'static [usize] =
        &[64, RELEASE_BYTES_MAX + 16, 16, 64, 4 * 1024, 40, SESSION_BODY_BYTES_MAX + 48];
}

impl Request {
    /// The request's name in metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Submit { .. } => "submit",
            Self::Poll { .. } => "poll",
            Self::Fetch { .. } => "fetch",
            Self::Renew { .. } => "renew",
            Self::Announce { .. } => "announce",
            Self::Session { .. } => "session",
        }
    }
}
