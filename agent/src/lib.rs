//! The Insitu agent.

pub mod config;
pub mod store;
pub mod item;
pub mod source;
pub mod redact;
pub mod prelabel;
pub mod route;
pub mod review;
pub mod tally;
pub mod learn;
pub mod release;
pub mod outbox;
pub mod uplink;
pub mod downlink;
pub mod pipeline;
pub mod retention;
pub mod status;
pub mod run;
pub mod cli;
#[cfg(test)]
mod testing;
