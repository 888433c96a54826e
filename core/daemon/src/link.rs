//! The link between agent and coordinator: QUIC, TLS 1.3, certificates on both sides.
//!
//! Agents dial, the coordinator answers; one request and one response a stream. Both sides take a
//! [`quinn::Endpoint`], so that tests bring one over a simulated network.
//!
//! The server's metrics: `insitu_link_connections` (open now), `insitu_link_requests_total` and
//! `insitu_link_request_seconds` by `kind`, `insitu_link_refused_total` by `reason`.

pub mod client;
mod connection;
pub mod reset;
pub mod server;
mod stream;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use quinn::{IdleTimeout, TransportConfig, VarInt};

/// A connection on which nothing arrives for so long is dead.
const IDLE: Duration = Duration::from_secs(30);
/// How often a quiet client shows that it lives: keeps address translators from forgetting it.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Bytes a peer may send on a connection before they are read: one release and some.
const WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// Why a connection is closed, told to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// Nothing is left to say.
    Done = 0,
    /// The server stops.
    Stopping = 1,
    /// No certificate of this federation, or one that is revoked or expired.
    NotMember = 2,
    /// Too many connections.
    Busy = 3,
}

impl Close {
    pub(crate) fn code(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }

    /// The reason's name on the wire, in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stopping => "stopping",
            Self::NotMember => "not a member",
            Self::Busy => "busy",
        }
    }
}

/// Settings that both sides share: `streams_max` that the peer may have open, nothing but
/// bidirectional streams.
fn transport(streams_max: u32) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(streams_max.into())
        .max_concurrent_uni_streams(0_u32.into())
        .datagram_receive_buffer_size(None)
        .receive_window(WINDOW_BYTES.into())
        .stream_receive_window(WINDOW_BYTES.into())
        .send_window(u64::from(WINDOW_BYTES))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(
            u32::try_from(IDLE.as_millis()).expect("30,000 fits"),
        ))));
    transport
}

/// A client's settings: it answers to nobody, and keeps the connection open.
fn client_transport() -> Arc<TransportConfig> {
    let mut transport = transport(0);
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    Arc::new(transport)
}
