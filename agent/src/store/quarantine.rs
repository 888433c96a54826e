//! Items that could not be redacted: put aside, counted, shown to nobody.

use rusqlite::params;

use crate::store::{StoreError, Tx, unsigned};

const TABLE: &str = "items";

impl Tx<'_> {
    /// Puts an item that could not be redacted aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn quarantine(&self, item: i64, reason: &str) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE items SET stage = 7, quarantine = ?1 WHERE item = ?2 AND stage = 0",
            )?
            .execute(params![reason, item])?;
        Ok(())
    }

    /// How many items of a project could not be redacted, by reason.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn quarantined(&self, project: i64) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT coalesce(quarantine, ''), count(*) FROM items
             WHERE project = ?1 AND stage = 7 GROUP BY 1 ORDER BY 1";
        self.count_reasons(sql, project, TABLE)
    }

    /// The reasons of a project with their counts, in a table.
    pub(super) fn count_reasons(
        &self,
        sql: &str,
        project: i64,
        table: &'static str,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let mut statement = self.sql.prepare_cached(sql)?;
        let mut rows = statement.query([project])?;
        let mut reasons = Vec::new();
        while let Some(row) = rows.next()? {
            reasons.push((row.get(0)?, unsigned(row.get(1)?, table, "count")?));
        }
        Ok(reasons)
    }

    /// Lets the items of a project that could not be redacted be tried again: how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn retry_quarantined(&self, project: i64) -> Result<usize, StoreError> {
        Ok(self.sql.execute(
            "UPDATE items SET stage = 0, quarantine = NULL WHERE project = ?1 AND stage = 7",
            [project],
        )?)
    }
}
