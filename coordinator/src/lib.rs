//! The central program of a federation.
pub mod aggregate;
pub mod agreement;
pub mod campaign;
pub mod config;
pub mod downlink;
pub mod drift;
pub mod intake;
pub mod jobs;
pub mod ledger;
pub mod publish;
pub mod registry;
pub mod round;
pub mod store;
