//! What the tests across crates share.

pub mod simnet;
pub mod sources;
