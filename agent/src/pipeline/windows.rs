//! Statistics windows: closed and released as one.

use insitu_privacy::{NoiseError, NoisePool};
use insitu_protocol::ids::ProjectName;

use crate::config::Limits;
use crate::outbox::{self, OutboxError};
use crate::release::{self, Release, ReleaseError};
use crate::store::{Store, StoreError, Tx};
use crate::tally::{self, Window};

/// Attempts to close a window while people undo annotations in it.
const ATTEMPTS_MAX: u32 = 5;

/// What a closed window took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Its number.
    pub window: u32,
    /// Items whose labels it took.
    pub labeled: usize,
    /// Items whose import it took.
    pub imported: usize,
    /// What it cost, nano-ρ.
    pub nano_rho: u64,
}

/// Why a window stays open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// No such project.
    #[error("there is no project {project}")]
    UnknownProject {
        /// The project.
        project: ProjectName,
    },
    /// The outbox refuses.
    #[error("the window stays open")]
    Outbox(#[from] OutboxError),
    /// Its items changed while it was closed, again and again.
    #[error("the window's items changed while it was closed, {ATTEMPTS_MAX} times: try again")]
    Moving,
}

impl From<StoreError> for WindowError {
    fn from(error: StoreError) -> Self {
        Self::Outbox(error.into())
    }
}

impl From<ReleaseError> for WindowError {
    fn from(error: ReleaseError) -> Self {
        Self::Outbox(error.into())
    }
}

/// Closes the open window of a project and queues its four releases, or changes nothing.
///
/// # Errors
/// [`WindowError`].
pub fn release(
    store: &Store,
    limits: &Limits,
    project: &ProjectName,
    now: i64,
) -> Result<Closed, WindowError> {
    release_with(store, limits, &NoisePool::new(), project, now)
}

/// [`release()`] with noise from a pool; what the pool lacks is drawn before anything is counted.
///
/// When an item left the window between counting and committing, or the project changed before
/// counting, noise and counts are thrown away and all is done again.
///
/// # Errors
/// [`WindowError`].
pub fn release_with(
    store: &Store,
    limits: &Limits,
    pool: &NoisePool,
    project: &ProjectName,
    now: i64,
) -> Result<Closed, WindowError> {
    let unknown = || WindowError::UnknownProject { project: project.clone() };
    for _ in 0..ATTEMPTS_MAX {
        let row = store.read("open window", |tx| tx.project(project))?.ok_or_else(unknown)?;
        release::draw_ahead(pool, &tally::window_outlines(&row.definition))
            .map_err(|source| ReleaseError::Noise { kind: "statistics", source })?;
        let (key, window) = store.read("tally window", |tx| {
            outbox::check(tx)?;
            let row = tx.project(project)?.ok_or_else(unknown)?;
            Ok::<_, WindowError>((row.project, tally::window(tx, &row)?))
        })?;
        let made = window.tallies.iter().map(|tally| Release::make(tally, pool));
        let releases = match made.collect::<Result<Vec<_>, ReleaseError>>() {
            Err(ReleaseError::Noise { source: NoiseError::Dry { .. }, .. }) => continue,
            made => made?,
        };
        if commit(store, limits, key, &window, releases, now)? {
            return Ok(Closed {
                window: window.number,
                labeled: window.labeled.len(),
                imported: window.imported.len(),
                nano_rho: window.tallies.iter().map(tally::Tally::nano_rho).sum(),
            });
        }
    }
    Err(WindowError::Moving)
}

/// `false` when the window is not what was counted any more; nothing is changed then.
fn commit(
    store: &Store,
    limits: &Limits,
    project: i64,
    window: &Window,
    releases: Vec<Release>,
    now: i64,
) -> Result<bool, WindowError> {
    /// Rolls the transaction back without being a failure.
    enum Stop {
        Moved,
        Failed(WindowError),
    }
    impl From<StoreError> for Stop {
        fn from(error: StoreError) -> Self {
            Self::Failed(error.into())
        }
    }
    let done = store.alone("release window", |tx| {
        if !close(tx, project, window, now)? {
            return Err(Stop::Moved);
        }
        outbox::commit(tx, releases, limits, now).map_err(|error| Stop::Failed(error.into()))
    });
    match done {
        Ok(()) => Ok(true),
        Err(Stop::Moved) => Ok(false),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Closes a window over the items that were counted; `false` when it is not what was counted any
/// more, and the transaction must be rolled back.
pub(super) fn close(
    tx: &Tx<'_>,
    project: i64,
    window: &Window,
    now: i64,
) -> Result<bool, StoreError> {
    let mut whole = tx.close_window(project, window.number, now)?;
    for item in &window.labeled {
        whole &= tx.enter_label_window(*item, window.number)?;
    }
    for item in &window.imported {
        whole &= tx.enter_drift_window(*item, window.number)?;
    }
    Ok(whole)
}
