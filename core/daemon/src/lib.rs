//! The I/O skeleton that agent and coordinator share.
//!
//! - [`link`]: one message per stream over QUIC with certificates on both sides, [`identity`] and
//!   [`credentials`] to say who speaks, [`authority`] to certify them, [`enroll`] to join.
//! - [`files`], [`config`], [`seal`]: what is on disk.
//! - [`clock`], [`shutdown`], [`telemetry`], [`facts`], [`machine`], [`http`]: what every daemon needs;
//!   [`rest`]: what asks other programs.
//!
//! Time and sockets are parameters everywhere, so that tests run both sides of the link over a
//! simulated network under a paused clock.

pub mod authority;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod enroll;
pub mod exit;
pub mod facts;
pub mod files;
pub mod http;
pub mod identity;
pub mod link;
pub mod machine;
mod places;
pub mod rest;
pub mod seal;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
