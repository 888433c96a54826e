//! The coordinator's side of the link.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use insitu_protocol::enroll::Welcome;
use insitu_protocol::request::Request;
use insitu_protocol::response::{Refusal, Response};
use jiff::Timestamp;
use quinn::Endpoint;

use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::enroll::Redemption;
use crate::identity::{AgentIdentity, Serial};
use crate::shutdown::Shutdown;

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
    /// Bytes of requests in memory, in all.
    pub buffer_bytes_max: usize,
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
        source: std::io::Error,
    },
    /// The coordinator's own credentials cannot be used for TLS.
    #[error("the coordinator's credentials cannot be used")]
    Credentials {
        /// Why not.
        source: rustls::Error,
    },
    /// A limit that QUIC cannot express.
    #[error("the limit {name} is out of range")]
    Limit {
        /// Its name.
        name: &'static str,
    },
}

/// An endpoint that listens on `address` (UDP).
///
/// # Errors
/// [`ServerError::Bind`].
pub fn endpoint(address: SocketAddr) -> Result<Endpoint, ServerError> {
    todo!()
}

/// A server, ready to serve.
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Server {
    /// Prepares `endpoint` to answer with the coordinator's `credentials`.
    ///
    /// # Errors
    /// [`ServerError::Credentials`], [`ServerError::Limit`].
    pub fn new(
        endpoint: Endpoint,
        credentials: &Credentials,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServerError> {
        todo!()
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn local_address(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Serves until `shutdown`, then lets requests in flight finish within [`Limits::drain`].
    pub async fn serve<H: Handler>(self, handler: Arc<H>, shutdown: Shutdown) {
        todo!()
    }
}
