//! Joining a federation with a one-time token.
//!
//! The token pins the authority by fingerprint, so the agent knows the coordinator before it sends
//! the secret; the secret tells the coordinator which site the agent belongs to. The agent's key
//! never leaves its machine.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::enroll::{EnrollReply, EnrollRequest, Welcome};
use insitu_protocol::ids::{self, AgentName, Digest, SiteName};
use quinn::Endpoint;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::credentials::{Credentials, CredentialsError, KeyRequest};
use crate::identity::{AgentIdentity, Identity};
use crate::link::client::{CallError, Dialer, Timeouts, exchange};
use crate::link::{Close, tls};

/// First characters of a token: what it is, and the version of its form.
const PREFIX: &str = "insitu-1";
/// What the digest of a secret is for (BLAKE3 key derivation).
const SECRET_CONTEXT: &str = "insitu 2026 enrollment secret v1";

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
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut())?;
        Ok(Self { site, fingerprint, secret })
    }

    /// What the coordinator stores instead of the secret. The secret has 256 random bits, so a fast
    /// hash does: there is nothing to guess.
    pub fn secret_digest(&self) -> Digest {
        secret_digest(&self.secret)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = Zeroizing::new(hex::encode(*self.secret));
        write!(f, "{PREFIX}.{}.{}.{}", self.site, self.fingerprint, *secret)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    /// White space around the token (a file's last line feed) does not matter.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let wrong = |reason| TokenError::Form { reason };
        let text = text.trim();
        if text.len() > TOKEN_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [PREFIX, site, fingerprint, secret] = parts[..] else {
            return Err(wrong("want insitu-1.SITE.FINGERPRINT.SECRET"));
        };
        let secret = Fixed::from_hex(secret).ok_or_else(|| wrong("the secret is damaged"))?;
        Ok(Self {
            site: site.parse().map_err(|_| wrong("the site is not a name"))?,
            fingerprint: Fixed::from_hex(fingerprint)
                .ok_or_else(|| wrong("the fingerprint is damaged"))?,
            secret: Zeroizing::new(secret.0),
        })
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
/// The secret is sent only to a server whose certificate chains to the authority that the token
/// pins. The key is made here and stays here.
///
/// # Errors
/// [`EnrollError`]. After a broken connection the token may be spent: whether the same token and a
/// new key are taken again is the coordinator's decision.
pub async fn join(
    endpoint: &Endpoint,
    address: &str,
    token: &Token,
    agent: AgentName,
    key: KeyRequest,
    clock: Arc<dyn Clock>,
) -> Result<Membership, EnrollError> {
    let call = |source| EnrollError::Call { source };
    let tls = tls::joining(token.fingerprint, Arc::clone(&clock))
        .map_err(|source| call(CallError::Credentials { source }))?;
    let dialer = Dialer::new(endpoint.clone(), address.to_owned(), tls, Timeouts::default());
    let connection = dialer.dial().await.map_err(call)?;
    let question = EnrollRequest::Redeem {
        site: token.site.clone(),
        agent: agent.clone(),
        secret: Fixed(*token.secret),
        signing_request: Bytes(key.signing_request().to_vec()),
    };
    let reply = exchange(&connection, address, &question, dialer.timeouts.call).await;
    connection.close(Close::Done.code(), Close::Done.name().as_bytes());
    match reply.map_err(call)? {
        EnrollReply::Welcome(welcome) => accept(welcome, token, agent, key, &*clock),
        EnrollReply::Refused(source) => Err(call(CallError::Refused { source })),
    }
}

/// The digest under which a secret is stored and looked up.
pub(crate) fn secret_digest(secret: &[u8; 32]) -> Digest {
    Fixed(blake3::derive_key(SECRET_CONTEXT, secret))
}

/// Checks a welcome against what was asked: the pinned authority, this site and agent, this key.
fn accept(
    welcome: Welcome,
    token: &Token,
    agent: AgentName,
    key: KeyRequest,
    clock: &dyn Clock,
) -> Result<Membership, EnrollError> {
    let authority = CertificateDer::from(welcome.authority.0);
    if ids::digest(&authority) != token.fingerprint {
        return Err(EnrollError::Mismatch);
    }
    let credentials = key
        .complete(welcome.certificate.0.into(), authority, clock)
        .map_err(|source| EnrollError::Credentials { source })?;
    let federation = welcome.federation;
    let asked = AgentIdentity { federation, site: token.site.clone(), agent };
    if *credentials.identity() != Identity::Agent(asked) {
        return Err(EnrollError::Mismatch);
    }
    Ok(Membership { credentials, bundle_key: welcome.bundle_key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::generate("va-long-beach".parse().unwrap(), Fixed([0xab; 32])).unwrap()
    }

    fn reason(text: &str) -> &'static str {
        let TokenError::Form { reason } = text.parse::<Token>().unwrap_err();
        reason
    }

    #[test]
    fn tokens_are_one_line() {
        let token = token();
        let text = token.to_string();
        assert!(text.starts_with("insitu-1.va-long-beach.abababab"), "{text}");
        let again: Token = format!(" {text}\n").parse().unwrap();
        assert_eq!((&again.site, again.fingerprint), (&token.site, token.fingerprint));
        assert_eq!(again.secret_digest(), token.secret_digest());
    }

    #[test]
    fn damaged_tokens_say_what_is_wrong() {
        let text = token().to_string();
        assert_eq!(reason(""), "want insitu-1.SITE.FINGERPRINT.SECRET");
        assert_eq!(
            reason(&text.replace("insitu-1", "insitu-2")),
            "want insitu-1.SITE.FINGERPRINT.SECRET"
        );
        assert_eq!(reason(&text[..text.len() - 1]), "the secret is damaged");
        assert_eq!(reason(&text.replace("abab", "ABAB")), "the fingerprint is damaged");
        assert_eq!(reason(&text.replace("va-long", "va_long")), "the site is not a name");
        assert_eq!(reason(&"x".repeat(300)), "it is too long");
    }

    #[test]
    fn nothing_shows_the_secret() {
        let token = token();
        let secret = hex::encode(*token.secret);
        assert!(!format!("{token:?}").contains(&secret));
        assert_ne!(token.secret_digest().to_hex(), secret);
        assert_ne!(token.secret_digest(), self::token().secret_digest());
    }
}
