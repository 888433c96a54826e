//! Reads for the quality of labels: many items at a time, newest first.

use rusqlite::params;

use crate::store::items::Stage;
use crate::store::{StoreError, Tx};

/// A prelabeled item that nobody has labeled.
#[derive(Debug)]
pub struct Untouched {
    /// Key in this store.
    pub item: i64,
    /// Encoded prelabel.
    pub prelabel: Vec<u8>,
    /// Encoded probabilities of all classes.
    pub probabilities: Option<Vec<u8>>,
    /// Chosen to be looked at before others.
    pub wanted: bool,
}

impl Tx<'_> {
    /// Keys below `before` of real items that somebody has labeled, greatest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_labeled(
        &self,
        project: i64,
        before: i64,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        // From the annotations' index: a project may have many more items than labels.
        let mut statement = self.sql.prepare_cached(
            "SELECT DISTINCT a.item FROM annotations a CROSS JOIN items i ON i.item = a.item
             WHERE a.item < ?2 AND a.verdict = 0 AND i.project = ?1
               AND i.generator IS NULL AND a.reading NOT IN (4, 5)
             ORDER BY a.item DESC LIMIT ?3",
        )?;
        let rows = statement.query_map(params![project, before, limit], |row| row.get(0))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Real, prelabeled items of a stage without any annotation and with keys above `after`, least
    /// first. Those that are read blind are not in it: whoever shows or chooses items by their
    /// prelabels shall not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn untouched(
        &self,
        project: i64,
        stage: Stage,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Untouched>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT i.item, i.opaque, i.prelabel, i.probabilities, i.wanted IS NOT NULL FROM items i
             WHERE i.project = ?1 AND i.stage = ?2 AND i.item > ?3
               AND i.prelabel IS NOT NULL AND i.generator IS NULL AND i.audit <> 1
               AND NOT EXISTS (SELECT 1 FROM annotations a WHERE a.item = i.item)
             ORDER BY i.item LIMIT ?4",
        )?;
        let mut rows = statement.query(params![project, stage as i64, after, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (opaque, sealed): ([u8; 16], Vec<u8>) = (row.get(1)?, row.get(2)?);
            let probabilities: Option<Vec<u8>> = row.get(3)?;
            found.push(Untouched {
                item: row.get(0)?,
                prelabel: self.open_draft(&opaque, "prelabel", &sealed)?,
                probabilities: probabilities
                    .map(|sealed| self.open_draft(&opaque, "probabilities", &sealed))
                    .transpose()?,
                wanted: row.get(4)?,
            });
        }
        Ok(found)
    }
}
