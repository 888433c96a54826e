//! What of the publications a model registry elsewhere knows.

use insitu_protocol::ids::{Digest, ProjectName, RunId};
use rusqlite::params;

use super::bundles::{PublicationRow, publication_row};
use super::row::{fixed, name};
use super::{StoreError, Tx};

/// A publication and what the registry elsewhere knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationRow {
    /// The project.
    pub project: ProjectName,
    /// The publication.
    pub publication: PublicationRow,
    /// The model's version there, once it is registered.
    pub version: Option<String>,
    /// Why the last attempt failed, for people.
    pub failure: String,
}

impl Tx<'_> {
    /// Every publication, oldest first, with what is known of it elsewhere.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn registrations(&self) -> Result<Vec<RegistrationRow>, StoreError> {
        let sql = "SELECT p.number, p.bundle, p.at_unix_s, p.withdrawn_unix_s, p.reason, p.project, \
                   r.version, r.failure FROM publication p LEFT JOIN registration r \
                   ON r.project = p.project AND r.number = p.number \
                   ORDER BY p.at_unix_s, p.project, p.number";
        self.rows(sql, [], |row| {
            Ok(RegistrationRow {
                project: name(row, 5)?,
                publication: publication_row(row)?,
                version: row.get(6)?,
                failure: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
            })
        })
    }

    /// Notes how a registration went.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn note_registration(
        &self,
        project: &ProjectName,
        number: u64,
        version: Option<&str>,
        failure: &str,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO registration (project, number, version, failure) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (project, number) DO UPDATE SET \
                   version = excluded.version, failure = excluded.failure";
        self.execute(sql, params![project.as_str(), number, version, failure]).map(drop)
    }

    /// Of which publication an alias of a project's model was told last.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn told_alias(
        &self,
        project: &ProjectName,
        alias: &str,
    ) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT number FROM registration_alias WHERE project = $1 AND alias = $2";
        self.row(sql, params![project.as_str(), alias], |row| row.get(0))
    }

    /// Notes of which publication an alias was told; `None`: of none.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn note_alias(
        &self,
        project: &ProjectName,
        alias: &str,
        number: Option<u64>,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM registration_alias WHERE project = $1 AND alias = $2";
        self.execute(sql, params![project.as_str(), alias])?;
        let Some(number) = number else { return Ok(()) };
        let sql = "INSERT INTO registration_alias (project, alias, number) VALUES ($1, $2, $3)";
        self.execute(sql, params![project.as_str(), alias, number]).map(drop)
    }

    /// The round whose candidate a bundle was, if it came from one.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn round_of(&self, bundle: Digest) -> Result<Option<(RunId, u32)>, StoreError> {
        let sql = "SELECT run, number FROM round WHERE bundle = $1 LIMIT 1";
        self.row(sql, [bundle.0], |row| Ok((fixed(row, 0)?, row.get(1)?)))
    }
}
