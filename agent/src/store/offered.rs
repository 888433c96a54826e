//! Drafts that came with imports, until they are placed.

use rusqlite::params;

use super::items::{COLUMNS, ItemRow, cell};
use crate::store::{StoreError, Tx};

const COLUMN: &str = "offered";

impl Tx<'_> {
    /// Keeps a draft for an item that nobody has said anything of; `false` when somebody has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn offer_draft(
        &self,
        item: i64,
        opaque: &[u8; 16],
        draft: &[u8],
    ) -> Result<bool, StoreError> {
        let sealed = self.seal(cell(opaque, COLUMN), draft)?;
        let changed = self
            .sql
            .prepare_cached(
                "UPDATE items SET offered = ?1
                 WHERE item = ?2 AND opaque = ?3 AND stage IN (0, 1, 2, 3, 5)
                   AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.item = items.item)",
            )?
            .execute(params![sealed, item, opaque])?;
        Ok(changed == 1)
    }

    /// Redacted items of a project with such a draft that nobody holds, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn offered_items(
        &self,
        project: i64,
        limit: u32,
        now: i64,
    ) -> Result<Vec<(ItemRow, Vec<u8>)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, i.offered FROM items i
             WHERE i.project = ?1 AND i.offered IS NOT NULL AND i.stage <> 0 AND i.stage <> 7
               AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.item = i.item AND l.until > ?3)
             ORDER BY i.item LIMIT ?2"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let mut rows = statement.query(params![project, limit, now])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let item = self.item_row(row)?;
            let sealed: Vec<u8> = row.get(COLUMN)?;
            let draft = self.open_draft(&item.opaque, COLUMN, &sealed)?;
            found.push((item, draft));
        }
        Ok(found)
    }

    /// Forgets the draft, placed or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_offered(&self, item: i64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE items SET offered = NULL WHERE item = ?1")?
            .execute([item])?;
        Ok(())
    }
}
