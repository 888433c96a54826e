//! Joining a federation with a one-time token.
//!
//! The token pins the authority by fingerprint, so the agent knows the coordinator before it sends
//! the secret; the secret tells the coordinator which site the agent belongs to. The agent's key
//! never leaves its machine.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{AgentName, Digest, SiteName};
use quinn::Endpoint;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::credentials::{Credentials, CredentialsError};
use crate::link::client::CallError;

/// Longest token text, in bytes.
pub const TOKEN_BYTES_MAX: usize = 256;

/// A one-time token: `insitu-1.<site>.<authority's fingerprint, hex>.<secret, hex>`.
///
/// `Display` writes the secret; `Debug` does not.
#[derive(Clone)]
pub struct Token {
    /// The site it is for.
    pub site: SiteName,
    /// BLAKE3 of the authority's certificate.
    pub fingerprint: Digest,
    secret: Zeroizing<[u8; 32]>,
}

/// Why a text is not a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not `insitu-1.<site>.<64 digits>.<64 digits>`.
    #[error("not an enrollment token: {reason}")]
    Form {
        /// Which part is wrong.
        reason: &'static str,
    },
}

impl Token {
    /// A token with a fresh secret.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate(site: SiteName, fingerprint: Digest) -> Result<Self, getrandom::Error> {
        todo!()
    }

    /// What the coordinator stores instead of the secret.
    pub fn secret_digest(&self) -> Digest {
        todo!()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        todo!()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("site", &self.site).finish_non_exhaustive()
    }
}

/// A request to join, as the coordinator's handler sees it.
#[derive(Clone, Debug)]
pub struct Redemption {
    /// The site the token is said to be for: look the token up by this and the digest.
    pub site: SiteName,
    /// What the agent wants to be called.
    pub agent: AgentName,
    /// The digest of the secret ([`Token::secret_digest`]).
    pub secret_digest: Digest,
    /// PKCS#10 signing request, DER, for [`crate::authority::Authority::issue_agent`].
    pub signing_request: Vec<u8>,
    /// Where it came from, for the log.
    pub address: SocketAddr,
}

/// What a new member keeps.
#[derive(Debug)]
pub struct Membership {
    /// Certificate, key and authority; not stored yet.
    pub credentials: Credentials,
    /// The Ed25519 public key that signs the federation's model bundles.
    pub bundle_key: Fixed<32>,
}

/// Why joining failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrollError {
    /// The coordinator could not be reached or trusted, or refused.
    #[error("the coordinator did not take the token")]
    Call {
        /// Why not.
        source: CallError,
    },
    /// The key could not be made, or the coordinator's answer does not fit it.
    #[error("no credentials from this enrollment")]
    Credentials {
        /// Why not.
        source: CredentialsError,
    },
    /// The coordinator answered with another authority, or another's certificate.
    #[error("the coordinator's welcome does not match the token")]
    Mismatch,
}

/// Redeems `token` at the coordinator at `address` (`host:port`).
///
/// The secret is sent only to a server whose certificate chains to the authority that the token pins.
///
/// # Errors
/// [`EnrollError`]. After a broken connection the token may be spent: whether the same token and a
/// new key are taken again is the coordinator's decision.
pub async fn join(
    endpoint: &Endpoint,
    address: &str,
    token: &Token,
    agent: AgentName,
    clock: Arc<dyn Clock>,
) -> Result<Membership, EnrollError> {
    todo!()
}
