//! The buffers of asynchronous runs: which update counts in which step.

use insitu_protocol::ids::{RunId, SiteName};
use rusqlite::params;

use super::row::name;
use super::{StoreError, Tx};

/// An update in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferedRow {
    /// Whose it is.
    pub site: SiteName,
    /// The step at whose head it was computed.
    pub version: u32,
}

impl Tx<'_> {
    /// Puts an update into the buffer of a step, for good.
    ///
    /// # Errors
    /// [`StoreError::Transaction`]; also when the update is in a buffer, or its site has another in
    /// this one.
    pub fn buffer(
        &self,
        run: RunId,
        version: u32,
        site: &SiteName,
        step: u32,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO buffered (run, version, site, step) VALUES ($1, $2, $3, $4)";
        self.execute(sql, params![run.0, version, site.as_str(), step]).map(drop)
    }

    /// The updates in the buffer of a step, by site; those of revoked sites are not.
    ///
    /// # Errors
    /// [`StoreError::Transaction`].
    pub fn buffered(&self, run: RunId, step: u32) -> Result<Vec<BufferedRow>, StoreError> {
        let sql = "SELECT b.site, b.version FROM buffered b JOIN site s ON s.name = b.site \
                   WHERE b.run = $1 AND b.step = $2 AND s.revoked_unix_s IS NULL ORDER BY b.site";
        self.rows(sql, params![run.0, step], |row| {
            Ok(BufferedRow { site: name(row, 0)?, version: row.get(1)? })
        })
    }
}
