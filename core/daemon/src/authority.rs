//! The federation's certificate authority: an Ed25519 key in the coordinator's folder.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use insitu_protocol::ids::{self, Digest, FederationName};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519,
    PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use x509_parser::time::ASN1Time;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::credentials::{Credentials, CredentialsError, Pem, key_pair};
use crate::files::{self, Access, FileError};
use crate::identity::{self, AgentIdentity, Identity, IdentityError, Serial};

/// The authority's file in its folder: certificate and key, readable by its owner alone.
pub const FILE_NAME: &str = "authority.pem";
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
    issuer: Issuer<'static, KeyPair>,
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
    /// The file does not hold a certificate and its key.
    #[error("the authority's file does not hold a certificate and its key")]
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
        /// Why not.
        source: rcgen::Error,
    },
    /// The identity is of another federation.
    #[error("{identity} is not of federation {federation}")]
    Foreign {
        /// The identity asked for.
        identity: Identity,
        /// The authority's federation.
        federation: FederationName,
    },
    /// The key or a certificate could not be made.
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
    /// The clock shows a year that a certificate cannot hold.
    #[error("the clock shows {now}, which no certificate can hold")]
    Date {
        /// What it shows.
        now: Timestamp,
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
    /// [`AuthorityError`]; [`FileError::Exists`] within when there is one.
    pub fn create(
        folder: &Path,
        federation: FederationName,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthorityError> {
        let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(sign)?;
        let mut params = params(&identity::domain_uri(&federation), federation.as_str())?;
        set_validity(&mut params, &*clock, AUTHORITY_LIFE)?;
        params.serial_number = Some(serial_number()?);
        // No authority below this one: a stolen agent's key certifies nobody.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&pair).map_err(sign)?.der().clone();
        let text = Pem::write(&[&certificate], &Zeroizing::new(pair.serialize_der()));
        files::create(&folder.join(FILE_NAME), text.as_bytes(), Access::Secret)
            .map_err(|source| AuthorityError::File { source })?;
        Self::open(folder, clock)
    }

    /// Opens the authority in `folder`.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, AuthorityError> {
        let text = files::read_secret(&folder.join(FILE_NAME))
            .map_err(|source| AuthorityError::File { source })?;
        let Pem { certificates, key } = Pem::read(&text).ok_or(AuthorityError::Mismatch)?;
        let [certificate] =
            <[_; 1]>::try_from(certificates).map_err(|_| AuthorityError::Mismatch)?;
        let nobody = |source| AuthorityError::Nobody { source };
        let federation = identity::domain(&certificate).map_err(nobody)?;
        let pair = key_pair(&key).map_err(sign)?;
        if pair.der_bytes() != identity::public_key(&certificate).map_err(nobody)? {
            return Err(AuthorityError::Mismatch);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, pair).map_err(sign)?;
        Ok(Self { federation, certificate, issuer, clock })
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
        ids::digest(&self.certificate)
    }

    /// Makes the coordinator's own credentials, with a fresh key, for [`SERVER_LIFE`].
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn issue_server(&self) -> Result<Credentials, AuthorityError> {
        let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(sign)?;
        let coordinator = Identity::Coordinator(self.federation.clone());
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let issued = self.issue(&pair, &coordinator, usage, SERVER_LIFE)?;
        let key = Zeroizing::new(pair.serialize_der());
        Credentials::new(issued.certificate, self.certificate.clone(), key)
            .map_err(|source| AuthorityError::Credentials { source })
    }

    /// Certifies the key of a PKCS#10 `signing_request` (DER) as `identity`'s for `life`.
    ///
    /// Only the public key is taken from the request, once the request's signature has shown that
    /// the sender has the private one: a subject, an alternative name or a usage in it is ignored.
    ///
    /// # Errors
    /// [`AuthorityError::SigningRequest`], [`AuthorityError::Foreign`], [`AuthorityError::Sign`].
    pub fn issue_agent(
        &self,
        signing_request: &[u8],
        identity: &AgentIdentity,
        life: Duration,
    ) -> Result<Issued, AuthorityError> {
        let identity = Identity::Agent(identity.clone());
        if *identity.federation() != self.federation {
            let federation = self.federation.clone();
            return Err(AuthorityError::Foreign { identity, federation });
        }
        let refused = |source| AuthorityError::SigningRequest { source };
        let request =
            CertificateSigningRequestParams::from_der(&signing_request.into()).map_err(refused)?;
        // One kind of key everywhere: its signatures all have one length, and no parameters.
        if PublicKeyData::algorithm(&request.public_key) != &PKCS_ED25519 {
            return Err(refused(rcgen::Error::UnsupportedSignatureAlgorithm));
        }
        self.issue(&request.public_key, &identity, ExtendedKeyUsagePurpose::ClientAuth, life)
    }

    fn issue(
        &self,
        key: &impl PublicKeyData,
        identity: &Identity,
        usage: ExtendedKeyUsagePurpose,
        life: Duration,
    ) -> Result<Issued, AuthorityError> {
        // The common name is for people only, and at most 64 characters: the URI is the name.
        let mut params = params(&identity.to_string(), "insitu")?;
        set_validity(&mut params, &*self.clock, life)?;
        let serial = serial_number()?;
        params.serial_number = Some(serial.clone());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let not_after = params.not_after.unix_timestamp();
        let certificate = params.signed_by(key, &self.issuer).map_err(sign)?.der().clone();
        Ok(Issued {
            certificate,
            serial: Serial::new(serial.as_ref())
                .map_err(|source| AuthorityError::Nobody { source })?,
            not_after: Timestamp::from_second(not_after)
                .map_err(|_| AuthorityError::Date { now: self.clock.now() })?,
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("federation", &self.federation).finish_non_exhaustive()
    }
}

fn params(uri: &str, common_name: &str) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(sign)?)];
    Ok(params)
}

/// Makes a certificate valid from [`BACKDATE`] ago for `life` from now.
fn set_validity(
    params: &mut CertificateParams,
    clock: &dyn Clock,
    life: Duration,
) -> Result<(), AuthorityError> {
    let now = clock.now();
    let failed = || AuthorityError::Date { now };
    let moment = |moment: Result<Timestamp, jiff::Error>| {
        let seconds = moment.map_err(|_| failed())?.as_second();
        ASN1Time::from_timestamp(seconds).map_err(|_| failed())
    };
    params.not_before = moment(now.checked_sub(BACKDATE))?.to_datetime();
    params.not_after = moment(now.checked_add(life))?.to_datetime();
    Ok(())
}

/// 126 random bits in 16 bytes. The top bits are 01, so that the number always has the same length
/// in DER: certificates of one kind have one size.
fn serial_number() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|source| AuthorityError::Random { source })?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn sign(source: rcgen::Error) -> AuthorityError {
    AuthorityError::Sign { source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::credentials::KeyRequest;
    use crate::identity::Subject;

    fn authority() -> (tempfile::TempDir, Authority) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new("2026-03-01T00:00:00Z".parse().unwrap()));
        let authority = Authority::create(folder.path(), "heart".parse().unwrap(), clock).unwrap();
        (folder, authority)
    }

    fn agent(federation: &str) -> AgentIdentity {
        AgentIdentity {
            federation: federation.parse().unwrap(),
            site: "va-long-beach".parse().unwrap(),
            agent: "a1".parse().unwrap(),
        }
    }

    #[test]
    fn an_authority_is_made_once_and_found_again() {
        let (folder, authority) = authority();
        let clock = Arc::clone(&authority.clock);
        let again = Authority::open(folder.path(), Arc::clone(&clock)).unwrap();
        assert_eq!(again.fingerprint(), authority.fingerprint());
        assert_eq!(again.federation().as_str(), "heart");
        assert!(matches!(
            Authority::create(folder.path(), "heart".parse().unwrap(), clock),
            Err(AuthorityError::File { source: FileError::Exists { .. } })
        ));
    }

    #[test]
    fn certificates_say_what_the_authority_decided() {
        let (_folder, authority) = authority();
        let request = KeyRequest::generate().unwrap();
        let issued =
            authority.issue_agent(request.signing_request(), &agent("heart"), AGENT_LIFE).unwrap();
        let subject = Subject::of(&issued.certificate).unwrap();
        assert_eq!(subject.identity, Identity::Agent(agent("heart")));
        assert_eq!(subject.serial, issued.serial);
        assert_eq!(subject.not_before.to_string(), "2026-02-28T23:00:00Z");
        assert_eq!(subject.not_after.to_string(), "2026-03-31T00:00:00Z");
        assert_eq!(subject.not_after, issued.not_after);
    }

    #[test]
    fn names_in_the_request_are_ignored() {
        let (_folder, authority) = authority();
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut wish = params("spiffe://heart/coordinator", "root").unwrap();
        wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wish.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let request = wish.serialize_request(&pair).unwrap();
        let issued = authority.issue_agent(request.der(), &agent("heart"), AGENT_LIFE).unwrap();
        assert_eq!(
            Subject::of(&issued.certificate).unwrap().identity,
            Identity::Agent(agent("heart"))
        );
        let (_, parsed) = x509_parser::parse_x509_certificate(&issued.certificate).unwrap();
        assert!(!parsed.is_ca());
        let usage = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
    }

    #[test]
    fn a_request_not_signed_by_its_own_key_is_refused() {
        let (_folder, authority) = authority();
        let mut request = KeyRequest::generate().unwrap().signing_request().to_vec();
        *request.last_mut().unwrap() ^= 1;
        let refused = authority.issue_agent(&request, &agent("heart"), AGENT_LIFE);
        assert!(matches!(refused, Err(AuthorityError::SigningRequest { .. })));
    }

    #[test]
    fn other_kinds_of_keys_are_refused() {
        let (_folder, authority) = authority();
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let request = CertificateParams::default().serialize_request(&pair).unwrap();
        let refused = authority.issue_agent(request.der(), &agent("heart"), AGENT_LIFE);
        assert!(matches!(refused, Err(AuthorityError::SigningRequest { .. })));
    }

    #[test]
    fn other_federations_are_refused() {
        let (_folder, authority) = authority();
        let request = KeyRequest::generate().unwrap();
        let refused = authority.issue_agent(request.signing_request(), &agent("lungs"), AGENT_LIFE);
        assert!(matches!(refused, Err(AuthorityError::Foreign { .. })));
    }

    #[test]
    fn certificates_have_one_size_and_no_two_have_one_serial() {
        let (_folder, authority) = authority();
        let issue = || {
            let request = KeyRequest::generate().unwrap();
            authority.issue_agent(request.signing_request(), &agent("heart"), AGENT_LIFE).unwrap()
        };
        let first = issue();
        for _ in 0..20 {
            let next = issue();
            assert_ne!(next.serial, first.serial);
            assert_eq!(next.certificate.len(), first.certificate.len());
        }
    }
}
