//! What the coordinator does by itself, a few times a second: closing rounds and campaigns.
//!
//! Every job is idempotent and decides from durable rows alone: whoever is killed in the middle is
//! simply run again.

pub mod training;

use insitu_models::sign::SigningKey;

use crate::campaign;
use crate::registry::Registry;
use crate::store::{Store, StoreError};
use training::TrainingError;

/// What jobs work with.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// The store.
    pub store: &'a Store,
    /// Where bundles are kept.
    pub registry: &'a Registry,
    /// What signs them.
    pub key: &'a SigningKey,
}

/// Why a tick did not do everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// A round could not be closed; it stays open and is tried again.
    #[error("a training round could not be closed")]
    Training {
        /// Why not.
        #[from]
        source: TrainingError,
    },
    /// The store.
    #[error("a job could not use the store")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Does all that is due.
///
/// # Errors
/// The first [`JobError`]; everything else that was due is done.
pub fn tick(bench: Bench<'_>, now_unix_s: i64) -> Result<(), JobError> {
    // A run that cannot go on holds no campaign up.
    let trained = training::advance(bench, now_unix_s);
    campaign::close_due(bench.store, now_unix_s)?;
    Ok(trained?)
}
