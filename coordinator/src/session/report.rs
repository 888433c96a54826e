//! Joint collections, for people and programs.

use insitu_protocol::ids::{Digest, ProjectName, SiteName};
use insitu_protocol::session::CollectionId;
use jiff::Timestamp;
use serde::Serialize;

use crate::store::{CollectionRow, CollectionState, Store, StoreError, Tx};

/// A joint collection of statistics.
#[derive(Clone, Debug, Serialize)]
pub struct CollectionReport {
    /// Its id.
    pub collection: CollectionId,
    /// The project.
    pub project: ProjectName,
    /// `open`, `finished` or `abandoned`.
    pub state: &'static str,
    /// Why it was abandoned.
    pub reason: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// When the newest attempt closes, or would have.
    pub closes: Option<Timestamp>,
    /// Attempts so far.
    pub attempts: usize,
    /// Sites that must answer each stage of the newest attempt.
    pub threshold: Option<u8>,
    /// Of those, sites that may collude with the coordinator.
    pub colluders: Option<u8>,
    /// Whose windows are in it, by name.
    pub sites: Vec<CollectionSite>,
    /// Digest of the sum, once finished.
    pub sum: Option<Digest>,
}

/// A site in a collection.
#[derive(Clone, Debug, Serialize)]
pub struct CollectionSite {
    /// The site.
    pub site: SiteName,
    /// `no key`, `waiting`, `answered`, `summed` or `missed`.
    pub state: &'static str,
}

/// Reads one collection; `None` when there is no such collection.
///
/// # Errors
/// [`StoreError`].
pub fn collection(store: &Store, id: CollectionId) -> Result<Option<CollectionReport>, StoreError> {
    store.read("collection", |tx| tx.collection(id)?.map(|row| describe(tx, row)).transpose())
}

/// Reads the collections of a project, or of all, oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn collections(
    store: &Store,
    project: Option<&ProjectName>,
) -> Result<Vec<CollectionReport>, StoreError> {
    store.read("collections", |tx| {
        let mut rows = tx.collections()?;
        rows.retain(|row| project.is_none_or(|project| *project == row.project));
        rows.into_iter().map(|row| describe(tx, row)).collect()
    })
}

fn describe(tx: &Tx<'_>, row: CollectionRow) -> Result<CollectionReport, StoreError> {
    let invited = tx.collection_sites(row.id)?;
    let attempts = tx.attempts(row.id, 0)?;
    let newest = attempts.last();
    let sum = newest.map(|session| tx.session_sum(session.id)).transpose()?.flatten();
    let arrived = newest.map(|session| tx.vector_sites(session)).transpose()?.unwrap_or_default();
    let state = |site: &SiteName| {
        let members = newest.map(|session| session.order.members.as_slice()).unwrap_or_default();
        let Some(position) = members.iter().position(|member| member.site == *site) else {
            return "no key";
        };
        match (&sum, row.state) {
            (Some(sum), _) if sum.survived.iter().any(|at| usize::from(*at) == position) => {
                "summed"
            }
            (Some(_), _) | (None, CollectionState::Finished | CollectionState::Abandoned) => {
                "missed"
            }
            (None, CollectionState::Open) if arrived.contains(site) => "answered",
            (None, CollectionState::Open) => "waiting",
        }
    };
    let sites =
        invited.iter().map(|site| CollectionSite { site: site.clone(), state: state(site) });
    Ok(CollectionReport {
        sites: sites.collect(),
        collection: row.id,
        project: row.project,
        state: row.state.name(),
        reason: Some(row.reason).filter(|reason| !reason.is_empty()),
        started: time(row.started_unix_s),
        closes: newest.and_then(|session| session.order.deadlines_unix_s.last().copied()).map(time),
        attempts: attempts.len(),
        threshold: newest.map(|session| session.order.threshold),
        colluders: newest.map(|session| session.order.colluders),
        sum: sum.map(|sum| sum.digest),
    })
}

fn time(unix_s: i64) -> Timestamp {
    Timestamp::from_second(unix_s).unwrap_or(Timestamp::MAX)
}
