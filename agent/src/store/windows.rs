//! Which items the statistics windows have taken. Real ones alone: the schema refuses others.

use rusqlite::params;

use crate::store::items::WindowItem;
use crate::store::{StoreError, Tx};

impl Tx<'_> {
    /// Real items that no window has counted as imported.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items_for_drift(&self, project: i64) -> Result<Vec<WindowItem>, StoreError> {
        self.window_items(
            "SELECT item, opaque, subject FROM items
             WHERE project = ?1 AND drift_window IS NULL AND clean IS NOT NULL
               AND generator IS NULL ORDER BY item",
            project,
        )
    }

    /// Real items with all their labels that no window has counted. Where what is earned decides whether
    /// an item is read, others' labels do: the store leaves such items out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items_for_labels(&self, project: i64) -> Result<Vec<WindowItem>, StoreError> {
        self.window_items(
            "SELECT item, opaque, subject FROM items
             WHERE project = ?1 AND stage = 6 AND label_window IS NULL AND generator IS NULL
               AND audit < 2 AND NOT EXISTS (SELECT 1 FROM gold g WHERE g.item = items.item)
             ORDER BY item",
            project,
        )
    }

    /// Puts an item into the window that counts it as imported. An item enters one window only.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn enter_drift_window(&self, item: i64, window: u32) -> Result<bool, StoreError> {
        let changed = self
            .sql
            .prepare_cached(
                "UPDATE items SET drift_window = ?1 WHERE item = ?2 AND drift_window IS NULL",
            )?
            .execute(params![window, item])?;
        Ok(changed == 1)
    }

    /// Puts an item into the window that counts its labels. An item enters one window only.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn enter_label_window(&self, item: i64, window: u32) -> Result<bool, StoreError> {
        let changed = self
            .sql
            .prepare_cached(
                "UPDATE items SET label_window = ?1
                 WHERE item = ?2 AND label_window IS NULL AND stage = 6",
            )?
            .execute(params![window, item])?;
        Ok(changed == 1)
    }

    /// The window that counted the item's labels.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn label_window(&self, item: i64) -> Result<Option<u32>, StoreError> {
        Ok(self
            .sql
            .prepare_cached("SELECT label_window FROM items WHERE item = ?1")?
            .query_row([item], |row| row.get(0))?)
    }

    fn window_items(&self, sql: &str, project: i64) -> Result<Vec<WindowItem>, StoreError> {
        let mut statement = self.sql.prepare_cached(sql)?;
        let rows = statement.query_map([project], |row| {
            Ok(WindowItem { item: row.get(0)?, opaque: row.get(1)?, subject: row.get(2)? })
        })?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }
}
