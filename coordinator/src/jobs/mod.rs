//! What the coordinator does by itself, a few times a second: closing rounds, collections,
//! evaluations and campaigns, and the stages of secure aggregation.
//!
//! Every job is idempotent and decides from durable rows alone: whoever is killed in the middle is
//! simply run again.

pub mod abandon;
pub mod collection;
pub mod evaluation;
pub mod training;

use std::error::Error;

use insitu_models::sign::SigningKey;

use crate::campaign;
use crate::publish::{PublishError, canary};
use crate::registry::Registry;
use crate::session::desk::{self, SessionError, Sessions};
use crate::store::{Store, StoreError, Tx};
use evaluation::EvaluationError;
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
    /// A canary could not be compared; it goes on.
    #[error("a canary could not be compared with the bundle before it")]
    Canary {
        /// Why not.
        #[from]
        source: PublishError,
    },
    /// A secure aggregation could not go on; it is tried again.
    #[error("a secure aggregation cannot go on")]
    Session {
        /// Why not.
        #[from]
        source: SessionError,
    },
    /// An evaluation could not be ended; it stays open and is tried again.
    #[error("an evaluation could not be ended")]
    Evaluation {
        /// Why not.
        #[from]
        source: EvaluationError,
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
pub fn tick(bench: Bench<'_>, sessions: &Sessions, now_unix_s: i64) -> Result<(), JobError> {
    // What cannot go on holds nothing else up.
    let aggregated = desk::advance(bench.store, sessions, now_unix_s);
    let collected = collection::advance(bench.store, now_unix_s);
    let trained = training::advance(bench, now_unix_s);
    let evaluated = evaluation::advance(bench, now_unix_s);
    let watched = canary::watch(bench.store, now_unix_s);
    campaign::close_due(bench.store, now_unix_s)?;
    aggregated?;
    collected?;
    evaluated?;
    watched?;
    Ok(trained?)
}

/// Ends what of `open` is due, each in a transaction of its own; the first error is returned.
///
/// The transaction that ends it may have waited for another one, so `end` looks again.
fn end_due<T, E: From<StoreError>>(
    store: &Store,
    (look, act): (&'static str, &'static str),
    open: Vec<T>,
    is_due: impl Fn(&Tx<'_>, &T) -> Result<bool, E>,
    end: impl Fn(&Tx<'_>, &T) -> Result<(), E>,
) -> Result<(), E> {
    let mut outcome = Ok(());
    for one in &open {
        let ended = match store.read(look, |tx| is_due(tx, one)) {
            Ok(true) => store.write(act, |tx| end(tx, one)),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        outcome = outcome.and(ended);
    }
    outcome
}

/// Whether an error is one of the kind `E`, or has one among its causes.
fn is_caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| error.is::<E>())
}
