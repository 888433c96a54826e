//! The Insitu agent.
pub mod config;
pub mod store;
pub mod item;
pub mod source;
#[cfg(test)]
mod testing;
