//! Joint collections of statistics: start one, and see it to its end.
//!
//! A collection is a sum over sites that no site sees alone: the windows that the sites close for
//! it carry the noise of one release together. A failed attempt is tried again with fresh keys, and
//! then given up; sites can still release windows of their own.

use std::time::Duration;

use insitu_daemon::telemetry::explain;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{ProjectName, SiteName};
use insitu_protocol::session::{CollectionId, Purpose};

use crate::session::{ATTEMPTS_MAX, LIFE_S_MAX, Proposal, Unfit, propose, seconds};
use crate::store::{CollectionRow, CollectionState, SessionState, Store, StoreError, Tx};

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
    #[error("collection {collection} of the project is still open")]
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
/// [`StoreError`].
pub fn advance(store: &Store, now_unix_s: i64) -> Result<(), StoreError> {
    let over = |tx: &Tx<'_>| {
        let mut over = Vec::new();
        for row in tx.collections()? {
            let newest = tx.attempts(row.id, 0)?.pop();
            let waits = newest.is_some_and(|session| session.state == SessionState::Open);
            if row.state == CollectionState::Open && !waits {
                over.push(row.id);
            }
        }
        Ok::<_, StoreError>(over)
    };
    for id in store.read("over_collections", over)? {
        store.write("end_collection", |tx| end(tx, id, now_unix_s))?;
    }
    Ok(())
}

fn end(tx: &Tx<'_>, id: CollectionId, now_unix_s: i64) -> Result<(), StoreError> {
    let Some(row) = tx.collection(id)?.filter(|row| row.state == CollectionState::Open) else {
        return Ok(());
    };
    let attempts = tx.attempts(id, 0)?;
    let number = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
    let reason = match attempts.last() {
        Some(last) if last.state == SessionState::Open => return Ok(()),
        Some(last) if last.state == SessionState::Summed => {
            tracing::info!(collection = %id, "statistics collected");
            return tx.end_collection(id, CollectionState::Finished, "", now_unix_s);
        }
        Some(last) if number >= ATTEMPTS_MAX => {
            format!("{number} attempts failed, the last because {}", last.reason)
        }
        Some(_) | None => match attempt(tx, &row, number, now_unix_s)? {
            Ok(()) => return Ok(()),
            Err(unfit) => explain(&unfit),
        },
    };
    tracing::warn!(collection = %id, reason, "collection abandoned");
    tx.end_collection(id, CollectionState::Abandoned, &reason, now_unix_s)
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
