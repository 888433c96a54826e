//! The link between agent and coordinator: QUIC, TLS 1.3, certificates on both sides.
//!
//! Agents dial, the coordinator answers; one request and one response a stream. Both sides take a
//! [`quinn::Endpoint`], so that tests bring one over a simulated network.

pub mod client;
pub mod server;
