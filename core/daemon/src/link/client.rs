//! The agent's side of the link.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use insitu_protocol::bytes::Bytes;
use insitu_protocol::facts::DeviceFacts;
use insitu_protocol::frame::FrameError;
use insitu_protocol::ids::Digest;
use insitu_protocol::order::NumberedOrder;
use insitu_protocol::request::Request;
use insitu_protocol::response::{HelloAnswer, Receipt, Refusal, Response};
use quinn::Endpoint;

use crate::clock::Clock;
use crate::credentials::{Credentials, CredentialsError};

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
        source: std::io::Error,
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
        source: std::io::Error,
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
pub fn endpoint() -> std::io::Result<Endpoint> {
    todo!()
}

/// Knows how to reach the coordinator. Make a new one when the credentials change.
#[derive(Clone, Debug)]
pub struct Connector {
    endpoint: Endpoint,
    address: String,
    timeouts: Timeouts,
    config: quinn::ClientConfig,
}

/// A connection on which the coordinator has answered a hello.
pub struct Link {
    connection: quinn::Connection,
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
        todo!()
    }

    /// Connects and says hello: when this returns, both sides have accepted each other.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn connect(&self, facts: DeviceFacts) -> Result<(Link, HelloAnswer), CallError> {
        todo!()
    }
}

impl Link {
    /// Sends a request on a stream of its own and waits for the response, which is never
    /// [`Response::Refused`]: that is [`CallError::Refused`].
    ///
    /// Calls may run side by side.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&self, request: &Request) -> Result<Response, CallError> {
        todo!()
    }

    /// Says hello again, as a heartbeat.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn hello(&self, facts: DeviceFacts) -> Result<HelloAnswer, CallError> {
        todo!()
    }

    /// Submits the bytes of a release; the receipt comes after the coordinator's commit.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn submit(&self, release: Vec<u8>) -> Result<Receipt, CallError> {
        todo!()
    }

    /// Asks for the orders after number `after`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn poll(&self, after: u64) -> Result<Vec<NumberedOrder>, CallError> {
        todo!()
    }

    /// Fetches the chunk of `object` at `offset`: the object's whole length and the bytes.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn fetch(&self, object: Digest, offset: u64) -> Result<(u64, Bytes), CallError> {
        todo!()
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
        todo!()
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
    todo!()
}
