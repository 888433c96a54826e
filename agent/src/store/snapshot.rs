//! Reads for a dataset snapshot: all items of a project that are redacted, in the order of import.

use rusqlite::{OptionalExtension as _, params};

use crate::store::items::{COLUMNS, ItemRow};
use crate::store::{StoreError, Tx};

impl Tx<'_> {
    /// Up to `limit` redacted items with keys above `after`, least first: real ones, or `synthetic`
    /// ones.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn redacted_items(
        &self,
        project: i64,
        synthetic: bool,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ItemRow>, StoreError> {
        // By the items' own keys: an index by project would be sorted anew for every page.
        let sql = format!(
            "SELECT {COLUMNS} FROM items i
             WHERE +i.project = ?1 AND i.item > ?2 AND i.clean IS NOT NULL
               AND (i.generator IS NOT NULL) = ?3
             ORDER BY i.item LIMIT ?4"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, after, synthetic, limit])?;
        self.collect_items(&mut rows)
    }

    /// The key of the item that was imported from this source.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn item_of_source(
        &self,
        project: i64,
        source: &[u8; 32],
    ) -> Result<Option<i64>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT item FROM items WHERE project = ?1 AND source = ?2")?
            .query_row(params![project, source], |row| row.get(0))
            .optional()?)
    }
}
