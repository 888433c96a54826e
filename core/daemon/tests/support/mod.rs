//! A federation in a folder, a handler that answers simply, and a client without manners.

#![allow(dead_code, unreachable_pub, reason = "each test and benchmark uses its own part")]

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use insitu_daemon::authority::{AGENT_LIFE, Authority, FILE_NAME};
use insitu_daemon::clock::{Clock, ManualClock};
use insitu_daemon::credentials::{Credentials, KeyRequest};
use insitu_daemon::enroll::{Redemption, Token};
use insitu_daemon::files::{self, Access};
use insitu_daemon::identity::AgentIdentity;
use insitu_daemon::link::client::{self, CallError, Connector, Link, Timeouts};
use insitu_daemon::link::reset::ResetKey;
use insitu_daemon::link::server::{self, Handler, Limits, Peer, Server};
use insitu_daemon::shutdown::{self, Trigger};
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::enroll::Welcome;
use insitu_protocol::facts::{DeviceFacts, EngineKind};
use insitu_protocol::ids::{self, Digest};
use insitu_protocol::request::Request;
use insitu_protocol::response::{HelloAnswer, Receipt, Refusal, Response};
use insitu_protocol::session::SessionAnswer;
use quinn::Endpoint;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, PKCS_ED25519, SanType};
use tempfile::TempDir;
use tokio::task::JoinSet;

pub const FACTS: DeviceFacts = DeviceFacts {
    version: [0, 1, 0],
    uptime_days: 0,
    load_quarters: 0,
    memory_tenths: 1,
    disk_tenths: 1,
    temperature_tens: None,
    engine: EngineKind::None,
};

/// What the handler does with `Poll { after }`, to show its temper.
pub const POLL_PANICS: u64 = 1;
pub const POLL_TAKES_300_MS: u64 = 2;

pub struct Federation {
    pub folder: TempDir,
    pub clock: Arc<ManualClock>,
    pub authority: Arc<Authority>,
}

impl Federation {
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new("2026-03-01T00:00:00Z".parse().unwrap()));
        let authority =
            Authority::create(folder.path(), name.parse().unwrap(), clock.clone()).unwrap();
        Self { folder, clock, authority: Arc::new(authority) }
    }

    pub fn agent(&self, site: &str) -> Credentials {
        let identity = AgentIdentity {
            federation: self.authority.federation().clone(),
            site: site.parse().unwrap(),
            agent: "a1".parse().unwrap(),
        };
        let key = KeyRequest::generate().unwrap();
        let issued =
            self.authority.issue_agent(key.signing_request(), &identity, AGENT_LIFE).unwrap();
        let authority = self.authority.certificate().clone();
        key.complete(issued.certificate, authority, &*self.clock).unwrap()
    }

    /// Credentials for any URI, signed by the authority's key behind its back.
    pub fn sign(&self, uri: &str) -> Credentials {
        let text = std::fs::read_to_string(self.folder.path().join(FILE_NAME)).unwrap();
        let (root, secret) = text.split_at(text.find("-----BEGIN PRIVATE KEY-----").unwrap());
        let authority = Issuer::from_ca_cert_pem(root, KeyPair::from_pem(secret).unwrap()).unwrap();
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &authority).unwrap();
        let path = self.folder.path().join("signed.pem");
        let pem = format!("{}{root}{}", certificate.pem(), key.serialize_pem());
        files::write_atomic(&path, pem.as_bytes(), Access::Secret).unwrap();
        Credentials::load(&path).unwrap()
    }

    /// The handler of this federation's coordinator.
    pub fn handler(&self) -> TestHandler {
        TestHandler { authority: Arc::clone(&self.authority), ..TestHandler::empty(self) }
    }
}

/// Remembers whom it saw, and answers.
pub struct TestHandler {
    authority: Arc<Authority>,
    pub seen: Mutex<Vec<Peer>>,
    pub revoked: Mutex<HashSet<Digest>>,
    pub tokens: Mutex<HashSet<Digest>>,
    pub redeemed: AtomicUsize,
    pub running: AtomicUsize,
    pub most_running: AtomicUsize,
}

impl TestHandler {
    fn empty(federation: &Federation) -> Self {
        Self {
            authority: Arc::clone(&federation.authority),
            seen: Mutex::default(),
            revoked: Mutex::default(),
            tokens: Mutex::default(),
            redeemed: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
        }
    }

    pub fn token(&self, site: &str) -> Token {
        let token = Token::generate(site.parse().unwrap(), self.authority.fingerprint()).unwrap();
        self.tokens.lock().unwrap().insert(token.secret_digest());
        token
    }

    /// Revokes every certificate seen so far.
    pub fn revoke_all(&self) {
        let mut revoked = self.revoked.lock().unwrap();
        for peer in self.seen.lock().unwrap().iter() {
            revoked.insert(ids::digest(peer.serial.as_bytes()));
        }
    }

    pub fn revoke(&self, credentials: &Credentials) {
        let serial = ids::digest(credentials.serial().as_bytes());
        self.revoked.lock().unwrap().insert(serial);
    }
}

impl Handler for TestHandler {
    async fn handle(&self, peer: &Peer, request: Request) -> Response {
        self.seen.lock().unwrap().push(peer.clone());
        match request {
            Request::Hello(_) => {
                Response::Hello(HelloAnswer { now_unix_s: 1_772_323_200, acknowledged: None })
            }
            Request::Submit { release } => Response::Receipt(Receipt {
                id: Fixed([7; 16]),
                sequence: release.0.len() as u64,
                chain: ids::digest(&release.0),
            }),
            Request::Poll { after: POLL_PANICS } => panic!("asked for it"),
            Request::Poll { after: POLL_TAKES_300_MS } => {
                let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_running.fetch_max(running, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(300)).await;
                self.running.fetch_sub(1, Ordering::SeqCst);
                Response::Orders(Vec::new())
            }
            Request::Poll { .. } => Response::Orders(Vec::new()),
            Request::Fetch { offset, .. } => Response::Chunk {
                total_bytes: 1 << 20,
                bytes: Bytes(vec![7; usize::try_from(offset).unwrap()]),
            },
            Request::Announce { .. } => Response::Announced,
            Request::Session { body, .. } => Response::Session(SessionAnswer::Ready(body)),
            Request::Renew { signing_request } => {
                let issued =
                    self.authority.issue_agent(&signing_request.0, &peer.identity, AGENT_LIFE);
                match issued {
                    Ok(issued) => Response::Certificate(Bytes(issued.certificate.to_vec())),
                    Err(_) => Response::Refused(Refusal::Malformed),
                }
            }
        }
    }

    async fn redeem(&self, redemption: Redemption) -> Result<Welcome, Refusal> {
        self.redeemed.fetch_add(1, Ordering::SeqCst);
        if !self.tokens.lock().unwrap().remove(&redemption.secret_digest) {
            return Err(Refusal::Token);
        }
        let identity = AgentIdentity {
            federation: self.authority.federation().clone(),
            site: redemption.site,
            agent: redemption.agent,
        };
        let issued = self
            .authority
            .issue_agent(&redemption.signing_request, &identity, AGENT_LIFE)
            .map_err(|_| Refusal::Malformed)?;
        Ok(Welcome {
            federation: self.authority.federation().clone(),
            certificate: Bytes(issued.certificate.to_vec()),
            authority: Bytes(self.authority.certificate().to_vec()),
            bundle_key: Fixed([9; 32]),
        })
    }

    fn is_revoked(&self, peer: &Peer) -> bool {
        self.revoked.lock().unwrap().contains(&ids::digest(peer.serial.as_bytes()))
    }
}

/// A server on loopback, stopped when dropped.
pub struct Running {
    pub server: Server,
    pub handler: Arc<TestHandler>,
    pub address: SocketAddr,
    pub trigger: Trigger,
    pub tasks: JoinSet<()>,
}

pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub fn serve(federation: &Federation, limits: Limits) -> Running {
    let credentials = federation.authority.issue_server().unwrap();
    serve_as(federation, &credentials, limits, federation.clock.clone())
}

pub fn serve_as(
    federation: &Federation,
    credentials: &Credentials,
    limits: Limits,
    clock: Arc<dyn Clock>,
) -> Running {
    let endpoint = server::endpoint(loopback(), &ResetKey::new([7; 32])).unwrap();
    let server = Server::new(endpoint, credentials, limits, clock).unwrap();
    let address = server.local_address().unwrap();
    let handler = Arc::new(federation.handler());
    let (trigger, stop) = shutdown::pair();
    let mut tasks = JoinSet::new();
    tasks.spawn(server.clone().serve(Arc::clone(&handler), stop));
    Running { server, handler, address, trigger, tasks }
}

pub fn connector(
    address: SocketAddr,
    credentials: &Credentials,
    clock: Arc<dyn Clock>,
) -> Connector {
    let endpoint = Endpoint::client(loopback()).unwrap();
    let timeouts = Timeouts { connect: Duration::from_secs(3), call: Duration::from_secs(3) };
    Connector::new(endpoint, address.to_string(), credentials, clock, timeouts).unwrap()
}

pub async fn connect(
    running: &Running,
    credentials: &Credentials,
    federation: &Federation,
) -> Result<Link, CallError> {
    let connector = connector(running.address, credentials, federation.clock.clone());
    connector.connect(FACTS).await.map(|(link, _)| link)
}

/// A member's connection below the client's manners: any bytes on any stream.
pub mod raw {
    use insitu_protocol::frame;
    use insitu_protocol::request;
    use quinn::crypto::rustls::QuicClientConfig;
    use quinn::{ClientConfig, Connection, RecvStream, SendStream};
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::ring;
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

    use super::*;

    /// Trusts anyone: the server is what is tested.
    #[derive(Debug)]
    struct Gullible;

    impl ServerCertVerifier for Gullible {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }
    }

    /// Connects with a certificate, or without, and with any protocol.
    pub async fn connect(
        address: SocketAddr,
        credentials: Option<&Credentials>,
        protocol: Option<&[u8]>,
    ) -> Result<Connection, quinn::ConnectionError> {
        let builder =
            rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Gullible));
        let mut config = match credentials {
            None => builder.with_no_client_auth(),
            Some(credentials) => {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("credentials.pem");
                credentials.store(&path).unwrap();
                let key = PrivateKeyDer::from_pem_file(&path).unwrap();
                builder.with_client_auth_cert(vec![credentials.certificate().clone()], key).unwrap()
            }
        };
        config.alpn_protocols = protocol.into_iter().map(<[u8]>::to_vec).collect();
        let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
        let endpoint = Endpoint::client(loopback()).unwrap();
        endpoint.connect_with(config, address, "anyone").unwrap().await
    }

    pub async fn member(running: &Running, credentials: &Credentials) -> Connection {
        connect(running.address, Some(credentials), Some(request::ALPN)).await.unwrap()
    }

    /// Sends bytes on a new stream, ends it if told so, and reads the answer.
    pub async fn send(connection: &Connection, bytes: &[u8], end: bool) -> Option<Response> {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        if end {
            send.finish().unwrap();
        }
        let answer = answer(recv).await;
        drop(send);
        answer
    }

    pub async fn open(connection: &Connection) -> (SendStream, RecvStream) {
        connection.open_bi().await.unwrap()
    }

    pub async fn answer(mut recv: RecvStream) -> Option<Response> {
        let bytes = recv.read_to_end(4 << 20).await.ok()?;
        frame::decode(bytes.get(frame::PREFIX_BYTES..)?).ok()
    }
}

/// Deadlines short enough to be waited for.
pub fn hasty() -> Limits {
    Limits {
        handshake: Duration::from_secs(2),
        head: Duration::from_millis(200),
        body: Duration::from_millis(200),
        recheck: Duration::from_millis(50),
        drain: Duration::from_secs(2),
        ..Limits::default()
    }
}

pub fn endpoint() -> Endpoint {
    client::endpoint().unwrap()
}
