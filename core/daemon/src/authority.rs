//! The federation's certificate authority: an Ed25519 key in the coordinator's folder.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use insitu_protocol::ids::{Digest, FederationName};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::clock::Clock;
use crate::credentials::{Credentials, CredentialsError};
use crate::files::FileError;
use crate::identity::{AgentIdentity, Identity, IdentityError, Serial};

/// Life of an agent's certificate unless the operator says otherwise.
pub const AGENT_LIFE: Duration = Duration::from_hours(30 * 24);
/// Life of the coordinator's certificate.
pub const SERVER_LIFE: Duration = Duration::from_hours(90 * 24);
/// Life of the authority's certificate.
pub const AUTHORITY_LIFE: Duration = Duration::from_hours(10 * 365 * 24);
/// How far a certificate's start lies in the past, for agents whose clock is late.
pub const BACKDATE: Duration = Duration::from_hours(1);

/// A federation's certificate authority.
pub struct Authority {
    federation: FederationName,
    certificate: CertificateDer<'static>,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    clock: Arc<dyn Clock>,
}

/// A new certificate. Whoever issues it records the serial, or it cannot be revoked.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate, DER.
    pub certificate: CertificateDer<'static>,
    /// Its number.
    pub serial: Serial,
    /// Its last moment.
    pub not_after: Timestamp,
}

/// Why the authority cannot do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A file of the authority's cannot be read or written.
    #[error("no authority")]
    File {
        /// Why not.
        source: FileError,
    },
    /// Key and certificate in the folder do not belong together, or are not an authority's.
    #[error("the authority's files do not belong together")]
    Mismatch,
    /// The authority's certificate names nobody.
    #[error("the authority's certificate names no federation")]
    Nobody {
        /// Why not.
        source: IdentityError,
    },
    /// The signing request does not decode, is not signed by its own key, or is not Ed25519.
    #[error("the signing request is not valid")]
    SigningRequest {
        /// Why not, when it does not decode or verify.
        source: Option<rcgen::Error>,
    },
    /// The identity is of another federation.
    #[error("{identity} is not of federation {federation}")]
    Foreign {
        /// The identity asked for.
        identity: Identity,
        /// The authority's federation.
        federation: FederationName,
    },
    /// Signing failed.
    #[error("cannot sign")]
    Sign {
        /// Why not.
        source: rcgen::Error,
    },
    /// The credentials just made do not hold together.
    #[error("cannot issue credentials")]
    Credentials {
        /// Why not.
        source: CredentialsError,
    },
    /// No random bytes for a serial number.
    #[error("no random bytes from the operating system")]
    Random {
        /// Why not.
        source: getrandom::Error,
    },
}

impl Authority {
    /// Makes the federation's authority in `folder`; refuses where there is one.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn create(
        folder: &Path,
        federation: FederationName,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthorityError> {
        todo!()
    }

    /// Opens the authority in `folder`.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, AuthorityError> {
        todo!()
    }

    /// The federation.
    pub fn federation(&self) -> &FederationName {
        &self.federation
    }

    /// The authority's certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// BLAKE3 of the authority's certificate: what a token pins.
    pub fn fingerprint(&self) -> Digest {
        insitu_protocol::ids::digest(&self.certificate)
    }

    /// Makes the coordinator's own credentials, with a fresh key, for [`SERVER_LIFE`].
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn issue_server(&self) -> Result<Credentials, AuthorityError> {
        todo!()
    }

    /// Certifies the key of a PKCS#10 `signing_request` (DER) as `identity`'s for `life`.
    ///
    /// Only the public key is taken from the request: a subject, an alternative name or an
    /// extension in it is ignored.
    ///
    /// # Errors
    /// [`AuthorityError::SigningRequest`], [`AuthorityError::Foreign`], [`AuthorityError::Sign`].
    pub fn issue_agent(
        &self,
        signing_request: &[u8],
        identity: &AgentIdentity,
        life: Duration,
    ) -> Result<Issued, AuthorityError> {
        todo!()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("federation", &self.federation).finish_non_exhaustive()
    }
}
