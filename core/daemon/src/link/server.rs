//! The coordinator's side of the link.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use insitu_protocol::enroll::Welcome;
use insitu_protocol::ids::FederationName;
use insitu_protocol::request::Request;
use insitu_protocol::response::{Refusal, Response};
use jiff::Timestamp;
use quinn::{Endpoint, ServerConfig, TokioRuntime};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{Shared, connection, note_panic};
use super::reset::ResetKey;
use super::{Close, tls, transport};
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::enroll::Redemption;
use crate::identity::{AgentIdentity, Serial};
use crate::shutdown::Shutdown;

/// How long the server waits for its last packets to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// Who asks, as its certificate says. Only a verified certificate makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// Federation, site and agent.
    pub identity: AgentIdentity,
    /// The certificate's number.
    pub serial: Serial,
    /// The certificate's last moment.
    pub not_after: Timestamp,
    /// Where it connects from.
    pub address: SocketAddr,
}

/// What the coordinator does with what it is asked.
///
/// Requests of one peer run side by side, and a peer may send any request twice: answering the
/// second time is the handler's business. A panic costs the stream it happened on, nothing else.
/// A future is dropped at an `await` when its connection goes or its time is up, so what must
/// happen together happens between two of them, or on a blocking thread.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request.
    fn handle(&self, peer: &Peer, request: Request) -> impl Future<Output = Response> + Send;

    /// Redeems a token exactly once, issues the certificate and records its serial, in one
    /// transaction. [`Refusal::Token`] whatever is wrong with the token.
    fn redeem(
        &self,
        redemption: Redemption,
    ) -> impl Future<Output = Result<Welcome, Refusal>> + Send;

    /// Whether the certificate is revoked. Asked at accept, on each stream and once a second for
    /// each live connection: answer from memory.
    fn is_revoked(&self, peer: &Peer) -> bool;
}

/// What the server allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all, those in their handshake included.
    pub connections_max: usize,
    /// Connections of one site.
    pub connections_per_site_max: usize,
    /// Connections that are joining.
    pub joining_max: usize,
    /// Requests in flight on one connection.
    pub streams_max: u32,
    /// Bytes of requests in memory, in all; at least one of the longest.
    pub buffer_bytes_max: usize,
    /// Of them those of one site; at least one of the longest.
    pub site_buffer_bytes_max: usize,
    /// For the handshake.
    pub handshake: Duration,
    /// For a request's length and kind, from the opening of its stream.
    pub head: Duration,
    /// For the rest of a request.
    pub body: Duration,
    /// For the handler.
    pub handle: Duration,
    /// For the peer to take the response.
    pub respond: Duration,
    /// How often live connections are asked about revocation and expiry.
    pub recheck: Duration,
    /// For requests in flight, at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            connections_per_site_max: 64,
            joining_max: 64,
            streams_max: 16,
            buffer_bytes_max: 128 * 1024 * 1024,
            site_buffer_bytes_max: 8 * 1024 * 1024,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(60),
            handle: Duration::from_secs(60),
            respond: Duration::from_secs(60),
            recheck: Duration::from_secs(1),
            drain: Duration::from_secs(10),
        }
    }
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The coordinator's own credentials cannot be used for TLS.
    #[error("the coordinator's credentials cannot be used")]
    Credentials {
        /// Why not.
        source: rustls::Error,
    },
}

/// An endpoint that listens on `address` (UDP). With the same key as before its start, peers of the
/// process before notice at once that it is gone.
///
/// # Errors
/// [`ServerError::Bind`].
pub fn endpoint(address: SocketAddr, key: &ResetKey) -> Result<Endpoint, ServerError> {
    let bound = UdpSocket::bind(address).and_then(|socket| {
        // As a client: the server's configuration needs the credentials, and comes with them.
        Endpoint::new(key.endpoint_config(), None, socket, Arc::new(TokioRuntime))
    });
    bound.map_err(|source| ServerError::Bind { address, source })
}

/// A server, ready to serve. Clones share one endpoint: keep one to renew the credentials.
#[derive(Clone, Debug)]
pub struct Server {
    endpoint: Endpoint,
    pub(super) federation: FederationName,
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
}

impl Server {
    /// Prepares `endpoint` to answer with the coordinator's `credentials`.
    ///
    /// # Errors
    /// [`ServerError::Credentials`].
    pub fn new(
        endpoint: Endpoint,
        credentials: &Credentials,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServerError> {
        let federation = credentials.identity().federation().clone();
        let server = Self { endpoint, federation, limits, clock };
        server.use_credentials(credentials)?;
        Ok(server)
    }

    /// Answers new connections with other credentials: for a coordinator that renews its own.
    ///
    /// # Errors
    /// [`ServerError::Credentials`].
    pub fn use_credentials(&self, credentials: &Credentials) -> Result<(), ServerError> {
        let tls = tls::server(credentials, Arc::clone(&self.clock))
            .map_err(|source| ServerError::Credentials { source })?;
        let mut config = ServerConfig::with_crypto(Arc::new(tls));
        config.transport_config(Arc::new(transport(self.limits.streams_max)));
        self.endpoint.set_server_config(Some(config));
        Ok(())
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Serves until `shutdown`, then lets requests in flight finish within [`Limits::drain`].
    pub async fn serve<H: Handler>(self, handler: Arc<H>, shutdown: Shutdown) {
        let shared = Arc::new(Shared::new(handler, &self, shutdown));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shared.shutdown.requested() => break,
                Some(ended) = connections.join_next() => note_panic(ended, "connection"),
                incoming = self.endpoint.accept() => {
                    let Some(incoming) = incoming else { break };
                    if let Some(handshake) = shared.welcome(incoming, connections.len()) {
                        connections.spawn(connection(Arc::clone(&shared), handshake));
                    }
                }
            }
        }
        self.endpoint.set_server_config(None);
        let drained = timeout(self.limits.drain, async {
            while let Some(ended) = connections.join_next().await {
                note_panic(ended, "connection");
            }
        });
        if drained.await.is_err() {
            tracing::warn!(connections = connections.len(), "not drained in time");
        }
        connections.shutdown().await;
        self.endpoint.close(Close::Stopping.code(), Close::Stopping.name().as_bytes());
        // The farewell is sent within a few round trips, or not at all.
        drop(timeout(FAREWELL, self.endpoint.wait_idle()).await);
    }
}
