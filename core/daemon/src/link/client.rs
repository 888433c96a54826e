//! The agent's side of the link.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::facts::DeviceFacts;
use insitu_protocol::frame::{self, FrameError, Message};
use insitu_protocol::ids::Digest;
use insitu_protocol::order::NumberedOrder;
use insitu_protocol::request::Request;
use insitu_protocol::response::{HelloAnswer, Receipt, Refusal, Response};
use insitu_protocol::session::SessionAnswer;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, WriteError};
use tokio::time::timeout;

use super::stream::{self, ReadError};
use super::{Close, client_transport, tls};
use crate::clock::Clock;
use crate::credentials::{Credentials, CredentialsError, KeyRequest};
use crate::identity::Identity;

/// When to come back after the coordinator closed the connection for having too many.
const BUSY_RETRY_MS: u32 = 5_000;

/// How long a client waits.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the handshake, and again for the hello.
    pub connect: Duration,
    /// For a response, from the start of the request.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), call: Duration::from_secs(60) }
    }
}

/// Why a call has no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The address does not resolve, nobody answers there, or the connection broke.
    #[error("the coordinator at {address} is unreachable")]
    Unreachable {
        /// The address as configured.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// No answer in time.
    #[error("no answer from the coordinator at {address} within {after:?}")]
    TimedOut {
        /// The address as configured.
        address: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Whoever answers there is not the federation's coordinator.
    #[error("the server at {address} is not the federation's coordinator")]
    Untrusted {
        /// The address as configured.
        address: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The coordinator understood and refused, or did not understand.
    #[error("the coordinator refused")]
    Refused {
        /// Why.
        source: Refusal,
    },
    /// The request is too long for its kind: a mistake of the caller's.
    #[error("the request cannot be sent")]
    Request {
        /// Why not.
        source: FrameError,
    },
    /// The response is not a message.
    #[error("the coordinator's response is malformed")]
    Malformed {
        /// Why.
        source: FrameError,
    },
    /// The response is cut short or answers another question.
    #[error("the coordinator's response does not answer the {request}")]
    Mismatch {
        /// The request's name.
        request: &'static str,
    },
    /// The agent's own credentials cannot be used for TLS.
    #[error("the agent's credentials cannot be used")]
    Credentials {
        /// Why not.
        source: rustls::Error,
    },
}

impl CallError {
    /// Whether the same call can succeed later without anyone's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Refused { source } => source.is_transient(),
            Self::Untrusted { .. }
            | Self::Request { .. }
            | Self::Malformed { .. }
            | Self::Mismatch { .. }
            | Self::Credentials { .. } => false,
        }
    }
}

/// An endpoint for dialing out, on any free port, for IPv4 and IPv6.
///
/// # Errors
/// When there is no network at all.
pub fn endpoint() -> io::Result<Endpoint> {
    Endpoint::client((Ipv6Addr::UNSPECIFIED, 0).into())
        .or_else(|_| Endpoint::client((Ipv4Addr::UNSPECIFIED, 0).into()))
}

/// Knows how to reach the coordinator. Make a new one when the credentials change.
#[derive(Clone, Debug)]
pub struct Connector {
    dialer: Dialer,
}

/// A connection on which the coordinator has answered a hello. Dropping it closes it.
pub struct Link {
    connection: Connection,
    address: String,
    timeouts: Timeouts,
}

impl Connector {
    /// `address` is `host:port`; it is resolved again at each connect.
    ///
    /// # Errors
    /// [`CallError::Credentials`].
    pub fn new(
        endpoint: Endpoint,
        address: impl Into<String>,
        credentials: &Credentials,
        clock: Arc<dyn Clock>,
        timeouts: Timeouts,
    ) -> Result<Self, CallError> {
        let tls =
            tls::client(credentials, clock).map_err(|source| CallError::Credentials { source })?;
        Ok(Self { dialer: Dialer::new(endpoint, address.into(), tls, timeouts) })
    }

    /// Connects and says hello: when this returns, both sides have accepted each other.
    ///
    /// Without the hello a client would not know: TLS 1.3 completes at the client before the
    /// server has seen its certificate.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn connect(&self, facts: DeviceFacts) -> Result<(Link, HelloAnswer), CallError> {
        let connection = self.dialer.dial().await?;
        let Dialer { address, timeouts, .. } = self.dialer.clone();
        let link = Link { connection, address, timeouts };
        let patience = link.timeouts.connect;
        let answer = timeout(patience, link.hello(facts))
            .await
            .unwrap_or_else(|_| Err(timed_out(&link.address, patience)))?;
        Ok((link, answer))
    }
}

impl Link {
    /// Sends a request on a stream of its own and waits for the response, which is never
    /// [`Response::Refused`]: that is [`CallError::Refused`].
    ///
    /// Calls may run side by side. A call that is dropped may or may not have been handled.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&self, request: &Request) -> Result<Response, CallError> {
        let response =
            exchange(&self.connection, &self.address, request, self.timeouts.call).await?;
        match response {
            Response::Refused(source) => Err(CallError::Refused { source }),
            Response::Hello(_)
            | Response::Receipt(_)
            | Response::Orders(_)
            | Response::Chunk { .. }
            | Response::Certificate(_)
            | Response::Announced
            | Response::Session(_) => Ok(response),
        }
    }

    /// Says hello again, as a heartbeat.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn hello(&self, facts: DeviceFacts) -> Result<HelloAnswer, CallError> {
        let Response::Hello(answer) = self.call(&Request::Hello(facts)).await? else {
            return Err(CallError::Mismatch { request: "hello" });
        };
        Ok(answer)
    }

    /// Submits the bytes of a release; the receipt comes after the coordinator's commit.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn submit(&self, release: Vec<u8>) -> Result<Receipt, CallError> {
        let Response::Receipt(receipt) =
            self.call(&Request::Submit { release: Bytes(release) }).await?
        else {
            return Err(CallError::Mismatch { request: "submit" });
        };
        Ok(receipt)
    }

    /// Asks for the orders after number `after`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn poll(&self, after: u64) -> Result<Vec<NumberedOrder>, CallError> {
        let Response::Orders(orders) = self.call(&Request::Poll { after }).await? else {
            return Err(CallError::Mismatch { request: "poll" });
        };
        Ok(orders)
    }

    /// Fetches the chunk of `object` at `offset`: the object's whole length and the bytes.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn fetch(&self, object: Digest, offset: u64) -> Result<(u64, Bytes), CallError> {
        let Response::Chunk { total_bytes, bytes } =
            self.call(&Request::Fetch { object, offset }).await?
        else {
            return Err(CallError::Mismatch { request: "fetch" });
        };
        Ok((total_bytes, bytes))
    }

    /// Makes the key known with which this agent signs for secure aggregation.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn announce(&self, verify_key: Fixed<32>) -> Result<(), CallError> {
        let Response::Announced = self.call(&Request::Announce { verify_key }).await? else {
            return Err(CallError::Mismatch { request: "announce" });
        };
        Ok(())
    }

    /// Sends the body of a stage of a secure aggregation, or asks for its answer with none.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn session(
        &self,
        session: Digest,
        stage: u8,
        body: Vec<u8>,
    ) -> Result<SessionAnswer, CallError> {
        let request = Request::Session { session, stage, body: Bytes(body) };
        let Response::Session(answer) = self.call(&request).await? else {
            return Err(CallError::Mismatch { request: "session" });
        };
        Ok(answer)
    }

    /// Whether the connection is gone. `false` promises nothing: only a call does.
    pub fn is_closed(&self) -> bool {
        self.connection.close_reason().is_some()
    }

    /// Waits until the connection is gone.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }

    /// Closes the connection; what is in flight fails.
    pub fn close(&self) {
        self.connection.close(Close::Done.code(), Close::Done.name().as_bytes());
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why a renewal failed; the old credentials are untouched and still good until they expire.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenewError {
    /// The call failed.
    #[error("the coordinator did not renew the certificate")]
    Call {
        /// Why.
        source: CallError,
    },
    /// No key, an answer that does not fit it, or no way to store it.
    #[error("no new credentials")]
    Credentials {
        /// Why not.
        source: CredentialsError,
    },
    /// The new certificate is somebody else's.
    #[error("the coordinator renewed the certificate of {old} for {new}")]
    Renamed {
        /// Whose it was.
        old: Identity,
        /// Whose it is.
        new: Identity,
    },
}

/// Gets a certificate for a fresh key over `link` and stores the new credentials at `path`.
///
/// The link goes on with the old certificate; connect anew to use the new one.
///
/// # Errors
/// [`RenewError`].
pub async fn renew(
    link: &Link,
    old: &Credentials,
    path: &Path,
    clock: &dyn Clock,
) -> Result<Credentials, RenewError> {
    let failed = |source| RenewError::Credentials { source };
    let key = KeyRequest::generate().map_err(failed)?;
    let request = Request::Renew { signing_request: Bytes(key.signing_request().to_vec()) };
    let certificate = match link.call(&request).await {
        Ok(Response::Certificate(certificate)) => certificate.0.into(),
        Ok(_) => return Err(RenewError::Call { source: CallError::Mismatch { request: "renew" } }),
        Err(source) => return Err(RenewError::Call { source }),
    };
    let new = key.complete(certificate, old.authority().clone(), clock).map_err(failed)?;
    if new.identity() != old.identity() {
        let (old, new) = (old.identity().clone(), new.identity().clone());
        return Err(RenewError::Renamed { old, new });
    }
    new.store(path).map_err(failed)?;
    Ok(new)
}

/// Opens connections to one address.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    endpoint: Endpoint,
    pub(crate) address: String,
    pub(crate) timeouts: Timeouts,
    config: ClientConfig,
}

impl Dialer {
    pub(crate) fn new(
        endpoint: Endpoint,
        address: String,
        tls: QuicClientConfig,
        timeouts: Timeouts,
    ) -> Self {
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(client_transport());
        Self { endpoint, address, timeouts, config }
    }

    /// Resolves the address and tries each result in turn.
    pub(crate) async fn dial(&self) -> Result<Connection, CallError> {
        let patience = self.timeouts.connect;
        let resolved = timeout(patience, tokio::net::lookup_host(&self.address)).await;
        let addresses = match resolved {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(source)) => return Err(unreachable(&self.address, source)),
            Err(_) => return Err(timed_out(&self.address, patience)),
        };
        let nothing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut failure = unreachable(&self.address, nothing);
        for address in addresses {
            match timeout(patience, self.dial_one(address)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => failure = error,
                Err(_) => failure = timed_out(&self.address, patience),
            }
        }
        Err(failure)
    }

    async fn dial_one(&self, address: SocketAddr) -> Result<Connection, CallError> {
        let connecting = self
            .endpoint
            .connect_with(self.config.clone(), address, tls::SERVER_NAME)
            .map_err(|error| unreachable(&self.address, io::Error::other(error)))?;
        connecting.await.map_err(|error| lost(&self.address, error))
    }
}

/// One question, one answer, on a stream of its own.
pub(crate) async fn exchange<Q: Message, A: Message>(
    connection: &Connection,
    address: &str,
    question: &Q,
    patience: Duration,
) -> Result<A, CallError> {
    let frame = frame::encode(question).map_err(|source| CallError::Request { source })?;
    timeout(patience, async {
        let (mut send, mut recv) =
            connection.open_bi().await.map_err(|error| lost(address, error))?;
        match send.write_all(&frame).await {
            // The server has seen enough of it to answer: the answer says why.
            Ok(()) | Err(WriteError::Stopped(_) | WriteError::ClosedStream) => {}
            Err(WriteError::ConnectionLost(error)) => return Err(lost(address, error)),
            Err(error @ WriteError::ZeroRttRejected) => {
                return Err(unreachable(address, error.into()));
            }
        }
        // Fails only when the server has stopped the stream: see above.
        drop(send.finish());
        read_answer(&mut recv).await.map_err(|error| unanswered(address, error))
    })
    .await
    .unwrap_or_else(|_| Err(timed_out(address, patience)))
}

async fn read_answer<A: Message>(recv: &mut quinn::RecvStream) -> Result<A, ReadError> {
    let head = stream::read_head::<A>(recv).await?;
    stream::read_body(recv, head).await
}

fn unanswered(address: &str, error: ReadError) -> CallError {
    match error {
        ReadError::Frame(source) => CallError::Malformed { source },
        ReadError::Lost(quinn::ReadError::ConnectionLost(error)) => lost(address, error),
        ReadError::Lost(error) => unreachable(address, error.into()),
        ReadError::Truncated => unreachable(address, io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

/// What the end of a connection means.
fn lost(address: &str, error: ConnectionError) -> CallError {
    if let ConnectionError::ApplicationClosed(close) = &error {
        if close.error_code == Close::NotMember.code() {
            return CallError::Refused { source: Refusal::NotMember };
        }
        if close.error_code == Close::Busy.code() {
            let retry_after_ms = BUSY_RETRY_MS;
            return CallError::Refused { source: Refusal::Busy { retry_after_ms } };
        }
    }
    match &error {
        // An alert of the server's: it does not take our certificate.
        ConnectionError::ConnectionClosed(close)
            if alert(close.error_code.into()).is_some_and(is_about_certificate) =>
        {
            CallError::Refused { source: Refusal::NotMember }
        }
        // An alert of our own: we do not take the server's.
        ConnectionError::TransportError(failure) if alert(failure.code.into()).is_some() => {
            CallError::Untrusted { address: address.to_owned(), source: error.into() }
        }
        ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset
        | ConnectionError::TimedOut
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => unreachable(address, error.into()),
    }
}

/// The TLS alert in QUIC's error code, if it is one (RFC 9001, section 4.8).
fn alert(code: u64) -> Option<u8> {
    u8::try_from(code.checked_sub(0x100)?).ok()
}

/// The alerts by which a server turns down a certificate, or its lack (RFC 8446, section 6.2):
/// `bad_certificate` to `certificate_unknown`, `unknown_ca`, `access_denied`, `decrypt_error`,
/// `certificate_required`.
fn is_about_certificate(alert: u8) -> bool {
    matches!(alert, 42..=46 | 48 | 49 | 51 | 116)
}

fn unreachable(address: &str, source: io::Error) -> CallError {
    CallError::Unreachable { address: address.to_owned(), source }
}

fn timed_out(address: &str, after: Duration) -> CallError {
    CallError::TimedOut { address: address.to_owned(), after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_time_heals_is_transient() {
        let refused = |source| CallError::Refused { source };
        assert!(timed_out("a:1", Duration::from_secs(1)).is_transient());
        assert!(lost("a:1", ConnectionError::Reset).is_transient());
        assert!(refused(Refusal::Busy { retry_after_ms: 1 }).is_transient());
        assert!(!refused(Refusal::NotMember).is_transient());
        assert!(!CallError::Malformed { source: FrameError::Empty }.is_transient());
    }

    #[test]
    fn only_some_tls_alerts_are_about_certificates() {
        assert_eq!([0xff, 0x100, 0x1ff, 0x200].map(alert), [None, Some(0), Some(0xff), None]);
        let (certificate_expired, no_application_protocol) = (45, 120);
        assert!(is_about_certificate(certificate_expired));
        assert!(!is_about_certificate(no_application_protocol));
    }
}
