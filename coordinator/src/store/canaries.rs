//! Publications that only a share of the sites has so far.

use insitu_protocol::ids::{ProjectName, SiteName};
use rusqlite::params;

use super::bundles::{PublicationRow, publication_row};
use super::row::name;
use super::{StoreError, Tx};

/// A publication that some sites have before the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryRow {
    /// What they have.
    pub publication: PublicationRow,
    /// They, by name.
    pub sites: Vec<SiteName>,
    /// Statistics of the project that were there when they were last compared.
    pub looked: u64,
}

impl Tx<'_> {
    /// Makes a publication one of these sites alone.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn begin_canary(
        &self,
        project: &ProjectName,
        number: u64,
        sites: &[SiteName],
    ) -> Result<(), StoreError> {
        let sql = "UPDATE publication SET stage = 'canary' WHERE project = $1 AND number = $2";
        self.execute(sql, params![project.as_str(), number])?;
        for site in sites {
            let sql = "INSERT INTO canary_site (project, number, site) VALUES ($1, $2, $3)";
            self.execute(sql, params![project.as_str(), number, site.as_str()])?;
        }
        Ok(())
    }

    /// Makes a canary a publication of every site.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn spread_canary(&self, project: &ProjectName, number: u64) -> Result<(), StoreError> {
        let sql = "UPDATE publication SET stage = 'everywhere' WHERE project = $1 AND number = $2";
        self.execute(sql, params![project.as_str(), number]).map(drop)
    }

    /// A project's canary, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn canary(&self, project: &ProjectName) -> Result<Option<CanaryRow>, StoreError> {
        let sql = "SELECT number, bundle, at_unix_s, withdrawn_unix_s, reason, looked \
                   FROM publication WHERE project = $1 AND withdrawn_unix_s IS NULL \
                   AND stage = 'canary' ORDER BY number DESC LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| Ok((publication_row(row)?, row.get(5)?));
        let Some((publication, looked)) = self.row(sql, [project.as_str()], read)? else {
            return Ok(None);
        };
        let sites = self.canary_sites(project, publication.number)?;
        Ok(Some(CanaryRow { publication, sites, looked }))
    }

    /// The sites that had a publication first, by name; none when every site had it at once.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn canary_sites(
        &self,
        project: &ProjectName,
        number: u64,
    ) -> Result<Vec<SiteName>, StoreError> {
        let sql = "SELECT site FROM canary_site WHERE project = $1 AND number = $2 ORDER BY site";
        self.rows(sql, params![project.as_str(), number], |row| name(row, 0))
    }

    /// Notes how many statistics were there when a canary was last looked at.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn look_at_canary(
        &self,
        project: &ProjectName,
        number: u64,
        looked: u64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE publication SET looked = $3 WHERE project = $1 AND number = $2";
        self.execute(sql, params![project.as_str(), number, looked]).map(drop)
    }

    /// What a site is to use: its canary, or else what is published everywhere.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn publication_for(
        &self,
        project: &ProjectName,
        site: &SiteName,
    ) -> Result<Option<PublicationRow>, StoreError> {
        match self.canary(project)? {
            Some(canary) if canary.sites.contains(site) => Ok(Some(canary.publication)),
            Some(_) | None => self.active_publication(project),
        }
    }
}
