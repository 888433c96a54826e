//! TLS 1.3 with one authority a federation, and names in SPIFFE form instead of host names.

use std::fmt;
use std::sync::Arc;

use insitu_protocol::ids::{self, Digest, FederationName};
use insitu_protocol::{enroll, request};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::clock::{CertificateTime, Clock};
use crate::credentials::Credentials;
use crate::identity::{Identity, Subject};

/// What the client calls the server in the handshake. Nobody checks it: the certificate's URI
/// names the coordinator, whatever host it runs on.
pub(crate) const SERVER_NAME: &str = "coordinator.insitu.invalid";

/// The coordinator's side, for both protocols on one port.
///
/// TLS picks the protocol and asks for the certificate in one flight, so whether a certificate is
/// needed cannot depend on the protocol inside TLS. The configuration therefore lets a client come
/// without one (a certificate that *is* shown must verify, or the handshake fails), and
/// `Shared::admit` closes a connection that chose `insitu/1` without one. That this cannot be
/// forgotten is a matter of types: handling a request takes a `Peer`, and only a certificate makes
/// one. Two ports would do as well, at the price of a second hole in every firewall.
///
/// No session is resumed and no early data taken: each connection shows its certificate, which is
/// judged by the date of the connection, and a replayed first flight does nothing.
pub(crate) fn server(
    credentials: &Credentials,
    clock: Arc<dyn Clock>,
) -> Result<QuicServerConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = client_verifier(credentials.authority(), &provider, true)?;
    let chain = vec![credentials.certificate().clone(), credentials.authority().clone()];
    let mut config = ServerConfig::builder_with_details(provider, time(clock))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, credentials.key().into())?;
    config.alpn_protocols = vec![request::ALPN.to_vec(), enroll::ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    QuicServerConfig::try_from(config).map_err(no_cipher)
}

/// A member's side.
pub(crate) fn client(
    credentials: &Credentials,
    clock: Arc<dyn Clock>,
) -> Result<QuicClientConfig, Error> {
    let roots = root(credentials.authority())?;
    let federation = credentials.identity().federation().clone();
    let mut config = ClientConfig::builder_with_details(provider(), time(clock))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(CoordinatorVerifier::new(Trust::Authority {
            roots,
            federation,
        }))
        .with_client_auth_cert(vec![credentials.certificate().clone()], credentials.key().into())?;
    config.alpn_protocols = vec![request::ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    QuicClientConfig::try_from(config).map_err(no_cipher)
}

/// The side of an agent that joins, and knows the authority by `fingerprint` only.
pub(crate) fn joining(
    fingerprint: Digest,
    clock: Arc<dyn Clock>,
) -> Result<QuicClientConfig, Error> {
    let mut config = ClientConfig::builder_with_details(provider(), time(clock))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(CoordinatorVerifier::new(Trust::Fingerprint(fingerprint)))
        .with_no_client_auth();
    config.alpn_protocols = vec![enroll::ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    QuicClientConfig::try_from(config).map_err(no_cipher)
}

/// Checks that `certificate` is signed by `authority` for a client and valid now.
pub(crate) fn vouches(
    authority: &CertificateDer<'static>,
    certificate: &CertificateDer<'static>,
    clock: &dyn Clock,
) -> Result<(), Error> {
    let seconds =
        u64::try_from(clock.now().as_second()).map_err(|_| Error::FailedToGetCurrentTime)?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let verifier = client_verifier(authority, &provider(), false)?;
    verifier.verify_client_cert(certificate, &[], now).map(|_| ())
}

/// How a client knows the coordinator.
enum Trust {
    /// By its federation's authority.
    Authority { roots: RootCertStore, federation: FederationName },
    /// By the fingerprint of the authority, which the server shows in its chain.
    Fingerprint(Digest),
}

/// Accepts the coordinator of one federation.
///
/// rustls' own verifier wants a host name or an address in the certificate. Ours checks the chain,
/// the dates and the usage with the same code (webpki), and then the URI in place of the host name.
struct CoordinatorVerifier {
    trust: Trust,
    provider: CryptoProvider,
}

impl CoordinatorVerifier {
    fn new(trust: Trust) -> Arc<Self> {
        Arc::new(Self { trust, provider: ring::default_provider() })
    }

    /// Checks the chain; gives the federation whose coordinator is expected, if that is known.
    fn check_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Option<&FederationName>, Error> {
        let pinned;
        let (roots, federation) = match &self.trust {
            Trust::Authority { roots, federation } => (roots, Some(federation)),
            Trust::Fingerprint(fingerprint) => {
                let authority = intermediates
                    .iter()
                    .find(|certificate| ids::digest(certificate) == *fingerprint)
                    .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
                pinned = root(authority)?;
                (&pinned, None)
            }
        };
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        Ok(federation)
    }
}

impl ServerCertVerifier for CoordinatorVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let expected = self.check_chain(end_entity, intermediates, now)?;
        match Subject::of(end_entity).map(|subject| subject.identity) {
            Ok(Identity::Coordinator(federation))
                if expected.is_none_or(|expected| *expected == federation) =>
            {
                Ok(ServerCertVerified::assertion())
            }
            Ok(Identity::Coordinator(_) | Identity::Agent(_)) | Err(_) => {
                Err(Error::InvalidCertificate(CertificateError::NotValidForName))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // QUIC has no TLS 1.2.
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for CoordinatorVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.trust {
            Trust::Authority { .. } => "CoordinatorVerifier(authority)",
            Trust::Fingerprint(_) => "CoordinatorVerifier(fingerprint)",
        })
    }
}

fn client_verifier(
    authority: &CertificateDer<'_>,
    provider: &Arc<CryptoProvider>,
    optional: bool,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let roots = Arc::new(root(authority)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|_| Error::General("the authority cannot be a root".to_owned()))
}

fn root(authority: &CertificateDer<'_>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    Ok(roots)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn time(clock: Arc<dyn Clock>) -> Arc<dyn TimeProvider> {
    Arc::new(CertificateTime(clock))
}

fn no_cipher(_: quinn::crypto::rustls::NoInitialCipherSuite) -> Error {
    Error::General("no cipher suite for QUIC's first packets".to_owned())
}
