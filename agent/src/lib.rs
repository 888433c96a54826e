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
pub mod release;
pub mod outbox;
#[cfg(test)]
mod testing;
