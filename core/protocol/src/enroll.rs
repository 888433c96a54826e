//! Joining a federation: a one-time token for a certificate (ALPN `insitu-enroll/1`).

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Fixed};
use crate::frame::Message;
use crate::ids::{AgentName, FederationName, SiteName};
use crate::response::Refusal;

/// The ALPN protocol name of enrollment.
pub const ALPN: &[u8] = b"insitu-enroll/1";

/// What a joining agent asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrollRequest {
    /// Redeem a token for a certificate over the key that signed the request.
    Redeem {
        /// The site the token was made for.
        site: SiteName,
        /// What the agent calls itself.
        agent: AgentName,
        /// The token's secret.
        secret: Fixed<32>,
        /// PKCS#10 certificate signing request, DER.
        signing_request: Bytes,
    },
}

impl Message for EnrollRequest {
    const BYTES_MAX: &'static [usize] = &[4 * 1024];
}

/// What the coordinator answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EnrollReply {
    /// The agent is a member.
    Welcome(Welcome),
    /// It is not.
    Refused(Refusal),
}

impl Message for EnrollReply {
    const BYTES_MAX: &'static [usize] = &[32 * 1024, 1024];
}

/// Everything a new member keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The federation joined.
    pub federation: FederationName,
    /// The agent's certificate, DER.
    pub certificate: Bytes,
    /// The authority's certificate, DER: the only root the agent trusts from now on.
    pub authority: Bytes,
    /// The Ed25519 public key that signs the federation's model bundles.
    pub bundle_key: Fixed<32>,
}
