//! Joint collections of statistics.

use insitu_protocol::ids::{ProjectName, SiteName};
use insitu_protocol::session::CollectionId;
use rusqlite::{Row, params};

use super::row::{fixed, name, word};
use super::{StoreError, Tx};

/// Where a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectionState {
    /// An attempt is under way.
    Open,
    /// It has a sum.
    Finished,
    /// No attempt gave one.
    Abandoned,
}

impl CollectionState {
    /// The state in the store and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finished => "finished",
            Self::Abandoned => "abandoned",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Finished, Self::Abandoned].into_iter().find(|s| s.name() == name)
    }
}

/// A joint collection of statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionRow {
    /// Its id.
    pub id: CollectionId,
    /// The project.
    pub project: ProjectName,
    /// The version whose shape the statistics have.
    pub project_version: u32,
    /// Sites that may collude with the coordinator, when the operator said so.
    pub colluders: Option<u8>,
    /// How long each attempt may take, seconds.
    pub closes_in_s: i64,
    /// When it started.
    pub started_unix_s: i64,
    /// Where it is.
    pub state: CollectionState,
    /// Why it was abandoned, for people.
    pub reason: String,
}

impl Tx<'_> {
    /// Adds a collection with the sites it invites.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn add_collection(
        &self,
        collection: &CollectionRow,
        sites: &[SiteName],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO collection (id, project, project_version, colluders, closes_in_s, \
                   started_unix_s, state, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let params = params![
            collection.id.0,
            collection.project.as_str(),
            collection.project_version,
            collection.colluders,
            collection.closes_in_s,
            collection.started_unix_s,
            collection.state.name(),
            collection.reason
        ];
        self.execute(sql, params)?;
        for site in sites {
            let sql = "INSERT INTO collection_site (collection, site) VALUES ($1, $2)";
            self.execute(sql, params![collection.id.0, site.as_str()])?;
        }
        Ok(())
    }

    /// A collection.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn collection(&self, id: CollectionId) -> Result<Option<CollectionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM collection WHERE id = $1");
        self.row(&sql, [id.0], collection_row)
    }

    /// Every collection, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn collections(&self) -> Result<Vec<CollectionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM collection ORDER BY started_unix_s, id");
        self.rows(&sql, [], collection_row)
    }

    /// The sites a collection invited.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn collection_sites(&self, id: CollectionId) -> Result<Vec<SiteName>, StoreError> {
        let sql = "SELECT site FROM collection_site WHERE collection = $1 ORDER BY site";
        self.rows(sql, [id.0], |row| name(row, 0))
    }

    /// Ends a collection.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn end_collection(
        &self,
        id: CollectionId,
        state: CollectionState,
        reason: &str,
        now_unix_s: i64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE collection SET state = $2, reason = $3, ended_unix_s = $4 WHERE id = $1";
        self.execute(sql, params![id.0, state.name(), reason, now_unix_s]).map(drop)
    }
}

const COLUMNS: &str = "id, project, project_version, colluders, closes_in_s, started_unix_s, \
                       state, reason";

fn collection_row(row: &Row<'_>) -> rusqlite::Result<CollectionRow> {
    Ok(CollectionRow {
        id: fixed(row, 0)?,
        project: name(row, 1)?,
        project_version: row.get(2)?,
        colluders: row.get(3)?,
        closes_in_s: row.get(4)?,
        started_unix_s: row.get(5)?,
        state: word(row, 6, CollectionState::from_name)?,
        reason: row.get(7)?,
    })
}
