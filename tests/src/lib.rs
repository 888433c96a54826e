//! What the tests across crates share.

pub mod federation;
pub mod simnet;
pub mod site;
pub mod sources;
