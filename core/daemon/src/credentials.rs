//! What a party shows and proves: certificate, key, and the one authority it trusts.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use insitu_protocol::ids::{self, Digest};
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ED25519, PublicKeyData};
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::files::{self, Access, FileError};
use crate::identity::{self, Identity, IdentityError, Serial, Subject};
use crate::link::tls;

/// A certificate, its key, and the authority's certificate. One file holds all three, so that a
/// renewal replaces them together or not at all.
pub struct Credentials {
    subject: Subject,
    certificate: CertificateDer<'static>,
    authority: CertificateDer<'static>,
    key: Zeroizing<Vec<u8>>,
}

/// A fresh Ed25519 key and the signing request for it.
pub struct KeyRequest {
    key: Zeroizing<Vec<u8>>,
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
    /// Puts credentials together, checking that the key (PKCS#8, DER) fits the certificate.
    pub(crate) fn new(
        certificate: CertificateDer<'static>,
        authority: CertificateDer<'static>,
        key: Zeroizing<Vec<u8>>,
    ) -> Result<Self, CredentialsError> {
        let subject =
            Subject::of(&certificate).map_err(|source| CredentialsError::Nobody { source })?;
        let public = identity::public_key(&certificate)
            .map_err(|source| CredentialsError::Nobody { source })?;
        let pair = key_pair(&key).map_err(|source| CredentialsError::Key { source })?;
        if pair.der_bytes() != public {
            return Err(CredentialsError::KeyMismatch);
        }
        Ok(Self { subject, certificate, authority, key })
    }

    /// Reads the credentials file.
    ///
    /// # Errors
    /// [`CredentialsError`]; [`FileError::Exposed`] within when others could read the key.
    pub fn load(path: &Path) -> Result<Self, CredentialsError> {
        let text = files::read_secret(path).map_err(|source| CredentialsError::File { source })?;
        let Pem { certificates, key } = Pem::read(&text).ok_or(CredentialsError::Pem)?;
        let [certificate, authority] =
            <[_; 2]>::try_from(certificates).map_err(|_| CredentialsError::Pem)?;
        Self::new(certificate, authority, key)
    }

    /// Writes the credentials file atomically, readable by its owner alone.
    ///
    /// # Errors
    /// [`CredentialsError::File`].
    pub fn store(&self, path: &Path) -> Result<(), CredentialsError> {
        let text = Pem::write(&[&self.certificate, &self.authority], &self.key);
        files::write_atomic(path, text.as_bytes(), Access::Secret)
            .map_err(|source| CredentialsError::File { source })
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
        let (start, end) = (self.not_before().as_second(), self.not_after().as_second());
        Timestamp::from_second(start + (end - start) / 3 * 2).unwrap_or(self.subject.not_after)
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
        self.key.to_vec().into()
    }
}

impl KeyRequest {
    /// Makes a fresh key.
    ///
    /// # Errors
    /// [`CredentialsError::Key`].
    pub fn generate() -> Result<Self, CredentialsError> {
        let failed = |source| CredentialsError::Key { source };
        Self::of(&KeyPair::generate_for(&PKCS_ED25519).map_err(failed)?)
    }

    /// The key in the file `path`, made there at the first call. Whoever is interrupted while
    /// joining asks again with the same key, and so with the same one-time token.
    ///
    /// # Errors
    /// [`CredentialsError::File`], [`CredentialsError::Key`].
    pub fn open_or_create(path: &Path) -> Result<Self, CredentialsError> {
        let failed = |source| CredentialsError::File { source };
        if !path.exists() {
            let fresh = Self::generate()?;
            files::create(path, &fresh.key, Access::Secret).map_err(failed)?;
        }
        let key = files::read_secret(path).map_err(failed)?;
        Self::of(&key_pair(&key).map_err(|source| CredentialsError::Key { source })?)
    }

    fn of(pair: &KeyPair) -> Result<Self, CredentialsError> {
        let failed = |source| CredentialsError::Key { source };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(pair).map_err(failed)?;
        Ok(Self {
            key: Zeroizing::new(pair.serialize_der()),
            signing_request: request.der().to_vec(),
        })
    }

    /// The PKCS#10 signing request, DER. It carries the public key and nothing else: the authority
    /// decides the name.
    pub fn signing_request(&self) -> &[u8] {
        &self.signing_request
    }

    /// Joins the key with the certificate issued for it, which must be for this key, valid now and
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
        tls::vouches(&authority, &certificate, clock)
            .map_err(|source| CredentialsError::Unvouched { source })?;
        Credentials::new(certificate, authority, self.key)
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

/// Certificates and one key as PEM text (RFC 7468).
pub(crate) struct Pem {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) key: Zeroizing<Vec<u8>>,
}

impl Pem {
    /// `None` unless the text holds certificates and exactly one PKCS#8 key.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut certificates = Vec::new();
        let mut keys = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            let (kind, der) = section.ok()?;
            if kind == SectionKind::Certificate {
                certificates.push(der.into());
            } else if kind == SectionKind::PrivateKey {
                keys.push(Zeroizing::new(der));
            }
        }
        let key = keys.pop().filter(|_| keys.is_empty())?;
        Some(Self { certificates, key })
    }

    pub(crate) fn write(
        certificates: &[&CertificateDer<'static>],
        key: &[u8],
    ) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for certificate in certificates {
            push_section(&mut text, "CERTIFICATE", certificate);
        }
        push_section(&mut text, "PRIVATE KEY", key);
        text
    }
}

pub(crate) fn key_pair(pkcs8: &[u8]) -> Result<KeyPair, rcgen::Error> {
    KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.into(), &PKCS_ED25519)
}

fn push_section(text: &mut String, label: &str, der: &[u8]) {
    let encoded = Zeroizing::new(BASE64.encode(der));
    // Room for all at once: a string that grows leaves copies of the key behind.
    text.reserve(encoded.len() + encoded.len() / 64 + 2 * label.len() + 40);
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::authority::Authority;
    use crate::clock::ManualClock;
    use crate::identity::AgentIdentity;

    const LIFE: Duration = Duration::from_hours(24);

    struct Fixture {
        folder: tempfile::TempDir,
        clock: Arc<ManualClock>,
        authority: Authority,
        identity: AgentIdentity,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new("2026-03-01T00:00:00Z".parse().unwrap()));
        let authority =
            Authority::create(folder.path(), "heart".parse().unwrap(), clock.clone()).unwrap();
        let identity = AgentIdentity {
            federation: "heart".parse().unwrap(),
            site: "va-long-beach".parse().unwrap(),
            agent: "a1".parse().unwrap(),
        };
        Fixture { folder, clock, authority, identity }
    }

    impl Fixture {
        fn credentials(&self) -> Credentials {
            let request = KeyRequest::generate().unwrap();
            let issued = self
                .authority
                .issue_agent(request.signing_request(), &self.identity, LIFE)
                .unwrap();
            let authority = self.authority.certificate().clone();
            request.complete(issued.certificate, authority, &*self.clock).unwrap()
        }
    }

    #[test]
    fn credentials_survive_the_file() {
        let fixture = fixture();
        let path = fixture.folder.path().join("credentials.pem");
        let stored = fixture.credentials();
        stored.store(&path).unwrap();
        let loaded = Credentials::load(&path).unwrap();
        assert_eq!(loaded.subject, stored.subject);
        assert_eq!(*loaded.identity(), Identity::Agent(fixture.identity.clone()));
        assert_eq!(loaded.key, stored.key);
        assert_eq!(loaded.fingerprint(), fixture.authority.fingerprint());
    }

    #[test]
    fn renewal_is_due_at_two_thirds() {
        let credentials = fixture().credentials();
        assert_eq!(credentials.not_before().to_string(), "2026-02-28T23:00:00Z");
        assert_eq!(credentials.not_after().to_string(), "2026-03-02T00:00:00Z");
        assert_eq!(credentials.renew_at().to_string(), "2026-03-01T15:40:00Z");
    }

    #[test]
    fn a_certificate_for_another_key_is_refused() {
        let fixture = fixture();
        let certificate = fixture.credentials().certificate;
        let authority = fixture.authority.certificate().clone();
        let error = KeyRequest::generate()
            .unwrap()
            .complete(certificate, authority, &*fixture.clock)
            .unwrap_err();
        assert!(matches!(error, CredentialsError::KeyMismatch));
    }

    #[test]
    fn a_certificate_of_another_authority_or_time_is_refused() {
        let (fixture, other) = (fixture(), fixture());
        let request = KeyRequest::generate().unwrap();
        let issued =
            other.authority.issue_agent(request.signing_request(), &other.identity, LIFE).unwrap();
        let authority = fixture.authority.certificate().clone();
        let error = request.complete(issued.certificate, authority, &*fixture.clock).unwrap_err();
        assert!(matches!(error, CredentialsError::Unvouched { .. }));

        let request = KeyRequest::generate().unwrap();
        let issued = fixture
            .authority
            .issue_agent(request.signing_request(), &fixture.identity, LIFE)
            .unwrap();
        fixture.clock.advance(LIFE * 2);
        let authority = fixture.authority.certificate().clone();
        let error = request.complete(issued.certificate, authority, &*fixture.clock).unwrap_err();
        assert!(matches!(error, CredentialsError::Unvouched { .. }));
    }

    #[test]
    fn other_files_are_not_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.pem");
        files::write_atomic(&path, b"nothing", Access::Secret).unwrap();
        assert!(matches!(Credentials::load(&path), Err(CredentialsError::Pem)));
    }

    #[test]
    fn nothing_shows_the_key() {
        let credentials = fixture().credentials();
        let shown = format!("{credentials:?} {:?}", KeyRequest::generate().unwrap());
        assert!(shown.contains("va-long-beach") && !shown.contains("key: "), "{shown}");
    }
}
