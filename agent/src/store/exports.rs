//! Folders in which snapshots are being written, or were when their export was killed: an erasure names
//! them, since nobody knows which items are in them.

use rusqlite::params;

use crate::store::{StoreError, Tx};

impl Tx<'_> {
    /// Notes that a snapshot of a project is written into this folder.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_export(&self, project: i64, folder: &str) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO exports (folder, project) VALUES (?1, ?2)")?
            .execute(params![folder, project])?;
        Ok(())
    }

    /// Forgets a folder that is not there any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn end_export(&self, folder: &str) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM exports WHERE folder = ?1")?.execute([folder])?;
        Ok(())
    }

    /// The folders in which snapshots of a project are or were being written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn exports_under_way(&self, project: i64) -> Result<Vec<String>, StoreError> {
        let mut statement = self
            .sql
            .prepare_cached("SELECT folder FROM exports WHERE project = ?1 ORDER BY folder")?;
        let folders = statement.query_map([project], |row| row.get(0))?;
        Ok(folders.collect::<Result<_, _>>()?)
    }
}
