//! What a party shows and proves: certificate, key, and the one authority it trusts.

use std::fmt;
use std::path::Path;

use insitu_protocol::ids::{self, Digest};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::clock::Clock;
use crate::files::FileError;
use crate::identity::{Identity, IdentityError, Serial, Subject};

/// A certificate, its key, and the authority's certificate. One file holds all three, so that a
/// renewal replaces them together or not at all.
pub struct Credentials {
    subject: Subject,
    certificate: CertificateDer<'static>,
    authority: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

/// A fresh Ed25519 key and the signing request for it.
pub struct KeyRequest {
    key: PrivatePkcs8KeyDer<'static>,
    signing_request: Vec<u8>,
}

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The file cannot be read or written.
    #[error("no credentials")]
    File {
        /// Why not.
        source: FileError,
    },
    /// The file is not two certificates and a key in PEM.
    #[error("credentials must be a certificate, its authority's and a key, in PEM")]
    Pem,
    /// The certificate names nobody.
    #[error("the certificate names nobody")]
    Nobody {
        /// Why not.
        source: IdentityError,
    },
    /// The key is not an Ed25519 key, or could not be made.
    #[error("no Ed25519 key")]
    Key {
        /// Why not.
        source: rcgen::Error,
    },
    /// The certificate is for another key.
    #[error("the certificate is for another key")]
    KeyMismatch,
    /// The certificate is not signed by the authority, or not valid now.
    #[error("the authority does not vouch for the certificate")]
    Unvouched {
        /// Why not.
        source: rustls::Error,
    },
}

impl Credentials {
    /// Puts credentials together, checking that the key fits the certificate.
    ///
    /// # Errors
    /// [`CredentialsError::Nobody`], [`CredentialsError::Key`], [`CredentialsError::KeyMismatch`].
    pub fn new(
        certificate: CertificateDer<'static>,
        authority: CertificateDer<'static>,
        key: PrivatePkcs8KeyDer<'static>,
    ) -> Result<Self, CredentialsError> {
        todo!()
    }

    /// Reads the credentials file.
    ///
    /// # Errors
    /// [`CredentialsError`]; [`FileError::Exposed`] within when others could read the key.
    pub fn load(path: &Path) -> Result<Self, CredentialsError> {
        todo!()
    }

    /// Writes the credentials file atomically, readable by its owner alone.
    ///
    /// # Errors
    /// [`CredentialsError::File`].
    pub fn store(&self, path: &Path) -> Result<(), CredentialsError> {
        todo!()
    }

    /// Whose they are.
    pub fn identity(&self) -> &Identity {
        &self.subject.identity
    }

    /// The certificate's number.
    pub fn serial(&self) -> &Serial {
        &self.subject.serial
    }

    /// The certificate's first moment.
    pub fn not_before(&self) -> Timestamp {
        self.subject.not_before
    }

    /// The certificate's last moment.
    pub fn not_after(&self) -> Timestamp {
        self.subject.not_after
    }

    /// When to renew: two thirds of the certificate's life.
    pub fn renew_at(&self) -> Timestamp {
        todo!()
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's certificate, DER.
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    /// The authority's fingerprint.
    pub fn fingerprint(&self) -> Digest {
        ids::digest(&self.authority)
    }

    pub(crate) fn key(&self) -> PrivatePkcs8KeyDer<'static> {
        self.key.clone_key()
    }
}

impl KeyRequest {
    /// Makes a fresh key.
    ///
    /// # Errors
    /// [`CredentialsError::Key`].
    pub fn generate() -> Result<Self, CredentialsError> {
        todo!()
    }

    /// The PKCS#10 signing request, DER. It carries the public key and nothing else of interest:
    /// the authority decides the name.
    pub fn signing_request(&self) -> &[u8] {
        &self.signing_request
    }

    /// Joins the key with the certificate issued for it, which must be `identity`'s, valid now, and
    /// signed by `authority`.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn complete(
        self,
        certificate: CertificateDer<'static>,
        authority: CertificateDer<'static>,
        clock: &dyn Clock,
    ) -> Result<Credentials, CredentialsError> {
        todo!()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRequest(..)")
    }
}
