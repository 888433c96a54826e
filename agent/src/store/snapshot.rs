//! Reads for a dataset snapshot: all items of a project that are redacted, in the order of import.

use rusqlite::{OptionalExtension as _, params};

use crate::store::items::ItemRow;
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
        let mut statement = self.sql.prepare_cached(
            "SELECT item FROM items
             WHERE project = ?1 AND item > ?2 AND stage > 0 AND (generator IS NOT NULL) = ?3
             ORDER BY item LIMIT ?4",
        )?;
        let keys = statement
            .query_map(params![project, after, synthetic, limit], |row| row.get(0))?
            .collect::<Result<Vec<i64>, _>>()?;
        let missing = StoreError::Corrupt { table: "items", column: "item" };
        let found: Option<Vec<ItemRow>> =
            keys.into_iter().map(|key| self.item(key)).collect::<Result<_, _>>()?;
        found.ok_or(missing)
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
