//! Joint collections of statistics: start one, and see it to its end.
//!
//! A collection is a sum over sites that no site sees alone: the windows that the sites close for
//! it carry the noise of one release together. A failed attempt is tried again with fresh keys, and
//! then given up; sites can still release windows of their own.

use std::time::Duration;

use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{ProjectName, SiteName};
use insitu_protocol::session::{CollectionId, Purpose};

use super::end_due;
use crate::session::{LIFE_S_MAX, Progress, Proposal, Unfit, attempts, propose, seconds};
use crate::store::{CollectionRow, CollectionState, Store, StoreError, Tx};

/// What a collection is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The project.
    pub project: ProjectName,
    /// The sites to invite, instead of all members.
    pub sites: Option<Vec<SiteName>>,
    /// How long each attempt may take.
    pub closes_in: Duration,
    /// Sites that may collude with the coordinator, instead of what suits their number.
    pub colluders: Option<u8>,
}

/// Why a collection cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectionError {
    /// No such project.
    #[error("there is no project {project}: `insitu-coordinator project create FILE.toml` first")]
    UnknownProject {
        /// Its name.
        project: ProjectName,
    },
    /// Another collection of the project goes on.
    #[error(
        "collection {collection} of the project is still open: wait for it, or end it with \
         `insitu-coordinator statistics abandon {collection} --reason REASON`"
    )]
    StillOpen {
        /// That collection.
        collection: CollectionId,
    },
    /// A site that is not a member.
    #[error("{site} is not a member of the federation")]
    NotMember {
        /// The site.
        site: SiteName,
    },
    /// Too long, or no time at all.
    #[error("an attempt takes 1 to {LIFE_S_MAX} seconds, not {got}")]
    Deadline {
        /// Seconds asked for.
        got: u64,
    },
    /// The cohort, or the project's plan, does not allow it.
    #[error("no joint collection is possible")]
    Unfit {
        /// Why not.
        source: Unfit,
    },
    /// No random bytes for an id.
    #[error("no random bytes from the operating system")]
    Random {
        /// Why not.
        source: getrandom::Error,
    },
    /// The store.
    #[error("the collection is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Starts a collection: it is in the lists of its sites when this returns.
///
/// # Errors
/// [`CollectionError`].
pub fn start(store: &Store, plan: &Plan, now_unix_s: i64) -> Result<CollectionId, CollectionError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|source| CollectionError::Random { source })?;
    let closes_in_s = seconds(plan.closes_in).map_err(|got| CollectionError::Deadline { got })?;
    store.write("start_collection", |tx| {
        let unknown = || CollectionError::UnknownProject { project: plan.project.clone() };
        let project = tx.project(&plan.project)?.ok_or_else(unknown)?;
        let open =
            |row: &CollectionRow| row.project == plan.project && row.state == CollectionState::Open;
        if let Some(other) = tx.collections()?.iter().find(|row| open(row)) {
            return Err(CollectionError::StillOpen { collection: other.id });
        }
        let invited = tx.invited(plan.sites.as_deref())?;
        let sites = invited.map_err(|site| CollectionError::NotMember { site })?;
        let row = CollectionRow {
            id: Fixed(id),
            project: project.name.clone(),
            project_version: project.version,
            colluders: plan.colluders,
            closes_in_s,
            started_unix_s: now_unix_s,
            state: CollectionState::Open,
            reason: String::new(),
        };
        tx.add_collection(&row, &sites)?;
        match attempt(tx, &row, 0, now_unix_s)? {
            Ok(()) => Ok(row.id),
            Err(source) => Err(CollectionError::Unfit { source }),
        }
    })
}

/// Ends the collections whose attempt is over, or tries again.
///
/// # Errors
/// The first [`StoreError`]; the other collections are ended.
pub fn advance(store: &Store, now_unix_s: i64) -> Result<(), StoreError> {
    let mut open = store.read("open_collections", |tx| tx.collections())?;
    open.retain(|row| row.state == CollectionState::Open);
    end_due(
        store,
        ("collection_due", "end_collection"),
        open,
        |tx, row| Ok(!tx.is_attempted(row.id, 0)?),
        |tx, row| end(tx, row.id, now_unix_s),
    )
}

fn end(tx: &Tx<'_>, id: CollectionId, now_unix_s: i64) -> Result<(), StoreError> {
    let Some(row) = tx.collection(id)?.filter(|row| row.state == CollectionState::Open) else {
        return Ok(());
    };
    match attempts(tx, id, 0, |number| attempt(tx, &row, number, now_unix_s))? {
        Progress::Waits => Ok(()),
        Progress::Summed => {
            tracing::info!(collection = %id, "statistics collected");
            tx.end_collection(id, CollectionState::Finished, "", now_unix_s)
        }
        Progress::GivenUp(reason) => {
            tracing::warn!(collection = %id, reason, "collection abandoned");
            tx.end_collection(id, CollectionState::Abandoned, &reason, now_unix_s)
        }
    }
}

fn attempt(
    tx: &Tx<'_>,
    row: &CollectionRow,
    attempt: u32,
    now_unix_s: i64,
) -> Result<Result<(), Unfit>, StoreError> {
    let invited = tx.collection_sites(row.id)?;
    let Some(project) = tx.project_version(&row.project, row.project_version)? else {
        return Ok(Err(Unfit::TooFewSites { ready: 0, invited: invited.len() }));
    };
    let proposal = Proposal {
        purpose: Purpose::Statistics {
            project: row.project.clone(),
            project_version: row.project_version,
            collection: row.id,
        },
        project: &project,
        attempt,
        invited: &invited,
        colluders: row.colluders,
        closes_in_s: row.closes_in_s,
    };
    Ok(propose(tx, proposal, now_unix_s)?.map(drop))
}

#[cfg(test)]
mod tests;
